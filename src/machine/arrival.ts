/** What a merge with another machine's history changes here, as transitions. SPEC sections 7 and 13. */
import { compareTaskIds, type SessionId, type TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { stateOf, withState, type Task } from "../model/task.ts";
import { deriveContainers } from "./containers.ts";
import { Draft } from "./draft.ts";
import type { Decision } from "./machine.ts";
import { equal, isObject } from "./merge.ts";
import type { State } from "./state.ts";
import { stopRun } from "./steering.ts";

/** A session as it shall be. */
export interface Arrival {
  session: SessionId;
  /** Undefined: as it is; null: it goes. */
  file: SessionFile | null | undefined;
  /** Tasks that are otherwise than we have them; null: gone. */
  tasks: ReadonlyMap<TaskId, Task | null>;
}

/** Nothing is started by it: that is for the next decision, with all this in view. */
export function arrive(state: State, arrivals: readonly Arrival[]): Decision {
  const draft = new Draft(state);
  for (const arrival of arrivals) {
    if (arrival.file) sessionArrives(draft, arrival.file);
    const tasks = [...arrival.tasks].sort(([a], [b]) => compareTaskIds(a, b));
    for (const [id, task] of tasks) taskArrives(draft, arrival.session, id, task);
    if (arrival.file === null) sessionGoes(draft, arrival.session);
  }
  deriveContainers(draft);
  return { changes: draft.changes, effects: draft.effects };
}

function sessionArrives(draft: Draft, file: SessionFile): void {
  const session = file.session_id;
  const before = draft.session(session);
  if (before?.status === file.status) {
    const names = new Set([...Object.keys(before), ...Object.keys(file)]);
    const fields = [...names].filter(
      (key) => !equal((before as Record<string, unknown>)[key], (file as Record<string, unknown>)[key]),
    );
    if (fields.length > 0) draft.add({ of: "session-edit", session, by: "daemon", fields, after: file });
    return;
  }
  draft.add({ of: "session", session, from: before?.status ?? "new", to: file.status, by: "daemon", after: file });
  if (before?.status === "active") draft.act({ do: "remove-marker", session });
}

function taskArrives(draft: Draft, session: SessionId, id: TaskId, task: Task | null): void {
  const before = draft.task(session, id);
  const run = draft.run(session, id);
  if (!task) {
    if (!before) return;
    if (run) stopRun(draft, run, "deleted");
    draft.add({ of: "task", session, id, from: before.status, to: "deleted", by: "daemon", after: null });
    return;
  }
  if (!before) {
    const first = task.status === "pending" ? task : withState(task, { status: "pending" });
    draft.add({ of: "task", session, id, from: "new", to: "pending", by: "daemon", after: first });
    if (task.status !== "pending")
      draft.add({ of: "task", session, id, from: "pending", to: task.status, by: "daemon", after: task });
    return;
  }
  if (equal(before, task)) return;
  if (before.status === task.status) {
    draft.add({ of: "task-edit", session, id, by: "daemon", fields: fieldsOf(before, task), after: task });
    return;
  }
  if (run && before.status === "active")
    stopRun(draft, run, stateOf(task).status === "pending" ? "requeued" : "cancelled");
  draft.add({ of: "task", session, id, from: before.status, to: task.status, by: "daemon", after: task });
}

function sessionGoes(draft: Draft, session: SessionId): void {
  const before = draft.session(session);
  if (!before) return;
  draft.add({ of: "session", session, from: before.status, to: "deleted", by: "daemon", after: null });
  draft.act({ do: "remove-marker", session });
}

/** Which of its fields differ, as `title`, `context.acceptance`. */
function fieldsOf(before: Task, after: Task): string[] {
  return differing(before as unknown as Json, after as unknown as Json).flatMap((key) => {
    const [was, is] = [(before as unknown as Json)[key], (after as unknown as Json)[key]];
    return isObject(was) && isObject(is) ? differing(was, is).map((inner) => `${key}.${inner}`) : [key];
  });
}

type Json = Record<string, unknown>;

function differing(a: Json, b: Json): string[] {
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].filter((key) => !equal(a[key], b[key]));
}
