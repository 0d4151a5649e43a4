/** Circuit breaker per role and model: closed, open, half-open with one probe. SPEC section 9. */
import type { TaskKey } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import { after, toMs, type Instant } from "../model/time.ts";
import type { Breaker, Run } from "../model/transition.ts";
import type { Policy } from "./policy.ts";

/** Undefined for work that no service stands behind: a person's, or a task's own shell command. */
export function breakerKey(role: Role, task: Task, policy: Policy): string | undefined {
  if (role.runner === "human" || role.name === "command") return undefined;
  return `${role.name} ${task.execution.model ?? role.model ?? policy.model ?? "default"}`;
}

/** The same for an attempt that has started: task, role and settings may have changed since. */
export function breakerKeyOf(run: Run): string | undefined {
  return run.role === "command" ? undefined : `${run.role} ${run.model ?? "default"}`;
}

/** A breaker whose deciding attempt is gone without having decided lets the next one decide. */
export function withoutLostProbe(breaker: Breaker, isAlive: (probe: TaskKey) => boolean, now: Instant): Breaker {
  return breaker.state === "half-open" && !isAlive(breaker.probe) ? { state: "open", until: now } : breaker;
}

/**
 * Whether an attempt may start now; when not, from when on it may be asked again. One that would stay open for longer than
 * it ever does was opened before the clock was set back: its time is over too.
 */
export function permits(
  breaker: Breaker,
  now: Instant,
  policy: Policy,
): { yes: true } | { yes: false; until: Instant | null } {
  switch (breaker.state) {
    case "closed":
      return { yes: true };
    case "open":
      return isAhead(breaker.until, now, policy.breaker.open) ? { yes: false, until: breaker.until } : { yes: true };
    case "half-open":
      return { yes: false, until: null };
  }
}

/** The breaker once an attempt has started: an open one whose time is over lets this one decide. */
export function onStart(breaker: Breaker, probe: TaskKey): Breaker {
  return breaker.state === "open" ? { state: "half-open", probe } : breaker;
}

export function onSuccess(): Breaker {
  return { state: "closed", failures: [] };
}

export function onFailure(breaker: Breaker, now: Instant, policy: Policy): Breaker {
  if (breaker.state === "half-open") return { state: "open", until: after(now, policy.breaker.open) };
  if (breaker.state === "open") return breaker;
  const { window } = policy.breaker;
  const failures = [...breaker.failures.filter((at) => at === now || isAhead(now, at, window - 1)), now];
  if (failures.length > policy.breaker.failures) return { state: "open", until: after(now, policy.breaker.open) };
  return { state: "closed", failures };
}

/** Whether `at` is later than `than`, and by no more than `most` ms. */
function isAhead(at: Instant, than: Instant, most: number): boolean {
  const by = toMs(at) - toMs(than);
  return by > 0 && by <= most;
}
