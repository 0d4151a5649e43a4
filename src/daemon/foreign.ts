/** Another history beside ours, read: what it has changed since they parted, as values. Nothing of it is trusted. */
import type { ObjectReader } from "../ledger/cat-file.ts";
import { histories } from "../ledger/histories.ts";
import type { Word } from "../machine/both-sides.ts";
import type { SessionId, TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { unreachable } from "../model/unreachable.ts";
import { checkSession, checkTaskDrop } from "../store/check.ts";
import { parseJson } from "../store/json-file.ts";
import { at, placeOf } from "../store/paths.ts";
import type { Workspace } from "./workspace.ts";

/** A file that they changed: its blob when the histories parted, as we have it, and as they have it. */
export interface Both {
  path: string;
  base: string | null;
  ours: string | null;
  theirs: string | null;
}

export interface ForeignSession {
  session: SessionId;
  /** Undefined where they did not change it. */
  file: { base: SessionFile | null; theirs: SessionFile | null; path: string } | undefined;
  tasks: Map<TaskId, { base: Task | null; theirs: Task | null }>;
  words: Map<TaskId, { ours: Word; theirs: Word }>;
}

export interface Foreign {
  ours: string | null;
  theirs: string;
  /** Where they parted. */
  base: string | null;
  sessions: Map<SessionId, ForeignSession>;
  /** Everything else. */
  files: Both[];
  /** Paths that cannot be used as they have them, and why: they stay as we have them. */
  refused: { path: string; why: string }[];
  read: (blob: string) => Promise<Buffer>;
  /** Task and session files as they have them: path → blob. */
  blobs: Map<string, string>;
}

/** Undefined when we have all of it already. `objects` has to stay open as long as {@link Foreign.read} is used. */
export async function readForeign(
  workspace: Workspace,
  theirs: string,
  objects: ObjectReader,
): Promise<Foreign | undefined> {
  const known = histories(workspace.gitDir);
  const ours = workspace.ledger.tip;
  if (ours !== null && (await known.isWithin(theirs, ours))) return undefined;
  const base = await known.parted(ours, theirs);
  const recorded = await workspace.ledger.files();
  const read = async (blob: string) => {
    const object = await objects.get(blob);
    if (!object) throw new Error(`the ledger lacks the object ${blob}: see git fsck`);
    return object.content;
  };
  const foreign: Foreign = { ours, theirs, base, sessions: new Map(), files: [], refused: [], read, blobs: new Map() };
  for (const change of await known.changes(base, theirs)) {
    const both = {
      path: change.path,
      base: change.before,
      ours: recorded.get(change.path) ?? null,
      theirs: change.after,
    };
    await sort(foreign, workspace, both);
  }
  for (const { session, tasks, words } of foreign.sessions.values()) {
    for (const [id, { base: was }] of tasks) {
      if (!workspace.state.sessions.get(session)?.tasks.has(id)) continue;
      const path = at.task(session, id);
      const since = was === null ? null : base;
      const [here, there] = await Promise.all(
        [ours, theirs].map(async (tip) => (tip === null ? null : known.lastWord({ tip, since, path, task: id }))),
      );
      if (here && there) words.set(id, { ours: here, theirs: there });
    }
  }
  return foreign;
}

async function sort(foreign: Foreign, workspace: Workspace, both: Both): Promise<void> {
  const place = placeOf(both.path);
  if (both.theirs !== null) foreign.blobs.set(both.path, both.theirs);
  switch (place.kind) {
    case "task": {
      if (!place.id) return;
      const theirs = await taskIn(foreign, both.path, both.theirs, place.id);
      if (theirs === undefined) return;
      const base = (await taskIn(foreign, both.path, both.base, place.id)) ?? null;
      return void sessionIn(foreign, place.session).tasks.set(place.id, { base, theirs });
    }
    case "session-file": {
      const theirs = await sessionFileIn(foreign, both.path, both.theirs, place.session);
      if (theirs === undefined) return;
      const base = (await sessionFileIn(foreign, both.path, both.base, place.session)) ?? null;
      return void (sessionIn(foreign, place.session).file = { base, theirs, path: both.path });
    }
    case "marker":
    case "ignored":
    case "inbox":
    case "report":
    case "session-folder":
    case "session-part":
      return;
    case "prompt-drop":
    case "response":
    case "plan":
    case "view":
    case "output":
    case "transcript":
    case "other":
    case "config":
    case "role":
    case "patterns":
    case "workflow":
      return void foreign.files.push(both);
    default:
      return unreachable(place);
  }
}

function sessionIn({ sessions }: Foreign, session: SessionId): ForeignSession {
  const found = sessions.get(session) ?? { session, file: undefined, tasks: new Map(), words: new Map() };
  sessions.set(session, found);
  return found;
}

/** Null where there is none, undefined where it cannot be used. */
async function taskIn(
  foreign: Foreign,
  path: string,
  blob: string | null,
  id: TaskId,
): Promise<Task | null | undefined> {
  if (blob === null) return null;
  const parsed = parseJson(await foreign.read(blob));
  const checked = "ok" in parsed ? checkTaskDrop(parsed.ok) : parsed;
  const why =
    "problems" in checked
      ? checked.problems.map(({ message }) => message).join(" ")
      : !isWhole(checked.ok, id)
        ? `It is not the whole task ${id}.`
        : undefined;
  if (why === undefined && "ok" in checked) return checked.ok as Task;
  foreign.refused.push({ path, why: why ?? "" });
  return undefined;
}

const FIELDS = [
  "id",
  "title",
  "status",
  "type",
  "agent",
  "paths",
  "context",
  "relations",
  "execution",
  "implementation",
];

/** As the ledger has tasks: all ten fields. */
function isWhole(task: object, id: TaskId): boolean {
  if (!FIELDS.every((field) => Object.hasOwn(task, field))) return false;
  const { id: written, context, relations, execution } = task as Task;
  const lists = [context.requirements, context.scope, context.acceptance, relations.subtasks, relations.dependencies];
  return written === id && lists.every(Array.isArray) && typeof execution.attempts === "number";
}

async function sessionFileIn(
  foreign: Foreign,
  path: string,
  blob: string | null,
  session: SessionId,
): Promise<SessionFile | null | undefined> {
  if (blob === null) return null;
  const parsed = parseJson(await foreign.read(blob));
  const checked = "ok" in parsed ? checkSession(parsed.ok) : parsed;
  if ("ok" in checked && checked.ok.session_id === session) return checked.ok;
  foreign.refused.push({ path, why: "It is not the file of this session." });
  return undefined;
}
