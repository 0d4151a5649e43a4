/** What plans add, in the decision that completes their task. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { RightPlan } from "../../src/model/plan.ts";
import type { State } from "../../src/machine/state.ts";
import { dropped, edited, ended, moves, play, S } from "./play.ts";

const PLAN: RightPlan = {
  tasks: [
    { drop: { title: "A", agent: "command", execution: { command: "true" } }, needs: [] },
    { drop: { title: "Plan B", execution: {} }, needs: [0, "impl-9"] },
  ],
  risks: ["late"],
  source: { file: `${S}/plans/impl-1.json`, sha256: "0" },
};
const planner = { execution: { plan: "required" as const } };
const withPlan = (step: ReturnType<typeof ended>, plan = PLAN) =>
  typeof step === "function" ? (state: State) => ({ ...(step(state) as object), plan }) as never : (step as never);
const taskOf = ({ state }: { state: State }, id: string) => state.sessions.get(S)?.tasks.get(id);

test("a task's plan becomes its subtasks in the decision that ends its attempt, and what is ready starts", () => {
  const played = play([dropped("impl-9"), dropped("impl-1", planner), withPlan(ended("impl-1"))]);
  assert.deepEqual(moves(played.log.at(-1)), [
    ["impl-1", "container"],
    ["impl-1.1", "pending"],
    ["impl-1.2", "pending"],
    ["impl-1.1", "active"],
  ]);
  assert.deepEqual(taskOf(played, "impl-1")?.relations.subtasks, ["impl-1.1", "impl-1.2"]);
  assert.deepEqual(taskOf(played, "impl-1")?.implementation.context_notes.risks, ["late"]);
  assert.deepEqual(taskOf(played, "impl-1.2")?.relations.dependencies, ["impl-1.1", "impl-9"]);
  assert.equal(taskOf(played, "impl-1.2")?.agent, "planning-agent");
  assert.equal(taskOf(played, "impl-1.2")?.execution.plan, "none", "what comes from a plan plans nothing");
});

test("a plan that is approved becomes subtasks by the person's hand; a task that must plan is not done without one", () => {
  const approving = { execution: { plan: "required" as const, approve: "after" as const } };
  const waits = play([dropped("impl-1", approving), ended("impl-1")]);
  assert.equal(taskOf(waits, "impl-1")?.execution.reason, "awaiting-approval");
  const without = play([edited("impl-1", { execution: { approved: true } })], { start: waits.state });
  assert.equal(taskOf(without, "impl-1")?.status, "blocked");
  assert.equal(taskOf(without, "impl-1")?.execution.approved, undefined);
  const approved = play([withPlan(edited("impl-1", { execution: { approved: true } }))], { start: without.state });
  const made = approved.log.at(-1)?.changes.filter((change) => change.of === "task" && change.from === "new");
  assert.deepEqual(
    made?.map((change) => "by" in change && change.by),
    ["person", "person"],
  );
  assert.equal(taskOf(approved, "impl-1")?.status, "container");
});

test("a task that needs no approval and must plan waits for a person where there is no plan", () => {
  const played = play([dropped("impl-1", planner), ended("impl-1")]);
  assert.equal(taskOf(played, "impl-1")?.execution.reason, "awaiting-approval");
});

test("a subtask's plan stands beside it, and what waited for it waits for all of that", () => {
  const workflow = { name: "Flow", run: "flow-1" };
  const played = play([
    [
      dropped("impl-9"),
      dropped("impl-1", { agent: "human", execution: { workflow } }),
      dropped("impl-1.1", { execution: { plan: "required", workflow: { ...workflow, step: "plan" } } }),
      dropped("impl-1.2", { dependencies: ["impl-1.1"], execution: { workflow: { ...workflow, step: "then" } } }),
    ],
    withPlan(ended("impl-1.1")),
  ]);
  assert.deepEqual(moves(played.log.at(-1)).slice(0, 3), [
    ["impl-1.1", "completed"],
    ["impl-1.3", "pending"],
    ["impl-1.4", "pending"],
  ]);
  assert.deepEqual(taskOf(played, "impl-1.2")?.relations.dependencies, ["impl-1.1", "impl-1.3", "impl-1.4"]);
  assert.equal(taskOf(played, "impl-1.2")?.status, "pending");
  assert.equal(taskOf(played, "impl-1")?.status, "container");
  assert.deepEqual(taskOf(played, "impl-1.3")?.execution.workflow, { ...workflow, step: "plan.3" });
});

test("a plan of nine tasks makes a simple session a medium one, and its phase is what it has to do", () => {
  const tasks = Array.from({ length: 9 }, () => PLAN.tasks[0] as RightPlan["tasks"][number]);
  const started = play([dropped("impl-1", { ...planner, agent: "planning-agent" })]);
  assert.equal(started.state.sessions.get(S)?.file.current_phase, "PLAN");
  const played = play([withPlan(ended("impl-1"), { ...PLAN, tasks })], { start: started.state });
  const file = played.state.sessions.get(S)?.file;
  assert.deepEqual(
    [file?.type, file?.current_phase, file?.progress.completed_phases],
    ["medium", "IMPLEMENT", ["PLAN"]],
  );
});
