/** Reviews: the diff and the gates go to a reviewer, its findings go back, and nothing that it changes stays. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { assertWhole, killDaemon } from "../support/survival.ts";
import { SESSION, workshop, type Workshop, type WorkshopOptions } from "../support/workshop.ts";
import { some } from "../support/points.ts";

const BRANCH = `cox/${SESSION}/session`;
const FINE = { verdict: "accept", findings: [], acceptance: [{ criterion: "It is there.", met: true }] };
const BAD = {
  verdict: "reject",
  summary: "It is empty.",
  findings: [{ severity: "must", file: "made.txt", line: 1, what: "Nothing is in it.", why: "Write something." }],
  acceptance: [{ criterion: "It is there.", met: false }],
};

/** A role that is a shell command: what it does is in the test's `$HOME`. */
function critic(at: Workshop, name = "critic"): void {
  const command = `. "$HOME/${name}.sh"`;
  at.drop(
    `agents/${name}.md`,
    `---\nname: ${name}\ndescription: judges\nrunner: command\ncommand: ${JSON.stringify(command)}\n---\nBe strict.\n`,
  );
  says(at, 'answer "$HOME/fine.json"', name);
  writeFileSync(join(at.home, "fine.json"), JSON.stringify(FINE));
  writeFileSync(join(at.home, "bad.json"), JSON.stringify(BAD));
}

function says(at: Workshop, script: string, name = "critic"): void {
  const begin = `echo "${name} $COX_ATTEMPT $COX_RUN_ID" >> "$HOME/asked"; answer() { cp "$1" "$COX_RESPONSE_FILE"; }\n`;
  writeFileSync(join(at.home, `${name}.sh`), `${begin}${script}\n`);
}

async function reviewShop(t: TestContext, { env, before, ...more }: WorkshopOptions = {}): Promise<Workshop> {
  const set = (at: Workshop) => {
    critic(at);
    before?.(at);
  };
  return workshop(t, { ...more, before: set, env: { COX_ISOLATION: "worktree", ...env } });
}

const asked = (shop: Workshop) =>
  (shop.left("asked") ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(" ").slice(0, 2).join(" "));
const BY = { execution: { review: "critic", verify: ["echo all is well"] }, context: { acceptance: ["It is there."] } };
const response = (shop: Workshop, name: string) =>
  JSON.parse(shop.read(`${SESSION}/responses/${name}.json`)) as Record<string, unknown>;

/** An agent whose conversation goes on: it writes an empty file, and something into it the second time. */
function actor(at: Workshop): void {
  at.drop(
    "agents/actor.md",
    "---\nname: actor\ndescription: plays\nrunner: scripted\nscript: .workflow/play.yaml\n---\n",
  );
  const steps = [
    { write: { path: "made.txt", content: "" }, attempt: 1 },
    { write: { path: "made.txt", content: "something\n" }, attempt: 2 },
    { say: "Done." },
  ];
  at.drop("play.yaml", JSON.stringify({ default: steps }));
}

