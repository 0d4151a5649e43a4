/** Folders that are sessions, and those that were meant to be. SPEC section 2. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { isSessionId, sessionIdFor, type SessionId } from "../model/ids.ts";
import { newSession } from "../model/session.ts";
import { instant } from "../model/time.ts";
import { problem, type Problem } from "../problems.ts";
import type { Look, Observation } from "./observation.ts";
import type { Workspace } from "./workspace.ts";

/** A folder with a session's name is a session, its file or not; nothing if it is one already. */
export function foundFolder(workspace: Workspace, session: SessionId, { seen }: Look): void {
  if (workspace.state.sessions.has(session) || announced(seen, session)) return;
  seen.events.push({ type: "session-found", file: newSession(session, instant(Date.now())), by: "person" });
}

/** Whether this look has found the session already. */
export function announced(seen: Observation, session: SessionId): boolean {
  return seen.events.some((event) => event.type === "session-found" && event.file.session_id === session);
}

/** Whether there is a folder of this name now; a link to one is none. */
export function isFolder(workspace: Workspace, path: string): boolean {
  return lstatSync(join(workspace.folder, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
}

/** The first part of a path: of a session's file, the session. */
export function topOf(path: string): string {
  return path.split("/")[0] ?? "";
}

/** Whether a file is in a folder that was meant to be a session: `WFS-User_Auth`. */
export function isMisnamed(path: string): boolean {
  const top = topOf(path);
  return top !== path && top.startsWith("WFS-") && !isSessionId(top);
}

export function misnamed(folder: string): Problem {
  const hint = `Rename it: mv ${folder} ${sessionIdFor(folder, () => false)}`;
  const text = `${folder} is no session's name: WFS- and a topic in lower case with hyphens.`;
  return problem("bad-session-name", text, { hint });
}
