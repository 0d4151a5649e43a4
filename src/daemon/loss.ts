/** What is said when the daemon's lock is gone: of the whole workspace, or of the lock alone. */
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

/** Somebody removed all of it, even if one of our own writes has made the folder again. */
function isRemoved({ folder, state }: Workspace): boolean {
  if (!statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return true;
  // A folder may be one that a page of ours has just made again; a session's file is not.
  const gone = (session: SessionId) => !statSync(join(folder, at.sessionFile(session)), { throwIfNoEntry: false });
  return [...state.sessions.keys()].some(gone);
}
