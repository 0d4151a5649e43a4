/** How `cox start --once` ends. */
import type { Workspace } from "./workspace.ts";

/** 0 if all that the active sessions asked for is done, 1 if something is blocked or was not taken in. */
export function exitCodeOf({ state, held }: Workspace): number {
  for (const session of state.sessions.values()) {
    if (session.file.status !== "active") continue;
    for (const task of session.tasks.values()) if (task.status !== "completed") return 1;
  }
  return held.all().length > 0 ? 1 : 0;
}

/** Whether a task could be started. */
export function hasReady({ state, obstructed }: Workspace): boolean {
  return [...state.sessions.values()].some(
    ({ file, index }) => file.status === "active" && !obstructed.has(file.session_id) && index.ready.length > 0,
  );
}

/** Whether no agent is at work but those of sessions that rest. */
export function onlyResting({ state, obstructed }: Workspace): boolean {
  return [...state.runs.values()].every(({ session }) => obstructed.has(session));
}
