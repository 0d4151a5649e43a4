/** `workflow-session.json` as people write it, and what becomes of one that cannot be read. SPEC section 4. */
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Event } from "../machine/event.ts";
import { mergeSessionEdit } from "../machine/merge.ts";
import type { SessionId } from "../model/ids.ts";
import { newSession } from "../model/session.ts";
import { instant, type Instant } from "../model/time.ts";
import { checkSession } from "../store/check.ts";
import { locate, parseJson, type Json } from "../store/json-file.ts";
import type { FoundFile, Look } from "./observation.ts";
import { topOf } from "./observed-folders.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

export async function foundSessionFile(
  workspace: Workspace,
  { session, found }: { session: SessionId; found: FoundFile },
  { seen, now }: Look,
): Promise<void> {
  const { held, log, state } = workspace;
  const { path, hash } = found;
  if (!isTrusted(workspace, path, hash)) {
    log.say("warn", `${path} is tracked by the repository and not trusted: it is not obeyed`);
    return;
  }
  const parsed = parseJson(found.content);
  if ("problems" in parsed) {
    if (held.get(path)?.hash !== hash) held.hold(path, { hash, ...parsed }, now);
    return;
  }
  const checked = checkSession(withDefaults(parsed.ok, session, instant(Date.now())));
  if ("problems" in checked) return held.hold(path, { hash, problems: locate(parsed.text, checked.problems) }, now);
  await held.release(path);
  const known = state.sessions.get(session)?.file;
  if (!known) {
    // The folder may have been announced a moment ago, with nothing in its file.
    const isSame = (event: Event) => event.type === "session-found" && event.file.session_id === session;
    const place = seen.events.findIndex(isSame);
    const event: Event = {
      type: "session-found",
      file: { ...checked.ok, status: checked.ok.status === "completed" ? "completed" : "paused" },
      by: "person",
    };
    if (place === -1) seen.events.push(event);
    else seen.events[place] = event;
    return;
  }
  const { file, fields } = mergeSessionEdit(parsed.ok, known, workspace.sessionVersions.get(session) ?? []);
  seen.events.push({ type: "session-edited", file, fields, by: fields.length === 0 ? "daemon" : "person" });
}

/** A session file that stayed unreadable is set aside under another name, and written anew from what is known. */
export async function setAside(workspace: Workspace, path: string, now: number): Promise<Event[]> {
  const { folder, held, scanner, state } = workspace;
  const session = topOf(path);
  const aside = `${path}.corrupt-${instant(now).replace(/[:.]/g, "-")}`;
  await rename(join(folder, path), join(folder, aside));
  scanner.seen.delete(path);
  await held.release(path);
  const known = state.sessions.get(session)?.file;
  const file = known ?? newSession(session, instant(now));
  const text = `${session}: the session file could not be read; set aside as ${aside} and rebuilt`;
  return [
    ...(known ? [] : [{ type: "session-found", file, by: "daemon" } satisfies Event]),
    { type: "repaired", text },
    { type: "session-edited", file, fields: [], by: "daemon" },
  ];
}

function withDefaults(value: Json, session: SessionId, at: Instant): Json {
  const { session_id: _id, ...rest } = value;
  const base = newSession(session, at);
  const progress = typeof rest["progress"] === "object" ? { ...base.progress, ...rest["progress"] } : base.progress;
  return { ...base, ...rest, progress, session_id: session };
}
