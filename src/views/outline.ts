/** A session's tasks as views show them: in order, subtasks below their container, and counted. */
import { parentOf, taskNumbers, type TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";

/** A task of the first level with its subtasks, or a subtask whose parent is missing. */
export interface Branch {
  task: Task;
  subtasks: Task[];
}

/** By id in numeric order, as `compareTaskIds` has it; each id is read once, which matters with ten thousand. */
function inOrder(tasks: readonly Task[]): Task[] {
  return tasks
    .map((task) => ({ task, numbers: taskNumbers(task.id) }))
    .sort((a, b) => a.numbers[0] - b.numbers[0] || a.numbers[1] - b.numbers[1])
    .map(({ task }) => task);
}

/** The tree of the tasks, by their ids; in order. */
export function branches(tasks: readonly Task[]): Branch[] {
  const found = new Map<TaskId, Branch>();
  const all: Branch[] = [];
  for (const task of inOrder(tasks)) {
    const parent = parentOf(task.id);
    const above = parent === null ? undefined : found.get(parent);
    if (above) {
      above.subtasks.push(task);
      continue;
    }
    const branch = { task, subtasks: [] };
    found.set(task.id, branch);
    all.push(branch);
  }
  return all;
}

/** A container is never run; its subtasks are. */
export function isContainer({ task, subtasks }: Branch): boolean {
  return task.status === "container" || subtasks.length > 0;
}

/** The tasks that are run: all but containers; in order. */
export function leavesOf(tree: readonly Branch[]): Task[] {
  return tree.flatMap((branch) => (isContainer(branch) ? branch.subtasks : [branch.task]));
}

/** `3 of 7 completed · 1 running · 2 waiting · 1 blocked`: containers are not counted, what is none is not named. */
export function progressOf(tree: readonly Branch[]): string {
  const leaves = leavesOf(tree);
  const count = (status: Task["status"]) => leaves.filter((task) => task.status === status).length;
  const others: [number, string][] = [
    [count("active"), "running"],
    [count("pending"), "waiting"],
    [count("blocked"), "blocked"],
  ];
  return [
    `${count("completed")} of ${leaves.length} completed`,
    ...others.filter(([number]) => number > 0).map(([number, what]) => `${number} ${what}`),
  ].join(" · ");
}

/** The number of a task's latest attempt; 1 before there is any. */
export function latestAttempt(task: Task): number {
  return task.execution.last_attempt?.attempt ?? Math.max(task.execution.attempts, 1);
}
