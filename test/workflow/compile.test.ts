/** A run of a workflow as tasks, and what it may be given. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { takeIn } from "../../src/machine/intake.ts";
import type { WorkflowFile } from "../../src/model/workflow.ts";
import { readWorkflow } from "../../src/store/workflow-file.ts";
import { compile } from "../../src/workflow/compile.ts";
import { varsFor } from "../../src/workflow/vars.ts";

const PIPELINE = `name: Data Analysis Pipeline
steps:
  - name: Load Data
    prompt: "Load data from {data_file}"
    tools: [read_file, execute_python]
    output_variable: data
  - name: Analyze
    prompt: "Analyze: {data}"
    tools: [execute_python]
    continue_on_error: true
`;

const file = (yaml: string): WorkflowFile => {
  const read = readWorkflow(yaml);
  assert.ok("ok" in read, JSON.stringify(read));
  return read.ok;
};

test("the pipeline is a task for the run, and one for each step that waits for the one before", () => {
  const { run, tasks, texts } = compile(file(PIPELINE), { id: "impl-4", vars: { data_file: "a.csv" } });
  assert.equal(run, "data-analysis-pipeline-4");
  const name = "Data Analysis Pipeline";
  assert.deepEqual(tasks, [
    { id: "impl-4", title: name, agent: "human", execution: { workflow: { name, run, vars: { data_file: "a.csv" } } } },
    {
      id: "impl-4.1",
      title: "Load Data",
      agent: "code-developer",
      paths: "",
      relations: { dependencies: [] },
      execution: {
        output: "data",
        tools: ["Read", "Bash"],
        prompt_file: "prompts/impl-4.1.prompt",
        workflow: { name, run, step: "load_data" },
      },
    },
    {
      id: "impl-4.2",
      title: "Analyze",
      agent: "code-developer",
      paths: "",
      relations: { dependencies: ["impl-4.1"] },
      execution: {
        continue_on_error: true,
        tools: ["Bash"],
        prompt_file: "prompts/impl-4.2.prompt",
        workflow: { name, run, step: "analyze" },
      },
    },
  ]);
  assert.deepEqual(
    [...texts],
    [
      ["prompts/impl-4.1.prompt", "Load data from {data_file}"],
      ["prompts/impl-4.2.prompt", "Analyze: {data}"],
    ],
  );
});

test("what a step says is what its task says; defaults hold where it is silent", () => {
  const { tasks, texts } = compile(
    file(`
name: n
defaults: { timeout: 10m, role: review-agent, verify: ["true"], model: m }
steps:
  - { id: a, prompt: p, timeout: 5m, max_attempts: 2, budget_usd: 1, max_turns: 3, priority: 4, approve: before,
      isolation: none, env: [X], paths: [src, test], effort: high, output_schema: { type: object } }
  - { id: b, run: make, needs: [] }
  - { id: c, human: "Is it right?", needs: [a, b] }
`),
    { id: "impl-1", vars: {} },
  );
  const [, a, b, c] = tasks;
  assert.deepEqual([a?.agent, a?.paths, b?.agent, c?.agent], ["review-agent", "src;test", "command", "human"]);
  const workflow = (step: string) => ({ name: "n", run: "n-1", step });
  assert.deepEqual(a?.execution, {
    ...{
      timeout: "5m",
      max_attempts: 2,
      priority: 4,
      verify: ["true"],
      approve: "before",
      isolation: "none",
      env: ["X"],
    },
    ...{ model: "m", effort: "high", budget_usd: 1, max_turns: 3, response_schema: { type: "object" } },
    prompt_file: "prompts/impl-1.1.prompt",
    workflow: workflow("a"),
  });
  assert.deepEqual(b?.execution, { timeout: "10m", verify: ["true"], command: "make", workflow: workflow("b") });
  assert.deepEqual(c?.relations?.dependencies, ["impl-1.1", "impl-1.2"]);
  assert.equal(texts.get("prompts/impl-1.3.prompt"), "Is it right?");
});

test("a step that is done in several tasks is one that waits for them, with what they are made from", () => {
  const { tasks, texts } = compile(
    file(`
name: n
steps:
  - { id: each, run: "echo {item}", for_each: [1, 2], max_parallel: 2 }
  - { id: again, prompt: p, repeat: { until: round > 1, max: 3 }, output_variable: it }
  - { id: call, workflow: other, vars: { a: "{it}" } }
  - { id: py, python: "print(1)", timeout: 5m }
`),
    { id: "impl-1", vars: {} },
  );
  const [, each, again, call, py] = tasks;
  const workflow = (step: string) => ({ name: "n", run: "n-1", step });
  assert.deepEqual(each?.execution, {
    command: "echo {item}",
    workflow: { ...workflow("each"), for_each: [1, 2], max_parallel: 2 },
  });
  assert.deepEqual(again?.execution?.workflow, { ...workflow("again"), repeat: { until: "round > 1", max: 3 } });
  assert.deepEqual(
    [call?.agent, call?.execution],
    ["human", { workflow: { ...workflow("call"), call: { workflow: "other", vars: { a: "{it}" } } } }],
  );
  assert.deepEqual(
    [py?.agent, py?.execution],
    ["command", { timeout: "5m", command: "print(1)", workflow: { ...workflow("py"), python: true } }],
  );
  assert.deepEqual([...texts.keys()], ["prompts/impl-1.2.prompt"]);
});

test("a workflow without vars is to be given a list where a step is done for each of one", () => {
  const each = file("name: n\nsteps: [{ run: 'echo {item} {word}', for_each: '{files}' }]");
  assert.deepEqual(varsFor(each, { files: '["a"]', word: "x" }), { ok: { files: ["a"], word: "x" } });
});

test("how often a step is tried, and after which wait, is said by its task", () => {
  const { tasks } = compile(file("name: n\nsteps: [{ run: x, retry: { attempts: 5, base: 3s } }]"), {
    ...{ id: "impl-1", vars: {} },
  });
  const { max_attempts, retry_base } = tasks[1]?.execution ?? {};
  assert.deepEqual([max_attempts, retry_base], [5, "3s"]);
});

test("ids come from names, and two of one name are two", () => {
  const { tasks } = compile(
    file("name: n\nsteps: [{ name: 'Ünder 1!', run: a }, { name: under 1, run: b }, { run: c }]"),
    { id: "impl-1", vars: {} },
  );
  assert.deepEqual(
    tasks.slice(1).map(({ execution }) => execution?.workflow?.step),
    ["under_1", "under_1_2", "step_3"],
  );
});

test("a workflow without vars is to be given each name that no step makes; none of another", () => {
  assert.deepEqual(varsFor(file(PIPELINE), { data_file: "a.csv" }), { ok: { data_file: "a.csv" } });
  const wrong = varsFor(file(PIPELINE), { datafile: "a" });
  assert.ok("problems" in wrong);
  assert.deepEqual(
    wrong.problems.map(({ code, hint }) => `${code} ${hint}`),
    ["unknown-name Did you mean data_file?", "missing-variable Give it: --var data_file=…."],
  );
});

test("what a run is given has the type that was declared, or is refused", () => {
  const typed = file(`
name: n
vars:
  n: { type: number, default: 1 }
  list: { type: list, required: true }
  mode: { enum: [fast, slow], default: fast }
  flag: false
steps: [{ run: "echo {n} {list} {mode} {flag}" }]
`);
  assert.deepEqual(varsFor(typed, { list: "[1, 2]", n: "2", flag: "true" }), {
    ok: { n: 2, list: [1, 2], mode: "fast", flag: true },
  });
  const wrong = varsFor(typed, { list: "1", n: "x", mode: "best" });
  assert.ok("problems" in wrong);
  assert.deepEqual(
    wrong.problems.map(({ message }) => message),
    ["The variable n is not a number.", "The variable list is not a list.", "The variable mode can be fast, slow."],
  );
});

test("whatever the needs are, all steps are taken in together, each after what it needs", () => {
  const graph = fc
    .integer({ min: 1, max: 12 })
    .chain((count) =>
      fc.tuple(
        ...Array.from({ length: count }, (_, place) => fc.subarray(Array.from({ length: place }, (_, n) => `s${n}`))),
      ),
    );
  fc.assert(
    fc.property(graph, (needs) => {
      const steps = needs.map((of, place) => ({ id: `s${place}`, run: "true", needs: of }));
      const { tasks } = compile({ name: "n", steps }, { id: "impl-7", vars: {} });
      const drops = tasks.map((drop) => ({ file: drop.id, sha256: "", drop, idByName: null, escaping: [] }));
      const roles = new Set(["human", "command"]);
      const taken = takeIn(drops, {
        session: "WFS-a",
        taskOf: () => undefined,
        highest: 0,
        roles,
        roleNames: () => [...roles],
      });
      assert.deepEqual(taken.refused, []);
      const waits = taken.accepted.slice(1).map(({ task }) => task.relations.dependencies);
      assert.deepEqual(
        waits,
        needs.map((of) => of.map((id) => `impl-7.${Number(id.slice(1)) + 1}`)),
      );
    }),
  );
});

test("reviewers of all prompts are those of no command, unless a prompt says otherwise", () => {
  const yaml = `name: n
defaults: { review: review-agent }
steps:
  - { id: a, prompt: x }
  - { id: b, run: x }
  - { id: c, prompt: x, review: [] }
`;
  const { tasks } = compile(file(yaml), { id: "impl-1", vars: {} });
  assert.deepEqual(
    tasks.map(({ execution }) => execution?.review),
    [undefined, "review-agent", undefined, []],
  );
});

test("a thousand steps are read, checked and compiled in well under a second", () => {
  const yaml = `name: n\nvars: { f: x }\nsteps:\n${Array.from({ length: 1000 }, (_, n) => `  - { id: s${n}, run: "echo {f} ${n}", output_variable: o${n} }\n`).join("")}`;
  const started = performance.now();
  const { tasks } = compile(file(yaml), { id: "impl-1", vars: { f: "x" } });
  assert.equal(tasks.length, 1001);
  assert.ok(performance.now() - started < 3000);
});
