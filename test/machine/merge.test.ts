import { test } from "node:test";
import assert from "node:assert/strict";
import { mergeEdit, mergeSessionEdit } from "../../src/machine/merge.ts";
import type { Execution, LastAttempt, Task } from "../../src/model/task.ts";
import { newSession, type SessionFile } from "../../src/model/session.ts";
import { task } from "./play.ts";

const last = (attempt: number, more: Partial<LastAttempt> = {}): LastAttempt => ({
  attempt,
  run_id: `run-${attempt}`,
  started_at: "2026-11-21T09:30:00.000Z",
  ended_at: null,
  outcome: null,
  ...more,
});
/** A task's life as the daemon recorded it: queued, running, waiting to be tried again. */
const queued = task("impl-1", {
  title: "Old",
  context: { requirements: ["one"], scope: [], acceptance: [], inherited_from: null },
});
const withRun = (from: Task, status: Task["status"], execution: Partial<Execution>): Task => ({
  ...from,
  status,
  execution: { ...from.execution, ...execution },
});
const running = withRun(queued, "active", { attempts: 1, last_attempt: last(1) });
const waiting = withRun(running, "pending", {
  last_attempt: last(1, { outcome: "failure" }),
  failures: 1,
  reason: "backoff",
  next_attempt_at: "2026-11-21T10:00:00.000Z",
});

const saved = (from: Task, change: (copy: Record<string, never> & Task) => void): Record<string, unknown> => {
  const copy = structuredClone(from) as Record<string, never> & Task;
  change(copy);
  return copy;
};

test("what the person changed is changed, and named", () => {
  const { task: merged, fields } = mergeEdit(
    saved(running, (t) => ((t.title = "New"), (t.context.acceptance = ["works"]))),
    running,
    [],
  );
  assert.deepEqual(fields, ["title", "context.acceptance"]);
  assert.deepEqual(merged, { ...running, title: "New", context: { ...running.context, acceptance: ["works"] } });
});

test("a save that changes nothing but the form names nothing", () => {
  const reordered = Object.fromEntries(Object.entries(structuredClone(running)).reverse());
  const { task: merged, fields } = mergeEdit(reordered, running, []);
  assert.deepEqual([merged, fields], [running, []]);
  assert.deepEqual(Object.keys(merged), Object.keys(reordered), "the person's order of keys stays");
});

test("an editor that was opened before the task started does not undo what the daemon did since", () => {
  const { task: merged, fields } = mergeEdit(
    saved(queued, (t) => (t.title = "New")),
    waiting,
    [running, queued],
  );
  assert.deepEqual(fields, ["title"]);
  assert.deepEqual(merged, { ...waiting, title: "New" });
});

test("on the same field the person wins", () => {
  const renamed = { ...running, title: "Renamed by another" };
  const { task: merged } = mergeEdit(
    saved(queued, (t) => (t.title = "Mine")),
    renamed,
    [running, queued],
  );
  assert.equal(merged.title, "Mine");
});

test("a slow save of what another person changed meanwhile leaves that alone", () => {
  const renamed = { ...running, title: "Renamed", paths: "src" };
  const { task: merged, fields } = mergeEdit(
    saved(queued, (t) => (t.paths = "mine")),
    renamed,
    [running, queued],
  );
  assert.deepEqual([merged.title, merged.paths, fields], ["Renamed", "mine", ["paths"]]);
});

test("setting the status is the person's wish, from whatever version", () => {
  for (const from of [running, queued]) {
    const { task: merged, fields } = mergeEdit(
      saved(from, (t) => (t.status = "blocked")),
      running,
      [queued],
    );
    assert.deepEqual([merged.status, fields, merged.execution.attempts], ["blocked", ["status"], 1]);
  }
});

test("what the daemon keeps in execution is not lost with the keys", () => {
  const { task: merged, fields } = mergeEdit(
    saved(waiting, (t) => (t.execution = { command: "true" } as Execution)),
    waiting,
    [],
  );
  const { attempts, last_attempt, failures } = merged.execution;
  assert.deepEqual([attempts, last_attempt, failures], [1, waiting.execution.last_attempt, 1]);
  assert.deepEqual(fields.sort(), ["execution.next_attempt_at", "execution.reason"]);
});

test("taking next_attempt_at away takes it away", () => {
  const { task: merged, fields } = mergeEdit(
    saved(waiting, (t) => delete t.execution.next_attempt_at),
    waiting,
    [],
  );
  assert.deepEqual(
    [Object.hasOwn(merged.execution, "next_attempt_at"), fields],
    [false, ["execution.next_attempt_at"]],
  );
});

