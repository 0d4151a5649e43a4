/** Plans of agents: checked, approved by people, made tasks once, whatever happens to the daemon in between. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import type { Failpoint } from "../../src/daemon/failpoint.ts";
import type { Plan } from "../../src/model/plan.ts";
import type { SessionFile } from "../../src/model/session.ts";
import { assertWhole, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

/** Its answer to the n-th attempt is what the test has put there. */
const PLANNER =
  '---\nname: planning-agent\ndescription: plans\nrunner: command\ncommand: cat "$HOME/answer-$COX_ATTEMPT"\n---\n';
const WORKER = `---\nname: worker\ndescription: works\nrunner: command\ncommand: ${NOTES}\n---\n`;

const PLAN = {
  summary: "First one thing, then the other.",
  tasks: [
    { key: "second", title: "Do the other", role: "worker", dependencies: ["first"], acceptance: ["it is done"] },
    {
      key: "first",
      title: "Do one thing",
      type: "refactor",
      role: "worker",
      paths: ["README.md"],
      requirements: ["as small as can be"],
      verify: ["true"],
      estimate: { minutes: 5, usd: 0.5 },
      risks: ["it may be larger"],
    },
  ],
  risks: ["nobody needs it"],
  questions: ["In which order?"],
} satisfies Plan;

const PARTS = [{ title: "Part", role: "worker" }];

function prepare(shop: Workshop, answers: readonly unknown[], drop: object = { title: "Plan it" }): void {
  shop.drop("agents/planning-agent.md", PLANNER);
  shop.drop("agents/worker.md", WORKER);
  for (const [place, answer] of answers.entries())
    writeFileSync(join(shop.home, `answer-${place + 1}`), typeof answer === "string" ? answer : JSON.stringify(answer));
  shop.drop(`${SESSION}/.task/impl-1.json`, drop);
}

const sessionOf = (shop: Workshop) => JSON.parse(shop.read(`${SESSION}/workflow-session.json`)) as SessionFile;
const approve = (shop: Workshop) => shop.edit("impl-1", (task) => (task.execution.approved = true));
const awaits = async (shop: Workshop) => {
  await shop.becomes("impl-1", "blocked");
  assert.equal(shop.reason("impl-1"), "awaiting-approval");
};

test("a plan waits for a person, is shown, and becomes subtasks when it is approved", async (t) => {
  const shop = await workshop(t, { before: (at) => prepare(at, [PLAN]) });
  await awaits(shop);
  assert.deepEqual(shop.tasks().length, 1);
  const file = JSON.parse(shop.read(`${SESSION}/plans/impl-1.json`)) as Plan;
  assert.deepEqual(file.tasks, PLAN.tasks);
  await shop.until("the plan is shown", () => shop.read(`${SESSION}/IMPL_PLAN.md`).includes("In which order?"));
  const view = shop.read(`${SESSION}/IMPL_PLAN.md`);
  for (const text of ["Do one thing", "Do the other", "nobody needs it", "First one thing"])
    assert.ok(view.includes(text), view);
  assert.equal(sessionOf(shop).current_phase, "PLAN");

  approve(shop);
  const planner = await shop.becomes("impl-1", "completed");
  assert.deepEqual(planner.relations.subtasks, ["impl-1.1", "impl-1.2"]);
  assert.deepEqual(ran(shop), ["impl-1.2 1", "impl-1.1 1"]);
  const [second, first] = [shop.task("impl-1.1"), shop.task("impl-1.2")];
  assert.deepEqual(second?.relations.dependencies, ["impl-1.2"]);
  assert.deepEqual(second?.context.acceptance, ["it is done"]);
  assert.equal(first?.type, "refactor");
  assert.equal(first?.paths, "README.md");
  assert.deepEqual(first?.context.requirements, ["as small as can be"]);
  assert.deepEqual(first?.execution.verify, ["true"]);
  assert.deepEqual(first?.execution.estimate, { minutes: 5, usd: 0.5 });
  assert.deepEqual(
    shop.moves("impl-1").filter((move) => move.includes("->")),
    ["new -> pending", "pending -> active", "active -> blocked", "blocked -> container", "container -> completed"],
  );
  await shop.until("the risks are shown", () => shop.read(`${SESSION}/IMPL_PLAN.md`).includes("nobody needs it"));
  assert.ok(!shop.read(`${SESSION}/IMPL_PLAN.md`).includes("In which order?"));
});

test("a plan that was approved beforehand becomes tasks at once", async (t) => {
  const drop = { title: "Plan it", execution: { approved: true } };
  const answer = { ...PLAN, tasks: PLAN.tasks.map(({ verify: _verify, ...task }) => task) };
  const shop = await workshop(t, { before: (at) => prepare(at, [answer], drop) });
  await shop.becomes("impl-1", "completed");
  assert.deepEqual(ran(shop), ["impl-1.2 1", "impl-1.1 1"]);
  assert.ok(!shop.moves("impl-1").includes("active -> blocked"));
});

