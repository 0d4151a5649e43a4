/** JSON stays JSON, and Coxswain's own words stay, whatever the secrets are. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isOwn, OWN_KEYS, ownSubject } from "../../src/ledger/own-words.ts";
import { redactor } from "../../src/ledger/redact.ts";
import { FAILURE_CLASSES } from "../../src/model/failure.ts";
import { PHASES, SESSION_STATUSES, SESSION_TYPES, SessionSchema } from "../../src/model/session-schema.ts";
import { BLOCKED_REASONS, PENDING_REASONS, STATUSES, TaskSchema, TYPES } from "../../src/model/task-schema.ts";

const run = "123e4567-e89b-12d3-a456-426614174000";
const task = {
  id: "impl-1",
  title: "Complete the completed page",
  status: "completed",
  type: "feature",
  agent: "command",
  context: { requirements: ["what is pending"], inherited_from: "WFS-main" },
  relations: { parent: null, subtasks: [], dependencies: ["impl-1", "impl-10"] },
  execution: {
    attempts: 1,
    command: "echo 123456789",
    reason: null,
    next_attempt_at: "2026-11-21T09:30:00.000Z",
    last_attempt: { attempt: 1, run_id: run, outcome: "success", duration_ms: 123456789, error: { class: "network" } },
  },
  extra: { port: 123456789, list: [1, 123456789, -123456789], nested: '{"a": 123456789, "b": [2]}' },
};

test("a numeric secret leaves JSON as JSON, also in lists and in JSON inside JSON", () => {
  const { text, count } = redactor(["123456789"])(JSON.stringify(task, null, 2));
  assert.ok(count >= 5);
  const clean = JSON.parse(text) as typeof task;
  assert.deepEqual(clean.extra, {
    port: "[redacted:value]",
    list: [1, "[redacted:value]", "-[redacted:value]"],
    nested: '{"a": "[redacted:value]", "b": [2]}',
  });
  assert.equal(clean.execution.command, "echo [redacted:value]");
  assert.equal(clean.execution.last_attempt.duration_ms, 123456789, "measured by the daemon");
  assert.deepEqual(
    JSON.parse(redactor(["123456789"])('{"n":123456789}\n{"n":[0.123456789]}\n').text.split("\n")[1] ?? ""),
    {
      n: ["0.[redacted:value]"],
    },
  );
});

test("a secret that is one of our own words leaves statuses, ids, reasons, times and keys alone", () => {
  const values = [
    "completed",
    "pending",
    "impl-1",
    "WFS-main",
    "feature",
    "network",
    "success",
    "status",
    "context",
    run,
  ];
  for (const value of [...values, "relations", "2026-11-21", "execution", '"status": "completed"', "last_attempt"]) {
    const { text } = redactor([value])(JSON.stringify(task, null, 2));
    const clean = JSON.parse(text) as typeof task;
    assert.deepEqual({ ...clean, title: task.title, context: task.context, extra: task.extra }, task, value);
    assert.equal(clean.context.inherited_from, "WFS-main");
  }
  const clean = JSON.parse(redactor(["completed", "pending"])(JSON.stringify(task)).text) as typeof task;
  assert.equal(clean.title, "Complete the [redacted:value] page");
  assert.deepEqual(clean.context.requirements, ["what is [redacted:value]"]);
});

test("what a person puts in the place of an own word is looked at like any other", () => {
  const key = `ghp_${"aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"}`;
  const written = {
    status: key,
    id: "hunter2hunter2",
    execution: { attempts: "hunter2hunter2" },
    [key]: { hunter2hunter2: 1 },
  };
  const { text } = redactor(["hunter2hunter2"])(JSON.stringify(written));
  assert.doesNotMatch(text, /hunter2|aB3dE5/);
  JSON.parse(text);
});

test("a secret that looks like JSON's own signs breaks nothing and is gone", () => {
  for (const value of [
    '":"hunter2',
    '", "x": "',
    "true, 1",
    "\\\\\\\\\\\\",
    'a"b"c"d',
    "}]}]}]",
    "[redacted:value]",
    "redacted",
  ]) {
    const document = JSON.stringify(
      { a: `is ${value}!`, b: [true, 1], x: "", c: JSON.stringify({ d: value }) },
      null,
      1,
    );
    const { text } = redactor([value])(document);
    assert.deepEqual((JSON.parse(text) as { b: unknown }).b, [true, 1], value);
    const clean = JSON.parse(text) as { a: string };
    if (!value.includes("redacted")) assert.equal(clean.a.includes(value), false, text);
    assert.deepEqual(redactor([value])(text).text, text);
  }
});

test("a secret whose letters are written as escapes is found", () => {
  const key = `ghp_${"aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"}`;
  const hidden = key.replace("g", "\\u0067");
  assert.doesNotMatch(redactor([])(`{"a":"${hidden}"}`).text, /aB3dE5/);
  assert.doesNotMatch(redactor(["pässwörter"])('{"a":"p\\u00e4ssw\\u00f6rter"}').text, /rter/);
  assert.doesNotMatch(redactor(["https://a/b?c"])('{"a":"https:\\/\\/a\\/b?c"}').text, /b\?c/);
});

test("a known value is found although a line break stands in it", () => {
  const value = "correct-horse-battery-staple";
  const text = `it is correct-horse-\n  battery-staple, and ${value}`;
  const clean = "it is [redacted:value], and [redacted:value]";
  assert.deepEqual(redactor([value])(text), { text: clean, count: 2 });
  assert.equal(redactor([value])(JSON.stringify({ text })).text, JSON.stringify({ text: clean }));
  const encoded = Buffer.from(value).toString("base64").replace(/.{16}/g, "$&\n");
  assert.equal(redactor([value])(`: ${encoded}`).text.trim(), ": [redacted:value]");
  const lines = "first line of the secret\nsecond line of the secret";
  assert.equal(redactor([lines])("a second line of the secret").text, "a [redacted:value]");
});

test("the own words are those of the schemas", () => {
  const keys = new Set<string>();
  const collect = (schema: unknown): void => {
    if (typeof schema !== "object" || schema === null) return;
    const { properties } = schema as { properties?: Record<string, unknown> };
    for (const key of Object.keys(properties ?? {})) keys.add(key);
    for (const inner of Object.values(schema)) collect(inner);
  };
  collect(TaskSchema);
  collect(SessionSchema);
  assert.deepEqual(
    [...keys].filter((key) => !OWN_KEYS.has(key)),
    [],
  );
  const places: [string, readonly string[]][] = [
    ["status", [...STATUSES, ...SESSION_STATUSES]],
    ["type", [...TYPES, ...SESSION_TYPES]],
    ["execution/reason", [...BLOCKED_REASONS, ...PENDING_REASONS]],
    ["execution/last_attempt/error/class", FAILURE_CLASSES],
    ["current_phase", PHASES],
    ["progress/current_tasks/*", ["impl-1", "impl-2.3"]],
    ["agent", ["human", "command", "code-developer", "planning-agent", "code-review-test-agent", "review-agent"]],
  ];
  for (const [place, words] of places) for (const word of words) assert.ok(isOwn(place, word), `${word} at ${place}`);
  assert.ok(!isOwn("title", "completed") && !isOwn("status", "hunter2hunter2"));
});

test("of a subject the transition is our own word, and what people named is not", () => {
  const rests = [
    "WFS-a impl-1.2: pending -> active",
    "WFS-a impl-1: steered (title, context.acceptance, status)",
    "WFS-a: new -> paused",
    "WFS-a impl-1: steered (hunter2hunter2)",
    "workspace: changed agents/hunter2hunter2.md",
    "WFS-a: hunter2 -> active",
    "hunter2hunter2",
  ].map((subject) => ownSubject(subject).rest);
  assert.deepEqual(rests, [
    "",
    "",
    "",
    "(hunter2hunter2)",
    "agents/hunter2hunter2.md",
    "hunter2 -> active",
    "hunter2hunter2",
  ]);
});
