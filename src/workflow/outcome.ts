/** How a run of a workflow stands, from its tasks. */
import { isDone } from "../machine/parts.ts";
import type { Task } from "../model/task.ts";
import { stuckAmong } from "./stuck.ts";

const WAITS_FOR_A_PERSON = new Set(["awaiting-person", "awaiting-approval"]);

/** `over`: nothing of it will run any more by itself; `failed` are the steps that keep it from being completed. */
export function outcomeOf({ task, steps }: { task: Task; steps: readonly Task[] }): {
  over: boolean;
  failed: string[];
  progress: string;
} {
  const stuck = stuckAmong(steps);
  const isStuck = (step: Task) =>
    step.status === "blocked" ? !WAITS_FOR_A_PERSON.has(step.execution.reason ?? "") : stuck.has(step.id);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const open = steps.filter((step) => !isDone(step, (id) => byId.get(id)));
  const completed = steps.filter(({ status }) => status === "completed").length;
  const progress = `${completed} of ${steps.length} steps completed`;
  if (task.status === "completed") return { over: true, failed: [], progress };
  const over = open.length > 0 && open.every(isStuck);
  return { over, failed: over ? open.filter(({ status }) => status === "blocked").map(({ id }) => id) : [], progress };
}
