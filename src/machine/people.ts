/** Questions to people: until when they are asked, and what follows when nobody has answered. SPEC sections 5 and 6. */
import { NO_FACTS, type ResponseFile } from "../model/attempt.ts";
import type { SessionId } from "../model/ids.ts";
import { withExecution, withState, type Task } from "../model/task.ts";
import { after, instant, isInstant, parseDuration, toMs, type Instant } from "../model/time.ts";
import { begun } from "./attempt.ts";
import type { Draft } from "./draft.ts";
import type { Lent, Policy } from "./policy.ts";
import { move } from "./steering.ts";

export function askPerson(draft: Draft, session: SessionId, task: Task, { now }: Lent): void {
  const attempt = task.execution.attempts + 1;
  const limit = limitOf(task);
  const due = { due_at: limit === undefined ? undefined : after(now, limit) };
  const asked = withExecution(begun(task, attempt, null, now), due);
  const to = withState(asked, { status: "blocked", reason: "awaiting-person" });
  draft.add({ of: "task", session, id: task.id, from: "pending", to: "blocked", by: "daemon", after: to, attempt });
  if (due.due_at) draft.act({ do: "wake", at: due.due_at });
}

/** Whose time is over is answered by default, or has failed; says when the next one's is. */
export function keepTimeLimits(draft: Draft, policy: Policy, { now }: Lent): void {
  if (draft.draining) return;
  let next: Instant | undefined;
  for (const session of draft.sessionIds()) {
    if (draft.session(session)?.status !== "active" || policy.resting?.has(session)) continue;
    for (const task of draft.asked(session)) {
      const due = dueOf(task, now);
      if (due !== task.execution.due_at) {
        const noted = withExecution(task, { due_at: due });
        draft.add({ of: "task-edit", session, id: task.id, by: "daemon", fields: ["execution.due_at"], after: noted });
      }
      if (toMs(due) <= toMs(now)) lapse(draft, session, task, now);
      else if (!next || due < next) next = due;
    }
  }
  if (next) draft.act({ do: "wake", at: instant(toMs(next)) });
}

/** As the file has it; where the clock was set back since it was asked, nobody waits for longer than the limit. */
function dueOf(task: Task, now: Instant): Instant {
  const due = task.execution.due_at ?? now;
  const limit = limitOf(task);
  const asked = task.execution.last_attempt?.started_at;
  const isSetBack = asked !== undefined && isInstant(asked) && toMs(asked) > toMs(now);
  return isSetBack && limit !== undefined && toMs(due) - toMs(now) > limit ? after(now, limit) : due;
}

function limitOf({ execution: { time_limit: limit } }: Task): number | undefined {
  return limit === undefined ? undefined : parseDuration(limit);
}

function lapse(draft: Draft, session: SessionId, task: Task, now: Instant): void {
  const { last_attempt: last, default: answer, approve, time_limit } = task.execution;
  if (!last) return;
  const told = { reason: "time-limit" };
  if (answer !== undefined) {
    const ended = { ...last, ended_at: now, outcome: "success", error: null, answered_by: "time-limit" as const };
    const settled = withExecution(task, { last_attempt: ended });
    const waits = approve === "after";
    const state = waits
      ? ({ status: "blocked", reason: "awaiting-approval" } as const)
      : ({ status: "completed" } as const);
    return move(draft, session, settled, state, "daemon", told);
  }
  const message = `Nobody answered in time${time_limit ? ` (${time_limit})` : ""}.`;
  const error = { class: "timeout" as const, message, hint: "cox retry asks once more." };
  const settled = withExecution(task, { last_attempt: { ...last, ended_at: now, outcome: "failure", error } });
  move(draft, session, settled, { status: "blocked", reason: "timeout" }, "daemon", told);
}

/** The response of a question that the time limit has answered; undefined where somebody, or nobody, did. */
export function defaultResponse({ id, execution }: Task): ResponseFile | undefined {
  const { last_attempt: last, default: answer } = execution;
  if (last?.answered_by !== "time-limit" || answer === undefined) return undefined;
  const { agent_session, model, cost_usd, tokens, turns, permission_denials } = NO_FACTS;
  return {
    ...{ task: id, attempt: last.attempt, run_id: null, agent_session, outcome: "success" },
    result: typeof answer === "string" ? answer : JSON.stringify(answer),
    ...(typeof answer === "string" ? {} : { structured: answer }),
    ...{ cost_usd, tokens, turns, duration_ms: null, model, permission_denials, answered_by: "time-limit" },
  };
}
