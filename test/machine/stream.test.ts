import assert from "node:assert/strict";
import { test } from "node:test";
import { listener } from "../../src/views/heard.ts";
import { chat, readable } from "../../src/views/stream.ts";

const CWD = "/repo/.workflow/.run/worktrees/a";
const init = { type: "system", subtype: "init", cwd: CWD, model: "claude-opus-5-5", session_id: "52e8ef76" };
const assistant = (...content: object[]) => ({
  type: "assistant",
  message: { model: "m", content },
  parent_tool_use_id: null,
});
const says = (text: string) => assistant({ type: "text", text });
const uses = (name: string, input: object) => assistant({ type: "tool_use", id: "t1", name, input });
const back = (content: unknown, is_error = false) => ({
  type: "user",
  message: { content: [{ type: "tool_result", content, is_error }] },
});
const result = (more: object) => ({
  type: "result",
  subtype: "success",
  is_error: false,
  num_turns: 3,
  duration_ms: 65_000,
  total_cost_usd: 0.0123,
  ...more,
});
const about = {
  session: "WFS-a",
  task: "impl-1",
  attempt: 2,
  title: "Add <b>search</b>",
  role: "code-developer",
} as const;

function shown(...lines: (object | string)[]): string[] {
  const hear = listener();
  return lines.flatMap((line) => hear(typeof line === "string" ? line : JSON.stringify(line))).flatMap(readable);
}

test("a stream reads as what the agent said, did and got back", () => {
  const lines = shown(
    init,
    says("I look first."),
    uses("Edit", { file_path: `${CWD}/src/a.ts`, old_string: "a", new_string: "b" }),
    back("done"),
    uses("Bash", { command: "npm test" }),
    back([{ type: "text", text: "one\ntwo\nthree\nfour\nfive" }]),
    says("All is well."),
    result({ result: "All is well." }),
  );
  assert.deepEqual(lines, [
    "● started · claude-opus-5-5 · session 52e8ef76",
    "  I look first.",
    "→ Edit src/a.ts",
    "    done",
    "→ Bash npm test",
    "    one",
    "    two",
    "    three",
    "    … 2 more lines",
    "  All is well.",
    "✓ done · 3 turns · 1m 05s · $0.0123",
  ]);
});

test("a result that says something new is told in full", () => {
  assert.deepEqual(
    shown(says("working"), result({ result: "finished", structured_output: { files: ["a"] } })).slice(1),
    ["  finished", "  {", '    "files": [', '      "a"', "    ]", "  }", "✓ done · 3 turns · 1m 05s · $0.0123"],
  );
});

test("a failure says what failed, once", () => {
  const synthetic = {
    type: "assistant",
    message: { model: "<synthetic>", content: [{ type: "text", text: "API Error" }] },
  };
  assert.deepEqual(
    shown(synthetic, result({ is_error: true, result: "API Error: 401", num_turns: 1, total_cost_usd: 0 })),
    ["  API Error: 401", "✗ failed · 1 turn · 1m 05s · $0.00"],
  );
  const cut = { type: "result", subtype: "error_max_turns", is_error: true, errors: ["Reached the limit"] };
  assert.deepEqual(shown(cut), ["  Reached the limit", "✗ failed"]);
});

test("waiting for the service and a usage limit are told", () => {
  const lines = shown(
    { type: "system", subtype: "api_retry", error: "overloaded", retry_delay_ms: 2000 },
    { type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt: 1_795_225_167 } },
    { type: "rate_limit_event", rate_limit_info: { status: "allowed" } },
  );
  assert.deepEqual(lines, [
    "! the service did not answer (overloaded); tries again in 2s",
    "! the account has reached its usage limit until 2026-11-21T01:39:27.000Z",
  ]);
});

test("control characters and terminal sequences of a stranger never arrive", () => {
  const evil = "\u001b]0;owned\u0007\u001b[2J\u001b[31mred\u202e\u0000";
  const lines = shown(
    says(evil),
    uses("Bash", { command: evil }),
    back(evil, true),
    result({ result: evil, is_error: true }),
    evil,
  );
  // oxlint-disable-next-line no-control-regex
  for (const line of lines) assert.doesNotMatch(line, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
  assert.equal(lines.at(-1), "red");
});

test("a command's output is its plain lines, JSON of its own included", () => {
  assert.deepEqual(shown("building", "", '{"ok":true}', '{"type":1}', "{half"), [
    "building",
    '{"ok":true}',
    '{"type":1}',
    "{half",
  ]);
});

test("lines of an unknown kind say nothing, and none breaks the reader", () => {
  for (const odd of [
    { type: "stream_event" },
    { type: "assistant" },
    { type: "user", message: 3 },
    { type: "assistant", message: { content: [null, 7, {}] } },
  ]) {
    assert.deepEqual(shown(odd), []);
  }
});

test("a subagent's words stand apart", () => {
  const nested = { ...says("deep"), parent_tool_use_id: "t1" };
  assert.deepEqual(shown(nested), ["      deep"]);
});

test("the chat is a page on which nothing of the agent's acts", () => {
  const page = chat(
    [
      init,
      says("Short **words** [x](javascript:1)"),
      says("Long\n```\n# heading\n<script>"),
      uses("Bash", { command: "echo `id`" }),
      back("```\nout"),
      result({ result: "end" }),
    ].map((line) => JSON.stringify(line)),
    about,
  );
  assert.match(page, /^<!-- Generated by Coxswain from the agent's stream/);
  assert.match(page, /^# WFS-a impl-1-a2: Add &lt;b>search&lt;\/b>$/m);
  assert.match(page, /^Short \\\*\\\*words\\\*\\\* \\\[x\\\]\(javascript:1\)$/m);
  assert.match(page, /^````markdown\nLong\n```\n# heading\n<script>\n````$/m);
  assert.match(page, /^\*\*Bash\*\* `` echo `id` ``$/m);
  assert.match(page, /^\*\*Done\*\* · 3 turns/m);
});

test("the chat of a command is its output in one block, and a long one ends", () => {
  assert.match(chat(["one", "two"], about), /```text\none\ntwo\n```\n$/);
  const long = chat(
    Array.from({ length: 50_000 }, (_, n) => `line ${n} ${"x".repeat(50)}`),
    about,
  );
  assert.ok(long.length < 700_000, `${long.length}`);
  assert.match(long, /The rest is in messages\//);
});
