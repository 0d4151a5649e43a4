import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { LONGEST_RESULT, commandRunner } from "../../src/agent/command.ts";
import { readRun } from "../../src/agent/process.ts";
import type { AttemptRequest, ProcessEnd, RunOutput } from "../../src/agent/runner.ts";
import type { AttemptEnd } from "../../src/model/attempt.ts";
import type { Task } from "../../src/model/task.ts";
import { newRun, start, within } from "./process-fixture.ts";
import type { Run } from "./process-fixture.ts";

function taskWith(execution: Partial<Task["execution"]>): Task {
  return {
    id: "impl-1",
    title: "Add a login page",
    status: "active",
    type: "feature",
    agent: "command",
    paths: "",
    context: { requirements: [], scope: [], acceptance: [] },
    relations: { parent: null, subtasks: [], dependencies: [] },
    execution: { attempts: 0, last_attempt: null, ...execution },
    implementation: { files: [], context_notes: {}, analysis_source: "manual" },
  };
}

function requestFor(
  run: Run,
  execution: Partial<Task["execution"]>,
  more: Partial<AttemptRequest> = {},
): AttemptRequest {
  if (run.cwd) writeFileSync(join(run.cwd, "prompt.md"), "the prompt\n");
  return {
    session: "WFS-test",
    task: taskWith(execution),
    attempt: 2,
    runId: run.runId,
    role: { name: "command", description: "", runner: "command", prompt: "", origin: "built-in" },
    prompt: "the prompt\n",
    promptFile: join(run.cwd, "prompt.md"),
    responseFile: join(run.runDir, "response.json"),
    cwd: run.cwd,
    runDir: run.runDir,
    repository: run.cwd,
    settings: { claude: "claude", permissionMode: "acceptEdits", trustProjectSettings: false, env: [], deny: [] },
    userEnv: { PATH: process.env.PATH, HOME: "/home/someone", SECRET: "s", WANTED: "w" },
    ...more,
  };
}

async function play(t: TestContext, command: string, more: Partial<AttemptRequest> = {}): Promise<AttemptEnd> {
  const run = newRun(t);
  const request = requestFor(run, { command, env: ["WANTED"] }, more);
  const launched = await commandRunner.launch(request);
  assert.ok("ok" in launched);
  await within((await start(run, launched.ok)).ended);
  return commandRunner.read(request, await readRun(run.runDir, { maxBytes: 8 * LONGEST_RESULT }));
}

function read(output: Partial<RunOutput>): AttemptEnd {
  const all: RunOutput = { stdout: "", stderr: "", end: { kind: "exited", code: 0 }, ...output };
  return commandRunner.read({ task: taskWith({}), role: requestFor({ runDir: "", runId: "", cwd: "" }, {}).role }, all);
}

function errorOf(end: AttemptEnd): { class: string; message: string; hint?: string } {
  assert.ok(end.outcome === "failure");
  return end.error;
}

test("a command gets the prompt on standard input, and its standard output is the result", async (t) => {
  const end = await play(t, "cat; echo done");
  assert.deepEqual([end.outcome, end.result], ["success", "the prompt\ndone\n"]);
  assert.equal(end.cost_usd, null);
});

test("a command is told session, task, attempt and files, gets what is named, and nothing else", async (t) => {
  const end = await play(
    t,
    'echo "$COX_SESSION $COX_TASK $COX_ATTEMPT ${COX_RUN_ID:+id} ${COX_PROMPT_FILE##*/} ${COX_RESPONSE_FILE##*/} $WANTED-$SECRET-"',
  );
  assert.equal(end.result, "WFS-test impl-1 2 id prompt.md response.json w--\n");
});

test("the task's command goes before the role's; with neither there is nothing to start", async (t) => {
  const run = newRun(t);
  const role = { ...requestFor(run, {}).role, command: "echo role" };
  const commandOf = async (request: AttemptRequest) => {
    const launched = await commandRunner.launch(request);
    return "ok" in launched ? launched.ok.args[1] : launched.cannot.error;
  };
  assert.equal(await commandOf(requestFor(run, { command: "echo task" }, { role })), "echo task");
  assert.equal(await commandOf(requestFor(run, {}, { role })), "echo role");
  const error = await commandOf(requestFor(run, {}));
  assert.ok(typeof error === "object" && error.class === "invalid" && error.hint?.includes("execution.command"));
});