test("a reviewer reads the difference, the criteria and the gates; what it accepts is merged", async (t) => {
  const shop = await reviewShop(t);
  shop.command("impl-1", "echo new > made.txt", BY);
  const task = await shop.becomes("impl-1", "completed");
  assert.equal(shop.git("show", `${BRANCH}:made.txt`), "new");
  assert.deepEqual(asked(shop), ["critic 1"]);
  const prompt = shop.read(`${SESSION}/prompts/impl-1-a1-r1.md`);
  for (const part of [/Be strict\./, /\+new/, /- made\.txt/, /1\. It is there\./, /echo all is well/, /> all is well/])
    assert.match(prompt, part);
  const [given] = task.execution.reviews?.given ?? [];
  assert.equal(given?.role, "critic");
  assert.deepEqual(given?.acceptance, FINE.acceptance);
  assert.equal(response(shop, "impl-1-a1-r1")["role"], "critic");
  assert.deepEqual(response(shop, "impl-1-a1-r1")["structured"], FINE);
  assert.equal(response(shop, "impl-1-a1")["role"], undefined, "the answer of the work is as it was");
  const page = `${SESSION}/.summaries/IMPL-1-summary.md`;
  await shop.until("its summary is there", () => shop.has(page));
  assert.match(shop.read(page), /## Reviews\n- `critic` accepts it/);
  for (const file of ["prompts/impl-1-a1-r1.md", "responses/impl-1-a1-r1.json"])
    assert.ok(shop.recordedPaths().includes(`${SESSION}/${file}`), `${file} is recorded`);
  assert.deepEqual(shop.moves("impl-1"), [
    "new -> pending",
    ...["pending -> active", "active -> pending", "pending -> active", "active -> pending"],
    ...["pending -> active", "active -> completed"],
  ]);
  await assertWhole(shop);
});

test("what must not stay goes back into the same conversation, and the mended work is reviewed again", async (t) => {
  const shop = await reviewShop(t, { before: actor });
  says(shop, 'test -s made.txt && answer "$HOME/fine.json" || answer "$HOME/bad.json"');
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Write", agent: "actor", ...BY });
  const task = await shop.becomes("impl-1", "completed");
  assert.equal(shop.git("show", `${BRANCH}:made.txt`), "something");
  assert.deepEqual(asked(shop), ["critic 1", "critic 2"]);
  assert.equal(task.execution.attempts, 2);
  assert.equal(response(shop, "impl-1-a1")["agent_session"], response(shop, "impl-1-a2")["agent_session"]);
  const prompt = shop.read(`${SESSION}/prompts/impl-1-a2.md`);
  assert.match(prompt, /rejected:\n\n> critic does not accept the work: It is empty\./);
  assert.match(prompt, /> - must made\.txt:1: Nothing is in it\. Write something\./);
  assert.match(prompt, /This is the same conversation/);
});

test("after max_rounds it is blocked, with the findings in its summary and its work kept", async (t) => {
  const shop = await reviewShop(t, { before: actor, env: { COX_REVIEW_MAX_ROUNDS: "1" } });
  says(shop, 'answer "$HOME/bad.json"');
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Write", agent: "actor", ...BY });
  const task = await shop.becomes("impl-1", "blocked");
  assert.equal(task.execution.reason, "rejected");
  assert.deepEqual(asked(shop), ["critic 1", "critic 2"]);
  const page = `${SESSION}/.summaries/IMPL-1-summary.md`;
  await shop.until("its summary tells the findings", () => shop.has(page) && /Nothing is in it/.test(shop.read(page)));
  assert.equal(shop.git("show", `cox/${SESSION}/impl-1:made.txt`), "something");
  assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md", "nothing is merged");
});

test("a reviewer that changes files changes nothing: neither what it wrote nor what it committed is merged", async (t) => {
  const shop = await reviewShop(t);
  const commit = 'git add -A; git -c user.name=C -c user.email=c@d commit -q -m "of my own"';
  says(shop, `echo worse > made.txt; ${commit}; echo left > left.txt; rm README.md; answer "$HOME/fine.json"`);
  shop.command("impl-1", "echo new > made.txt", BY);
  const task = await shop.becomes("impl-1", "completed");
  assert.equal(shop.git("show", `${BRANCH}:made.txt`), "new");
  assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md\nmade.txt");
  const noticed = task.execution.reviews?.given[0]?.noticed?.join() ?? "";
  assert.match(noticed, /critic was to change nothing and changed .*made\.txt/);
  const ref = /refs\/cox\/rescue\/\S+/.exec(noticed)?.[0] ?? "";
  assert.equal(shop.git("show", `${ref}:left.txt`), "left", "what it wrote is kept");
});

test("several reviewers by the rule majority", async (t) => {
  const shop = await reviewShop(t, {
    before: (at) => {
      for (const name of ["first", "second"]) critic(at, name);
      says(at, 'answer "$HOME/bad.json"', "first");
    },
  });
  const review = { by: ["first", "critic", "second"], rule: "majority" };
  shop.command("impl-1", "echo new > made.txt", { execution: { review } });
  await shop.becomes("impl-1", "completed");
  assert.deepEqual(asked(shop), ["first 1", "critic 1", "second 1"]);
});

test("settings name the reviewers of the workspace, and no task of a shell command has any", async (t) => {
  const before = (at: Workshop) => {
    actor(at);
    at.drop("config.yaml", "review:\n  by: [critic]\n  types: { docs: [] }\n");
  };
  const shop = await reviewShop(t, { before });
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Write", agent: "actor" });
  shop.drop(`${SESSION}/.task/impl-2.json`, { title: "Tell", agent: "actor", type: "docs" });
  shop.command("impl-3", "echo x > x");
  for (const id of ["impl-1", "impl-2", "impl-3"]) await shop.becomes(id, "completed");
  assert.deepEqual(asked(shop), ["critic 1"]);
});

test("without a worktree the difference is that of the task's paths, and what changes meanwhile is told", async (t) => {
  const shop = await reviewShop(t, { env: { COX_ISOLATION: "none" }, checked: false });
  says(shop, 'echo more > other.txt; answer "$HOME/fine.json"');
  writeFileSync(join(shop.dir, "mine.txt"), "not of this task\n");
  shop.command("impl-1", "mkdir src; echo new > src/made.txt", { ...BY, paths: "src" });
  const task = await shop.becomes("impl-1", "completed");
  const prompt = shop.read(`${SESSION}/prompts/impl-1-a1-r1.md`);
  assert.match(prompt, /- src\/made\.txt\n[\s\S]*\+new/);
  assert.doesNotMatch(prompt, /not of this task/);
  assert.match(task.execution.reviews?.given[0]?.noticed?.join() ?? "", /critic reviewed it.*other\.txt/);
  assert.ok(existsSync(join(shop.dir, "other.txt")), "a person's files are left alone");
});

test("a reviewer that does not answer by the schema is asked again, and the work is not done again", async (t) => {
  const shop = await reviewShop(t);
  says(shop, 'if [ -e "$HOME/second" ]; then cat "$HOME/fine.json"; else touch "$HOME/second"; echo Fine.; fi');
  shop.command("impl-1", 'echo once >> "$HOME/did"; echo new > made.txt', BY);
  const task = await shop.becomes("impl-1", "completed");
  assert.deepEqual(asked(shop), ["critic 1", "critic 1"]);
  assert.equal(shop.left("did"), "once\n");
  assert.match(String((response(shop, "impl-1-a1-r1")["error"] as { message: string }).message), /by the schema/);
  assert.equal(task.execution.reviews?.begun, 2);
});

describe("a daemon that is killed", () => {
  test("while a reviewer is at work finds it again: the review is asked for once", async (t) => {
    const shop = await reviewShop(t);
    says(shop, `${shop.waits()}; echo worse > made.txt; answer "$HOME/fine.json"`);
    shop.command("impl-1", "echo new > made.txt", BY);
    await shop.until("the reviewer is at work", () => asked(shop).length === 1);
    await killDaemon(shop);
    await shop.start();
    await shop.until("it is followed again", () => shop.output.includes("following it again"));
    shop.release();
    await shop.becomes("impl-1", "completed");
    assert.deepEqual(asked(shop), ["critic 1"]);
    assert.equal(shop.git("show", `${BRANCH}:made.txt`), "new", "the next daemon knows how the code was before");
    await assertWhole(shop);
  });

  test("and comes back when the review is over settles it from what it left", async (t) => {
    const shop = await reviewShop(t);
    says(shop, `${shop.waits()}; answer "$HOME/fine.json"; touch "$HOME/over"`);
    shop.command("impl-1", "echo new > made.txt", BY);
    await shop.until("the reviewer is at work", () => asked(shop).length === 1);
    await killDaemon(shop);
    shop.release();
    await shop.until("the reviewer is done", () => shop.left("over") !== undefined);
    await shop.start();
    await shop.becomes("impl-1", "completed");
    assert.deepEqual(asked(shop), ["critic 1"]);
    await assertWhole(shop);
  });

  for (const [point, time] of some([
    ["after-files-before-ledger", 2],
    ["after-ledger", 2],
    ["before-start", 2],
    ["before-spawn", 2],
    ["ended-before-read", 2],
    ["after-response", 2],
    ["after-ledger", 3],
    ["before-publish", 1],
  ] as const))
    test(`at ${point}, the ${time}. time, goes on, with each review asked for once`, async (t) => {
      const env: Record<string, string> = { COX_FAILPOINT: `${point}:${time}`, COX_ISOLATION: "worktree" };
      const shop = await reviewShop(t, { env, started: false });
      shop.command("impl-1", "echo new > made.txt", BY);
      assert.equal(await shop.once(), null, `it is never ${point}`);
      delete env["COX_FAILPOINT"];
      (shop as unknown as { env: Record<string, string> }).env = env;
      assert.equal(await shop.once(), 0, shop.output);
      assert.equal(shop.status("impl-1"), "completed");
      assert.equal(shop.git("show", `${BRANCH}:made.txt`), "new");
      assert.deepEqual(asked(shop), ["critic 1"]);
      assert.deepEqual(readdirSync(shop.at(SESSION, "responses")).sort(), ["impl-1-a1-r1.json", "impl-1-a1.json"]);
      await assertWhole(shop);
    });
});
