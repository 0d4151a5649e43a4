/** What people do to tasks: drop, edit, delete, trust, answer. SPEC sections 3.3, 5 and 13. */
import { parentOf, type SessionId } from "../model/ids.ts";
import { stateOf, withExecution, withState, type Status, type Task, type TaskState } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Actor, Run, StopReason } from "../model/transition.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import { begun, mergesOnly } from "./attempt.ts";
import { addPlanned, doneBy } from "./planned.ts";
import type { Policy } from "./policy.ts";
import { reviewsAfresh } from "./review.ts";
import { isWhole } from "./state.ts";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

export function tasksFound(draft: Draft, event: Of<"tasks-found">): void {
  const { session } = event;
  if (!draft.session(session)) return;
  for (const found of event.tasks) {
    if (draft.task(session, found.id)) continue; // an id begins once
    const task = normalised(found);
    const first = withState(task, { status: "pending" });
    const written = stateOf(task);
    const keep = written.status === "completed" || written.status === "blocked";
    const pending = keep ? first : task.status === "pending" ? task : first;
    draft.add({ of: "task", session, id: task.id, from: "new", to: "pending", by: event.by, after: pending });
    if (keep) move(draft, session, task, written, event.by);
    if (event.untrusted?.has(task.id)) move(draft, session, task, { status: "blocked", reason: "untrusted" }, "daemon");
  }
}

export function taskEdited(draft: Draft, event: Of<"task-edited">): void {
  const { session, by } = event;
  const before = draft.task(session, event.task.id);
  if (!before) return;
  const edited = normalised(withoutStaleReason(before, event.task));
  const run = draft.run(session, edited.id);
  const approval = approvalOf(before, edited);

  if (approval) {
    if (approval.status === "blocked") return note(draft, session, withState(edited, approval), event.fields, by);
    if (approval.status !== "completed") return move(draft, session, edited, approval, by);
    const done = doneBy(edited, event.plan);
    if (done.status === "blocked")
      return note(draft, session, withState(withExecution(edited, { approved: undefined }), done), event.fields, by);
    move(draft, session, edited, done, by);
    return addPlanned(draft, { session, id: edited.id, plan: event.plan, by });
  }
  if (edited.status === before.status || edited.status === "active" || edited.status === "container") {
    // Running and containing are facts, not wishes: a status that says so by hand is put back.
    const after = edited.status === before.status ? edited : withState(edited, stateOf(before));
    return note(draft, session, after, event.fields, by);
  }
  const wanted = wish(before, edited);
  if (run && before.status === "active") stopRun(draft, run, wanted.status === "pending" ? "requeued" : "cancelled");
  move(draft, session, wanted.status === "pending" ? afresh(before, edited) : edited, wanted, by);
}

export function taskDeleted(draft: Draft, event: Of<"task-deleted">): void {
  const { session, id, by } = event;
  const before = draft.task(session, id);
  if (!before) return;
  const run = draft.run(session, id);
  if (run) stopRun(draft, run, "deleted");
  draft.add({ of: "task", session, id, from: before.status, to: "deleted", by, after: null });
}

export function trustChanged(draft: Draft, event: Of<"trust-changed">): void {
  const task = draft.task(event.session, event.id);
  if (!task) return;
  const state = stateOf(task);
  const untrusted = state.status === "blocked" && state.reason === "untrusted";
  if (event.trusted && untrusted) return move(draft, event.session, task, { status: "pending" }, "person");
  if (!event.trusted && state.status === "pending") {
    move(draft, event.session, task, { status: "blocked", reason: "untrusted" }, "daemon");
  }
}

