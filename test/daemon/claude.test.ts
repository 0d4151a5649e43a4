/** The whole of it with the real Claude Code: a file is dropped, the agent works, git remembers. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { until } from "../support/claude-attempt.ts";
import { marked, scene, skip, statusIs } from "../support/claude-scene.ts";
import { hang, httpError, text, toolUse, usageLimit, type Script } from "../support/messages-api.ts";

let leftover: string | undefined;
before(() => (leftover = process.env["ANTHROPIC_API_KEY"]));
after(() => assert.equal(process.env["ANTHROPIC_API_KEY"], leftover));

test("a dropped file becomes a change in the repository, with its cost on record", { skip }, async (t) => {
  const at = await scene(t, [
    toolUse("Write", { file_path: "hello.txt", content: "hello\n" }),
    text("I wrote hello.txt."),
  ]);
  at.daemon();
  writeFileSync(
    join(at.workspace, "inbox", "hello.json"),
    '{"title": "Write hello.txt", "context": {"acceptance": ["hello.txt exists"]}}',
  );
  await until(statusIs(at, "impl-1", "completed"), "the task to be completed");
  assert.equal(readFileSync(join(at.place.cwd, "hello.txt"), "utf8"), "hello\n");
  const answer = at.response("impl-1-a1");
  assert.equal(answer.outcome, "success");
  assert.match(answer.result, /I wrote hello\.txt/);
  assert.ok((answer.cost_usd ?? 0) > 0);
  const task = at.task("impl-1");
  assert.equal(task.execution.last_attempt?.cost_usd, answer.cost_usd);
  const asked = JSON.stringify(at.api.requests[0]);
  assert.match(asked, /Write hello\.txt/);
  assert.match(asked, /Always answer in verse/);
  const log = () =>
    execFileSync("git", ["log", "--format=%s %(trailers:key=Cox-Cost-USD,valueonly)", "refs/cox/ledger"], {
      cwd: at.place.cwd,
      encoding: "utf8",
    });
  const recorded = /WFS-real impl-1: active -> completed 0\.\d+/;
  await until(() => recorded.test(log()), "the end to be on record");
  assert.ok(existsSync(join(at.workspace, "WFS-real", "messages", "impl-1-a1.jsonl")));
  assert.match(readFileSync(join(at.workspace, "WFS-real", ".chat", "chat-impl-1-a1.md"), "utf8"), /hello\.txt/);
});

test("an agent in mid tool call outlives its daemon, and the next daemon collects the result", { skip }, async (t) => {
  const at = await scene(t, [
    toolUse("Bash", { command: "while [ ! -e go ]; do sleep 0.05; done; echo done > out.txt" }),
    text("Finished."),
  ]);
  const first = at.daemon();
  writeFileSync(join(at.workspace, "inbox", "wait.json"), '{"title": "Wait for go"}');
  await until(statusIs(at, "impl-1", "active"), "the task to be active");
  await until(() => at.api.requests.length > 0, "the first call");
  const gone = new Promise((resolve) => first.once("exit", resolve));
  first.kill("SIGKILL");
  await gone;
  const runId = at.task("impl-1").execution.last_attempt?.run_id;
  at.daemon();
  writeFileSync(join(at.place.cwd, "go"), "");
  await until(statusIs(at, "impl-1", "completed"), "the task to be completed");
  const { execution } = at.task("impl-1");
  assert.equal(execution.attempts, 1);
  assert.equal(execution.last_attempt?.run_id, runId);
  assert.equal(readFileSync(join(at.place.cwd, "out.txt"), "utf8"), "done\n");
});

test("a refused key blocks the task at once and says what to do", { skip }, async (t) => {
  const at = await scene(t, [
    httpError(401, { type: "error", error: { type: "authentication_error", message: "invalid x-api-key" } }),
  ]);
  at.daemon();
  writeFileSync(join(at.workspace, "inbox", "a.json"), '{"title": "Anything"}');
  await until(statusIs(at, "impl-1", "blocked"), "the task to be blocked");
  const { execution } = at.task("impl-1");
  assert.equal(execution.reason, "auth");
  assert.equal(execution.attempts, 1);
  assert.match(execution.last_attempt?.error?.hint ?? "", /cox retry|log in|key/i);
});

test("a missing program blocks the task and names the next step", { skip }, async (t) => {
  const at = await scene(t, [], { config: "" });
  writeFileSync(join(at.workspace, "config.yaml"), "agent:\n  claude: /nowhere/claude\n");
  at.daemon();
  writeFileSync(join(at.workspace, "inbox", "a.json"), '{"title": "Anything"}');
  await until(statusIs(at, "impl-1", "blocked"), "the task to be blocked");
  assert.equal(at.task("impl-1").execution.reason, "auth");
  assert.match(at.task("impl-1").execution.last_attempt?.error?.hint ?? "", /install/i);
});

test("a usage limit uses no attempt: the task waits until the reset, then goes on", { skip }, async (t) => {
  // From the moment in which it is hit: on a busy machine a start takes its time.
  let resetsAt = 0;
  let limited = true;
  const script: Script = () =>
    limited ? usageLimit((resetsAt ||= Math.floor(Date.now() / 1000) + 4)) : text("Done after the limit.");
  const login: NodeJS.ProcessEnv = { CLAUDE_CODE_OAUTH_TOKEN: "not-a-token" };
  const at = await scene(t, script, {
    config: "retry:\n  usage_margin: 1s\n",
    env: { ...login, ANTHROPIC_API_KEY: undefined },
  });
  at.daemon();
  writeFileSync(join(at.workspace, "inbox", "a.json"), '{"title": "Anything"}');
  await until(
    () => statusIs(at, "impl-1", "pending")() && at.task("impl-1").execution.reason === "usage-limit",
    "the task to be parked",
  );
  const parked = at.task("impl-1").execution;
  assert.equal(parked.attempts, 0);
  assert.equal(parked.next_attempt_at, new Date((resetsAt + 1) * 1000).toISOString());
  limited = false;
  await until(statusIs(at, "impl-1", "completed"), "the task to be completed");
  assert.equal(at.task("impl-1").execution.attempts, 1);
});

test(
  "a task set back to pending while its agent waits for the service starts anew, and nothing of the old run is left",
  { skip },
  async (t) => {
    let calls = 0;
    const at = await scene(t, () => (++calls === 1 ? hang() : text("Done.")));
    at.daemon();
    writeFileSync(join(at.workspace, "inbox", "a.json"), '{"title": "Anything"}');
    await until(() => calls === 1, "the first call");
    const file = join(at.workspace, "WFS-real", ".task", "impl-1.json");
    const old = at.task("impl-1").execution.last_attempt?.run_id ?? "";
    writeFileSync(file, readFileSync(file, "utf8").replace('"status": "active"', '"status": "pending"'));
    await until(statusIs(at, "impl-1", "completed"), "the task to be completed");
    assert.equal(at.task("impl-1").execution.attempts, 2);
    assert.equal(marked(old), 0);
  },
);
