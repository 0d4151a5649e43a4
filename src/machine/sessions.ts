/** Sessions and their markers. SPEC section 4. */
import { compareTaskIds, type SessionId } from "../model/ids.ts";
import { typeFor, type Phase, type SessionFile, type SessionStatus } from "../model/session.ts";
import type { Instant } from "../model/time.ts";
import type { Actor } from "../model/transition.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import type { Lent, Policy } from "./policy.ts";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

/** A session's work starts from the branch that was checked out when it began. */
export function sessionFound(draft: Draft, event: Of<"session-found">, { branch }: Pick<Lent, "branch">): void {
  const { by } = event;
  if (draft.session(event.file.session_id)) return;
  const file = branch && event.file.base_branch === undefined ? { ...event.file, base_branch: branch } : event.file;
  draft.add({ of: "session", session: file.session_id, from: "new", to: file.status, by, after: file });
  if (file.status === "active") draft.act({ do: "touch-marker", session: file.session_id });
}

export function sessionEdited(draft: Draft, event: Of<"session-edited">, policy: Policy): void {
  const { file, fields, by } = event;
  const session = file.session_id;
  const before = draft.session(session);
  if (!before) return;
  if (before.status === file.status) {
    draft.add({ of: "session-edit", session, by, fields, after: file });
    return;
  }
  change(draft, file, before.status, file.status, by);
  draft.act(file.status === "active" ? { do: "touch-marker", session } : { do: "remove-marker", session });
  if (file.status !== "active" || policy.maxActiveSessions > 1) return;
  // Where one is the most, it is clear which must go; of several the markers tell, once the new one is there.
  for (const id of draft.sessionIds()) {
    const other = draft.session(id);
    if (id === session || other?.status !== "active") continue;
    change(draft, other, "active", "paused", by);
    draft.act({ do: "remove-marker", session: id });
  }
}

export function sessionGone(draft: Draft, event: Of<"session-gone">): void {
  const before = draft.session(event.session);
  if (!before) return;
  for (const task of draft.tasks(event.session)) {
    const run = draft.run(event.session, task.id);
    if (run && !run.stopping) {
      const { session, id, attempt, runId } = run;
      draft.add({ of: "run-stopping", session, id, why: "deleted" });
      draft.act({ do: "stop-agent", session, id, attempt, runId, why: "deleted" });
    }
    draft.add({
      of: "task",
      session: event.session,
      id: task.id,
      from: task.status,
      to: "deleted",
      by: event.by,
      after: null,
    });
  }
  draft.add({
    of: "session",
    session: event.session,
    from: before.status,
    to: "deleted",
    by: event.by,
    after: null,
  });
}

/** The newest markers stay, as many as may be active; `status` follows in every session's file. */
export function followMarkers(draft: Draft, present: readonly SessionId[], policy: Policy): void {
  const known = present.filter((id) => draft.session(id));
  const active = new Set(known.slice(0, policy.maxActiveSessions));
  for (const id of present) if (!active.has(id)) draft.act({ do: "remove-marker", session: id });
  for (const id of present) {
    if (!draft.session(id)) {
      draft.add({ of: "workspace", text: `removed the marker .active-${id}: there is no such session`, by: "daemon" });
    }
  }
  for (const id of draft.sessionIds()) {
    const file = draft.session(id);
    if (!file) continue;
    if (active.has(id) && file.status !== "active") change(draft, file, file.status, "active", "person");
    if (!active.has(id) && file.status === "active") change(draft, file, "active", "paused", "person");
  }
}

/** Brings type, phase and progress of the sessions that this decision touched up to date. */
export function deriveSessions(draft: Draft, now: Instant): void {
  const touched = new Set<SessionId>(draft.touched.keys());
  for (const change of draft.changes) if ("session" in change) touched.add(change.session);
  for (const session of touched) {
    const file = draft.session(session);
    if (!file) continue;
    const current_tasks = draft
      .runs()
      .filter((run) => run.session === session && draft.task(session, run.id)?.status === "active")
      .map((run) => run.id)
      .sort(compareTaskIds);
    const current_phase = phaseOf(draft, session, file.current_phase);
    const completed_phases = PHASE_ORDER.slice(0, PHASE_ORDER.indexOf(current_phase));
    const after: SessionFile = {
      ...file,
      type: typeFor(draft.taskCount(session), file.type),
      current_phase,
      progress: { ...file.progress, completed_phases, current_tasks },
    };
    if (same(file, after) && !changedHere(draft, session)) continue;
    draft.add({ of: "session-file", session, after: { ...after, updated_at: now } });
  }
}

const PHASE_ORDER: readonly Phase[] = ["PLAN", "IMPLEMENT", "REVIEW"];

/** The first phase that still has work; planning until there is any. */
function phaseOf(draft: Draft, session: SessionId, now: Phase): Phase {
  if (draft.taskCount(session) === 0) return "PLAN";
  const open = draft.openWork(session);
  return PHASE_ORDER.find((phase) => open[phase] > 0) ?? now;
}

/** Whether this decision gives the file other content: each version that stands on disk has a time of its own. */
function changedHere(draft: Draft, session: SessionId): boolean {
  return draft.changes.some((change) => {
    if (change.of === "session-edit") return change.session === session && change.fields.length > 0;
    return change.of === "session" && change.session === session && change.from !== "new" && change.after !== null;
  });
}

function same(a: SessionFile, b: SessionFile): boolean {
  return (
    a.type === b.type &&
    a.current_phase === b.current_phase &&
    a.progress.current_tasks.join() === b.progress.current_tasks.join() &&
    a.progress.completed_phases.join() === b.progress.completed_phases.join()
  );
}

function change(draft: Draft, file: SessionFile, from: SessionStatus, to: SessionStatus, by: Actor): void {
  draft.add({ of: "session", session: file.session_id, from, to, by, after: { ...file, status: to } });
}
