/** A session that comes back beside the one there is: under another name, told everywhere that names it. */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import { isSessionId, sessionIdFor, type SessionId } from "../../model/ids.ts";
import { formatJson, parseJson } from "../../store/json-file.ts";
import { at, placeOf } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import { isObject } from "./tasks-on-disk.ts";

/** Session as recorded → the name it comes back under. */
export type Copies = ReadonlyMap<SessionId, SessionId>;

/** Sessions that are on disk get the next free name (`-002`, `-003`, …), and one that is wanted as another that name. */
export function copiesFor(of: {
  folder: string;
  recorded: ReadonlySet<SessionId>;
  as: string | undefined;
}): { ok: Copies } | { trouble: Trouble } {
  const { folder, recorded, as } = of;
  const onDisk = (id: SessionId) => lstatSync(join(folder, id), { throwIfNoEntry: false }) !== undefined;
  const copies = new Map<SessionId, SessionId>();
  if (as !== undefined) {
    if (!isSessionId(as))
      return { trouble: { exit: 2, what: `${as} is not a session's id.`, todo: "Such as WFS-user-auth-002." } };
    if (onDisk(as))
      return { trouble: { exit: 4, what: `${as} is there already.`, todo: "Give --as a name that is free." } };
    for (const id of recorded) copies.set(id, as);
    return { ok: copies };
  }
  const given = new Set<SessionId>(recorded);
  for (const id of recorded) {
    if (!onDisk(id)) continue;
    const base = id.replace(/-\d{3}$/, "");
    const copy = sessionIdFor(base, (name) => name === base || given.has(name) || onDisk(name));
    given.add(copy);
    copies.set(id, copy);
  }
  return { ok: copies };
}

/** Where a recorded file comes back. */
export function pathIn(copies: Copies, path: string): string {
  const [top = "", ...rest] = path.split("/");
  return [copies.get(top) ?? top, ...rest].join("/");
}

/**
 * The content of a recorded file as its copy has it. Only the session's file, its tasks and its checkpoint name the
 * session to the daemon; prompts and answers are records of what was said, and stay as they are.
 */
export function contentIn(copies: Copies, path: string, content: Buffer): Buffer {
  const place = placeOf(path);
  const from = path.split("/", 1)[0] ?? "";
  const to = copies.get(from);
  if (to === undefined) return content;
  const named = place.kind === "session-file" || (place.kind === "task" && place.id !== null);
  if (!named && path !== at.checkpoint(from)) return content;
  const parsed = parseJson(content);
  if (!("ok" in parsed) || !isObject(parsed.ok)) return content;
  const copy = renamed(parsed.ok, { from, to });
  return Buffer.from(formatJson(place.kind === "task" ? withoutConversation(copy) : copy, parsed.text));
}

/** What is still to be done begins a conversation of its own: that of the last attempt belongs to the session it was in. */
function withoutConversation(task: unknown): unknown {
  if (!isObject(task) || task["status"] === "completed" || !isObject(task["execution"])) return task;
  const last = task["execution"]["last_attempt"];
  if (!isObject(last) || last["agent_session"] === undefined) return task;
  return { ...task, execution: { ...task["execution"], last_attempt: { ...last, agent_session: null } } };
}

/** Texts for people: whatever they say, it is no name of a session. */
const PROSE = new Set(["title", "project", "requirements", "scope", "acceptance", "implementation", "env", "verify"]);
/** Where the work was done: the copy has none of its own yet. */
const HISTORY = new Set(["branch", "commit", "command"]);

function renamed(value: unknown, name: { from: SessionId; to: SessionId }): unknown {
  if (typeof value === "string") {
    if (value === name.from) return name.to;
    return value.startsWith(`${name.from}/`) ? `${name.to}${value.slice(name.from.length)}` : value;
  }
  if (Array.isArray(value)) return value.map((item) => renamed(item, name));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, PROSE.has(key) || HISTORY.has(key) ? item : renamed(item, name)]),
  );
}
