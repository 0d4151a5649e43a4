/** A save that was seen while an earlier look was being recorded takes the place of what that look said of the same file. */
import type { Event } from "../machine/event.ts";
import { taskKey, type SessionId, type TaskKey } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { at } from "../store/paths.ts";

/** The events of both looks: edits and drops before what agents and people answered, each file's latest alone. */
export function superseded(before: readonly Event[], again: readonly Event[]): Event[] {
  const tasks = new Set<TaskKey>();
  const sessions = new Set<SessionId>();
  for (const event of again) {
    if (event.type === "task-edited") tasks.add(taskKey(event.session, event.task.id));
    else if (event.type === "task-deleted") tasks.add(taskKey(event.session, event.id));
    else if (event.type === "tasks-found") for (const task of event.tasks) tasks.add(taskKey(event.session, task.id));
    else if (event.type === "session-edited") sessions.add(event.file.session_id);
  }
  const kept = without(tasks, before).filter((event) => {
    if (event.type === "task-edited") return !tasks.has(taskKey(event.session, event.task.id));
    return event.type !== "session-edited" || !sessions.has(event.file.session_id);
  });
  const first = kept.filter(({ type }) => FIRST.has(type));
  return [...first, ...again, ...kept.filter(({ type }) => !FIRST.has(type))];
}

export interface Displaced {
  /** Keys of the tasks that were to be. */
  tasks: Set<TaskKey>;
  /** The files that they came from. */
  drops: string[];
  /** Prompts that were to be put in place for them. */
  prompts: string[];
}

/**
 * Drops that were given a number that another file turns out to name: one that became a task meanwhile, or that stands
 * in the place of the task's file and cannot be read yet. They are no tasks after all, and are to be looked at again.
 */
export function displaced(
  before: readonly Event[],
  again: readonly Event[],
  isHeld: (path: string) => boolean,
): Displaced {
  const taken = new Map<TaskKey, string | undefined>();
  for (const { session, task } of foundIn(again)) taken.set(taskKey(session, task.id), task.execution.source?.file);
  const out: Displaced = { tasks: new Set(), drops: [], prompts: [] };
  for (const { session, task } of foundIn(before)) {
    const { source, prompt_file: prompt } = task.execution;
    const key = taskKey(session, task.id);
    const own = at.task(session, task.id);
    if (!source || !(taken.has(key) ? taken.get(key) !== source.file : source.file !== own && isHeld(own))) continue;
    out.tasks.add(key);
    out.drops.push(source.file);
    if (prompt) out.prompts.push(`${session}/${prompt}`);
  }
  // A run of a workflow is taken in as a whole or not at all.
  for (const { session, task } of foundIn(before)) {
    const { source, prompt_file: prompt, workflow } = task.execution;
    if (!workflow || !source || !out.drops.includes(source.file)) continue;
    out.tasks.add(taskKey(session, task.id));
    out.prompts.push(at.runWorkflow(session, workflow.run), ...(prompt ? [`${session}/${prompt}`] : []));
  }
  return out;
}

/** The events without those tasks. */
export function without(tasks: ReadonlySet<TaskKey>, events: readonly Event[]): Event[] {
  return events.flatMap((event): Event[] => {
    if (event.type !== "tasks-found") return [event];
    const rest = event.tasks.filter(({ id }) => !tasks.has(taskKey(event.session, id)));
    return rest.length > 0 ? [{ ...event, tasks: rest }] : [];
  });
}

function foundIn(events: readonly Event[]): { session: SessionId; task: Task }[] {
  return events.flatMap((event) =>
    event.type === "tasks-found" ? event.tasks.map((task) => ({ session: event.session, task })) : [],
  );
}

/** What later events need to be known, or that says nothing about a task's state. */
const FIRST: ReadonlySet<Event["type"]> = new Set<Event["type"]>([
  "session-found",
  "tasks-found",
  "task-edited",
  "session-edited",
]);
