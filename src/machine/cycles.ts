/** Tasks that wait for each other. A task waits for its dependencies, and a container for its subtasks too. */
import type { TaskId } from "../model/ids.ts";

/** What must be completed before this task is. */
export type WaitsFor = (id: TaskId) => Iterable<TaskId>;

/** A way from the task back to itself, `["impl-1", "impl-2"]` for impl-1 → impl-2 → impl-1. */
export function cycleThrough(start: TaskId, waitsFor: WaitsFor): TaskId[] | undefined {
  const seen = new Set<TaskId>();
  const path = [{ id: start, next: waitsFor(start)[Symbol.iterator]() }];
  for (let here = path.at(-1); here; here = path.at(-1)) {
    const { value: next, done } = here.next.next();
    if (done) path.pop();
    else if (next === start) return path.map(({ id }) => id);
    else if (!seen.has(next)) {
      seen.add(next);
      path.push({ id: next, next: waitsFor(next)[Symbol.iterator]() });
    }
  }
  return undefined;
}

/** For each of the tasks that is in a cycle, one; linear in the size of the graph where there is none. */
export function cyclesAmong(tasks: Iterable<TaskId>, waitsFor: WaitsFor): Map<TaskId, TaskId[]> {
  const found = new Map<TaskId, TaskId[]>();
  const tangled = tangle(tasks, waitsFor);
  const within: WaitsFor = (id) => [...waitsFor(id)].filter((next) => tangled.has(next));
  for (const id of tangled) {
    if (found.has(id)) continue;
    const cycle = cycleThrough(id, within);
    for (const member of cycle ?? []) found.set(member, cycle as TaskId[]);
  }
  return found;
}

const MOST_TOLD = 8;

/** `impl-1 → impl-2 → impl-1`, from the task's own point of view; of a long one only the beginning. */
export function tellCycle(cycle: readonly TaskId[], from: TaskId): string {
  const start = Math.max(0, cycle.indexOf(from));
  const told = Array.from({ length: Math.min(cycle.length, MOST_TOLD) }, (_, i) => cycle[(start + i) % cycle.length]);
  const rest = cycle.length - told.length;
  return [...told, ...(rest > 0 ? [`${rest} more`] : []), from].join(" → ");
}

/** What is left when everything that waits for nothing, or that nothing waits for, is taken away again and again. */
function tangle(tasks: Iterable<TaskId>, waitsFor: WaitsFor): Set<TaskId> {
  const after = new Map<TaskId, Set<TaskId>>();
  const before = new Map<TaskId, Set<TaskId>>();
  const open = [...tasks];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    if (after.has(id)) continue;
    const next = new Set(waitsFor(id));
    after.set(id, next);
    for (const other of next) {
      before.set(other, (before.get(other) ?? new Set()).add(id));
      open.push(other);
    }
  }
  peel(after, before);
  peel(before, after);
  return new Set(after.keys());
}

/** Takes away what `here` gives nothing for, in both directions' maps. */
function peel(here: Map<TaskId, Set<TaskId>>, there: Map<TaskId, Set<TaskId>>): void {
  const loose = [...new Set([...here.keys(), ...there.keys()])].filter((id) => !here.get(id)?.size);
  for (let id = loose.pop(); id !== undefined; id = loose.pop()) {
    for (const other of there.get(id) ?? []) {
      const left = here.get(other);
      left?.delete(id);
      if (left?.size === 0) loose.push(other);
    }
    here.delete(id);
    there.delete(id);
  }
}
