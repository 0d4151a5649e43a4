/** Which steps a step sees: those of its own workflow, where one workflow runs another. */
import type { TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";

type TaskOf = (id: TaskId) => Task | undefined;

/** A task that was made for an item or a round of a step, and is no step itself. */
export function isOne({ execution: { workflow } }: Task): boolean {
  return workflow?.index !== undefined || workflow?.round !== undefined;
}

/** The task that has the variables: the run's own (which is in its own scope), or the step that runs the workflow. */
export function scopeOf(task: Task, taskOf: TaskOf): TaskId | null {
  const { workflow } = task.execution;
  if (workflow?.part_of === undefined) return task.relations.parent ?? task.id;
  if (!isOne(task)) return workflow.part_of;
  const whole = taskOf(workflow.part_of);
  return whole ? scopeOf(whole, taskOf) : task.relations.parent;
}

/** Of all tasks of the run, the steps that the task's texts and conditions may name. */
export function stepsSeen(task: Task, all: readonly Task[]): Task[] {
  const byId = new Map(all.map((other) => [other.id, other]));
  const taskOf: TaskOf = (id) => byId.get(id);
  const scope = scopeOf(task, taskOf);
  return all.filter((other) => !isOne(other) && scopeOf(other, taskOf) === scope);
}

/** Of all tasks of the run, those that are done before the task's workflow is at its end. */
export function othersInScope(task: Task, all: readonly Task[]): Task[] {
  const byId = new Map(all.map((other) => [other.id, other]));
  const taskOf: TaskOf = (id) => byId.get(id);
  const scope = scopeOf(task, taskOf);
  return all.filter((other) => {
    for (let at: Task | undefined = other; at; at = taskOf(at.execution.workflow?.part_of ?? "")) {
      if (at.execution.workflow?.finally) return false;
      if (!isOne(at) && scopeOf(at, taskOf) === scope) return true;
    }
    return false;
  });
}
