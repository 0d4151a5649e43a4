/** Which steps of a run are done again when it begins again at one of them. */
import type { TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { isOne, scopeOf } from "./scope.ts";

/**
 * The step, all that waits for it, and what comes at the end of the workflows they are in. Parts of a step that is done
 * again are not among them: they are made anew. What contains the step is only waited for again.
 */
export function stepsAfter(first: TaskId, all: readonly Task[]): Set<TaskId> {
  const byId = new Map(all.map((task) => [task.id, task]));
  const taskOf = (id: TaskId) => byId.get(id);
  const scopeFor = (id: TaskId) => {
    const task = taskOf(id);
    return task && scopeOf(task, taskOf);
  };
  const containing = (id: TaskId): TaskId[] => {
    const whole = taskOf(id)?.execution.workflow?.part_of;
    return whole === undefined ? [] : [whole, ...containing(whole)];
  };
  const again = new Set([first]);
  const waitedFor = new Set(containing(first));
  const scopes = new Set([first, ...waitedFor].map(scopeFor));
  for (let before = 0; before !== again.size;) {
    before = again.size;
    for (const task of all) {
      const { workflow } = task.execution;
      if (again.has(task.id) || isOne(task) || containing(task.id).some((id) => again.has(id))) continue;
      const waits = [...task.relations.dependencies, ...(workflow?.handles ?? [])];
      const isLast = workflow?.finally === true && scopes.has(scopeFor(task.id));
      if (isLast || waits.some((id) => again.has(id) || waitedFor.has(id))) again.add(task.id);
    }
  }
  return again;
}
