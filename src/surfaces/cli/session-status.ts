/** `status` in session files, and how it follows the markers while no daemon is up to see to it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { SessionId } from "../../model/ids.ts";
import type { SessionStatus } from "../../model/session.ts";
import { parseJson } from "../../store/json-file.ts";
import { at } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { saveJson, withFields } from "./edit.ts";
import { readObject } from "./running.ts";
import { readSessions } from "./sessions-on-disk.ts";

/** Without it the next daemon could take an outdated `active` for a wish. Files that cannot be read are left to it. */
export async function statusFollows(workspace: Workspace): Promise<void> {
  if ((await daemonOf(workspace)).up) return;
  for (const { session_id, status } of readSessions(workspace.folder).sessions)
    await setStatus(workspace, session_id, status);
}

/** What the session's file says, whatever its marker does; undefined where it says nothing. */
export function writtenStatus(workspace: Workspace, id: SessionId): string | undefined {
  const { status } = readObject(join(workspace.folder, at.sessionFile(id)));
  return typeof status === "string" ? status : undefined;
}

/** Undefined when it is written. A session without a file has its status from the marker alone. */
export async function setStatus(
  workspace: Workspace,
  id: SessionId,
  status: SessionStatus,
): Promise<Trouble | undefined> {
  const path = at.sessionFile(id);
  let content: Buffer;
  try {
    content = readFileSync(join(workspace.folder, path));
  } catch {
    return undefined;
  }
  const parsed = parseJson(content);
  if ("problems" in parsed) {
    return {
      exit: 1,
      what: `.workflow/${path} cannot be read.`,
      problems: parsed.problems,
      todo: "Mend it; or start the daemon, which rebuilds it.",
    };
  }
  if (parsed.ok["status"] === status) return undefined;
  await saveJson(workspace, { path, value: withFields(parsed.ok, { status }), like: parsed.text });
  return undefined;
}
