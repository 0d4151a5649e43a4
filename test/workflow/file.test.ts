/** Workflow files: what is taken, and what is said of those that are not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { readWorkflow } from "../../src/store/workflow-file.ts";

const ROLES = ["code-developer", "review-agent", "human", "command"];

const told = (yaml: string) => {
  const read = readWorkflow(yaml, ROLES);
  if ("ok" in read) return [];
  for (const { line, column, hint, code } of read.problems) {
    if (code !== "too-large" && code !== "wrong-value") assert.ok(hint, `${code} has no remedy`);
    if (code !== "too-large") assert.ok(line && column, `${code} has no place`);
  }
  return read.problems.map(({ line, column, code, message, hint }) =>
    `${line}:${column} ${code} ${message} ${hint ?? ""}`.trim(),
  );
};

test("the shortest workflow and the pipeline of the examples are taken as they stand", () => {
  assert.deepEqual(told("name: x\nsteps:\n  - prompt: do it\n"), []);
  assert.deepEqual(
    told(readFileSync(new URL("../../examples/workflows/data-analysis.yaml", import.meta.url), "utf8")),
    [],
  );
});

test("a workflow with all its keys is taken", () => {
  const yaml = `
name: All
description: of it
vars:
  plain: 3
  file: { type: string, default: a.csv, description: the file, required: false, enum: [a.csv, b.csv] }
defaults: { timeout: 10m, model: sonnet, tools: [Read], verify: ["true"] }
steps:
  - id: load
    name: Load
    run: "cat {file} | awk '{{print}}' > \${HOME}/x"
    timeout: 5m
    max_attempts: 2
    env: [HOME]
    paths: [data, out]
    output_variable: data
  - name: Look
    prompt: "{data.rows} of {steps.load.outcome} {run.id} {session} {{ {plain} { not a name } {\\"a\\": 1}"
    needs: [load]
    role: review-agent
    review: { by: [review-agent], rule: majority, max_rounds: 1 }
    tools: [read_file, "Bash(git log *)", mcp__server__tool]
    effort: high
    budget_usd: 1.5
    max_turns: 10
    priority: 2
    approve: after
    isolation: none
    output_schema: { type: object }
  - human: "Is {data} right?"
    needs: []
    continue_on_error: true
`.replace("needs: []", "needs: [load]");
  assert.deepEqual(told(yaml), []);
});

const step = (text: string) => `name: x\nsteps:\n  - ${text}\n`;

/** Each with its line, column, code, and words of what it says. */
const BROKEN: Record<string, [yaml: string, ...told: string[]]> = {
  "an empty file": ["", "1:1 missing-field", "1:1 missing-field"],
  "no object": ["- a\n", "1:1 wrong-value"],
  "no name": ["steps: [{ prompt: x }]", "1:1 missing-field name is missing"],
  "no steps": ["name: x\n", "1:1 missing-field steps is missing"],
  "no step": ["name: x\nsteps: []\n", "2:8 wrong-value steps is empty"],
  "YAML that does not end": ['name: "x\nsteps: []\n', '3:1 not-yaml Missing closing "quote. Mend'],
  "tabs for indentation": ["name: x\nsteps:\n\t- prompt: y\n", "3:1 not-yaml"],
  "a key of its own": [
    "name: x\nstep: []\nsteps: [{ prompt: x }]",
    "2:1 unknown-key There is no key step. Did you mean steps?",
  ],
  "a misspelt key": [step("promt: x"), "3:5 unknown-key There is no key steps.0.promt. Did you mean prompt?"],
  "another's word for a key": [
    step("prompt: x\n    agent: y"),
    "4:5 unknown-key There is no key steps.0.agent. Did you mean role?",
  ],
  "a key twice": [step("prompt: x\n    prompt: y"), "4:5 duplicate-key The key prompt is there twice"],
  "a key that programs misread": [step("prompt: x\n    __proto__: y"), "4:5 forbidden-key"],
  "an alias": ["name: &a x\nsteps:\n  - prompt: *a\n", "3:13 wrong-value Aliases"],
  "nothing to do": [step("name: y"), "3:5 missing-field Step 1 says nothing"],
  "two things to do": [step("prompt: x\n    run: y"), "4:10 wrong-value Step 1 has prompt and run"],
  "a prompt that is a number": [step("prompt: 3"), "3:13 wrong-value"],
  "an id that is none": [step("id: a b\n    prompt: x"), "3:9 wrong-value"],
  "a reviewer that there is not": [
    step("prompt: x\n    review: { by: [review-agnet] }"),
    '4:20 unknown-role There is no role "review-agnet" that reviews. Did you mean review-agent?',
  ],
  "a person as a reviewer": [
    "name: x\ndefaults: { review: human }\nsteps: [{ prompt: x }]",
    "2:21 unknown-role A person is no reviewer. Write approve: after.",
  ],
  "a review of a command": [step("run: x\n    review: review-agent"), "4:13 wrong-value Step 1 is no agent's work"],
  "an id twice": [
    step("id: a\n    prompt: x\n  - id: a\n    prompt: y"),
    "5:9 duplicate-step The id a is that of step 1",
  ],
  "an unknown need": [
    step("id: load\n    prompt: x\n  - prompt: y\n    needs: [laod]"),
    "6:13 missing-dependency There is no step laod. Did you mean load?",
  ],
  "a need of itself": [step("id: a\n    prompt: x\n    needs: [a]"), "5:13 missing-dependency Step 1 (a) needs itself"],
  "steps that wait for each other": [
    step("id: a\n    prompt: x\n    needs: [b]\n  - id: b\n    prompt: y"),
    "3:5 dependency-cycle These steps wait for each other: a → b → a",
  ],
  "a duration without a unit": [step("prompt: x\n    timeout: 30"), "4:14 wrong-value"],
  "a wrong unit": [
    step("prompt: x\n    timeout: 3 weeks"),
    '4:14 wrong-value steps.0.timeout is "3 weeks"; it must be a duration',
  ],
  "an unknown choice": [
    step("prompt: x\n    approve: befor"),
    '4:14 wrong-value steps.0.approve is "befor"; it can be before, after. Did you mean before?',
  ],
  "an unknown tool": [
    step("prompt: x\n    tools: [read_fil]"),
    "4:13 wrong-value There is no tool read_fil. Did you mean read_file?",
  ],
  "an unknown role": [
    step("prompt: x\n    role: review-agnet"),
    '4:11 unknown-role There is no role "review-agnet". Did you mean review-agent?',
  ],
  "an unknown name": [
    "name: x\nvars: { file: a }\nsteps:\n  - prompt: see {fil}\n",
    "4:17 unknown-name There is no {fil}. Did you mean {file}?",
  ],
  "a name far down in a text": [
    "name: x\nvars: {}\nsteps:\n  - prompt: |\n      one\n      two {it}\n",
    "6:11 unknown-name There is no {it}. Declare it under vars, or write {{it}}",
  ],
  "a name of what the shell knows": [
    "name: x\nvars: {}\nsteps:\n  - run: awk '{print}' x\n",
    "4:15 unknown-name There is no {print}",
  ],
  "the result of a step that comes later": [
    step("id: a\n    prompt: see {it}\n  - id: b\n    prompt: y\n    output_variable: it"),
    "4:17 unknown-name {it} is of b, which need not be over by then. Add it: needs: [b]",
  ],
  "the result of a step beside": [
    step("id: a\n    prompt: x\n    output_variable: it\n  - id: b\n    prompt: see {it}\n    needs: []"),
    "7:17 unknown-name {it} is of a, which need not be over by then. Add it: needs: [a]",
  ],
  "the outcome of no step": [step("id: a\n    prompt: x\n  - run: echo {steps.aa.outcome}"), "5:15 unknown-name"],
  "a field that steps do not have": [
    step("id: a\n    prompt: x\n  - run: echo {steps.a.cost}"),
    "5:15 unknown-name {steps.a.cost}: of a step there are outcome and file. Write {steps.a.outcome}",
  ],
  "a variable of the environment that is not passed": [
    step("run: echo {env.TOKEN}"),
    "3:15 unknown-name {env.TOKEN} is not passed to this step. List it: env: [TOKEN]",
  ],
  "two results of one name": [
    step("prompt: x\n    output_variable: it\n  - prompt: y\n    output_variable: it"),
    "6:22 duplicate-step it is the result of",
  ],
  "a result named like a variable": [
    "name: x\nvars: { it: 1 }\nsteps:\n  - prompt: x\n    output_variable: it\n",
    "5:22 duplicate-step it is a variable",
  ],
  "a default of another type": [
    "name: x\nvars:\n  n: { type: number, default: many }\nsteps: [{ prompt: x }]",
    "3:6 wrong-value The default of n is not a number",
  ],
  "a default that is no choice": [
    "name: x\nvars:\n  n: { default: c, enum: [a, b] }\nsteps: [{ prompt: x }]",
    "3:6 wrong-value The default of n is not one of a, b",
  ],
  "an unknown type": ["name: x\nvars:\n  n: { type: text }\nsteps: [{ prompt: x }]", "3:14 wrong-value vars.n.type is"],
  "a variable that is a list": ["name: x\nvars:\n  n: [1]\nsteps: [{ prompt: x }]", "3:6 wrong-value vars.n is [1]"],
  "a condition that does not end": [
    step("run: x\n    when: 1 +"),
    "4:11 bad-condition The condition of step 1: Unexpected token",
  ],
  "a condition that is no condition": [
    step("run: x\n    when: session"),
    "4:11 bad-condition The condition of step 1: it is a string",
  ],
  "a condition with an unknown name": [
    step("run: x\n    when: nope > 1"),
    "4:11 bad-condition The condition of step 1: Unknown variable: nope",
  ],
  "a condition that compares what cannot be": [
    "name: x\nvars: { f: a }\nsteps:\n  - run: x\n    when: f > 1\n",
    "5:11 bad-condition The condition of step 1: no such overload: string > int",
  ],
  "a condition on a step that is not over": [
    step("id: a\n    run: x\n  - run: y\n    needs: []\n    when: steps.a.outcome == 'success'"),
    "7:11 bad-condition The condition of step 2: a need not be over by then. Add it: needs: [a]",
  ],
  "a condition on no step": [
    step("id: load\n    run: x\n  - run: y\n    when: steps.laod.outcome == 'success'"),
    "6:11 bad-condition The condition of step 2: there is no step laod. Did you mean load?",
  ],
  "a condition with a regular expression": [
    "name: x\nvars: { f: a }\nsteps:\n  - run: x\n    when: f.matches('^(a+)+$')\n",
    "5:11 bad-condition The condition of step 1: matches is not there",
  ],
  "an unknown step for a failure": [
    step("id: load\n    run: x\n    on_error: lod"),
    "5:15 missing-dependency There is no step lod. Did you mean load?",
  ],
  "needs of a step that comes at the end": [
    step("id: a\n    run: x\n  - run: y\n    finally: true\n    needs: [a]"),
    "7:12 wrong-value Step 2 starts when all others are over",
  ],
};

