/** A task with subtasks is a container: never run, completed when all of them are. SPEC section 3.4. */
import { compareTaskIds, parentOf, type SessionId, type TaskId } from "../model/ids.ts";
import type { Status, Task } from "../model/task.ts";
import type { Draft } from "./draft.ts";
import { isDone } from "./parts.ts";
import { move } from "./steering.ts";

export function deriveContainers(draft: Draft): void {
  const parents = new Map<SessionId, Set<TaskId>>();
  for (const [session, tasks] of draft.touched) {
    for (const id of tasks.keys()) {
      const parent = parentOf(id) ?? id;
      const found = parents.get(session) ?? new Set();
      parents.set(session, found.add(parent));
    }
  }
  for (const [session, ids] of parents) for (const id of ids) derive(draft, session, id);
}

function derive(draft: Draft, session: SessionId, id: TaskId): void {
  const parent = draft.task(session, id);
  // An agent at work is not taken for a container under its feet: that follows when it has ended.
  if (!parent || parent.status === "active") return;
  const subtasks = draft.children(session, id).sort(compareTaskIds);
  const listed = parent.relations.subtasks;
  const same = listed.length === subtasks.length && listed.every((subtask, place) => subtask === subtasks[place]);
  const after: Task = same ? parent : { ...parent, relations: { ...parent.relations, subtasks } };
  const to = containerStatus(draft, session, subtasks, parent.status);
  if (to && to !== parent.status) return move(draft, session, after, { status: to }, "daemon");
  if (!same) attach(draft, session, after);
}

/** Undefined where the task is no container and was none. */
function containerStatus(
  draft: Draft,
  session: SessionId,
  subtasks: TaskId[],
  now: Status,
): "container" | "completed" | "pending" | undefined {
  if (subtasks.length === 0) return now === "container" ? "pending" : undefined;
  const taskOf = (id: TaskId) => draft.task(session, id);
  const all = subtasks.every((id) => isDone(taskOf(id), taskOf));
  return all ? "completed" : "container";
}

/** The parent's list changes in the commit of the subtask that changed it, or of the edit that broke the list. */
function attach(draft: Draft, session: SessionId, parent: Task): void {
  const cause = draft.changes.findLast(
    (change) =>
      (change.of === "task" || change.of === "task-edit") &&
      change.session === session &&
      (change.id === parent.id || (change.of === "task" && parentOf(change.id) === parent.id)),
  );
  if (cause?.of !== "task" && cause?.of !== "task-edit") return;
  if (cause.id === parent.id) cause.after = parent;
  else if (cause.of === "task") cause.also = [...(cause.also ?? []).filter((task) => task.id !== parent.id), parent];
  draft.touched.get(session)?.set(parent.id, parent);
}
