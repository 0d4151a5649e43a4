/** Random workflows, two runs of each at the same time, whose steps end as chance has it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { filledIn } from "../../src/machine/defaults.ts";
import type { State } from "../../src/machine/state.ts";
import type { TaskId } from "../../src/model/ids.ts";
import type { Task } from "../../src/model/task.ts";
import type { WorkflowFile } from "../../src/model/workflow.ts";
import { compile } from "../../src/workflow/compile.ts";
import { scopeOf, stepsSeen } from "../../src/workflow/scope.ts";
import { droppedTogether, ended, play, S, tick, wait } from "./play.ts";

interface Shape {
  needs: number[];
  continue_on_error: boolean;
  /** How its attempts end, the first first; then well. */
  fails: boolean[];
}

const shapes = fc
  .array(
    fc.record({
      needs: fc.array(fc.nat(30), { maxLength: 3 }),
      continue_on_error: fc.boolean(),
      fails: fc.array(fc.boolean(), { maxLength: 3 }),
    }),
    { minLength: 1, maxLength: 12 },
  )
  .map((all): Shape[] =>
    all.map((shape, place) => ({ ...shape, needs: [...new Set(shape.needs.filter((need) => need < place))] })),
  );

const fileOf = (all: readonly Shape[]): WorkflowFile => ({
  name: "Random",
  vars: { who: { required: true } },
  steps: all.map(({ needs, continue_on_error }, place) => ({
    id: `s${place}`,
    run: "echo {who}",
    needs: needs.map((need) => `s${need}`),
    continue_on_error,
    max_attempts: 2,
  })),
});

function tasksOf(file: WorkflowFile, id: TaskId, who: string): Task[] {
  const { tasks } = compile(file, { id, vars: { who } });
  return tasks.map((drop) =>
    filledIn({ file: "inbox/w.yaml", sha256: "", drop, idByName: null, escaping: [] }, drop.id, S),
  );
}

const tasksIn = (state: State) => state.sessions.get(S)?.tasks ?? new Map<TaskId, Task>();

test("no step starts before what it needs, or twice for an attempt; each run sees its own steps and variables alone; all that can end does", () => {
  fc.assert(
    fc.property(shapes, fc.infiniteStream(fc.nat(1000)), (all, chance) => {
      const file = fileOf(all);
      let { state } = play([
        [droppedTogether(...tasksOf(file, "impl-1", "Ada")), droppedTogether(...tasksOf(file, "impl-2", "Bob"))].flat(),
      ]);
      const begun = new Map<string, number>();
      const note = (before: State) => {
        for (const [id, task] of tasksIn(state)) {
          const last = task.execution.last_attempt;
          if (task.status !== "active" || !last) continue;
          const key = `${id} ${last.attempt}`;
          const was = tasksIn(before).get(id);
          if (was?.status === "active" && was.execution.last_attempt?.attempt === last.attempt) continue;
          begun.set(key, (begun.get(key) ?? 0) + 1);
          for (const need of task.relations.dependencies) {
            const needed = tasksIn(state).get(need);
            const mayFail = needed?.status === "blocked" && needed.execution.continue_on_error;
            assert.ok(
              needed?.status === "completed" || mayFail,
              `${id} started before ${need}, which is ${needed?.status}`,
            );
          }
        }
      };
      note(play([]).state);
      for (let rounds = 0; rounds < 200; rounds++) {
        const active = [...tasksIn(state).values()].filter(({ status }) => status === "active");
        const before = structuredClone(state);
        const one = active[(chance.next().value ?? 0) % Math.max(1, active.length)];
        const waits = [...tasksIn(state).values()].some(({ execution }) => execution.next_attempt_at);
        if (!one && !waits) break;
        const fails = one && all[Number(one.id.split(".")[1]) - 1]?.fails[one.execution.attempts - 1];
        const step = one ? ended(one.id, fails ? { failed: "crash" } : {}) : wait(3_600_000 * (rounds + 1), tick);
        state = play([tick, step], { start: state }).state;
        note(before);
      }
      assert.ok(begun.size > 0);
      for (const [key, times] of begun) assert.equal(times, 1, `${key} began ${times} times`);
      const over = [...tasksIn(state).values()];
      assert.ok(over.every(({ status }) => status !== "active"));
      for (const task of over) {
        const own = task.id.split(".")[0] ?? "";
        if (task.id === own) {
          assert.deepEqual(task.execution.workflow?.vars, { who: own === "impl-1" ? "Ada" : "Bob" });
          continue;
        }
        assert.equal(
          scopeOf(task, (id) => tasksIn(state).get(id)),
          own,
        );
        const siblings = (tasksIn(state).get(own)?.relations.subtasks ?? []).flatMap(
          (id) => tasksIn(state).get(id) ?? [],
        );
        assert.ok(stepsSeen(task, siblings).every(({ id }) => id.startsWith(`${own}.`)));
        if (task.status !== "pending") continue;
        const stuck = task.relations.dependencies.map((id) => tasksIn(state).get(id));
        assert.ok(
          stuck.some(
            (needed) =>
              needed?.status === "pending" || (needed?.status === "blocked" && !needed.execution.continue_on_error),
          ),
          `${task.id} never started, and nothing kept it`,
        );
      }
    }),
    { numRuns: 60, seed: 20261128 },
  );
});