for (const [what, [yaml, ...wanted]] of Object.entries(BROKEN)) {
  test(`said of ${what}: where it is, and the remedy`, () => {
    const found = told(yaml);
    assert.equal(found.length, wanted.length, found.join("\n"));
    wanted.forEach((start, place) => assert.ok(found[place]?.startsWith(start), `${found[place]}\nnot: ${start}`));
  });
}

test("all problems are told at once", () => {
  const yaml = "name: x\nvars: {}\nsteps:\n  - prompt: see {a} and {b}\n    tools: [no]\n    needs: [c]\n";
  assert.deepEqual(
    told(yaml).map((line) => line.split(" ")[1]),
    ["missing-dependency", "wrong-value", "unknown-name", "unknown-name"],
  );
});

test("what is too large, too deep, or has too many keys is refused in good time", () => {
  const started = performance.now();
  assert.match(told(`name: ${"x".repeat(300_000)}\n`)[0] ?? "", /too-large/);
  assert.match(told(`name: x\nsteps: ${"[".repeat(60)}${"]".repeat(60)}\n`)[0] ?? "", /too-deep/);
  assert.match(told(`name: x\nsteps: ${"[".repeat(100_000)}\n`)[0] ?? "", /not-yaml|too-deep/);
  const keys = Array.from({ length: 20_000 }, (_, n) => `k${n}: 1`).join("\n");
  assert.match(told(keys)[0] ?? "", /too-large An object has more than 1000 keys/);
  assert.ok(performance.now() - started < 10_000);
});
