/** What is said when the daemon cannot go on: the whole workspace, its lock alone, or a session's tasks are gone. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { SessionId } from "../model/ids.ts";
import { at, RUN, WORKSPACE } from "../store/paths.ts";
import type { Workspace } from "./workspace.ts";

export function lossOf(workspace: Workspace): string {
  if (isRemoved(workspace))
    return `${WORKSPACE} is gone. Nothing was recorded as deleted; running agents go on. cox restore brings everything back from git, then cox start.`;
  return `The lock of this daemon (${WORKSPACE}/${RUN}/daemon.lock) was removed or replaced, so another daemon may be at work: this one ends and records nothing more; running agents go on. cox start looks after them again (where all of ${WORKSPACE} was removed, cox restore first).`;
}

/** What is said when the tasks of sessions are gone, folder and all, while the sessions are there. */
export function lossOfTasks(sessions: Iterable<SessionId>): string {
  const folders = [...sessions].map((session) => `${WORKSPACE}/${session}/.task`).join(", ");
  return `${folders} is gone. Nothing was recorded as deleted, and nothing is until you say so: this daemon ends; running agents go on. cox restore brings the tasks back from git, then cox start. To have them deleted: mkdir ${folders.replaceAll(",", "")}, then cox start.`;
}

/** Somebody removed all of it, even if one of our own writes has made the folder again. */
function isRemoved({ folder, state }: Workspace): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return true;
  // A folder may be one that a page of ours has just made again; a session's file is not.
  const gone = (session: SessionId) => !statSync(join(folder, at.sessionFile(session)), { throwIfNoEntry: false });
  return [...state.sessions.keys()].some(gone);
}
