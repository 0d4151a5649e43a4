/** Which steps of a run will never start. */
import { hasFailed, releases } from "../machine/state.ts";
import type { TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";

/** Steps that nothing will start any more by itself: what they wait for has failed, or will never have. */
export function stuckAmong(steps: readonly Task[]): ReadonlySet<TaskId> {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const stuck = new Set<TaskId>();
  for (let before = -1; before !== stuck.size;) {
    before = stuck.size;
    for (const { id, status, relations, execution } of steps) {
      if (status !== "pending" || stuck.has(id)) continue;
      const handled = execution.workflow?.handles;
      const fails = (other: Task | undefined) => other !== undefined && hasFailed(other) && !releases(other);
      const never = handled
        ? handled.every((of) => stuck.has(of))
        : relations.dependencies.some((of) => stuck.has(of) || fails(byId.get(of)));
      if (never) stuck.add(id);
    }
  }
  return stuck;
}
