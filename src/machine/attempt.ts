/** The beginning of an attempt, as the task's file holds it. */
import type { FailureClass } from "../model/failure.ts";
import { withExecution, type LastAttempt, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Policy } from "./policy.ts";

/** A conversation that broke off so often is not continued once more: the next attempt is told what is known. */
const MOST_CONTINUATIONS = 2;

/** The task with a new attempt begun; in the conversation of the one before, where that is worth it. */
export function begun(task: Task, attempt: number, runId: string | null, now: Instant): Task {
  const started = withExecution(task, {
    attempts: attempt,
    last_attempt: {
      attempt,
      run_id: runId,
      agent_session: null,
      started_at: now,
      ended_at: null,
      outcome: null,
      ...(runId === null ? {} : continuation(task.execution.last_attempt)),
    },
  });
  // An approval of the work is asked for each attempt's work.
  return task.execution.approve === "after" ? withExecution(started, { approved: undefined }) : started;
}

/** Whether all that is left to do is to merge: the work was approved or accepted, or a person has put a conflict in order. */
export function mergesOnly(task: Task): boolean {
  const { branch, last_attempt: last, approve, approved, failures, reviews } = task.execution;
  if (!branch || !last?.ended_at) return false;
  if (last.error?.class === "conflict") return !failures;
  if (last.outcome !== "success") return false;
  const accepted = reviews?.accepted === true && reviews.attempt === last.attempt;
  return approve === "after" ? approved === true : accepted;
}

/** Whether an attempt begins in a fresh worktree: a conversation that is continued finds its files as they were. */
export function startsClean(before: Task, after: Task, { worktreeRetry }: Pick<Policy, "worktreeRetry">): boolean {
  const { last_attempt: last } = before.execution;
  if (!last || worktreeRetry === "continue" || after.execution.last_attempt?.continued !== undefined) return false;
  if (last.error?.class === "conflict") return false;
  return worktreeRetry === "clean" || last.error?.class === "crash";
}

/** The last attempt goes on, without an agent. */
export function beginsMerge(task: Task, runId: string, now: Instant): Task {
  const { last_attempt: last } = task.execution;
  if (!last) return task;
  const { ended_at: _ended, ...rest } = last;
  return withExecution(task, {
    last_attempt: { ...rest, run_id: runId, merging: true, started_at: last.started_at ?? now },
  });
}

/** An agent that was cut off goes on where it was; one whose gates failed mends what they found. */
function continuation(last: LastAttempt | null): Pick<LastAttempt, "agent_session" | "continued"> | undefined {
  if (!last?.agent_session || !last.ended_at || last.outcome === "success") return undefined;
  const { agent_session, error, continued = 0 } = last;
  if (error && MENDED.has(error.class)) return { agent_session, continued };
  if (error && !CUT_OFF.has(error.class)) return undefined;
  return continued < MOST_CONTINUATIONS ? { agent_session, continued: continued + 1 } : undefined;
}

/** What was found in the work itself. */
const MENDED = new Set<FailureClass>(["verify", "conflict", "rejected"]);

const CUT_OFF = new Set<FailureClass>([
  "crash",
  "stalled",
  "timeout",
  "network",
  "overloaded",
  "rate-limit",
  "usage-limit",
  "budget",
]);