/** A response that a person wrote is the result of a task that waits for one, or that a person is to do anyway. */
export function answered(draft: Draft, event: Of<"answered">, policy: Policy, now: Instant): void {
  const found = draft.task(event.session, event.id);
  if (!found || isWhole(found.execution.workflow)) return;
  const waits = found.status === "blocked" && found.execution.reason === "awaiting-person";
  const early = found.status === "pending" && policy.roles.get(found.agent)?.runner === "human";
  if (!waits && !early) return;
  const task = early ? begun(found, found.execution.attempts + 1, null, now) : found;
  const last = task.execution.last_attempt;
  if (last?.attempt !== event.attempt) return;
  const success = event.outcome === "success";
  const settled = withExecution(task, {
    last_attempt: {
      ...last,
      ended_at: now,
      outcome: event.outcome,
      answered_by: "person",
      error: success ? null : { class: "unknown", message: event.message },
    },
  });
  const state: TaskState = !success
    ? { status: "blocked", reason: "failed" }
    : task.execution.approve === "after"
      ? { status: "blocked", reason: "awaiting-approval" }
      : doneBy(settled, event.plan);
  move(draft, event.session, settled, state, "person");
  if (state.status !== "blocked")
    addPlanned(draft, { session: event.session, id: found.id, plan: event.plan, by: "person" });
}

export function stopRun(draft: Draft, run: Run, why: StopReason): void {
  if (run.stopping) return;
  const { session, id, attempt, runId } = run;
  draft.add({ of: "run-stopping", session, id, why });
  draft.act({ do: "stop-agent", session, id, attempt, runId, why });
}

/** Puts a task into another state, as a transition; to blocked from blocked only the file changes. */
export function move(
  draft: Draft,
  session: SessionId,
  task: Task,
  to: TaskState,
  by: Actor,
  more: { attempt?: number; reason?: string } = {},
): void {
  const before = draft.task(session, task.id);
  const from: Status | "new" = before?.status ?? "new";
  const after = withState(task, to);
  if (from === to.status) return note(draft, session, after, ["execution.reason"], by);
  draft.add({ of: "task", session, id: task.id, from, to: to.status, by, after, ...more });
}

function note(draft: Draft, session: SessionId, after: Task, fields: string[], by: Actor): void {
  draft.add({ of: "task-edit", session, id: after.id, by, fields, after });
}

/** What the person's status means; blocked is cancelled, unless the person names another reason. */
function wish(before: Task, edited: Task): TaskState {
  const state = stateOf(edited);
  if (state.status === "pending") return { status: "pending" };
  if (state.status === "blocked" && edited.execution.reason === before.execution.reason) {
    return { status: "blocked", reason: "cancelled" };
  }
  return state;
}

/** A wait that a person took away leaves no reason for waiting behind. */
function withoutStaleReason(before: Task, edited: Task): Task {
  const lifted = edited.status === "pending" && before.execution.next_attempt_at && !edited.execution.next_attempt_at;
  return lifted ? withExecution(edited, { reason: undefined }) : edited;
}

/** An approval given or refused; undefined when the edit is about something else. */
function approvalOf(before: Task, edited: Task): TaskState | undefined {
  const { reason } = before.execution;
  const awaits = before.status === "blocked" && (reason === "awaiting-approval" || reason === "rejected");
  if (!awaits || edited.status !== "blocked" || edited.execution.approved === before.execution.approved)
    return undefined;
  if (edited.execution.approved === true) {
    const done = edited.execution.approve === "after" && !mergesOnly(edited);
    return done ? { status: "completed" } : { status: "pending" };
  }
  return edited.execution.approved === false ? { status: "blocked", reason: "rejected" } : undefined;
}

/** A task that a person queues again starts with a clean count, and asks for its approval anew if that is not given here. */
function afresh(before: Task, edited: Task): Task {
  const given = edited.execution.approved === true && before.execution.approved !== true;
  return withExecution(edited, {
    failures: undefined,
    fell_back_from: undefined,
    reviews: reviewsAfresh(edited),
    ...(given ? {} : { approved: undefined }),
  });
}

/** Relations that follow from the id, whatever the file says: its parent, and that a subtask has no subtasks. */
function normalised(task: Task): Task {
  const parent = parentOf(task.id);
  const { relations } = task;
  const subtasks = parent === null ? relations.subtasks : [];
  if (relations.parent === parent && relations.subtasks.length === subtasks.length) return task;
  return { ...task, relations: { ...relations, parent, subtasks } };
}
