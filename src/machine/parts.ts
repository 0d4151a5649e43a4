/**
 * Steps of workflows that are done in several tasks (the items of a list, rounds, the steps of another workflow): the
 * step's own task, the whole, waits for its parts and then tells what came of them. Parts are subtasks of the run, too.
 */
import type { SessionId, TaskId } from "../model/ids.ts";
import { withExecution, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Run } from "../model/transition.ts";
import { begun } from "./attempt.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import { hasFailed, isWhole, releases } from "./state.ts";
import { move, stopRun, taskDeleted, taskEdited } from "./steering.ts";

type Of<T extends Event["type"]> = Extract<Event, { type: T }>;

/** Whether what contains the task need not wait for it: a step may fail, and a whole answers for its parts. */
export function isDone(task: Task | undefined, taskOf: (id: TaskId) => Task | undefined): boolean {
  if (!task) return false;
  const { workflow } = task.execution;
  if (task.status === "completed" || (workflow && releases(task))) return true;
  return workflow?.part_of !== undefined && isDone(taskOf(workflow.part_of), taskOf);
}

/**
 * Makes the tasks, all or none: only if as many were there as when this was decided, and no other task has taken one of
 * their ids. The first ones take the place of those from before.
 */
export function partsKnown(draft: Draft, { session, id, after, parts, vars, told }: Of<"parts-known">): void {
  const whole = draft.task(session, id);
  const workflow = whole?.execution.workflow;
  if (!whole || !workflow || whole.status !== "pending" || !isWhole(workflow) || workflow.parts !== after) return;
  if (parts.some((part) => draft.task(session, part.id))) return;
  if (after === undefined) for (const old of below(draft, session, id)) remove(draft, session, old);
  for (const part of parts)
    draft.add({ of: "task", session, id: part.id, from: "new", to: "pending", by: "daemon", after: part });
  const { trouble: _trouble, skipped: _skipped, ...rest } = workflow;
  const given = { ...(vars ? { vars } : {}), ...(told ? { told: { ...workflow.told, ...told } } : {}) };
  const made = { ...rest, ...given, met: true, parts: (after ?? 0) + parts.length };
  note(draft, session, withExecution(whole, { workflow: made }));
}

/** Nothing if one of them stands otherwise by now: it is looked at again. */
export function partsOver(draft: Draft, event: Of<"parts-over">, now: Instant): void {
  const { session, id, seen, outcome, message } = event;
  const whole = draft.task(session, id);
  if (!whole || whole.status !== "pending" || !isWhole(whole.execution.workflow)) return;
  const parts = partsOf(draft, session, id);
  if (parts.length !== seen.size || !parts.every((part) => seen.get(part.id) === part.status)) return;
  const attempt = whole.execution.attempts + 1;
  const started = begun(whole, attempt, null, now);
  const last = started.execution.last_attempt;
  if (!last) return;
  const error = outcome === "success" ? null : { class: "unknown" as const, message };
  const after = withExecution(started, { last_attempt: { ...last, ended_at: now, outcome, error } });
  const to =
    outcome === "success" ? ({ status: "completed" } as const) : ({ status: "blocked", reason: "failed" } as const);
  move(draft, session, after, to, "daemon", { attempt });
}

/** A person's edit, and what it means for the parts of a whole, or for the whole of a part. */
export function taskSteered(draft: Draft, event: Of<"task-edited">): void {
  const { session } = event;
  const before = draft.task(session, event.task.id);
  taskEdited(draft, event);
  const after = draft.task(session, event.task.id);
  if (!before || !after || before.status === after.status) return;
  if (after.status === "pending") {
    beginParts(draft, session, before, after);
    return reopen(draft, session, after);
  }
  if (after.status !== "active" && isWhole(after.execution.workflow)) cancelParts(draft, session, after);
}

/** Its parts have nothing left that waits for them. */
export function wholeDeleted(draft: Draft, event: Of<"task-deleted">): void {
  const before = draft.task(event.session, event.id);
  if (before && isWhole(before.execution.workflow))
    for (const part of below(draft, event.session, event.id)) remove(draft, event.session, part);
  taskDeleted(draft, event);
}

/** Whether one more part of the same step may run. */
export function hasRoom(
  draft: Draft,
  { session, task, live }: { session: SessionId; task: Task; live: readonly Run[] },
): boolean {
  const whole = task.execution.workflow?.part_of;
  if (whole === undefined) return true;
  const most = draft.task(session, whole)?.execution.workflow?.max_parallel;
  if (most === undefined) return true;
  const running = live.filter(
    (run) => run.session === session && draft.task(session, run.id)?.execution.workflow?.part_of === whole,
  );
  return running.length < most;
}

/** What failed of a whole is tried again; where nothing has, all of it is done anew. */
function beginParts(draft: Draft, session: SessionId, before: Task, whole: Task): void {
  const { workflow } = whole.execution;
  if (!isWhole(workflow) || workflow?.parts === undefined) return;
  const failed = before.status === "blocked" ? partsOf(draft, session, whole.id).filter(hasFailed) : [];
  if (failed.length === 0) {
    const { parts: _parts, met: _met, skipped: _skipped, ...rest } = workflow;
    return note(draft, session, withExecution(whole, { workflow: rest }));
  }
  for (const part of failed) {
    move(draft, session, withExecution(part, { failures: undefined }), { status: "pending" }, "daemon");
    const again = draft.task(session, part.id);
    if (again) beginParts(draft, session, part, again);
  }
}

/** What a part belongs to is not over while the part is not. */
function reopen(draft: Draft, session: SessionId, part: Task): void {
  const id = part.execution.workflow?.part_of;
  const whole = id === undefined ? undefined : draft.task(session, id);
  if (!whole) return;
  const { status, execution } = whole;
  if (status === "completed" || (status === "blocked" && execution.reason === "failed"))
    move(draft, session, whole, { status: "pending" }, "daemon");
  reopen(draft, session, whole);
}

function cancelParts(draft: Draft, session: SessionId, whole: Task): void {
  for (const part of below(draft, session, whole.id)) {
    if (part.status === "completed" || hasFailed(part)) continue;
    const run = draft.run(session, part.id);
    if (run) stopRun(draft, run, "cancelled");
    move(draft, session, part, { status: "blocked", reason: "cancelled" }, "daemon");
  }
}

function partsOf(draft: Draft, session: SessionId, whole: TaskId): Task[] {
  const run = draft.task(session, whole)?.relations.parent;
  const children = run ? draft.children(session, run) : [];
  return children.flatMap((id) => {
    const task = draft.task(session, id);
    return task?.execution.workflow?.part_of === whole ? [task] : [];
  });
}

/** Its parts and theirs. */
function below(draft: Draft, session: SessionId, whole: TaskId): Task[] {
  return partsOf(draft, session, whole).flatMap((part) => [
    part,
    ...(isWhole(part.execution.workflow) ? below(draft, session, part.id) : []),
  ]);
}

function remove(draft: Draft, session: SessionId, task: Task): void {
  const run = draft.run(session, task.id);
  if (run) stopRun(draft, run, "deleted");
  draft.add({ of: "task", session, id: task.id, from: task.status, to: "deleted", by: "daemon", after: null });
}

function note(draft: Draft, session: SessionId, after: Task): void {
  draft.add({ of: "task-edit", session, id: after.id, by: "daemon", fields: ["execution.workflow"], after });
}
