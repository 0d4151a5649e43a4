/** The beginning of an attempt, as the task's file holds it. */
import type { FailureClass } from "../model/failure.ts";
import { withExecution, type LastAttempt, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";

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

/** An agent that was cut off goes on where it was; one whose gates failed mends what they found. */
function continuation(last: LastAttempt | null): Pick<LastAttempt, "agent_session" | "continued"> | undefined {
  if (!last?.agent_session || !last.ended_at || last.outcome === "success") return undefined;
  const { agent_session, error, continued = 0 } = last;
  if (error?.class === "verify") return { agent_session, continued };
  if (error && !CUT_OFF.has(error.class)) return undefined;
  return continued < MOST_CONTINUATIONS ? { agent_session, continued: continued + 1 } : undefined;
}

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
