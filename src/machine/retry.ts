/** What becomes of a task after a failure. SPEC section 9. */
import type { Failure, FailureClass } from "../model/failure.ts";
import type { ErrorPattern } from "../model/pattern.ts";
import type { BlockedReason, Task, TaskState } from "../model/task.ts";
import { after, instant, isInstant, parseDuration, toMs, type Instant } from "../model/time.ts";
import { unreachable } from "../model/unreachable.ts";
import type { Lent, Policy } from "./policy.ts";

export interface Verdict {
  state: TaskState;
  /** Failures since the last success or a person's retry. */
  failures: number;
  /** false: the attempt does not count (a usage limit is nobody's failure). */
  counts: boolean;
}

/** `known`: what errors/patterns.json says about this failure, where that is more than its class does. */
export function afterFailure(task: Task, error: Failure, policy: Policy, lent: Lent, known?: ErrorPattern): Verdict {
  const failures = (task.execution.failures ?? 0) + 1;
  const most = task.execution.max_attempts ?? policy.retry.attempts;
  const blocked = (reason: BlockedReason): Verdict => ({
    state: { status: "blocked", reason },
    failures,
    counts: true,
  });
  const again = (at: Instant, reason: BlockedReason = "failed"): Verdict =>
    failures >= most
      ? blocked(reason)
      : { state: { status: "pending", reason: "backoff", nextAttemptAt: at }, failures, counts: true };

  if (known?.recoverable === false) return blocked(REASONS[error.class] ?? "failed");
  switch (error.class) {
    case "network":
    case "overloaded":
    case "crash":
    case "unknown":
      return again(backoff(task, failures, policy, lent));
    case "timeout":
      return again(backoff(task, failures, policy, lent), "timeout");
    case "rate-limit":
      return again(upcoming(named(error), lent.now) ?? after(lent.now, policy.retry.rateLimit));
    case "stalled":
      return failures >= Math.min(2, most) ? blocked("stalled") : again(lent.now, "stalled");
    case "verify":
      return failures > policy.retry.verifyRounds ? blocked("verify") : again(lent.now, "verify");
    case "usage-limit":
      return {
        state: { status: "pending", reason: "usage-limit", nextAttemptAt: limitEnds(error, policy, lent) },
        failures: failures - 1,
        counts: false,
      };
    case "conflict":
      return policy.onConflict === "agent" && failures <= policy.retry.conflictRounds
        ? again(lent.now, "conflict")
        : blocked("conflict");
    case "budget":
      return blocked("budget");
    case "rejected":
      return blocked("rejected");
    // These need a change; only a person can know that they pass by themselves.
    case "auth":
    case "invalid":
      return known?.recoverable ? again(backoff(task, failures, policy, lent), error.class) : blocked(error.class);
    case "permission":
      return known?.recoverable ? again(backoff(task, failures, policy, lent)) : blocked("failed");
    default:
      return unreachable(error.class);
  }
}

/** Why a task is blocked that is not tried again, where the class has a word of its own for it. */
const REASONS: Partial<Record<FailureClass, BlockedReason>> = {
  auth: "auth",
  invalid: "invalid",
  timeout: "timeout",
  stalled: "stalled",
  verify: "verify",
  budget: "budget",
  conflict: "conflict",
  rejected: "rejected",
};

/** When a usage limit is over: what the answer named plus a margin, else a quarter of an hour. */
export function limitEnds(error: Failure, policy: Policy, lent: Lent): Instant {
  const reset = named(error) ?? after(lent.now, UNNAMED_LIMIT);
  return after(reset, policy.retry.usageMargin);
}

const UNNAMED_LIMIT = 15 * 60_000;

/** Failures that say something about the model's service rather than about the task. */
export function countsForBreaker(kind: FailureClass): boolean {
  return kind === "network" || kind === "overloaded" || kind === "crash" || kind === "timeout" || kind === "unknown";
}

/** 2 s, 4 s, 8 s, …, each with up to half as much again. */
function backoff({ execution }: Task, failures: number, policy: Policy, lent: Lent): Instant {
  const base = execution.retry_base === undefined ? undefined : parseDuration(execution.retry_base);
  const wait = (base ?? policy.retry.base) * 2 ** (failures - 1);
  return after(lent.now, Math.round(wait * (1 + lent.chance() / 2)));
}

function named(error: Failure): Instant | undefined {
  return error.retry_at && isInstant(error.retry_at) ? instant(toMs(error.retry_at)) : undefined;
}

function upcoming(at: Instant | undefined, now: Instant): Instant | undefined {
  return at && toMs(at) > toMs(now) ? at : undefined;
}
