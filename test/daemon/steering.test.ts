/** Every edit of SPEC section 5, and saves that meet the daemon's own writes. */
import assert from "node:assert/strict";
import { existsSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { Task } from "../../src/model/task.ts";
import { lives, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const arrows = (shop: Workshop, id: string) => shop.moves(id).filter((move) => move.includes("->"));

/** A command that leaves its pid in `$HOME/<name>` and waits. */
const long = (shop: Workshop, name = "pid") => `echo $$ > "$HOME/${name}"; ${shop.waits()}`;

/** What the ledger says of these tasks. */
function told(shop: Workshop, ids: string[]): string {
  return ids.map((id) => `${id}: ${shop.moves(id).join(", ")}`).join("; ");
}

async function pidOf(shop: Workshop, name = "pid"): Promise<number> {
  return Number(await shop.until(`the agent wrote ${name}`, () => shop.left(name)?.trim() || undefined));
}

async function isGone(shop: Workshop, pid: number): Promise<void> {
  await shop.until(`process ${pid} is gone`, async () => !(await lives(pid)));
}

test("a completed task that is set to pending runs again, as its next attempt", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", 'echo ran >> "$HOME/ran"');
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.until("it ran twice", () => shop.left("ran") === "ran\nran\n");
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.execution.attempts, 2);
  assert.equal(after.execution.last_attempt?.attempt, 2);
  assert.ok(shop.has(`${SESSION}/responses/impl-1-a2.json`));
});

test("a blocked task that is mended and set to pending runs again", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "exit 1", { execution: { max_attempts: 1 } });
  await shop.becomes("impl-1", "blocked");
  assert.equal(shop.reason("impl-1"), "failed");
  shop.edit("impl-1", (task) => {
    task.status = "pending";
    task.execution.command = "true";
  });
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.execution.reason, undefined);
  assert.deepEqual(arrows(shop, "impl-1").slice(2), [
    "active -> blocked",
    "blocked -> pending",
    "pending -> active",
    "active -> completed",
  ]);
});

test("an active task that is set to pending is stopped and starts again as its next attempt", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", `echo $$ > "$HOME/pid-$COX_ATTEMPT"; ${shop.waits()}`);
  const first = await pidOf(shop, "pid-1");
  shop.edit("impl-1", (task) => (task.status = "pending"));
  const second = await pidOf(shop, "pid-2");
  assert.notEqual(first, second);
  await isGone(shop, first);
  assert.equal((await shop.becomes("impl-1", "active")).execution.last_attempt?.attempt, 2);
  shop.release();
  await shop.becomes("impl-1", "completed");
});

test("an active task that is set to blocked is stopped and stays blocked as cancelled", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", long(shop));
  const pid = await pidOf(shop);
  shop.edit("impl-1", (task) => (task.status = "blocked"));
  await isGone(shop, pid);
  await shop.until("its reason is there", () => shop.reason("impl-1") === "cancelled");
  await shop.until("its end is noted", () => shop.task("impl-1")?.execution.last_attempt?.ended_at);
  assert.equal(shop.status("impl-1"), "blocked");
  assert.deepEqual(await shop.agents(), []);
  const commit = await shop.recorded(`${SESSION} impl-1: active -> blocked`);
  assert.deepEqual([commit.trailers["Cox-Actor"], commit.trailers["Cox-Reason"]], ["person", "cancelled"]);
});

test("a deleted file of a running task stops its agent, and the ledger still has the task", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", long(shop));
  const pid = await pidOf(shop);
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  shop.remove(`${SESSION}/.task/impl-1.json`);
  await isGone(shop, pid);
  const commit = await shop.recorded(`${SESSION} impl-1: active -> deleted`);
  assert.equal(commit.author, "Ada Lovelace");
  assert.match(shop.git("show", `${commit.hash}~1:.workflow/${SESSION}/.task/impl-1.json`), /Task impl-1/);
  assert.equal(shop.recordedFile(`${SESSION}/.task/impl-1.json`), undefined);
  await pause(300);
  assert.ok(!shop.has(`${SESSION}/.task/impl-1.json`), "it was written again");
});

