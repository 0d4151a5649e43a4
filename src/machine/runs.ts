/** What holds for all steps of a workflow's run together: what they may cost, and how many go at once. */
import { parentOf, type SessionId, type TaskId } from "../model/ids.ts";
import { NOTHING, plus, type Allowance, type Spent } from "../model/spent.ts";
import type { Task } from "../model/task.ts";
import type { Run } from "../model/transition.ts";
import type { Draft } from "./draft.ts";

/** The run's own task, where the task is a step of one. */
export function ownTask(step: Task, taskOf: (id: TaskId) => Task | undefined): Task | undefined {
  const parent = step.execution.workflow?.step === undefined ? null : parentOf(step.id);
  const own = parent === null ? undefined : taskOf(parent);
  return own?.execution.workflow ? own : undefined;
}

/** What the run may cost; commands at its end cost nothing, and are done all the same. */
export function allowedToRun(own: Task, step: Task): Allowance {
  if (step.execution.workflow?.finally && step.agent === "command") return { usd: null, tokens: null };
  return { usd: own.execution.budget_usd ?? null, tokens: own.execution.budget_tokens ?? null };
}

export function spentInRun(steps: Iterable<Task>, live: readonly Run[]): Spent {
  let sum = NOTHING;
  for (const { execution } of steps) sum = plus(sum, execution.spent ?? NOTHING);
  return live.reduce((all, { seen }) => plus(all, seen ?? NOTHING), sum);
}

/** Whether as many steps of its run are at work as may be. */
export function isFull(
  draft: Draft,
  live: readonly Run[],
  { session, step }: { session: SessionId; step: Task },
): boolean {
  const own = ownTask(step, (id) => draft.task(session, id));
  const most = own?.execution.workflow?.concurrency;
  return own !== undefined && most !== undefined && liveOf(live, session, own.id).length >= most;
}

export function liveOf(live: readonly Run[], session: SessionId, own: TaskId): Run[] {
  return live.filter((run) => run.session === session && parentOf(run.id) === own);
}
