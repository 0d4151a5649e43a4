/** The beginning of an attempt, as the task's file holds it. */
import { withExecution, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";

/** The task with a new attempt begun. */
export function begun(task: Task, attempt: number, runId: string | null, now: Instant): Task {
  const started = withExecution(task, {
    attempts: attempt,
    last_attempt: { attempt, run_id: runId, agent_session: null, started_at: now, ended_at: null, outcome: null },
  });
  // An approval of the work is asked for each attempt's work.
  return task.execution.approve === "after" ? withExecution(started, { approved: undefined }) : started;
}