test("an edit of a running task is recorded at once and its agent goes on; the next attempt has it", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", long(shop));
  const pid = await pidOf(shop);
  shop.edit("impl-1", (task) => {
    task.title = "Another title";
    task.context.acceptance = ["it shines"];
  });
  const commit = await shop.recorded(`${SESSION} impl-1: steered (title, context.acceptance)`);
  assert.deepEqual([commit.author, commit.email, commit.committer], ["Ada Lovelace", "ada@example.com", "Coxswain"]);
  assert.equal(commit.trailers["Cox-Actor"], "person");
  assert.equal(commit.trailers["Cox-From"], undefined);
  assert.ok(await lives(pid));
  assert.equal(shop.status("impl-1"), "active");
  shop.release();
  assert.equal((await shop.becomes("impl-1", "completed")).title, "Another title");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.until(
    "the next prompt has it",
    () =>
      shop.has(`${SESSION}/prompts/impl-1-a2.md`) && shop.read(`${SESSION}/prompts/impl-1-a2.md`).includes("it shines"),
  );
});

test("an edit of a task that waits is taken at its attempt", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits());
  shop.command("impl-2", "echo before", { relations: { dependencies: ["impl-1"] } });
  await shop.becomes("impl-2", "pending");
  await shop.recorded(`${SESSION} impl-2: new -> pending`);
  shop.edit("impl-2", (task) => {
    task.execution.command = "echo after";
    task.context.requirements = ["be quick"];
  });
  const commit = await shop.recorded(/impl-2: steered/);
  assert.match(commit.subject, /context\.requirements/);
  assert.match(commit.subject, /execution\.command/);
  shop.release();
  await shop.becomes("impl-2", "completed");
  assert.match(shop.read(`${SESSION}/responses/impl-2-a1.json`), /after/);
  assert.match(shop.read(`${SESSION}/prompts/impl-2-a1.md`), /be quick/);
});

test("a status that is no wish, active or container, is put back", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  shop.edit("impl-1", (task) => (task.status = "active"));
  await shop.recorded(/impl-1: steered/);
  await shop.becomes("impl-1", "completed");
});

test("a broken save of a running task is reported, kept, and merged when it is mended", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", long(shop));
  await pidOf(shop);
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  const path = `${SESSION}/.task/impl-1.json`;
  const good = shop.read(path);
  const broken = good.replace('"title": "Task impl-1"', '"title": "Mine", oops');
  shop.put(path, broken);
  await shop.until("it is reported", () => shop.has(`${path}.error.md`));
  shop.release();
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  assert.equal(shop.read(path), broken, "a person's file was written over");
  shop.put(path, broken.replace(", oops", ""));
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.title, "Mine");
  assert.equal(after.execution.last_attempt?.outcome, "success");
  await shop.until("the report is gone", () => !shop.has(`${path}.error.md`));
});

test("an edit that breaks a rule of the graph is reported, and taken when the rule holds again", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true", { execution: { approve: "before" } });
  await shop.becomes("impl-1", "blocked");
  await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
  shop.edit("impl-1", (task) => task.relations.dependencies.push("impl-5"));
  const path = `${SESSION}/.task/impl-1.json`;
  await shop.until("it is reported", () => shop.has(`${path}.error.md`));
  assert.match(shop.read(`${path}.error.md`), /missing-dependency/);
  shop.command("impl-5", "true");
  await shop.recorded(`${SESSION} impl-1: steered (relations.dependencies)`);
  await shop.until("the report is gone", () => !shop.has(`${path}.error.md`));
});

