import assert from "node:assert/strict";
import { appendFileSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { cox, coxRunning, repository, SESSION, session, task, until, write } from "./recorded.ts";

const INIT = { type: "system", subtype: "init", cwd: "/repo", model: "scripted", session_id: "s-1" };
const says = (text: string) => ({ type: "assistant", message: { content: [{ type: "text", text }] } });
const stream = (...lines: object[]) => lines.map((line) => `${JSON.stringify(line)}\n`).join("");
const END = { type: "result", subtype: "success", is_error: false, result: "end", num_turns: 2 };

function attempt(n: number, more: Record<string, unknown> = {}) {
  return { attempt: n, run_id: `run-${n}`, started_at: "2026-11-21T09:31:00.000Z", ended_at: null, ...more };
}

function workspaceWith(t: Parameters<typeof repository>[0], one: Record<string, unknown>): string {
  const dir = repository(t);
  write(dir, `${SESSION}/workflow-session.json`, session());
  write(dir, `.active-${SESSION}`, "");
  save(dir, one);
  return dir;
}

/** As the daemon saves: whole or not at all. */
function save(dir: string, one: Record<string, unknown>): void {
  const path = `${SESSION}/.task/impl-1.json`;
  write(dir, ".run/tmp/task", one);
  mkdirSync(join(dir, ".workflow", SESSION, ".task"), { recursive: true });
  renameSync(join(dir, ".workflow/.run/tmp/task"), join(dir, ".workflow", path));
}

const run = (n: number, name: string) => `.run/attempts/run-${n}/${name}`;
const add = (dir: string, path: string, text: string) => appendFileSync(join(dir, ".workflow", path), text);

test("a finished attempt reads from what was kept of it", (t) => {
  const ended = attempt(1, { ended_at: "2026-11-21T09:32:00.000Z" });
  const dir = workspaceWith(t, task("impl-1", { status: "completed" }, { attempts: 1, last_attempt: ended }));
  write(dir, `${SESSION}/messages/impl-1-a1.jsonl`, stream(INIT, says("hello"), END));
  const { exit, out, err } = cox(dir, ["logs", "impl-1"]);
  assert.equal(exit, 0, err);
  assert.equal(out, "● started · scripted · session s-1\n  hello\n  end\n✓ done · 2 turns\n");
  assert.equal(cox(dir, ["logs", "impl-1", "-n", "1"]).out, "✓ done · 2 turns\n");
  assert.match(cox(dir, ["logs", "impl-1", "--raw"]).out, /^\{"type":"system"/);
  const json = cox(dir, ["logs", "impl-1", "--json"]).json<{ ended: boolean; heard: { kind: string }[] }>();
  assert.deepEqual([json.ended, json.heard.map(({ kind }) => kind)], [true, ["start", "text", "result"]]);
});

test("an agent is followed over its attempts until the task is finished", async (t) => {
  const dir = workspaceWith(t, task("impl-1", { status: "active" }, { attempts: 1, last_attempt: attempt(1) }));
  write(dir, run(1, "stdout"), stream(INIT, says("first words")));
  write(dir, run(1, "stderr"), "");
  const heard = coxRunning(t, dir, ["logs", "-f", "impl-1"]);
  await until("the first words", () => heard.out.includes("first words"));
  add(
    dir,
    run(1, "stdout"),
    `${stream(says("second words"))}{"type":"assistant","message":{"content":[{"type":"text",`,
  );
  await until("the second words", () => heard.out.includes("second words"));
  assert.doesNotMatch(heard.out, /half a line/);
  add(dir, run(1, "stdout"), '"text":"half a line"}]}}\n');

  // The attempt ends, its folder goes as the daemon removes it, and the task waits.
  save(
    dir,
    task(
      "impl-1",
      {},
      {
        attempts: 1,
        reason: "backoff",
        last_attempt: attempt(1, { ended_at: "2026-11-21T09:32:00.000Z", outcome: "failure" }),
      },
    ),
  );
  rmSync(join(dir, ".workflow/.run/attempts/run-1"), { recursive: true });
  await until("the wait", () => /impl-1 is waiting: backoff\. No daemon is up/.test(heard.err));
  assert.match(heard.out, /half a line/);

  write(dir, run(2, "stdout"), stream(INIT, says("third words")));
  save(dir, task("impl-1", { status: "active" }, { attempts: 2, last_attempt: attempt(2) }));
  await until("the second attempt", () => heard.out.includes("third words"));
  assert.match(heard.err, /impl-1-a2:/);
  add(dir, run(2, "stdout"), stream(END));
  save(
    dir,
    task(
      "impl-1",
      { status: "completed" },
      { attempts: 2, last_attempt: attempt(2, { ended_at: "2026-11-21T09:33:00.000Z" }) },
    ),
  );
  await until("the end", () => heard.exit !== undefined);
  assert.equal(heard.exit, 0);
  assert.match(heard.out, /✓ done · 2 turns\nimpl-1 is completed\.\n$/);
  assert.equal(heard.out.match(/first words/g)?.length, 1);
});

test("following begins before the first attempt does, and ends when the task is deleted", async (t) => {
  const dir = workspaceWith(t, task("impl-1"));
  const heard = coxRunning(t, dir, ["logs", "-f", "impl-1"]);
  await until("the wait", () => /it is its turn when a slot is free/.test(heard.err));
  rmSync(join(dir, `.workflow/${SESSION}/.task/impl-1.json`));
  await until("the end", () => heard.exit !== undefined);
  assert.match(heard.out, /impl-1 was deleted\./);
});

test("a command's output is shown as it is, errors too", (t) => {
  const dir = workspaceWith(
    t,
    task("impl-1", { status: "active", agent: "command" }, { attempts: 1, last_attempt: attempt(1) }),
  );
  write(dir, run(1, "stdout"), "one\n\u001b[31mtwo\u001b[0m\nunfinished");
  write(dir, run(1, "stderr"), "oops\n");
  assert.equal(cox(dir, ["logs", "impl-1"]).out, "one\ntwo\nunfinished\noops\n");
});

test("of a command that has ended the answer is what remains", (t) => {
  const ended = attempt(1, { ended_at: "2026-11-21T09:32:00.000Z" });
  const dir = workspaceWith(
    t,
    task("impl-1", { status: "blocked", agent: "command" }, { attempts: 1, last_attempt: ended }),
  );
  write(dir, `${SESSION}/responses/impl-1-a1.json`, {
    task: "impl-1",
    attempt: 1,
    outcome: "failure",
    result: "some output\n",
    error: { class: "unknown", message: "exit code 3" },
  });
  assert.equal(cox(dir, ["logs", "impl-1"]).out, "some output\nexit code 3\n");
});

test("earlier attempts are there by their number", (t) => {
  const dir = workspaceWith(t, task("impl-1", { status: "active" }, { attempts: 2, last_attempt: attempt(2) }));
  write(dir, `${SESSION}/messages/impl-1-a1.jsonl`, stream(says("the first try")));
  assert.equal(cox(dir, ["logs", "impl-1", "--attempt", "1"]).out, "  the first try\n");
  const { exit, err } = cox(dir, ["logs", "impl-1", "--attempt", "7"]);
  assert.equal(exit, 1);
  assert.match(err, /has no attempt 7/);
});

test("a task that was not started says what it waits for", (t) => {
  const dir = workspaceWith(t, task("impl-1", { relations: { dependencies: ["impl-0"] } }));
  const { exit, err } = cox(dir, ["logs", "impl-1"]);
  assert.equal(exit, 4);
  assert.match(err, /was not started yet.*\n.*comes after impl-0/);
});

test("the daemon's log is readable, and goes on over a change of its file", async (t) => {
  const dir = repository(t);
  const line = (text: string, level = "info") => `${JSON.stringify({ at: "2026-11-21T09:30:00.000Z", level, text })}\n`;
  write(dir, ".run/log/daemon.jsonl", line("cox is at work") + line("disk full", "error"));
  assert.equal(cox(dir, ["logs"]).out, "2026-11-21 09:30:00   cox is at work\n2026-11-21 09:30:00 ✗ disk full\n");
  assert.equal(cox(dir, ["logs", "-n", "1"]).out, "2026-11-21 09:30:00 ✗ disk full\n");
  const heard = coxRunning(t, dir, ["logs", "-f"]);
  await until("what is there", () => heard.out.includes("disk full"));
  add(dir, ".run/log/daemon.jsonl", line("last of the old"));
  const log = join(dir, ".workflow/.run/log/daemon.jsonl");
  renameSync(log, `${log}.1`);
  write(dir, ".run/log/daemon.jsonl", line("first of the new"));
  await until("the new file", () => heard.out.includes("first of the new"));
  assert.match(heard.out, /last of the old/);
});

test("before the daemon has said anything, that is said", (t) => {
  const dir = repository(t);
  mkdirSync(join(dir, ".workflow"));
  assert.match(cox(dir, ["logs"]).out, /nothing yet/);
  assert.equal(cox(dir, ["logs", "--lines", "0"]).exit, 2);
  assert.equal(cox(dir, ["logs", "--attempt", "1"]).exit, 2);
});
