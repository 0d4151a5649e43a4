import assert from "node:assert/strict";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { TestContext } from "node:test";
import { stringify } from "yaml";
import { readRun, stopRun, sweep } from "../../src/agent/process.ts";
import type { AttemptRequest, Progress } from "../../src/agent/runner.ts";
import { SCRIPTED_CLASSES, scriptedRunner, stepsFor } from "../../src/agent/scripted.ts";
import type { AttemptEnd } from "../../src/model/attempt.ts";
import type { Failure } from "../../src/model/failure.ts";
import { fileHas, newRun, start, survivors, until, within } from "./process-fixture.ts";
import type { Run } from "./process-fixture.ts";

const NOTE = "scripted: no model was called";

function requestFor(run: Run, script: unknown, more: Partial<AttemptRequest> = {}): AttemptRequest {
  writeFileSync(join(run.cwd, "demo.yaml"), typeof script === "string" ? script : stringify(script));
  mkdirSync(join(run.cwd, "work"), { recursive: true });
  return {
    session: "WFS-test",
    task: {
      id: "impl-1",
      title: "Add a 'login' page",
      status: "active",
      type: "feature",
      agent: "demo",
      paths: "",
      context: { requirements: [], scope: [], acceptance: [] },
      relations: { parent: null, subtasks: [], dependencies: [] },
      execution: { attempts: 0, last_attempt: null },
      implementation: { files: [], context_notes: {}, analysis_source: "manual" },
    },
    attempt: 1,
    runId: run.runId,
    role: { name: "demo", description: "", runner: "scripted", script: "demo.yaml", prompt: "", origin: "built-in" },
    prompt: "",
    promptFile: "",
    responseFile: "",
    cwd: join(run.cwd, "work"),
    runDir: run.runDir,
    repository: run.cwd,
    settings: { claude: "claude", permissionMode: "acceptEdits", trustProjectSettings: false, env: [], deny: [] },
    userEnv: { PATH: process.env.PATH },
    ...more,
  };
}

interface Played {
  run: Run;
  end: AttemptEnd;
  stdout: string;
  /** Where it worked. */
  cwd: string;
}

async function play(t: TestContext, steps: unknown[], more: Partial<AttemptRequest> = {}): Promise<Played> {
  const run = newRun(t);
  const request = requestFor(run, { default: steps }, more);
  const launched = await scriptedRunner.launch(request);
  assert.ok("ok" in launched, JSON.stringify(launched));
  await within((await start(run, launched.ok)).ended);
  const output = await readRun(run.runDir, { maxBytes: 1e6 });
  return { run, end: scriptedRunner.read(request, output), stdout: output.stdout, cwd: request.cwd };
}

function errorOf(end: AttemptEnd): Failure {
  assert.ok(end.outcome === "failure", JSON.stringify(end));
  return end.error;
}

test("a script really changes files, costs nothing and says that no model was called", async (t) => {
  const { run, end, stdout, cwd } = await play(t, [
    { say: "I begin {task.id}: {task.title}, attempt {attempt}." },
    { write: { path: "src/a.txt", content: "one\n" } },
    { append: { path: "src/a.txt", content: "$& two\n" } },
    { replace: { path: "src/a.txt", from: "one", to: "$& three" } },
    { sleep: "1ms" },
    { run: "echo {task.title} >title; exit 3" },
    { say: "All done." },
  ]);
  assert.ok(end.outcome === "success");
  assert.equal(readFileSync(join(cwd, "src/a.txt"), "utf8"), "$& three\n$& two\n");
  assert.equal(readFileSync(join(cwd, "title"), "utf8"), "Add a 'login' page\n");
  assert.equal(end.result, `All done. (${NOTE})`);
  assert.deepEqual([end.model, end.cost_usd, end.agent_session], ["scripted", 0, run.runId]);
  assert.match(stdout, /I begin impl-1: Add a 'login' page, attempt 1\./);
  for (const line of stdout.trim().split("\n")) assert.equal(JSON.parse(line).session_id, run.runId);
  const none: Progress = { turns: 0, costUsd: null };
  const progress = scriptedRunner.follow(none, stdout.trim().split("\n"));
  assert.deepEqual([progress.model, progress.costUsd, progress.turns], ["scripted", 0, end.turns]);
});

test("a conversation that is resumed keeps its session", async (t) => {
  const { end } = await play(t, [{ say: "again" }], { resume: "an-older-session" });
  assert.equal(end.agent_session, "an-older-session");
});

test("an answer by schema ends the script", async (t) => {
  const { end, cwd } = await play(t, [{ answer: { verdict: "fine" } }, { write: { path: "never", content: "" } }]);
  assert.ok(end.outcome === "success");
  assert.deepEqual(end.structured, { verdict: "fine" });
  assert.equal(existsSync(join(cwd, "never")), false);
});

for (const kind of SCRIPTED_CLASSES) {
  test(`a script can fail as an agent does: ${kind}`, async (t) => {
    const error = errorOf((await play(t, [{ fail: { class: kind } }])).end);
    assert.equal(error.class, kind === "turns" ? "budget" : kind);
  });
}

test("a usage limit names when it is reset", async (t) => {
  const { end } = await play(t, [{ fail: { class: "usage-limit", resets_in: "90s" } }]);
  const wait = Date.parse(errorOf(end).retry_at ?? "") - Date.now();
  assert.ok(wait > 60_000 && wait < 92_000, String(wait));
});