test("a human task is done by writing its response as JSON", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Call the customer", agent: "human" });
  const asked = await shop.becomes("impl-1", "blocked");
  assert.equal(asked.execution.reason, "awaiting-person");
  await shop.until("it was told what to do", () => shop.has(`${SESSION}/prompts/impl-1-a1.md`));
  shop.command("impl-2", "cat", { relations: { dependencies: ["impl-1"] } });
  shop.drop(`${SESSION}/responses/impl-1-a1.json`, { result: "they agreed" });
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.execution.last_attempt?.outcome, "success");
  assert.equal((await shop.recorded(`${SESSION} impl-1: blocked -> completed`)).author, "Ada Lovelace");
  await shop.becomes("impl-2", "completed");
  assert.match(shop.read(`${SESSION}/prompts/impl-2-a1.md`), /> they agreed/);
  assert.deepEqual(JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)), { result: "they agreed" });
});

test("a human task is done by writing its response as markdown, but not by an empty file", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Call the customer", agent: "human" });
  await shop.becomes("impl-1", "blocked");
  await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
  shop.drop(`${SESSION}/responses/impl-1-a1.md`, "");
  await pause(700);
  assert.equal(shop.status("impl-1"), "blocked");
  shop.drop(`${SESSION}/responses/impl-1-a1.md`, "They agreed,\n");
  await pause(100);
  shop.drop(`${SESSION}/responses/impl-1-a1.md`, "They agreed,\nat once.\n");
  await shop.becomes("impl-1", "completed");
  const answer = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as { result: string; outcome: string };
  assert.deepEqual([answer.result, answer.outcome], ["They agreed,\nat once.", "success"]);
});

test("a response that says failure blocks the task; one that cannot be read is reported", async (t) => {
  const shop = await workshop(t);
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Call the customer", agent: "human" });
  await shop.becomes("impl-1", "blocked");
  await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
  shop.drop(`${SESSION}/responses/impl-1-a1.json`, '{"outcome": "perhaps"}');
  await shop.until("it is reported", () => shop.has(`${SESSION}/responses/impl-1-a1.json.error.md`));
  shop.drop(`${SESSION}/responses/impl-1-a1.json`, { outcome: "failure", result: "no answer" });
  await shop.until("it failed", () => shop.reason("impl-1") === "failed");
  await shop.until("the report is gone", () => !shop.has(`${SESSION}/responses/impl-1-a1.json.error.md`));
  assert.equal(shop.task("impl-1")?.execution.last_attempt?.error?.message, "no answer");
});

test("a response for a person's task counts before the task could be asked", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits());
  shop.drop(`${SESSION}/.task/impl-2.json`, {
    title: "Sign it",
    agent: "human",
    relations: { dependencies: ["impl-1"] },
  });
  await shop.becomes("impl-2", "pending");
  await shop.recorded(`${SESSION} impl-2: new -> pending`);
  shop.drop(`${SESSION}/responses/impl-2-a1.json`, { result: "signed" });
  await shop.becomes("impl-2", "completed");
  assert.equal(shop.status("impl-1"), "active");
  shop.release();
});

test("approve: before waits for execution.approved, and then runs", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", 'echo ran >> "$HOME/ran"', { execution: { approve: "before" } });
  assert.equal((await shop.becomes("impl-1", "blocked")).execution.reason, "awaiting-approval");
  assert.equal(shop.left("ran"), undefined);
  shop.edit("impl-1", (task) => (task.execution.approved = true));
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.left("ran"), "ran\n");
});

test("approve: after runs, and waits for execution.approved to be completed", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", 'echo ran >> "$HOME/ran"', { execution: { approve: "after" } });
  shop.command("impl-2", "true", { relations: { dependencies: ["impl-1"] } });
  assert.equal((await shop.becomes("impl-1", "blocked")).execution.reason, "awaiting-approval");
  assert.equal(shop.left("ran"), "ran\n");
  await pause(200);
  assert.equal(shop.status("impl-2"), "pending");
  shop.edit("impl-1", (task) => (task.execution.approved = true));
  await shop.becomes("impl-1", "completed");
  await shop.becomes("impl-2", "completed");
  assert.equal(shop.left("ran"), "ran\n");
});

test("execution.approved: false rejects, and can be taken back", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true", { execution: { approve: "before" } });
  await shop.becomes("impl-1", "blocked");
  await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
  shop.edit("impl-1", (task) => (task.execution.approved = false));
  await shop.until("it is rejected", () => shop.reason("impl-1") === "rejected");
  shop.edit("impl-1", (task) => (task.execution.approved = true));
  await shop.becomes("impl-1", "completed");
});