test("a command that fails says its code and the last it wrote on standard error", async (t) => {
  const end = await play(t, "echo partial; for n in 1 2 3; do echo trouble $n >&2; done; exit 3");
  assert.equal(end.result, "partial\n");
  assert.deepEqual(errorOf(end), { class: "unknown", message: "exit code 3:\ntrouble 1\ntrouble 2\ntrouble 3" });
});

test("a command that does not exist or may not be executed is not tried again by itself", async (t) => {
  assert.equal(errorOf(await play(t, "no-such-command-here")).class, "invalid");
  assert.equal(errorOf(await play(t, "/etc/passwd")).class, "invalid");
});

test("a command that was killed crashed", async (t) => {
  assert.deepEqual(errorOf(await play(t, "kill -KILL $$")), {
    class: "crash",
    message: "The command was ended by SIGKILL.",
  });
  const vanished: ProcessEnd = { kind: "vanished" };
  assert.equal(errorOf(read({ end: vanished, stdout: "half" })).class, "crash");
});

test("the response file decides over result, structured answer and failure", async (t) => {
  const respond = (json: unknown) =>
    play(t, `echo printed; cat >"$COX_RESPONSE_FILE" <<'EOJ'\n${JSON.stringify(json)}\nEOJ`);
  const answer = await respond({ result: "text", structured: { ok: true } });
  assert.ok(answer.outcome === "success");
  assert.deepEqual([answer.result, answer.structured], ["text", { ok: true }]);

  const value = await respond({ files: ["a"] });
  assert.ok(value.outcome === "success");
  assert.deepEqual([value.result, value.structured], ["printed\n", { files: ["a"] }]);

  const failed = await respond({
    outcome: "failure",
    error: { class: "rate-limit", message: "slow down", retry_at: "2026-11-21T10:00:00Z" },
  });
  assert.deepEqual(errorOf(failed), {
    class: "rate-limit",
    message: "slow down",
    retry_at: "2026-11-21T10:00:00.000Z",
  });
});

test("every other response is read as what it is, or refused", () => {
  const structured = (response: string) => {
    const end = read({ response, stdout: "printed" });
    return end.outcome === "success" ? end.structured : end.error;
  };
  assert.deepEqual(structured("[1]"), [1]);
  assert.equal(structured("null"), null);
  assert.equal(structured(" \n"), undefined);
  assert.equal(errorOf(read({ response: '{"result": ' })).class, "invalid");
  assert.match(errorOf(read({ response: '{"result": ' })).message, /JSON/);
  assert.equal(errorOf(read({ response: '{"outcome": "maybe"}' })).class, "invalid");
  assert.equal(errorOf(read({ response: '{"error": "no"}' })).message, "no");
  assert.equal(errorOf(read({ response: '{"outcome": "failure", "error": {"class": "nonsense"}}' })).class, "unknown");
  assert.equal(
    errorOf(read({ response: '{"outcome": "success"}', end: { kind: "exited", code: 1 } })).message,
    "exit code 1.",
  );
  assert.equal(read({ response: '{"result": {"a": 1}}' }).result, '{"a":1}');
});

test("a result over a megabyte keeps its end and says what is missing", () => {
  const end = read({ stdout: `${"x".repeat(LONGEST_RESULT)}the end` });
  assert.match(end.result, /^\[the first 7 bytes are left out\]\nx/);
  assert.ok(end.result.endsWith("the end"));
});

test("the last line printed is what a command is doing", () => {
  const before = { turns: 0, costUsd: null };
  assert.deepEqual(commandRunner.follow(before, ["one", "\u001b[31mtwo\u001b[0m", ""]), { ...before, doing: "two" });
  assert.deepEqual(commandRunner.follow(before, []), before);
});