test("an old save that never had next_attempt_at does not take it away", () => {
  const { task: merged, fields } = mergeEdit(
    saved(running, (t) => (t.title = "New")),
    waiting,
    [running],
  );
  assert.deepEqual([merged.execution.next_attempt_at, fields], [waiting.execution.next_attempt_at, ["title"]]);
});

test("a whole part that is left out means unchanged, a list that is left out of it is emptied", () => {
  const whole = mergeEdit({ title: "Old", execution: structuredClone(waiting.execution) }, waiting, []);
  assert.deepEqual([whole.task.context, whole.task.status, whole.fields], [waiting.context, "pending", []]);
  const list = mergeEdit(
    saved(waiting, (t) => delete (t.context as Partial<Task["context"]>).requirements),
    waiting,
    [],
  );
  assert.deepEqual([list.task.context.requirements, list.fields], [[], ["context.requirements"]]);
});

test("removing dependencies empties them", () => {
  const bound = { ...queued, relations: { ...queued.relations, dependencies: ["impl-9"] } };
  const { task: merged } = mergeEdit(
    saved(bound, (t) => delete (t.relations as Partial<Task["relations"]>).dependencies),
    bound,
    [],
  );
  assert.deepEqual(merged.relations.dependencies, []);
});

test("unknown keys are added, changed, removed and kept as the person does", () => {
  const own = { ...queued, notes: "mine", context: { ...queued.context, source: "a book" } } as Task;
  assert.deepEqual(
    mergeEdit(
      saved(own, (t) => (t.title = "New")),
      own,
      [],
    ).task,
    { ...own, title: "New" },
  );
  const without = mergeEdit(
    saved(
      own,
      (t) => (
        delete (t as never as { notes?: string }).notes,
        delete (t.context as never as { source?: string }).source
      ),
    ),
    own,
    [],
  );
  assert.deepEqual([without.task, without.fields], [queued, ["context.source", "notes"]]);
});

test("optional settings can be removed", () => {
  const set = { ...queued, execution: { ...queued.execution, priority: 5, timeout: "1m" } };
  const { task: merged, fields } = mergeEdit(
    saved(set, (t) => delete t.execution.priority),
    set,
    [],
  );
  assert.deepEqual(
    [merged.execution.priority, merged.execution.timeout, fields],
    [undefined, "1m", ["execution.priority"]],
  );
});

test("the id stays what it is", () => {
  const { task: merged, fields } = mergeEdit(
    saved(queued, (t) => (t.id = "impl-7")),
    queued,
    [],
  );
  assert.deepEqual([merged.id, fields], ["impl-1", ["id"]]);
});

test("neither side is changed by merging", () => {
  const mine = saved(queued, (t) => (t.title = "New"));
  const before = structuredClone([mine, waiting, queued]);
  mergeEdit(mine, waiting, [queued]);
  assert.deepEqual([mine, waiting, queued], before);
});

const began: SessionFile & { note?: string } = {
  ...newSession("WFS-a", "2026-11-21T09:30:00.000Z"),
  note: "mine",
};
const switched: typeof began = { ...began, status: "active", type: "medium", updated_at: "2026-11-21T09:31:00.000Z" };
const working: typeof began = {
  ...switched,
  progress: { completed_phases: [], current_tasks: ["impl-1"] },
  updated_at: "2026-11-21T09:32:00.000Z",
};
const session = (saved: Record<string, unknown>) => mergeSessionEdit(saved, working, [switched, began]);

test("an editor that was opened before the session was switched does not undo the switch", () => {
  const { file, fields } = session({ ...began, budget_usd: 5, project: "Another" });
  assert.deepEqual(fields.toSorted(), ["budget_usd", "project"]);
  assert.deepEqual(file, { ...working, budget_usd: 5, project: "Another" });
});

test("what a person changes in a session's file is theirs, also the field that the daemon has changed since", () => {
  const { file, fields } = session({ ...switched, status: "paused" });
  assert.deepEqual([fields, file], [["status"], { ...working, status: "paused" }]);
  assert.deepEqual(session({ ...began, type: "complex" }).file, { ...working, type: "complex" });
});

test("a field that a person takes out of a session's file is out, and what every session has comes back", () => {
  const { note: _note, project: _project, status: _status, ...left } = working;
  const { file, fields } = session(left);
  const { note: _same, ...expected } = working;
  assert.deepEqual([fields, file], [["note"], expected]);
});

test("the facts of a session are Coxswain's own, whatever is saved, and a time that is unknown is the latest", () => {
  const { file, fields } = session({
    ...began,
    updated_at: "never",
    session_id: "WFS-b",
    cost_usd: 1,
    status: "paused",
  });
  assert.deepEqual(fields.toSorted(), ["status", "type"]);
  const { cost_usd: _cost, ...kept } = file;
  assert.deepEqual(kept, { ...working, status: "paused", type: "simple" });
});