test("a script can end with an exit code and no result", async (t) => {
  const { run, end } = await play(t, [{ say: "oh" }, { fail: { exit: 9 } }]);
  assert.equal(errorOf(end).class, "crash");
  const output = await readRun(run.runDir, { maxBytes: 1e6 });
  assert.deepEqual(output.end, { kind: "exited", code: 9 });
  assert.match(output.stderr, /no model was called/);
});

test("steps may be meant for one attempt only", async (t) => {
  const steps = [{ fail: { class: "overloaded" }, attempt: 1 }, { say: "fine now" }];
  assert.equal((await play(t, steps)).end.outcome, "failure");
  assert.equal((await play(t, steps, { attempt: 2 })).end.outcome, "success");
});

test("no path leads out of where the attempt works, not over links either", async (t) => {
  for (const path of ["../out", "a/../../out", "link/out", "dangling", "."]) {
    const run = newRun(t);
    const request = requestFor(run, { default: [{ write: { path, content: "x" } }] });
    mkdirSync(join(run.cwd, "elsewhere"));
    symlinkSync(join(run.cwd, "elsewhere"), join(request.cwd, "link"));
    symlinkSync(join(run.cwd, "out"), join(request.cwd, "dangling"));
    const launched = await scriptedRunner.launch(request);
    assert.ok("ok" in launched);
    await within((await start(run, launched.ok)).ended);
    const error = errorOf(scriptedRunner.read(request, await readRun(run.runDir, { maxBytes: 1e6 })));
    assert.match(error.message, /outside/);
    assert.equal(error.class, "invalid");
    assert.equal(existsSync(join(run.cwd, "out")) || existsSync(join(run.cwd, "elsewhere/out")), false);
  }
});

test("a replacement that finds nothing ends the script: it does not fit", async (t) => {
  const { end } = await play(t, [
    { write: { path: "a", content: "x" } },
    { replace: { path: "a", from: "y", to: "z" } },
  ]);
  assert.match(errorOf(end).message, /does not hold "y"/);
});

test("what a script leaves in the background outlives it, and is swept away", async (t) => {
  const { run, end } = await play(t, [{ spawn: "sleep 300" }, { say: "left" }]);
  assert.equal(end.outcome, "success");
  await until("the command is there", async () => (await survivors(run)) > 0);
  await sweep(run.runId);
  assert.equal(await survivors(run), 0);
});

test("a script that hangs is stopped as Claude Code is, and tells of it in its result", async (t) => {
  const run = newRun(t);
  const request = requestFor(run, { default: [{ write: { path: "up", content: "" } }, { hang: true }] });
  const launched = await scriptedRunner.launch(request);
  assert.ok("ok" in launched);
  const agent = await start(run, launched.ok);
  await until("it hangs", () => fileHas(join(run.runDir, "stdout"), "tool_result"));
  assert.deepEqual(await stopRun({ ...run, graceMs: 5000, first: "SIGINT" }), { killed: 0, left: 0 });
  await within(agent.ended);
  const output = await readRun(run.runDir, { maxBytes: 1e6 });
  assert.deepEqual(output.end, { kind: "exited", code: 0 });
  assert.equal(errorOf(scriptedRunner.read(request, output)).class, "crash");
});

test("steps are found by id, then title, then default", () => {
  const values = { id: "impl-1", title: "Title", attempt: 1 };
  const found = (script: object) => stepsFor(stringify(script), values);
  const [id, title, other] = [[{ say: "id" }], [{ say: "title" }], [{ say: "default" }]];
  assert.deepEqual(found({ default: other, Title: title, "impl-1": id }), { ok: id });
  assert.deepEqual(found({ default: other, Title: title }), { ok: title });
  assert.deepEqual(found({ default: other }), { ok: other });
  assert.ok("problem" in found({ "impl-2": id }));
});

test("a title is only ever a word of a command", () => {
  const values = { id: "impl-1", title: "a'; touch x; '$(touch y)", attempt: 1 };
  const steps = stepsFor(stringify({ default: [{ run: "echo {task.title}" }] }), values);
  assert.deepEqual(steps, { ok: [{ run: "echo 'a'\\''; touch x; '\\''$(touch y)'" }] });
});

test("a script with a step that is not known, or none, is refused before anything runs", async (t) => {
  const values = { id: "impl-1", title: "Title", attempt: 1 };
  const wrong: unknown[] = ["text", {}, { sing: "la" }, { say: 1 }, { write: { path: "a" } }, { sleep: "soon" }];
  wrong.push({ fail: { class: "verify" } }, { hang: false }, { say: "a", run: "b" });
  for (const step of wrong)
    assert.ok("problem" in stepsFor(stringify({ default: [step] }), values), JSON.stringify(step));
  for (const text of ["", "- say: a", "default: 1", "a: [", "\u0000"])
    assert.ok("problem" in stepsFor(text, values), text);
  const run = newRun(t);
  const request = requestFor(run, "a: [");
  for (const script of ["demo.yaml", "missing.yaml", undefined]) {
    const { script: _, ...role } = request.role;
    const launched = await scriptedRunner.launch({
      ...request,
      role: script === undefined ? role : { ...role, script },
    });
    assert.ok("cannot" in launched && launched.cannot.error.class === "invalid");
  }
});
