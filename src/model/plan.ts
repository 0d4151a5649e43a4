/** What a plan is, and which tasks answer by one. */
import { parentOf, type TaskId } from "./ids.ts";
import type { PlanShape } from "./plan-schema.ts";
import type { Task, TaskDrop } from "./task.ts";

export type Plan = PlanShape;

/** A planned task before it has an id. */
export interface PlannedTask {
  drop: TaskDrop;
  /** Its dependencies: places in the plan, from 0, or tasks that there are. */
  needs: (number | TaskId)[];
}

/** A plan that may become tasks, and the file that it stands in, by its content. */
export interface RightPlan {
  tasks: PlannedTask[];
  risks: string[];
  source: { file: string; sha256: string };
}

/** Whether a task's answer is a plan, or may be one. */
export function plans({ id, execution }: Pick<Task, "id" | "execution">): "required" | "allowed" | undefined {
  if (execution.plan === "required") return "required";
  // What is a part itself is not split once more.
  return execution.plan === "allowed" && parentOf(id) === null ? "allowed" : undefined;
}

/** Whether what a task plans waits for a person now. */
export function awaitsPlanApproval(task: Task): boolean {
  const { reason, last_attempt: last } = task.execution;
  const isThere = plans(task) !== undefined && last?.outcome === "success";
  return isThere && task.status === "blocked" && reason === "awaiting-approval";
}