test("a view that is deleted or changed is written again", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  const views = ["TODO_LIST.md", "IMPL_PLAN.md", ".summaries/IMPL-1-summary.md"].map((name) => `${SESSION}/${name}`);
  await shop.until("the views are there", () => views.every((path) => shop.has(path)));
  await pause(100);
  const texts = new Map(views.map((path) => [path, shop.read(path)]));
  for (const path of views) shop.drop(path, "mine\n");
  await shop.until("they are as before", () =>
    views.every((path) => shop.has(path) && shop.read(path) === texts.get(path)),
  );
  for (const path of views) shop.remove(path);
  await shop.until("they are there again", () =>
    views.every((path) => shop.has(path) && shop.read(path) === texts.get(path)),
  );
  await shop.stop();
  for (const path of views) shop.remove(path);
  await shop.start();
  await shop.until("they are there after a start", () =>
    views.every((path) => shop.has(path) && shop.read(path) === texts.get(path)),
  );
});

test("a valid change of config.yaml counts at once; an invalid one leaves the last good one in force and says why", async (t) => {
  const shop = await workshop(t, { before: (at) => at.drop("config.yaml", "concurrency: 1\n") });
  for (const n of [1, 2, 3]) shop.command(`impl-${n}`, shop.waits());
  const active = () => shop.tasks().filter(({ status }) => status === "active").length;
  await shop.until("one runs", () => active() === 1);
  await shop.stays("one runs", () => active() === 1, 200);
  shop.drop("config.yaml", "concurency: 3\n");
  await shop.until("it is reported", () => shop.has("config.yaml.error.md"));
  assert.match(shop.read("config.yaml.error.md"), /concurrency/);
  assert.equal(active(), 1);
  shop.drop("config.yaml", "concurrency: 2\n");
  await shop.until("two run", () => active() === 2);
  await shop.until("the report is gone", () => !shop.has("config.yaml.error.md"));
  shop.drop("config.yaml", "concurrency: [\n");
  await shop.until("it is reported again", () => shop.has("config.yaml.error.md"));
  await shop.stays("two run", () => active() === 2, 200);
  assert.equal(shop.recordedFile("config.yaml"), "concurrency: 2");
  shop.remove("config.yaml");
  await shop.until("the defaults count: all run", () => active() === 3);
  shop.release();
  await shop.until("all are done", () => shop.tasks().every(({ status }) => status === "completed"));
});

test("an editor that still holds the version from before the start saves a title: the agent is not stopped", async (t) => {
  const shop = await workshop(t, {
    session: null,
    before: (at) =>
      at.drop(`${SESSION}/.task/impl-1.json`, { title: "Old", agent: "command", execution: { command: long(at) } }),
  });
  await shop.recorded(`${SESSION} impl-1: new -> pending`);
  const stale = JSON.parse(shop.read(`${SESSION}/.task/impl-1.json`)) as Task;
  shop.touch(`.active-${SESSION}`);
  const pid = await pidOf(shop);
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  shop.put(`${SESSION}/.task/impl-1.json`, { ...stale, title: "New" });
  await shop.recorded(`${SESSION} impl-1: steered (title)`);
  assert.ok(await lives(pid));
  assert.equal(shop.status("impl-1"), "active");
  shop.release();
  const after = await shop.becomes("impl-1", "completed");
  assert.deepEqual([after.title, after.execution.attempts], ["New", 1]);
});

