/** Tasks that two machines have changed, merged by values. SPEC section 7. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeTasks, type Sides, type Word } from "../../src/machine/both-sides.ts";
import { withExecution, withState, type Task } from "../../src/model/task.ts";
import { task } from "./play.ts";

const RUN = "0b1c9e58-0000-4000-8000-000000000001";
const word = (commit: string, at: number, movedAt = at): Word => ({ commit: commit.padEnd(40, "0"), at, movedAt });

interface Given {
  base?: Task | null;
  ours?: Task | null;
  theirs?: Task | null;
  words?: { ours: Word; theirs: Word };
  isOwnRun?: Sides["isOwnRun"];
  others?: Task[];
}

function merge({ base = null, ours = null, theirs = null, words, isOwnRun, others = [] }: Given) {
  const id = (base ?? ours ?? theirs)?.id ?? "";
  return mergeTasks({
    changed: new Map([[id, { base, theirs }]]),
    ours: new Map([...(ours ? [ours] : []), ...others].map((each) => [each.id, each])),
    words: new Map([[id, words ?? { ours: word("a1", 10), theirs: word("b2", 20) }]]),
    highest: 3,
    isOwnRun: isOwnRun ?? (() => false),
  });
}

const one = task("impl-1", { title: "Begin" });
const titled = (title: string) => ({ ...one, title });
const completed = (of: Task, attempts = 1) =>
  withExecution(withState(of, { status: "completed" }), { attempts, last_attempt: lastOf(attempts) });
const active = (of: Task) =>
  withExecution(withState(of, { status: "active" }), { attempts: 1, last_attempt: lastOf(1) });
const lastOf = (attempt: number) => ({ attempt, run_id: RUN, started_at: "2026-11-21T09:00:00.000Z" });

test("what only they changed is theirs, what only we changed is ours", () => {
  assert.deepEqual(merge({ base: one, ours: one, theirs: titled("Theirs") }).tasks.get("impl-1"), titled("Theirs"));
  assert.equal(merge({ base: one, ours: titled("Ours"), theirs: one }).tasks.size, 0);
});

test("different fields are both taken", () => {
  const theirs = { ...one, paths: "src/b" };
  const { tasks, conflicts } = merge({ base: one, ours: titled("Ours"), theirs });
  assert.deepEqual(tasks.get("impl-1"), { ...one, title: "Ours", paths: "src/b" });
  assert.equal(conflicts.size, 0);
});

test("of two states the later one counts, with all that it tells of the attempt", () => {
  const ours = withState(titled("Ours"), { status: "blocked", reason: "cancelled" });
  const words = { ours: word("a1", 30, 10), theirs: word("b2", 20, 20) };
  const merged = merge({ base: one, ours, theirs: completed(one), words }).tasks.get("impl-1");
  assert.deepEqual(merged, completed(titled("Ours")));
  const turned = merge({
    base: one,
    ours: completed(one),
    theirs: ours,
    words: { ours: word("a1", 9), theirs: word("b2", 20) },
  });
  assert.equal(turned.tasks.get("impl-1")?.status, "blocked");
});

test("the same field changed differently on both sides blocks the task, and both versions are named", () => {
  const { tasks, conflicts } = merge({ base: one, ours: titled("Ours"), theirs: titled("Theirs") });
  const merged = tasks.get("impl-1");
  assert.deepEqual(conflicts.get("impl-1"), ["title"]);
  assert.equal(merged?.status, "blocked");
  assert.equal(merged.execution.reason, "conflict");
  assert.equal(merged.title, "Theirs");
  assert.deepEqual(merged.execution.conflict?.versions, ["a1".padEnd(40, "0"), "b2".padEnd(40, "0")]);
  assert.match(merged.execution.conflict?.message ?? "", /title was changed .* a10000000000.* b20000000000/);
});

test("both machines come to the same", () => {
  const [here, there] = [titled("Ours"), { ...titled("Theirs"), paths: "src/b" }];
  const words = { ours: word("a1", 10), theirs: word("a0", 10) };
  const ours = merge({ base: one, ours: here, theirs: there, words }).tasks.get("impl-1");
  const swapped = { ours: words.theirs, theirs: words.ours };
  const theirs = merge({ base: one, ours: there, theirs: here, words: swapped }).tasks.get("impl-1");
  assert.deepEqual(theirs, ours);
  assert.equal(JSON.stringify(theirs), JSON.stringify(ours));
});

test("what one side deleted goes, unless the other has changed it", () => {
  assert.equal(merge({ base: one, ours: one, theirs: null }).tasks.get("impl-1"), null);
  assert.equal(merge({ base: one, ours: titled("Ours"), theirs: null }).tasks.size, 0);
  assert.deepEqual(merge({ base: one, ours: null, theirs: titled("Theirs") }).tasks.get("impl-1"), titled("Theirs"));
  assert.equal(merge({ base: one, ours: null, theirs: one }).tasks.size, 0);
});

test("a task at work on another machine is blocked here, and that is nothing that the other ever hears of", () => {
  const here = merge({ base: null, ours: null, theirs: active(one) }).tasks.get("impl-1");
  assert.deepEqual([here?.status, here?.execution.reason], ["blocked", "elsewhere"]);
  assert.equal(
    merge({ base: active(one), ours: active(one), theirs: here ?? null, isOwnRun: () => true }).tasks.size,
    0,
  );
  assert.deepEqual(
    merge({ base: active(one), ours: here ?? null, theirs: completed(one) }).tasks.get("impl-1"),
    completed(one),
  );
  assert.equal(merge({ base: active(one), ours: completed(one), theirs: here ?? null }).tasks.size, 0);
});

test("two tasks with the same number: the later one that nobody has begun gets another", () => {
  const ours = task("impl-3", { title: "Ours" });
  const theirs = task("impl-3", { title: "Theirs" });
  const { tasks, renumbered, conflicts } = merge({ ours, theirs });
  assert.deepEqual(renumbered, [{ side: "theirs", from: "impl-3", to: "impl-4" }]);
  assert.deepEqual([...tasks], [["impl-4", { ...theirs, id: "impl-4" }]]);
  assert.equal(conflicts.size, 0);
});

test("where theirs has begun, ours gets the other number, and what waits for it here is told", () => {
  const ours = task("impl-3", { title: "Ours" });
  const waiting = task("impl-2", { dependencies: ["impl-3"] });
  const { tasks, renumbered } = merge({
    ours,
    theirs: completed(task("impl-3", { title: "Theirs" })),
    others: [waiting],
  });
  assert.deepEqual(renumbered, [{ side: "ours", from: "impl-3", to: "impl-4" }]);
  assert.deepEqual(tasks.get("impl-2")?.relations.dependencies, ["impl-4"]);
  assert.deepEqual(tasks.get("impl-4"), { ...ours, id: "impl-4" });
  assert.equal(tasks.get("impl-3")?.title, "Theirs");
});

test("two tasks with the same number that were both begun are a conflict", () => {
  const ours = completed(task("impl-3", { title: "Ours" }));
  const theirs = completed(task("impl-3", { title: "Theirs" }));
  const { tasks, conflicts } = merge({ ours, theirs });
  assert.deepEqual(conflicts.get("impl-3"), ["title"]);
  assert.equal(tasks.get("impl-3")?.execution.reason, "conflict");
});

test("whatever two machines have made of a task, both come to the same, and no conflict is lost", () => {
  const version = fc
    .record({
      title: fc.constantFrom("Begin", "A", "B"),
      paths: fc.constantFrom("", "src/a", "src/b"),
      priority: fc.constantFrom(undefined, 1, 2),
      state: fc.constantFrom("pending", "completed", "cancelled", "elsewhere"),
    })
    .map(({ title, paths, priority, state }): Task => {
      const given = withExecution({ ...one, title, paths }, { priority });
      if (state === "pending") return given;
      if (state === "completed") return completed(given);
      return withState(given, { status: "blocked", reason: state as "cancelled" | "elsewhere" });
    });
  const word0 = fc.record({ at: fc.integer({ min: 0, max: 3 }), movedAt: fc.integer({ min: 0, max: 3 }) });
  fc.assert(
    fc.property(fc.option(version), version, version, word0, word0, (base, a, b, wordA, wordB) => {
      const words = { ours: { commit: "a", ...wordA }, theirs: { commit: "b", ...wordB } };
      const here = merge({ base, ours: a, theirs: b, words });
      const there = merge({ base, ours: b, theirs: a, words: { ours: words.theirs, theirs: words.ours } });
      const [mine, yours] = [here.tasks.get("impl-1") ?? a, there.tasks.get("impl-1") ?? b];
      if (here.renumbered.length > 0) return;
      // To be at work elsewhere is told of one machine only.
      assert.deepEqual(mine, yours);
      assert.deepEqual(here.conflicts, there.conflicts);
      if (here.conflicts.size > 0) assert.equal(mine.execution.reason, "conflict");
    }),
  );
});
