/** The reading of output that the real program cannot be made to give here: other versions, half files, odd lines. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { followClaude, readClaude } from "../../src/agent/claude-stream.ts";
import type { ProcessEnd, Progress } from "../../src/agent/runner.ts";
import type { AttemptEnd } from "../../src/model/attempt.ts";

const SESSION = "11111111-2222-4333-8444-555555555555";
const init = { type: "system", subtype: "init", session_id: SESSION, model: "claude-opus-5-5", cwd: "/w/tree" };
const usage = { input_tokens: 10, output_tokens: 2, cache_read_input_tokens: 3, cache_creation_input_tokens: 4 };

const said = (id: string, content: object[], more: object = {}) => ({
  type: "assistant",
  session_id: SESSION,
  message: { id, model: "claude-opus-5-5", content, usage },
  ...more,
});
const words = (id: string, text: string) => said(id, [{ type: "text", text }]);
const uses = (id: string, tool: string, input: object = {}) =>
  said(id, [{ type: "tool_use", id: `use-${id}`, name: tool, input }]);
/** Claude Code's own line about an error of the service. */
const synthetic = (error?: string) => ({
  type: "assistant",
  session_id: SESSION,
  error,
  message: { id: "s", model: "<synthetic>", content: [] },
});
const result = (more: object = {}) => ({
  type: "result",
  subtype: "success",
  is_error: false,
  num_turns: 1,
  result: "Done.",
  session_id: SESSION,
  total_cost_usd: 0.5,
  usage,
  permission_denials: [],
  ...more,
});
const apiError = (more: object = {}) =>
  result({ is_error: true, result: "API Error", total_cost_usd: 0, api_error_status: null, ...more });

function read(
  lines: (object | string)[],
  o: { end?: ProcessEnd; stderr?: string; structured?: boolean } = {},
): AttemptEnd {
  const stdout = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))).join("\n");
  const output = { stdout, stderr: o.stderr ?? "", end: o.end ?? { kind: "exited", code: 0 } };
  return readClaude(output, { structured: o.structured ?? false });
}

function classOf(end: AttemptEnd): string {
  return end.outcome === "failure" ? end.error.class : "success";
}

test("the last of several results counts, and their costs add up", () => {
  const since = (costUSD: number) => ({ model_usage_since_last_result: { m: { costUSD, outputTokens: 1 } } });
  const end = read([
    init,
    words("1", "a"),
    result({ result: "First.", ...since(0.25) }),
    words("2", "b"),
    result({ result: "Second.", ...since(0.5) }),
  ]);
  assert.equal(end.result, "Second.");
  assert.equal(end.cost_usd, 0.75);
  const failedLater = read([
    init,
    words("1", "a"),
    result(),
    synthetic("rate_limit"),
    apiError({ api_error_status: 429 }),
  ]);
  assert.equal(classOf(failedLater), "rate-limit");
});

test("the exit code does not decide: a result does", () => {
  assert.equal(classOf(read([init, words("1", "a"), result()], { end: { kind: "exited", code: 1 } })), "success");
  assert.equal(
    classOf(read([init, words("1", "a"), result()], { end: { kind: "signalled", signal: "SIGTERM" } })),
    "success",
  );
  assert.equal(classOf(read([init, synthetic("server_error"), apiError({ api_error_status: 529 })])), "overloaded");
  assert.equal(
    classOf(read([init, synthetic("authentication_failed"), result()])),
    "auth",
    "an older version that says is_error false",
  );
});

test("errors of the service are told by name, else by status", () => {
  const named: [string | undefined, object, string][] = [
    ["authentication_failed", {}, "auth"],
    ["billing_error", { api_error_status: 400 }, "auth"],
    ["account_on_hold", {}, "auth"],
    ["rate_limit", { api_error_status: 429 }, "rate-limit"],
    ["rate_limit", { api_error_status: 429, api_error: "usage_limit_reached" }, "usage-limit"],
    ["server_error", {}, "network"],
    ["server_error", { api_error: "connection_failed" }, "network"],
    ["server_error", { api_error_status: 529 }, "overloaded"],
    ["server_error", { api_error_status: 502 }, "overloaded"],
    ["overloaded", {}, "overloaded"],
    ["invalid_request", { api_error_status: 400, terminal_reason: "prompt_too_long" }, "invalid"],
    ["model_not_found", { api_error_status: 404 }, "invalid"],
    ["max_output_tokens", { api_error: "max_output_tokens" }, "invalid"],
    ["invalid_request", { stop_reason: "refusal" }, "invalid"],
    ["unknown", { api_error_status: 400 }, "invalid"],
    ["something_new", { api_error_status: 402 }, "auth"],
    ["something_new", { api_error_status: 408 }, "network"],
    ["something_new", { api_error_status: 503 }, "overloaded"],
    ["something_new", {}, "unknown"],
    [undefined, {}, "unknown"],
  ];
  for (const [error, more, expected] of named) {
    assert.equal(classOf(read([init, synthetic(error), apiError(more)])), expected, JSON.stringify([error, more]));
  }
});

