/** `cox plan`, and what people see and do of a plan: through the real daemon. */
import assert from "node:assert/strict";
import { chmodSync, existsSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

const PLAN = {
  summary: "One after the other.",
  tasks: [
    { key: "a", title: "Do one thing", role: "worker", verify: ["test -e README.md"] },
    { key: "b", title: "Do the other", role: "worker", dependencies: ["a"], estimate: { usd: 2 } },
  ],
  risks: ["it takes long"],
  questions: ["Is that all?"],
};
const role = (name: string, command: string) => `---
name: ${name}
description: For tests.
runner: command
command: |
  ${command}
---
`;

function lab(t: TestContext, plan: object = PLAN): Lab {
  const made = repository(t, { init: true });
  made.write(".workflow/config.yaml", "isolation: none\n");
  made.write("README.md", "# A project\n");
  made.write("plan.json", JSON.stringify(plan));
  made.write(".workflow/agents/planning-agent.md", role("planning-agent", "cat > asked.md; cat plan.json"));
  made.write(".workflow/agents/worker.md", role("worker", "echo done"));
  return made;
}

const once = (made: Lab) => made.cox("start", "--once");

test("a goal is planned, shown with its questions, approved, and carried out", (t) => {
  const made = lab(t);
  const asked = made.json<{ task: string; daemon: string }>("plan", "Let people export their data");
  assert.deepEqual([asked.task, asked.daemon], ["impl-1", "down"]);
  once(made);
  assert.equal(made.task("impl-1").execution["reason"], "awaiting-approval");
  const prompt = made.read("asked.md");
  assert.match(prompt, /## The answer is a plan/);
  assert.match(prompt, /worker \(For tests\.\)/);
  const shown = made.cox("show", "impl-1").out;
  for (const text of [/Is that all\?/, /1\. Do one thing \(worker\)/, /gate: test -e README\.md/, /2\. .*after 1.*\$2/])
    assert.match(shown, text);
  const approved = made.cox("approve", "impl-1");
  assert.match(approved.out, /2 tasks will be added/);
  assert.match(approved.out, /It asked: Is that all\?/);
  once(made);
  assert.deepEqual(
    ["impl-1", "impl-1.1", "impl-1.2"].map((id) => made.task(id).status),
    ["completed", "completed", "completed"],
  );
  assert.deepEqual(made.task("impl-1.2").relations.dependencies, ["impl-1.1"]);
});

test("--wait shows the plan when it is there; --yes waits until its tasks are", (t) => {
  const made = lab(t, { ...PLAN, tasks: [{ title: "Do it", role: "worker" }] });
  assert.equal(made.cox("plan", "Anything", "--wait").exit, 4);
  made.cox("start", "--detach");
  const waited = made.cox("plan", "Let people export their data", "--wait");
  assert.equal(waited.exit, 0, waited.err);
  assert.match(waited.out, /1\. Do it \(worker\)/);
  assert.match(waited.out, /cox approve impl-1/);
  const at = made.json<{ task: string; subtasks: string[] }>("plan", "Another goal", "--yes", "--wait");
  assert.deepEqual(at.subtasks, [`${at.task}.1`]);
});

test("--wait says why there will be no plan", (t) => {
  const made = lab(t, { tasks: [{ title: "Do it", role: "nobody" }] });
  made.cox("start", "--detach");
  const { exit, err } = made.cox("plan", "Let people export their data", "--wait");
  assert.equal(exit, 1);
  assert.match(err, /There is no plan: .*impl-1 is blocked \(verify\)/);
  assert.match(err, /There is no role "nobody"/);
});

test("a plan that was edited wrongly is not approved: each mistake has its place", (t) => {
  const made = lab(t);
  made.cox("plan", "Let people export their data");
  once(made);
  const path = ".workflow/WFS-main/plans/impl-1.json";
  made.write(path, made.read(path).replace('"worker"', '"wroker"'));
  const refused = made.cox("approve", "impl-1");
  assert.equal(refused.exit, 1);
  assert.match(refused.err, / 8:15 \/tasks\/0\/role: There is no role "wroker"\. Did you mean worker\?/);
  assert.equal(made.task("impl-1").execution["approved"], undefined);
  assert.equal(made.cox("validate", path).exit, 0, "its form is right");
  made.write(path, made.read(path).replace('"title"', '"titel"'));
  assert.match(made.cox("validate", path).err + made.cox("validate", path).out, /titel/);
});

test("--dry-run shows what would be asked, and adds nothing; without a goal there is nothing to ask", (t) => {
  const made = lab(t);
  const { schema, task } = made.json<{ schema: { required: string[] }; task: { title: string } }>(
    "plan",
    "Let people export their data",
    "--dry-run",
  );
  assert.deepEqual(schema.required, ["tasks"]);
  assert.equal(task.title, "Let people export their data");
  assert.ok(!existsSync(made.at(".workflow/WFS-main")));
  assert.equal(made.cox("plan").exit, 2);
  assert.equal(made.cox("plan", " ").exit, 2);
});

test("a goal of many words is what the planner reads, and its beginning the title", (t) => {
  const made = lab(t);
  made.write("goal.md", `# Export\n\n${"Let people export their data. ".repeat(20)}`);
  made.cox("plan", "--file", "goal.md", "--requirement", "it is fast");
  assert.equal(made.task("impl-1").title, "Export");
  once(made);
  assert.match(made.read("asked.md"), /## What is asked\n\n# Export\n\nLet people export/);
  assert.match(made.read("asked.md"), /it is fast/);
});

test("feature.yaml: what its first step plans becomes further steps, for which the others wait", (t) => {
  const made = lab(t);
  made.write(".workflow/agents/review-agent.md", role("review-agent", "cat > reviewed.md"));
  const npm = '#!/bin/sh\ntest -e .workflow/WFS-main/responses/impl-1.5-a1.json && echo "$@" > tested\n';
  made.write("bin/npm", npm);
  chmodSync(made.at("bin/npm"), 0o755);
  const env = { PATH: `${made.at("bin")}:${process.env["PATH"] ?? ""}` };
  const example = new URL("../../examples/workflows/feature.yaml", import.meta.url).pathname;
  made.cox("run", example, "--var", "goal=People {can} export $(touch pwned)");
  made.coxWith({ env }, "start", "--once");
  assert.equal(made.task("impl-1.1").execution["reason"], "awaiting-approval");
  assert.match(made.read("asked.md"), /^People \{can\} export \$\(touch pwned\)$/m);
  assert.match(made.cox("approve", "impl-1.1").out, /2 tasks will be added/);
  made.coxWith({ env }, "start", "--once");
  const states = [1, 2, 3, 4, 5].map((n) => made.task(`impl-1.${n}`).status);
  assert.deepEqual(states, Array(5).fill("completed"), made.cox("list").out);
  assert.equal(made.task("impl-1").status, "completed");
  assert.deepEqual(made.task("impl-1.2").relations.dependencies, ["impl-1.1", "impl-1.4", "impl-1.5"]);
  const { workflow } = made.task("impl-1.5").execution as { workflow: unknown };
  assert.deepEqual(workflow, { name: "Feature", run: "feature-1", step: "plan.5" });
  assert.equal(made.read("tested"), "test\n");
});

test("a step that plans says what a person has to approve, or that nobody has", (t) => {
  const made = lab(t, { tasks: [{ title: "Do it", role: "worker" }] });
  const steps = [{ id: "plan", plan: "Anything", approved: true }];
  made.write("flow.yaml", JSON.stringify({ name: "Flow", steps }));
  made.cox("run", "flow.yaml");
  once(made);
  assert.deepEqual([made.task("impl-1").status, made.task("impl-1.2").title], ["completed", "Do it"]);
  const wrong = [
    { id: "plan", plan: "Anything", approved: true, approve: "after", output_schema: {} },
    { id: "other", run: "true", approved: true },
  ];
  made.write("wrong.yaml", JSON.stringify({ name: "Flow", steps: wrong }));
  const { exit, err } = made.cox("run", "wrong.yaml");
  assert.equal(exit, 1);
  for (const text of [/answer of a step that plans is a plan/, /or beforehand/, /Step 2 plans nothing/])
    assert.match(err, text);
});
