/** What a merge changes here, as transitions. SPEC section 7. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { arrive } from "../../src/machine/arrival.ts";
import { withState } from "../../src/model/task.ts";
import { dropped, effects, moves, play, S, started, task, taskOf } from "./play.ts";

const arrival = (...tasks: [string, ReturnType<typeof task> | null][]) => [
  { session: S, file: undefined, tasks: new Map(tasks) },
];

test("a task that is new begins at pending, whatever it came to elsewhere", () => {
  const { state } = play([]);
  const done = withState(task("impl-1"), { status: "completed" });
  assert.deepEqual(moves(arrive(state, arrival(["impl-1", done]))), [
    ["impl-1", "pending"],
    ["impl-1", "completed"],
  ]);
});

test("what waited for it does not start in the same decision", () => {
  const { state } = play([
    dropped("impl-1", { execution: { approve: "before" } }),
    dropped("impl-2", { dependencies: ["impl-1"] }),
  ]);
  const done = withState(taskOf(state, "impl-1"), { status: "completed" });
  const decision = arrive(state, arrival(["impl-1", done]));
  assert.deepEqual(moves(decision), [["impl-1", "completed"]]);
  assert.deepEqual(started(decision), []);
});

test("a task that is as it was is no transition", () => {
  const { state } = play([dropped("impl-1")]);
  assert.deepEqual(arrive(state, arrival(["impl-1", taskOf(state, "impl-1")])), { changes: [], effects: [] });
});

test("the agent of a task that was blocked or deleted elsewhere is stopped", () => {
  const { state } = play([dropped("impl-1"), dropped("impl-2")]);
  const blocked = withState(taskOf(state, "impl-1"), { status: "blocked", reason: "cancelled" });
  const stops = (decision: ReturnType<typeof arrive>) =>
    effects(decision, "stop-agent").map(({ id, why }) => [id, why]);
  assert.deepEqual(stops(arrive(state, arrival(["impl-1", blocked]))), [["impl-1", "cancelled"]]);
  assert.deepEqual(stops(arrive(state, arrival(["impl-1", null]))), [["impl-1", "deleted"]]);
});

test("a session that they completed and that is active here loses its marker", () => {
  const { state } = play([]);
  const file = state.sessions.get(S)?.file;
  assert.ok(file);
  const decision = arrive(state, [{ session: S, file: { ...file, status: "completed" }, tasks: new Map() }]);
  assert.deepEqual(effects(decision, "remove-marker"), [{ do: "remove-marker", session: S }]);
});
