/** A save that was seen while an earlier look was being recorded takes the place of what that look said of the same file. */
import type { Event } from "../machine/event.ts";

/** The events of both looks: edits and drops before what agents and people answered, each file's latest alone. */
export function superseded(before: readonly Event[], again: readonly Event[]): Event[] {
  const tasks = new Set<string>();
  const sessions = new Set<string>();
  for (const event of again) {
    if (event.type === "task-edited") tasks.add(`${event.session}/${event.task.id}`);
    else if (event.type === "task-deleted") tasks.add(`${event.session}/${event.id}`);
    else if (event.type === "tasks-found") for (const task of event.tasks) tasks.add(`${event.session}/${task.id}`);
    else if (event.type === "session-edited") sessions.add(event.file.session_id);
  }
  const kept = before.flatMap((event): Event[] => {
    if (event.type === "task-edited") return tasks.has(`${event.session}/${event.task.id}`) ? [] : [event];
    if (event.type === "session-edited") return sessions.has(event.file.session_id) ? [] : [event];
    if (event.type !== "tasks-found") return [event];
    const rest = event.tasks.filter(({ id }) => !tasks.has(`${event.session}/${id}`));
    return rest.length > 0 ? [{ ...event, tasks: rest }] : [];
  });
  const first = kept.filter(({ type }) => FIRST.has(type));
  return [...first, ...again, ...kept.filter(({ type }) => !FIRST.has(type))];
}

/** What later events need to be known, or that says nothing about a task's state. */
const FIRST: ReadonlySet<Event["type"]> = new Set<Event["type"]>([
  "session-found",
  "tasks-found",
  "task-edited",
  "session-edited",
]);
