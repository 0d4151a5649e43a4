/** When a session has been kept on disk for long enough, and how it leaves. The ledger keeps everything. SPEC sections 7 and 12. */
import type { SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { toMs, type Instant } from "../model/time.ts";
import type { Transition } from "../model/transition.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import type { Lent, Policy } from "./policy.ts";

/** In `Cox-Reason`: nobody deleted it. */
const REASON = "retention";
const FAILED = new Set(["failed", "timeout", "stalled", "budget", "verify", "conflict", "auth", "invalid"]);
const AWAITING = new Set(["awaiting-approval", "awaiting-person"]);

/**
 * Why a session may leave the disk now; null while it stays. Only one that is completed, or that was given up: not active,
 * with tasks that failed, and none that runs or waits for a person. `since`: its last activity.
 */
export function mayLeave(
  { file, tasks, since }: { file: SessionFile; tasks: Iterable<Task>; since: Instant },
  keep: Policy["retention"],
  now: Instant,
): "completed" | "failed" | null {
  const why = overWith(file, tasks);
  return why !== null && toMs(now) - toMs(since) > keep[why] ? why : null;
}

function overWith(file: SessionFile, tasks: Iterable<Task>): "completed" | "failed" | null {
  if (file.status === "active") return null;
  let failed = false;
  for (const { status, execution } of tasks) {
    if (status === "active") return null;
    const reason = status === "blocked" ? (execution.reason ?? "") : "";
    if (AWAITING.has(reason)) return null;
    failed ||= FAILED.has(reason);
  }
  return file.status === "completed" ? "completed" : failed ? "failed" : null;
}

/** All its tasks, then the session: each chain ends. */
export function leaving(file: SessionFile, tasks: Iterable<Task>): Transition[] {
  const session = file.session_id;
  const gone = { by: "daemon", after: null, reason: REASON } as const;
  return [
    ...[...tasks].map(({ id, status }): Transition => ({
      of: "task",
      session,
      id,
      from: status,
      to: "deleted",
      ...gone,
    })),
    { of: "session", session, from: file.status, to: "archived", ...gone },
  ];
}

/** All of it was seen to be on record, and idle since then. */
export function sessionIdle(
  draft: Draft,
  { session, since }: Extract<Event, { type: "session-idle" }>,
  policy: Policy,
  lent: Lent,
): void {
  const file = draft.session(session);
  const tasks = [...draft.tasks(session)];
  if (!file || draft.runs().some((run) => run.session === session)) return;
  // Whatever has happened in this very moment is activity.
  if (draft.changes.some((change) => "session" in change && change.session === session)) return;
  if (mayLeave({ file, tasks, since }, policy.retention, lent.now) === null) return;
  draft.add(...leaving(file, tasks));
  draft.act({ do: "put-away", session });
}