test("saves in the same moment as the daemon's writes: no field is lost, and every chain stays whole", async (t) => {
  const shop = await workshop(t, { env: { COX_CONCURRENCY: "8" } });
  const rounds = 100;
  // Small tasks keep the daemon writing; each is saved once at a random moment of its short life.
  const saves = Array.from({ length: rounds }, async (_, n) => {
    const id = `impl-${n + 1}`;
    await pause(n * 30);
    shop.command(id, "true");
    await shop.until(`${id} is taken`, () => shop.task(id)?.execution?.attempts !== undefined, 20_000);
    await pause(Math.random() * 120);
    shop.edit(id, (task) => Object.assign(task, { note: `mine ${n}` }));
    return id;
  });
  const ids = await Promise.all(saves);
  await shop.until("all are completed", () => ids.every((id) => shop.status(id) === "completed"), 30_000);
  await pause(300);
  const lost = ids.filter((id, n) => (shop.task(id) as Record<string, unknown> | undefined)?.["note"] !== `mine ${n}`);
  // Between the daemon's last look and its rename are microseconds that no file system call of Node closes: on a machine
  // that takes the processor away just then, one save in a thousand falls in. Anything systematic shows as several.
  assert.ok(lost.length <= 1, `the person's field is gone; ${told(shop, lost)}`);
  const undone = ids.filter((id) => shop.task(id)?.execution.last_attempt?.outcome !== "success");
  assert.deepEqual(undone, [], "the daemon's fields are gone");
  const again = ids.filter((id) => shop.task(id)?.execution.attempts !== 1);
  assert.deepEqual(again, [], `ran more than once; ${told(shop, again)}`);
});

test("two fields of one task changed at the same time by a person and the daemon are both kept", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits());
  await shop.becomes("impl-1", "active");
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  const held = shop.task("impl-1") as Task;
  shop.release();
  await shop.becomes("impl-1", "completed");
  shop.put(`${SESSION}/.task/impl-1.json`, { ...held, paths: "src" });
  await shop.recorded(`${SESSION} impl-1: steered (paths)`);
  const after = await shop.becomes("impl-1", "completed");
  assert.deepEqual([after.paths, after.execution.last_attempt?.outcome], ["src", "success"]);
});

test("removing the whole workspace while it runs is said, and no deletion is recorded", async (t) => {
  const shop = await workshop(t, { checked: false });
  shop.command("impl-1", "true");
  shop.command("impl-2", long(shop));
  await shop.becomes("impl-1", "completed");
  const pid = await pidOf(shop);
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.until("it is gone", () => {
    try {
      rmSync(shop.at(), { recursive: true, force: true });
    } catch {
      return false; // the daemon wrote there at that moment
    }
    return !existsSync(shop.at());
  });
  assert.equal(await shop.over(), 1);
  assert.match(shop.output, /cox restore/);
  assert.ok(!shop.subjects().some((subject) => subject.includes("deleted")), shop.subjects().join("\n"));
  assert.ok(await lives(pid), "running agents go on");
  assert.ok(!existsSync(shop.at(".task")));
  shop.release();
  await isGone(shop, pid);
});

test("an edit that only changes the form of a file is no change of its content", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const path = join(shop.at(SESSION, ".task"), "impl-1.json");
  writeFileSync(path, JSON.stringify(shop.task("impl-1"), null, "\t"));
  await shop.recorded(`${SESSION} impl-1: steered (form)`);
  assert.equal(shop.status("impl-1"), "completed");
  assert.match(shop.read(`${SESSION}/.task/impl-1.json`), /^\{\n\t"/);
});

test("an answer that cannot be read, or says nonsense, is reported beside it until it is mended", async (t) => {
  const shop = await workshop(t);
  const answer = `${SESSION}/responses/impl-4-a1.json`;
  shop.drop(`${SESSION}/.task/impl-4.json`, { title: "Call the customer", agent: "human" });
  await shop.becomes("impl-4", "blocked");
  shop.drop(answer, { outcome: "bogus" });
  await shop.until("it is reported", () => shop.has(`${answer}.error.md`));
  assert.match(shop.read(`${answer}.error.md`), /outcome is "bogus"/);
  shop.drop(answer, '{"result": nonsense}');
  await shop.until("it is reported anew", () => !shop.read(`${answer}.error.md`).includes("bogus"));
  shop.drop(answer, { result: "They agreed." });
  await shop.becomes("impl-4", "completed");
  await shop.until("the report is gone", () => !shop.has(`${answer}.error.md`));
});
