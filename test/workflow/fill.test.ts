/** Values in the place of names: in one pass, quoted in prompts, never parsed by a shell. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { composePrompt } from "../../src/agent/prompt.ts";
import { newSession } from "../../src/model/session.ts";
import type { Task } from "../../src/model/task.ts";
import { fieldOf, fillCommand, fillPrompt, reported, type Value } from "../../src/workflow/fill.ts";
import { namesIn, partsOf } from "../../src/workflow/template.ts";

const from = { task: "impl-1.1", title: "Load", attempt: 1, file: ".workflow/WFS-a/responses/impl-1.1-a1.json" };
const HOSTILE = [
  "{data}",
  "{{",
  "{steps.load.outcome}",
  "$(touch pwned)",
  "`touch pwned`",
  "'; touch pwned; '",
  '"; touch pwned; "',
  "a\\",
  "/clear",
  "@/etc/passwd",
  "# heading\n\n```\nend",
  "data.rows > 100 && true",
  "-rf",
  "two\nlines",
  "$HOME ${HOME} *",
];

const filled = (template: string, values: Record<string, Value>) => {
  const result = fillPrompt(template, new Map(Object.entries(values)));
  assert.ok("ok" in result, JSON.stringify(result));
  return result.ok;
};
const shell = (template: string, values: Record<string, Value>) => {
  const script = fillCommand(template, new Map(Object.entries(values)));
  assert.ok("ok" in script, JSON.stringify(script));
  const { stdout, status } = spawnSync("/bin/sh", ["-c", script.ok], {
    encoding: "utf8",
    env: { HOME: "/home", X: "x y" },
  });
  return status === 0 ? stdout : `exit ${status}`;
};

test("braces that hold no name are text, doubled ones are braces", () => {
  assert.equal(filled('{{ {{x}} { x } {"a": {"b": 1}} {} {1}', {}).text, '{ {x} { x } {"a": {"b": 1}} {} {1}');
  assert.deepEqual(partsOf("a {b.c-d} e", "prompt"), [{ text: "a " }, { name: "b", path: ["c-d"] }, { text: " e" }]);
  assert.deepEqual(
    namesIn("{a} {b} {a}", "prompt").map(({ name }) => name),
    ["a", "b"],
  );
});

test("in a command, what belongs to the shell is left to it", () => {
  assert.deepEqual(
    namesIn("${HOME} ${X:-{y}} {a}", "run").map(({ name }) => name),
    ["y", "a"],
  );
  assert.equal(shell("echo ${HOME} {a}", { a: { value: "b" } }), "/home b\n");
  assert.deepEqual(
    namesIn("${HOME}", "prompt").map(({ name }) => name),
    ["HOME"],
  );
});

test("a variable of the run stands in the prompt as it is; a stranger's words are quoted below, under their name", () => {
  const { text, quoted } = filled("Read {file}, then {data}. {rows} rows.", {
    file: { value: "a.csv" },
    data: { value: "x", text: "x", from },
    rows: { value: 3, from },
  });
  assert.equal(text, "Read a.csv, then `data` (quoted below). 3 rows.");
  assert.deepEqual(quoted, [{ name: "data", text: "x", from }]);
});

for (const hostile of HOSTILE) {
  test(`${JSON.stringify(hostile)} stays data in a prompt and in a command`, () => {
    const { text, quoted } = filled("See {it}", { it: { value: hostile, text: hostile, from } });
    assert.equal(text, "See `it` (quoted below)");
    const task = { id: "impl-1.2", title: "t", execution: { attempts: 1 } } as Task;
    const role = { name: "r", description: "", runner: "claude" as const, prompt: "", origin: "" };
    const session = newSession("WFS-a", "2026-01-01T00:00:00.000Z");
    const prompt = composePrompt({ task, attempt: 1, session, role, results: [], text, values: quoted });
    for (const line of hostile.split("\n").filter(Boolean)) assert.ok(prompt.includes(`\n> ${line}`), prompt);
    assert.ok(hostile.split("\n").every((line) => ["", "```"].includes(line) || !prompt.includes(`\n${line}\n`)));

    const values = { it: { value: hostile, text: hostile, from } };
    assert.equal(shell("printf %s {it}", values), hostile);
    assert.equal(shell('printf %s "<{it}>"', values), `<${hostile}>`);
    assert.equal(shell("printf %s '<{it}>'", values), `<${hostile}>`);
    assert.equal(shell("# don't\nprintf %s {it}", values), hostile);
  });
}

test("whatever a value holds, a command gets just that, and nothing of it is run", () => {
  const dangerous = fc.string({
    unit: fc.constantFrom("'", '"', "\\", "$", "`", "(", ")", ";", "{", "}", "\n", " ", "a", "*", "&", "|", "#"),
  });
  fc.assert(
    fc.property(dangerous, (value) => shell("printf '%s' {v}; printf %s x", { v: { value } }) === `${value}x`),
    { numRuns: 40 },
  );
});

test("names in a value are never looked at again", () => {
  const { text } = filled("{a}{b}", { a: { value: "{b}" }, b: { value: "{{a}}" } });
  assert.equal(text, "{b}{{a}}");
});

test("{env.NAME} in a command is the variable itself", () => {
  assert.equal(shell("printf '%s|' {env.X}", { "env.X": { value: "never here" } }), "x y|");
});

test("a name without a value says which and why, in prompts and commands", () => {
  const values = new Map([["a", "there is no field a"]]);
  assert.deepEqual(fillPrompt("{a}", values), { missing: "{a}: there is no field a" });
  assert.deepEqual(fillCommand("echo {b}", values), { missing: "{b} stands for nothing" });
});

test("a value that no shell takes is told, with the way round it", () => {
  const result = fillCommand("echo {a}", new Map([["a", { value: "x".repeat(200_000) }]]));
  assert.ok("missing" in result && result.missing.includes("{steps.<id>.file}"));
});

test("what was reported is structured, or JSON, or text; fields are its own only", () => {
  assert.deepEqual(reported({ result: "x", structured: { a: 1 } }, from).value, { a: 1 });
  const json = reported({ result: '{"rows": 1.10, "deep": [{"x": "y"}]}\n' }, from);
  assert.equal(json.text, '{"rows": 1.10, "deep": [{"x": "y"}]}');
  assert.deepEqual(fieldOf(json, ["deep", "0", "x"]), { value: "y", from });
  assert.equal(fieldOf(json, ["constructor"]), "there is no field constructor");
  assert.equal(reported({ result: "12 rows\n" }, from).value, "12 rows");
});
