/** Steps of workflows that wait for more than their dependencies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "../../src/machine/event.ts";
import type { Execution } from "../../src/model/task.ts";
import { droppedTogether, moves, play, S, task } from "./play.ts";

const step = (
  id: string,
  more: Omit<Partial<Execution>, "workflow"> & { workflow?: object } = {},
  dependencies: string[] = [],
) =>
  task(id, { dependencies, execution: { ...more, workflow: { name: "w", run: "w-1", step: id, ...more.workflow } } });
const run = () => task("impl-1", { agent: "human", execution: { workflow: { name: "w", run: "w-1", vars: {} } } });
const decided = (id: string, is: "met" | "skipped" | "wrong"): Event => ({
  type: "step-decided",
  session: S,
  id,
  is,
  trouble: "why",
});

test("a step with a condition starts when it is met, and not before", () => {
  const { log } = play([droppedTogether(run(), step("impl-1.1", { when: "true" })), decided("impl-1.1", "met")]);
  assert.ok(!log[0]?.effects.some(({ do: what }) => what === "start-agent"));
  assert.ok(log[1]?.effects.some((effect) => effect.do === "start-agent" && effect.run.id === "impl-1.1"));
});

test("a skipped step is completed, and what needs it starts in the same decision", () => {
  const { log, state } = play([
    droppedTogether(run(), step("impl-1.1", { when: "false" }), step("impl-1.2", {}, ["impl-1.1"])),
    decided("impl-1.1", "skipped"),
  ]);
  assert.deepEqual(moves(log[1]), [
    ["impl-1.1", "completed"],
    ["impl-1.2", "active"],
  ]);
  assert.equal(state.sessions.get(S)?.tasks.get("impl-1.1")?.execution.workflow?.skipped, true);
});

test("a step whose condition cannot be told waits for a person, with the reason", () => {
  const { state } = play([droppedTogether(run(), step("impl-1.1", { when: "x" })), decided("impl-1.1", "wrong")]);
  const { status, execution } = state.sessions.get(S)?.tasks.get("impl-1.1") ?? task("none");
  assert.deepEqual([status, execution.reason, execution.workflow?.trouble], ["blocked", "invalid", "why"]);
});

test("steps for a failure and for the end are held, and news of a step that waits for nothing is nothing", () => {
  const { log } = play([
    droppedTogether(
      run(),
      step("impl-1.1"),
      step("impl-1.2", { workflow: { handles: ["impl-1.1"] } }),
      step("impl-1.3", { workflow: { finally: true } }),
    ),
    decided("impl-1.1", "skipped"),
  ]);
  const started = log[0]?.effects.flatMap((effect) => (effect.do === "start-agent" ? effect.run.id : []));
  assert.deepEqual(started, ["impl-1.1"]);
  assert.deepEqual(log[1]?.changes, []);
});

test("a run is completed when each of its steps is, or has failed and may", () => {
  const steps = [
    step("impl-1.1"),
    task("impl-1.2", {
      status: "blocked",
      execution: { reason: "failed", continue_on_error: true, workflow: { name: "w", run: "w-1", step: "b" } },
    }),
  ];
  const { state } = play([
    droppedTogether(run(), ...steps),
    (now) => ({
      type: "task-edited",
      session: S,
      by: "person",
      fields: ["status"],
      task: { ...(now.sessions.get(S)?.tasks.get("impl-1.1") ?? task("none")), status: "completed" },
    }),
  ]);
  assert.equal(state.sessions.get(S)?.tasks.get("impl-1")?.status, "completed");
});
