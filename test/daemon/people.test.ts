/** Questions to people: choices, forms, time limits; an answer that does not do is refused, and never lost. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { killDaemon } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

const RESPONSE = `${SESSION}/responses/impl-1-a1`;

function ask(shop: Workshop, execution: object): void {
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Ship it?", agent: "human", execution });
}

async function asked(shop: Workshop, execution: object): Promise<void> {
  ask(shop, execution);
  await shop.until("it waits", () => shop.reason("impl-1") === "awaiting-person");
}

const result = (shop: Workshop) => JSON.parse(shop.read(`${RESPONSE}.json`)) as Record<string, unknown>;
const CHOICES = { choices: ["yes", "no"] };
const FORM = {
  form: {
    properties: { version: { type: "string" }, ready: { type: "boolean" } },
    required: ["version"],
    additionalProperties: false,
  },
};

describe("a question with choices", () => {
  test("tells them, and is answered with one of them", async (t) => {
    const shop = await workshop(t);
    await asked(shop, CHOICES);
    const prompt = shop.read(`${SESSION}/prompts/impl-1-a1.md`);
    assert.match(prompt, /## How to answer\n\n- yes\n- no\n\n- `cox answer WFS-main\/impl-1 yes`/);
    shop.drop(`${RESPONSE}.md`, "Yes\n");
    await shop.becomes("impl-1", "completed");
    assert.equal(result(shop)["result"], "yes", "as it was asked");
    const commit = await shop.recorded(`${SESSION} impl-1: blocked -> completed`);
    assert.equal(commit.trailers["Cox-Actor"], "person");
  });

  test("refuses any other answer, and says what to do; nothing of it is lost", async (t) => {
    const shop = await workshop(t);
    await asked(shop, CHOICES);
    shop.drop(`${RESPONSE}.md`, "maybe later\n");
    await shop.until("it is told", () => shop.has(`${RESPONSE}.md.error.md`));
    assert.match(
      shop.read(`${RESPONSE}.md.error.md`),
      /"maybe later" is none of the choices.*[\s\S]*Answer one of yes, no/,
    );
    assert.equal(shop.reason("impl-1"), "awaiting-person");
    assert.equal(shop.read(`${RESPONSE}.md`), "maybe later\n");
    shop.drop(`${RESPONSE}.md`, "no\n");
    await shop.becomes("impl-1", "completed");
    assert.equal(result(shop)["result"], "no");
    await shop.until("what was wrong is no more", () => !shop.has(`${RESPONSE}.md.error.md`));
  });
});

describe("a question with a form", () => {
  test("is answered by an object that satisfies it", async (t) => {
    const shop = await workshop(t);
    await asked(shop, FORM);
    shop.drop(`${RESPONSE}.json`, { ready: "soon" });
    await shop.until("it is told", () => shop.has(`${RESPONSE}.json.error.md`));
    const told = shop.read(`${RESPONSE}.json.error.md`);
    for (const each of [/version is missing/, /ready must be boolean/, /fields: version, ready/])
      assert.match(told, each);
    shop.drop(`${RESPONSE}.json`, { version: "1.2", ready: true });
    await shop.becomes("impl-1", "completed");
    const commit = await shop.recorded(`${SESSION} impl-1: blocked -> completed`);
    assert.equal(commit.trailers["Cox-Actor"], "person");
  });

  test("may be a step's, whose fields later steps use", async (t) => {
    const shop = await workshop(t);
    const steps = [
      { id: "ask", human: "Which version?", ...FORM, output_variable: "it" },
      { id: "ship", run: 'printf %s {it.version} > "$HOME/shipped"' },
    ];
    shop.drop("inbox/run.json", { text: JSON.stringify({ name: "Ship", steps }), vars: {} });
    await shop.until("it asks", () => shop.reason("impl-1.1") === "awaiting-person");
    shop.drop(`${SESSION}/responses/impl-1.1-a1.json`, { version: "1.2 '$(x)'" });
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("shipped"), "1.2 '$(x)'");
  });
});

describe("an answer in the task's own file", () => {
  test("is taken, and taken out again", async (t) => {
    const shop = await workshop(t);
    await asked(shop, FORM);
    shop.edit("impl-1", (task) => (task.execution.answer = { version: "1.2" }));
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.task("impl-1")?.execution.answer, undefined);
    assert.deepEqual(result(shop)["structured"], { version: "1.2" });
    assert.ok(shop.moves("impl-1").includes("steered (execution.answer)"));
  });

  test("that does not do is refused like any wrong save", async (t) => {
    const shop = await workshop(t);
    await asked(shop, CHOICES);
    shop.edit("impl-1", (task) => (task.execution.answer = "perhaps"));
    await shop.until("it is told", () => shop.has(`${SESSION}/.task/impl-1.json.error.md`));
    assert.match(shop.read(`${SESSION}/.task/impl-1.json.error.md`), /execution\/answer.*none of the choices/);
    shop.edit("impl-1", (task) => (task.execution.answer = "yes"));
    await shop.becomes("impl-1", "completed");
  });
});

describe("a question with a time limit", () => {
  test("is answered by its default, which later steps have; the ledger says that nobody did", async (t) => {
    const shop = await workshop(t);
    const steps = [
      { id: "ask", human: "Which?", choices: ["a", "b"], time_limit: "300ms", default: "b", output_variable: "it" },
      { id: "go", run: 'printf %s {it} > "$HOME/went"' },
    ];
    shop.drop("inbox/run.json", { text: JSON.stringify({ name: "Ask", steps }), vars: {} });
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("went"), "b");
    const response = JSON.parse(shop.read(`${SESSION}/responses/impl-1.1-a1.json`)) as Record<string, unknown>;
    assert.deepEqual([response["result"], response["answered_by"]], ["b", "time-limit"]);
    const commit = await shop.recorded(`${SESSION} impl-1.1: blocked -> completed`);
    assert.deepEqual([commit.trailers["Cox-Actor"], commit.trailers["Cox-Reason"]], ["daemon", "time-limit"]);
    assert.equal(commit.author, "Coxswain");
  });

  test("that passes while no daemon is there has passed at the next start", async (t) => {
    const shop = await workshop(t);
    await asked(shop, { ...CHOICES, time_limit: "1s" });
    await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
    const due = shop.task("impl-1")?.execution.due_at;
    await killDaemon(shop);
    assert.equal(shop.task("impl-1")?.execution.due_at, due);
    await shop.until("its time is over", () => Date.parse(due ?? "") < Date.now());
    await shop.start();
    await shop.until("it has failed", () => shop.reason("impl-1") === "timeout");
    assert.equal(shop.task("impl-1")?.execution.last_attempt?.outcome, "failure");
  });
});

test("a question that nobody could answer is refused before it is asked", async (t) => {
  const shop = await workshop(t);
  const wrong = { ...CHOICES, default: "maybe", form: undefined };
  ask(shop, wrong);
  const report = `${SESSION}/.task/impl-1.json.error.md`;
  await shop.until("it is told", () => shop.has(report));
  for (const each of [/there is no limit/, /The default does not do: "maybe"/]) assert.match(shop.read(report), each);
  shop.remove(`${SESSION}/.task/impl-1.json`);
});