test("2.1.197 names no usage limit: the event before it does", () => {
  const event = { type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt: 1_900_000_000 } };
  const end = read([
    init,
    event,
    synthetic("rate_limit"),
    apiError({ api_error_status: 429, terminal_reason: "completed" }),
  ]);
  assert.equal(classOf(end), "usage-limit");
  assert.equal(end.outcome === "failure" && end.error.retry_at, "2030-03-17T17:46:40.000Z");
  const warned = { type: "rate_limit_event", rate_limit_info: { status: "allowed_warning", resetsAt: 1_900_000_000 } };
  assert.equal(
    classOf(read([init, warned, synthetic("rate_limit"), apiError({ api_error_status: 429 })])),
    "rate-limit",
  );
  assert.equal(classOf(read([init, event, words("1", "a"), result()])), "success", "paid from elsewhere");
  const nonsense = { type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt: 1e300 } };
  assert.equal(
    classOf(read([init, nonsense, synthetic("rate_limit"), apiError({ api_error_status: 429 })])),
    "usage-limit",
  );
});

test("what ends early: budget, schema, breaking off, never starting", () => {
  const error = (subtype: string, more: object = {}) =>
    result({ subtype, is_error: true, result: undefined, errors: ["why"], ...more });
  assert.equal(classOf(read([init, words("1", "a"), error("error_max_turns")])), "budget");
  assert.equal(classOf(read([init, words("1", "a"), error("error_max_budget_usd")])), "budget");
  assert.equal(classOf(read([init, words("1", "a"), error("error_max_structured_output_retries")])), "invalid");
  assert.equal(
    classOf(read([init, words("1", "a"), error("error_during_execution", { terminal_reason: "aborted_tools" })])),
    "crash",
  );
  assert.equal(
    classOf(read([init, error("error_during_execution", { num_turns: 1, terminal_reason: "completed" })])),
    "crash",
  );
  assert.equal(
    classOf(read([error("error_during_execution", { num_turns: 0 })])),
    "invalid",
    "it could not read its own files",
  );
  assert.equal(
    classOf(read([error("error_during_execution", { num_turns: 0, startup_failure_reason: "bypass_root" })])),
    "permission",
  );
});

test("no result: refused before it began, or cut off", () => {
  const exited = (code: number): ProcessEnd => ({ kind: "exited", code });
  const refused = read([], { end: exited(1), stderr: "\nerror: unknown option '--x'\n(Did you mean --y?)\n" });
  assert.equal(classOf(refused), "invalid");
  assert.match(refused.outcome === "failure" ? refused.error.message : "", /unknown option '--x'$/);
  assert.equal(classOf(read([], { end: exited(1), stderr: "No conversation found with session ID: x" })), "unknown");
  assert.equal(classOf(read([], { end: exited(1) })), "crash");
  assert.equal(classOf(read([], { end: exited(134), stderr: "panic" })), "crash");
  assert.equal(classOf(read([], { end: { kind: "signalled", signal: "SIGKILL" }, stderr: "warning" })), "crash");
  assert.equal(classOf(read([], { end: { kind: "vanished" } })), "crash");
  const interrupted = read([init, words("1", "Half"), words("2", "way")], { end: exited(0), stderr: "warning" });
  assert.equal(classOf(interrupted), "crash", "SIGINT ends with 0 and no result");
  assert.equal(interrupted.result, "way");
});

test("a run that was cut off keeps its session, its model, and what each message cost once", () => {
  const end = read([init, words("1", "a"), uses("1", "Read"), uses("2", "Bash")], { end: { kind: "vanished" } });
  assert.equal(end.agent_session, SESSION);
  assert.equal(end.model, "claude-opus-5-5");
  assert.deepEqual(end.tokens, { input: 20, output: 4, cache_read: 6, cache_write: 8 });
  assert.equal(end.turns, 2);
  // Each message once: what was read for it, and what it says at least as far as it can be seen.
  assert.ok(end.cost_usd !== null && end.cost_usd > 0.0001 && end.cost_usd < 0.005, `$${end.cost_usd}`);
});

