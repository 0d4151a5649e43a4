/** Workflow files: what is taken, and what is said of those that are not. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { problem } from "../../src/problems.ts";
import { readWorkflow } from "../../src/store/workflow-file.ts";

const ROLES = ["code-developer", "review-agent", "human", "command"];

const told = (yaml: string) => {
  const read = readWorkflow(yaml, ROLES, (name) => {
    const hint = "Did you mean review?";
    return OTHERS[name] ?? problem("unknown-workflow", `There is no workflow ${name}.`, { hint });
  });
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
  - id: each
    run: "wc {item.name} {index}"
    for_each: "{data.files}"
    max_parallel: 3
    when: "item.size > 0 && index < 10"
    needs: [load]
    output_variable: counts
    retry: { attempts: 2, base: 10s }
  - id: improve
    prompt: "Round {round}: make {text} better"
    repeat: { until: "text.score > 8 || round > 3", max: 4 }
    output_variable: text
  - python: 'print(len(values["counts"]), {1: 2}, values["steps"]["load"], f"{not_ours}")'
  - workflow: review
    vars: { file: "{item}", depth: 3 }
    for_each: [a, b]
  - human: "Is {data} right?"
    needs: []
    continue_on_error: true
`.replace("needs: []", "needs: [load]");
  assert.deepEqual(told(yaml), []);
});

/** Workflows that others run. */
const OTHERS: Record<string, string> = {
  review: "name: r\nvars: { file: { required: true }, depth: 1 }\nsteps: [{ run: 'cat {file}' }]\n",
  ping: "name: ping\nsteps: [{ workflow: pong }]\n",
  pong: "name: pong\nsteps: [{ workflow: ping }]\n",
  planned: "name: p\nsteps: [{ plan: x }]\n",
  broken: "name: b\nsteps:\n  - promt: x\n",
  d1: "name: d\nsteps: [{ workflow: d2 }]\n",
  d2: "name: d\nsteps: [{ workflow: d3 }]\n",
  d3: "name: d\nsteps: [{ workflow: d4 }]\n",
  d4: "name: d\nsteps: [{ workflow: d5 }]\n",
  d5: "name: d\nsteps: [{ workflow: d6 }]\n",
  d6: "name: d\nsteps: [{ run: x }]\n",
};

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
  "a list that is a text": [
    step("run: x {item}\n    for_each: files and {more}"),
    "4:15 wrong-value Step 1 is done for each of what is neither a list nor a name. Write a list, or one {name}.",
  ],
  "a list that is declared as no list": [
    "name: x\nvars: { files: a }\nsteps:\n  - run: x\n    for_each: '{files}'\n",
    "5:15 wrong-value Step 1 is done for each of {files}, which is declared as string. Declare it: type: list.",
  ],
  "a list that nothing makes": [
    "name: x\nvars: {}\nsteps:\n  - run: x\n    for_each: '{files}'\n",
    "5:16 unknown-name There is no {files}. Declare files under vars",
  ],
  "a list of a step beside": [
    step("id: a\n    run: x\n    output_variable: files\n  - run: y\n    for_each: '{files}'\n    needs: []"),
    "7:16 unknown-name {files} is of a, which need not be over by then. Add it: needs: [a].",
  ],
  "a list of its own items": [
    step("run: x\n    for_each: '{item}'"),
    "4:16 unknown-name {item} is there only in a step that has for_each. Name a list.",
  ],
  "a list that is too long": [
    step(`run: x\n    for_each: [${"1,".repeat(1000)}1]`),
    "4:15 wrong-value steps.0.for_each",
  ],
  "an item of nothing": [
    step("run: x {item.name}"),
    "3:12 unknown-name {item.name} is there only in a step that has for_each. Give the step for_each, or",
  ],
  "a round of nothing": [
    step("run: x {round}\n    for_each: [1]"),
    "3:12 unknown-name {round} is there only in a step that has repeat. Give the step repeat",
  ],
  "a condition on an item of nothing": [
    step("run: x\n    when: item > 1"),
    "4:11 bad-condition The condition of step 1: Unknown variable: item",
  ],
  "a result that is called like an item": [
    step("run: x\n    output_variable: item"),
    "4:22 duplicate-step item is a name of Coxswain's own",
  ],
  "how many of no items": [
    step("run: x\n    max_parallel: 2"),
    "4:19 wrong-value Step 1 has max_parallel and no for_each. Remove it, or give it for_each.",
  ],
  "less than one at once": [step("run: x\n    for_each: [1]\n    max_parallel: 0"), "5:19 wrong-value"],
  "rounds of items": [
    step("run: x\n    for_each: [1]\n    repeat: { until: 'true', max: 2 }"),
    "5:13 wrong-value Step 1 has both for_each and repeat. Put the rounds into a workflow of their own",
  ],
  "rounds without an end": [
    step("run: x\n    repeat: { until: 'true' }"),
    "4:13 missing-field steps.0.repeat.max is missing",
  ],
  "rounds until what is no condition": [
    step("run: x\n    output_variable: n\n    repeat: { until: 'round + 1', max: 2 }"),
    "5:22 bad-condition The condition of step 1: it is a int, and must be true or false",
  ],
  "rounds until an unknown name": [
    step("run: x\n    repeat: { until: 'n > 1', max: 2 }"),
    "4:22 bad-condition The condition of step 1: Unknown variable: n",
  ],
  "vars of no workflow": [
    step("run: x\n    vars: { a: b }"),
    "4:11 wrong-value Step 1 gives vars, and runs no workflow. Remove them, or run one: workflow: <name>.",
  ],
  "a workflow that is not there": [
    step("workflow: reviw"),
    "3:15 unknown-workflow There is no workflow reviw. Did you mean review?",
  ],
  "a workflow that is not given what it must have": [
    step("workflow: review"),
    "3:15 missing-variable The workflow review is not given file. Give it: vars: { file: … }.",
  ],
  "a workflow that is given what it does not take": [
    step("workflow: review\n    vars: { file: a, dept: 2 }"),
    "4:28 unknown-name The workflow review has no variable dept. Did you mean depth?",
  ],
  "a workflow that is given an unknown name": [
    "name: x\nvars: {}\nsteps:\n  - workflow: review\n    vars: { file: 'a {fil}' }\n",
    "5:22 unknown-name There is no {fil}.",
  ],
  "a plan for each item": [
    step("plan: x\n    for_each: [a]"),
    "4:15 wrong-value A step that plans is done once. Remove it",
  ],
  "a plan in a workflow that another runs": [
    step("workflow: planned"),
    "3:15 wrong-value The workflow planned has a step that plans, which only a workflow that is run by itself can. Move",
  ],
  "workflows that run each other": [
    step("workflow: ping"),
    "3:15 dependency-cycle These workflows run each other: ping → pong → ping. Take one of them out.",
  ],
  "workflows too deep within each other": [
    step("workflow: d1"),
    "3:15 too-deep d1 has 6 workflows within each other; 5 are the most.",
  ],
  "a workflow that is wrong itself": [
    step("workflow: broken"),
    "3:15 wrong-value In the workflow broken, line 3, column 5: There is no key steps.0.promt. Did you mean prompt?",
  ],
  "a model for a workflow": [
    step("workflow: review\n    vars: { file: a }\n    model: opus"),
    "5:12 wrong-value Step 1 runs a workflow: model is said by the steps of that. Say it in that workflow",
  ],
  "an unknown name in Python": [
    'name: x\nvars: { rows: 1 }\nsteps:\n  - python: print(values["row"], {nothing})\n',
    "4:13 unknown-name There is no {row}. Did you mean {rows}?",
  ],
  "two counts of attempts": [
    step("run: x\n    max_attempts: 2\n    retry: { attempts: 3 }"),
    "4:19 wrong-value Step 1 says twice how often it is tried. Keep max_attempts or retry.attempts.",
  ],
  "a wait without a unit": [step("run: x\n    retry: { base: 10 }"), "4:20 wrong-value steps.0.retry.base"],
  "another's word for a loop": [
    step("run: x\n    foreach: [1]"),
    "4:5 unknown-key There is no key steps.0.foreach. Did you mean for_each?",
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
