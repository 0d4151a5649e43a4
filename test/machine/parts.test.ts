/** Steps that are done in several tasks: made once, waited for, and steered together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "../../src/machine/event.ts";
import type { State } from "../../src/machine/state.ts";
import type { Execution, Status, Task } from "../../src/model/task.ts";
import { deleted, droppedTogether, edited, ended, moves, play, S, task } from "./play.ts";

type Workflow = Partial<NonNullable<Execution["workflow"]>>;

const step = (id: string, workflow: Workflow = {}, dependencies: string[] = [], more: Partial<Execution> = {}) =>
  task(id, { dependencies, execution: { ...more, workflow: { name: "w", run: "w-1", step: id, ...workflow } } });
const run = () => task("impl-1", { agent: "human", execution: { workflow: { name: "w", run: "w-1", vars: {} } } });
const part = (number: number, index: number, more: Workflow = {}) =>
  step(`impl-1.${number}`, { part_of: "impl-1.1", index, item: index, ...more });
const EACH = { for_each: [0, 1], max_parallel: 1 };

const known = (after: number | undefined, ...parts: Task[]): Event => ({
  ...{ type: "parts-known", session: S, id: "impl-1.1", after, parts },
});
const over = (seen: Record<string, Status>, outcome: "success" | "failure" = "success"): Event => ({
  ...{ type: "parts-over", session: S, id: "impl-1.1", seen: new Map(Object.entries(seen)), outcome, message: "why" },
});
const of = (state: State, id: string) => state.sessions.get(S)?.tasks.get(id);
const statuses = (state: State) =>
  Object.fromEntries([...(state.sessions.get(S)?.tasks.values() ?? [])].map(({ id, status }) => [id, status]));

const BEGUN = [
  droppedTogether(run(), step("impl-1.1", EACH), step("impl-1.2", {}, ["impl-1.1"])),
  known(undefined, part(3, 0), part(4, 1)),
];
const BOTH = { "impl-1.3": "completed", "impl-1.4": "completed" } as const;

test("its tasks are made together with the note of it, and no more of them run at once than it allows", () => {
  const { log, state } = play(BEGUN);
  assert.deepEqual(moves(log[0]), [
    ["impl-1", "pending"],
    ["impl-1.1", "pending"],
    ["impl-1.2", "pending"],
    ["impl-1", "container"],
  ]);
  assert.deepEqual(moves(log[1]), [
    ["impl-1.3", "pending"],
    ["impl-1.4", "pending"],
    ["impl-1.3", "active"],
  ]);
  assert.equal(of(state, "impl-1.1")?.execution.workflow?.parts, 2);
  assert.deepEqual(of(state, "impl-1")?.relations.subtasks, ["impl-1.1", "impl-1.2", "impl-1.3", "impl-1.4"]);
});

test("told twice they are made once; and none where another task has one of their ids by now", () => {
  const twice = play([...BEGUN, known(undefined, part(5, 0), part(6, 1))]);
  assert.deepEqual(twice.log[2]?.changes, []);
  const taken = play([
    droppedTogether(run(), step("impl-1.1", EACH), step("impl-1.3")),
    known(undefined, part(2, 0), part(3, 1)),
  ]);
  assert.deepEqual(taken.log[1]?.changes, []);
});

test("when they are over the step is, and what needs it starts in the same decision", () => {
  const { log, state } = play([...BEGUN, ended("impl-1.3"), ended("impl-1.4"), over(BOTH)]);
  assert.deepEqual(moves(log[4]), [
    ["impl-1.1", "completed"],
    ["impl-1.2", "active"],
  ]);
  assert.equal(of(state, "impl-1.1")?.execution.last_attempt?.outcome, "success");
});

test("news that is older than how they stand is nothing", () => {
  const { log } = play([
    ...BEGUN,
    ended("impl-1.3"),
    ended("impl-1.4"),
    edited("impl-1.4", { status: "pending" }),
    over(BOTH),
  ]);
  assert.deepEqual(moves(log.at(-1)), []);
});

test("a step that may fail answers for its tasks: the run is completed though one of them has failed", () => {
  const may = step("impl-1.1", EACH, [], { continue_on_error: true });
  const { state } = play([
    droppedTogether(run(), may),
    known(undefined, part(3, 0), part(4, 1)),
    ended("impl-1.3"),
    ended("impl-1.4", { failed: "auth" }),
    over({ "impl-1.3": "completed", "impl-1.4": "blocked" }, "failure"),
  ]);
  assert.deepEqual(statuses(state), {
    ...{ "impl-1": "completed", "impl-1.1": "blocked", "impl-1.3": "completed", "impl-1.4": "blocked" },
  });
});

const FAILED = [
  ...BEGUN,
  ended("impl-1.3"),
  ended("impl-1.4", { failed: "auth" }),
  over({ "impl-1.3": "completed", "impl-1.4": "blocked" }, "failure"),
];

test("a retry of a step that failed is one of what failed of it, and one of a task of it is waited for again", () => {
  const whole = play([...FAILED, edited("impl-1.1", { status: "pending" })]);
  assert.deepEqual(moves(whole.log.at(-1)), [
    ["impl-1.1", "pending"],
    ["impl-1.4", "pending"],
    ["impl-1.4", "active"],
  ]);
  const one = play([...FAILED, edited("impl-1.4", { status: "pending" })]);
  assert.deepEqual(moves(one.log.at(-1)), [
    ["impl-1.4", "pending"],
    ["impl-1.1", "pending"],
    ["impl-1.4", "active"],
  ]);
});

test("a step that is done again is done anew: other tasks take the place of those from before", () => {
  const { log, state } = play([
    ...BEGUN,
    ended("impl-1.3"),
    ended("impl-1.4"),
    over(BOTH),
    edited("impl-1.1", { status: "pending" }),
    known(undefined, part(5, 0)),
  ]);
  assert.deepEqual(moves(log.at(-1)), [
    ["impl-1.3", "deleted"],
    ["impl-1.4", "deleted"],
    ["impl-1.5", "pending"],
    ["impl-1.5", "active"],
  ]);
  assert.equal(of(state, "impl-1.1")?.execution.workflow?.parts, 1);
});

test("a step that is cancelled takes its tasks along, and so does one that is deleted", () => {
  const cancelled = play([...BEGUN, edited("impl-1.1", { status: "blocked" })]);
  assert.deepEqual(statuses(cancelled.state), {
    ...{
      "impl-1": "container",
      "impl-1.1": "blocked",
      "impl-1.2": "pending",
      "impl-1.3": "blocked",
      "impl-1.4": "blocked",
    },
  });
  assert.ok(cancelled.log.at(-1)?.effects.some((effect) => effect.do === "stop-agent" && effect.id === "impl-1.3"));
  const gone = play([...BEGUN, deleted("impl-1.1")]);
  assert.deepEqual(Object.keys(statuses(gone.state)), ["impl-1", "impl-1.2"]);
});