test("no turn means that the prompt was taken for a command", () => {
  assert.equal(classOf(read([init, synthetic(), result({ num_turns: 0, result: "Total cost: $0" })])), "invalid");
});

test("denials are a failure only if nothing else was done", () => {
  const denial = (id: string) => ({ tool_name: "Write", tool_use_id: `use-${id}`, tool_input: { file_path: "a" } });
  const all = read([
    init,
    uses("1", "Write"),
    uses("2", "Write"),
    result({ permission_denials: [denial("1"), denial("2")] }),
  ]);
  assert.equal(classOf(all), "permission");
  assert.deepEqual(all.permission_denials, [
    { tool_name: "Write", tool_input: { file_path: "a" } },
    { tool_name: "Write", tool_input: { file_path: "a" } },
  ]);
  const some = read([init, uses("1", "Write"), uses("2", "Read"), result({ permission_denials: [denial("1")] })]);
  assert.equal(classOf(some), "success");
  assert.equal(some.permission_denials.length, 1);
  assert.equal(classOf(read([init, words("1", "a"), result()])), "success", "no tool was needed");
});

test("a structured answer is asked for and missing, or there", () => {
  assert.equal(classOf(read([init, words("1", "a"), result()], { structured: true })), "unknown");
  const end = read([init, uses("1", "StructuredOutput"), result({ structured_output: null })], { structured: true });
  assert.equal(end.outcome === "success" && "structured" in end && end.structured, null);
});

test("lines that are none of Claude Code's are passed over", () => {
  const huge = JSON.stringify(result({ result: "x".repeat(5_000_000) }));
  const odd = [
    "Warning: something",
    "{half",
    "[1]",
    "null",
    '{"type":"assistant"}',
    '{"type":"assistant","message":{"content":"x"}}',
    '{"type":"new"}',
  ];
  const end = read([...odd, init, words("1", "a"), result(), huge, '{"type":"resu']);
  assert.equal(end.outcome, "success");
  assert.equal(end.result, "Done.");
});

test("the model that wrote the most is the model of the run", () => {
  const modelUsage = { "claude-opus-5-5": { outputTokens: 3 }, "claude-sonnet-5-5": { outputTokens: 9 } };
  assert.equal(read([init, words("1", "a"), result({ modelUsage })]).model, "claude-sonnet-5-5");
});

test("a subagent's words are not the agent's, its tokens are", () => {
  const inner = said("2", [{ type: "text", text: "inner" }], { parent_tool_use_id: "use-1" });
  const end = read([init, words("1", "outer"), inner], { end: { kind: "vanished" } });
  assert.equal(end.result, "outer");
  assert.equal(end.tokens?.input, 20);
});

test("progress tells what is done, without control characters, paths from the working folder", () => {
  const follow = (progress: Progress, ...lines: object[]) =>
    followClaude(
      progress,
      lines.map((line) => JSON.stringify(line)),
    );
  let progress = follow({ turns: 0, costUsd: null }, init);
  assert.equal(progress.model, "claude-opus-5-5");
  progress = follow(progress, uses("1", "Edit", { file_path: "/w/tree/src/a.ts" }));
  assert.equal(progress.doing, "Edit src/a.ts");
  progress = follow(progress, uses("2", "Bash", { command: "npm\ntest \u001b[31m--red\u001b]0;title\u0007\u202e" }));
  assert.equal(progress.doing, "Bash npm test --red");
  progress = follow(progress, words("2", "Thinking\u0007   about it. ".repeat(40)));
  assert.equal(progress.turns, 2, "a message in several lines is one turn");
  assert.equal([...(progress.doing ?? "")].length, 120);
  progress = follow(progress, { type: "system", subtype: "api_retry", error: "overloaded", attempt: 1 });
  assert.equal(progress.doing, "waits for the service (overloaded)");
  progress = follow(progress, {
    type: "rate_limit_event",
    rate_limit_info: { status: "rejected", resetsAt: 1_900_000_000 },
  });
  assert.equal(progress.limitedUntil, "2030-03-17T17:46:40.000Z");
  progress = follow(progress, { type: "rate_limit_event", rate_limit_info: { status: "allowed" } });
  assert.equal(progress.limitedUntil, undefined);
  progress = followClaude(progress, ["not json", JSON.stringify(result({ num_turns: 5 }))]);
  assert.deepEqual([progress.turns, progress.costUsd], [5, 0.5]);
});
