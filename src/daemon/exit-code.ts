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