test("a command that no person has seen is not planned into a gate", async (t) => {
  const drop = { title: "Plan it", execution: { approved: true, verify: ["true"] } };
  const evil = { tasks: [{ title: "Do it", role: "worker", verify: ['touch "$HOME/evil"'] }] };
  const right = { tasks: [{ title: "Do it", role: "worker", verify: ["true"] }] };
  const shop = await workshop(t, { before: (at) => prepare(at, [evil, right], drop) });
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.left("evil"), undefined);
  assert.equal(shop.task("impl-1")?.execution.attempts, 2);
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a2.md`), /No person has approved the command touch/);
});

test("a wrong plan goes back to its agent with all that is wrong; in the end a person is asked", async (t) => {
  const wrong = {
    tasks: [
      { key: "a", title: "A", role: "nobody", dependencies: ["b"] },
      { key: "b", title: "B", dependencies: ["a"], paths: ["../elsewhere"] },
      { title: "C", dependencies: ["d"] },
    ],
  };
  const answers = [wrong, "I think that we should begin with the first thing.", { tasks: "many" }, { tasks: [] }];
  const shop = await workshop(t, { before: (at) => prepare(at, answers) });
  await shop.becomes("impl-1", "blocked");
  assert.equal(shop.reason("impl-1"), "verify");
  assert.equal(shop.task("impl-1")?.execution.attempts, 4);
  const told = shop.read(`${SESSION}/prompts/impl-1-a2.md`);
  for (const text of [/no role "nobody"/, /wait for each other/, /\.\.\/elsewhere leaves/, /no task "d"/])
    assert.match(told, text);
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a3.md`), /The answer is prose, and no plan/);
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a4.md`), /tasks is "many"/);
  assert.match(shop.task("impl-1")?.execution.last_attempt?.error?.message ?? "", /tasks is empty/);
  assert.ok(!shop.has(`${SESSION}/plans/impl-1.json`));
});

test("a plan can be edited before it is approved; what is wrong then is said, and approves nothing", async (t) => {
  const shop = await workshop(t, { before: (at) => prepare(at, [PLAN]) });
  await awaits(shop);
  const path = `${SESSION}/plans/impl-1.json`;
  const plan = JSON.parse(shop.read(path)) as Plan;
  shop.put(path, { ...plan, tasks: [{ title: "Only this", role: "nobody" }] });
  await shop.until("it is reported", () => shop.has(`${path}.error.md`));
  assert.match(shop.read(`${path}.error.md`), /no role "nobody"/);
  approve(shop);
  await shop.until("the approval is taken back", () => shop.task("impl-1")?.execution.approved === undefined);
  assert.equal(shop.reason("impl-1"), "awaiting-approval");
  shop.put(path, { ...plan, tasks: [{ title: "Only this", role: "worker" }] });
  await shop.until("it is in order", () => !shop.has(`${path}.error.md`));
  await shop.until("it is shown", () => shop.read(`${SESSION}/IMPL_PLAN.md`).includes("Only this"));
  approve(shop);
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.task("impl-1.1")?.title, "Only this");
  assert.equal(shop.task("impl-1.2"), undefined);
});

test("a task may propose subtasks instead of being done: it becomes their container, and the session grows", async (t) => {
  const parts = Array.from({ length: 5 }, (_, n) => ({ title: `Part ${n + 1}`, role: "worker" }));
  const drop = { title: "Do much", agent: "planning-agent", execution: { plan: "allowed" } };
  const shop = await workshop(t, { before: (at) => prepare(at, [{ summary: "too much", tasks: parts }], drop) });
  await shop.becomes("impl-1", "completed");
  assert.equal(ran(shop).length, 5);
  assert.equal(sessionOf(shop).type, "medium");
  assert.ok(shop.moves("impl-1").includes("active -> container"));
});

test("a task that may be split and is not is done, with what it says as its result", async (t) => {
  const drop = { title: "Do it", agent: "planning-agent", execution: { plan: "allowed" } };
  const shop = await workshop(t, { before: (at) => prepare(at, [{ summary: "It is done.", tasks: [] }], drop) });
  await shop.becomes("impl-1", "completed");
  const answer = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as { result: string };
  assert.equal(answer.result, "It is done.");
  assert.equal(shop.tasks().length, 1);
});

test("what waits for a planning task waits for all that it plans", async (t) => {
  const shop = await workshop(t, {
    before: (at) => {
      prepare(at, [PLAN]);
      at.drop(`${SESSION}/.task/impl-2.json`, {
        title: "After it",
        agent: "worker",
        relations: { dependencies: ["impl-1"] },
      });
    },
  });
  await awaits(shop);
  approve(shop);
  await shop.becomes("impl-2", "completed");
  assert.deepEqual(ran(shop), ["impl-1.2 1", "impl-1.1 1", "impl-2 1"]);
});

const POINTS: Failpoint[] = [
  ...(["observed", "decided", "before-files", "after-files-before-ledger", "after-ledger"] as const),
  ...(["recorded", "applied", "acted"] as const),
];

describe("a daemon that is killed between the approval of a plan and its tasks", { concurrency: 2 }, () => {
  for (const point of some(POINTS))
    test(`at ${point} makes each task once`, async (t) => {
      const shop = await workshop(t, { before: (at) => prepare(at, [PLAN]), started: false });
      await shop.once();
      assert.equal(shop.reason("impl-1"), "awaiting-approval", shop.output);
      approve(shop);
      shop.env["COX_FAILPOINT"] = point;
      assert.equal(await shop.once(), null, `it is never ${point}`);
      delete shop.env["COX_FAILPOINT"];
      assert.equal(await shop.once(), 0, shop.output);
      assertPlanned(shop);
      await assertWhole(shop);
    });

  for (const point of ["after-response", "after-files-before-ledger:3"])
    test(`with a plan that needs no approval, at ${point}`, async (t) => {
      const drop = { title: "Plan it", execution: { approved: true, verify: ["true"] } };
      const shop = await workshop(t, { before: (at) => prepare(at, [PLAN], drop), started: false });
      shop.env["COX_FAILPOINT"] = point;
      assert.equal(await shop.once(), null, `it is never ${point}`);
      assert.equal(shop.has(`${SESSION}/.task/impl-1.1.json`), point.startsWith("after-files"));
      delete shop.env["COX_FAILPOINT"];
      assert.equal(await shop.once(), 0, shop.output);
      assertPlanned(shop);
      await assertWhole(shop);
    });
});

function assertPlanned(shop: Workshop): void {
  assert.deepEqual(
    shop
      .tasks()
      .map(({ id, status }) => `${id} ${status}`)
      .sort(),
    ["impl-1 completed", "impl-1.1 completed", "impl-1.2 completed"],
    shop.output,
  );
  assert.deepEqual(ran(shop), ["impl-1.2 1", "impl-1.1 1"]);
  for (const id of ["impl-1.1", "impl-1.2"])
    assert.equal(shop.moves(id).filter((move) => move === "new -> pending").length, 1, shop.output);
}

test("a person may plan: what is no plan is told, and the plan becomes subtasks", async (t) => {
  const drop = { title: "Plan it", agent: "human", execution: { plan: "required", approved: true } };
  const shop = await workshop(t, { before: (at) => prepare(at, [], drop) });
  await shop.becomes("impl-1", "blocked");
  const answer = `${SESSION}/responses/impl-1-a1.json`;
  shop.put(answer, { structured: { tasks: [{ title: "Do it", role: "nobody" }] } });
  await shop.until("it is reported", () => shop.has(`${answer}.error.md`));
  assert.match(shop.read(`${answer}.error.md`), /no role "nobody"/);
  shop.put(answer, { structured: { tasks: [{ title: "Do it", role: "worker" }] } });
  await shop.becomes("impl-1", "completed");
  assert.deepEqual(ran(shop), ["impl-1.1 1"]);
  assert.ok(!shop.has(`${answer}.error.md`));
});

test("what an agent has changed that then proposes subtasks is not merged, and not lost", async (t) => {
  const drop = { title: "Do much", agent: "planning-agent", execution: { plan: "allowed" } };
  const shop = await workshop(t, {
    before: (at) => {
      prepare(at, [{ summary: "too much", tasks: PARTS }], drop);
      at.drop(
        "agents/planning-agent.md",
        PLANNER.replace("runner:", "isolation: worktree\nrunner:").replace("cat", "echo half > half.txt; cat"),
      );
    },
  });
  await shop.becomes("impl-1", "completed");
  assert.throws(() => shop.git("show", "cox/WFS-main/session:half.txt"));
  await shop.until("it is kept", () => shop.git("for-each-ref", "refs/cox/rescue") !== "");
});

test("a subtask is not split once more, and a wish for it is an answer in words", async (t) => {
  const drop = { title: "All", agent: "human" };
  const shop = await workshop(t, {
    before: (at) => {
      prepare(at, [{ summary: "too much", tasks: PARTS }], drop);
      const part = { title: "Part", agent: "planning-agent", execution: { plan: "allowed" } };
      at.drop(`${SESSION}/.task/impl-1.1.json`, part);
    },
  });
  await shop.becomes("impl-1.1", "completed");
  assert.equal(shop.tasks().length, 2);
  assert.doesNotMatch(shop.read(`${SESSION}/prompts/impl-1.1-a1.md`), /too much for one task/);
});

test("a plan that is rejected adds nothing; the next attempt plans anew", async (t) => {
  const other = { tasks: [{ title: "Something else", role: "worker" }] };
  const shop = await workshop(t, { before: (at) => prepare(at, [PLAN, other]) });
  await awaits(shop);
  shop.edit("impl-1", (task) => (task.execution.approved = false));
  await shop.until("it is rejected", () => shop.reason("impl-1") === "rejected");
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.until(
    "it has planned anew",
    () => shop.task("impl-1")?.execution.last_attempt?.attempt === 2 && shop.reason("impl-1") === "awaiting-approval",
  );
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a2.md`), /The plan before was not taken: .*plans\/impl-1\.json/);
  approve(shop);
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.task("impl-1.1")?.title, "Something else");
  assert.equal(shop.tasks().length, 2);
});
