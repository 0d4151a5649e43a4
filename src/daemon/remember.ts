/** From what is recorded and what is on disk to the state that the daemon before this one had. */
import { lstatSync } from "node:fs";
import { join, posix } from "node:path";
import { revealed } from "../ledger/as-recorded.ts";
import { emptySession, setTask, type State } from "../machine/state.ts";
import { isSessionId, type SessionId } from "../model/ids.ts";
import type { PatternsFile } from "../model/pattern.ts";
import { newSession, type SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { parseJson } from "../store/json-file.ts";
import { placeOf, type Place } from "../store/paths.ts";
import { namesIn, readRegular, sha256, type Seen } from "../store/scan.ts";
import { isAsRecorded } from "./disk-secrets.ts";
import { Turn } from "./turn.ts";
import { rememberSource, type Workspace } from "./workspace.ts";

/** What a recorded file says, if it tells of the state. */
interface Told {
  path: string;
  place: Place;
  value?: unknown;
}

/**
 * Fills the state with what is recorded (path → blob id) of sessions that are on disk, and notes which files are as
 * recorded.
 */
export async function remember(workspace: Workspace, recorded: ReadonlyMap<string, string>): Promise<void> {
  const { state, log } = workspace;
  const { told, others, absent } = await readAsRecorded(workspace, recorded);
  for (const session of absent) {
    log.say(
      "warn",
      `${session} is recorded in git but not on disk. It stays as it is there; cox restore brings it back.`,
    );
  }
  for (const other of others) await compare(workspace, other);
  for (const { place, value } of told) {
    if (value === undefined) continue;
    if (place.kind === "patterns") state.patterns = value as PatternsFile;
    if (place.kind === "session-file") putSession(state, place.session, value as SessionFile);
  }
  for (const { place, value } of told) {
    if (place.kind !== "task" || !place.id || value === undefined) continue;
    if (!state.sessions.has(place.session))
      putSession(state, place.session, newSession(place.session, new Date().toISOString()));
    const session = state.sessions.get(place.session);
    const task = value as Task;
    if (session) setTask(session, task.id, task);
    workspace.secrets.addTask(task);
    rememberSource(workspace, place.session, task);
  }
  for (const session of state.sessions.keys())
    workspace.scanner.seen.set(session, { signature: "a folder", hash: null });
}

/** Recorded; of what is on disk only that it is there counts. */
const UNREAD: Seen = { signature: "recorded", hash: null };

interface Other {
  told: Told;
  id: string;
}

/**
 * Most files are byte for byte what is recorded: they need no redaction to be compared, and are read once. All others are
 * compared when all tasks were read: what these give their agents by name is redacted in what they are compared with.
 */
async function readAsRecorded(workspace: Workspace, recorded: ReadonlyMap<string, string>) {
  const { folder, scanner, ledger } = workspace;
  const told: Told[] = [];
  const others: Other[] = [];
  const [present, absent] = [new Set<string>(), new Set<SessionId>()];
  const isThere = listedIn(folder);
  const turn = new Turn();
  for (const [path, id] of recorded) {
    if (turn.isLong) await turn.pass();
    const place = placeOf(path);
    const session = path.split("/", 1)[0] ?? "";
    if (isSessionId(session) && !present.has(session) && !absent.has(session)) {
      if (isFolder(join(folder, session))) present.add(session);
      else absent.add(session);
    }
    if (place.kind === "transcript") continue; // never looked at
    if (place.kind === "output") {
      // Whatever is in it: it is never read back.
      if (isThere(path)) scanner.seen.set(path, UNREAD);
      continue;
    }
    const onDisk = readRegular(join(folder, path));
    if (place.kind === "task") learnSecrets(workspace, onDisk?.content ?? (await ledger.read(path)));
    if (isSessionId(session) && absent.has(session)) continue;
    const one: Told = { path, place };
    if (tells(place)) told.push(one);
    if (onDisk && ledger.plainId(onDisk.content) === id) {
      scanner.seen.set(path, { signature: onDisk.signature, hash: sha256(onDisk.content) });
      if (tells(place)) one.value = JSON.parse(onDisk.content.toString());
    } else others.push({ told: one, id });
  }
  return { told, others, absent };
}

/** Whether there is such a path in the workspace: each of its folders is read once. */
function listedIn(workspace: string): (path: string) => boolean {
  const folders = new Map<string, Set<string>>();
  return (path) => {
    const { dir, base } = posix.parse(path);
    let names = folders.get(dir);
    if (!names) folders.set(dir, (names = new Set(namesIn(join(workspace, dir)))));
    return names.has(base);
  };
}

/** A file that is gone, changed, or recorded with its secrets replaced. */
async function compare(workspace: Workspace, { told, id }: Other): Promise<void> {
  const { folder, scanner, ledger } = workspace;
  const { path, place } = told;
  const onDisk = readRegular(join(folder, path));
  const same = onDisk !== undefined && (await isAsRecorded(workspace, { path, id, content: onDisk.content }));
  if (same) scanner.seen.set(path, { signature: onDisk.signature, hash: sha256(onDisk.content) });
  else if (!onDisk) scanner.seen.set(path, UNREAD);
  if (!tells(place)) return;
  const content = same ? onDisk.content : await ledger.read(path);
  if (content) told.value = JSON.parse(same ? String(content) : withDiskSecrets(workspace, content, onDisk?.content));
}

function tells(place: Place): boolean {
  return (place.kind === "task" && place.id !== null) || place.kind === "session-file" || place.kind === "patterns";
}

/** The ledger's version of a JSON file, with the secrets that the file on disk still has in the same places. */
function withDiskSecrets({ secrets }: Workspace, recorded: Buffer, disk: Buffer | undefined): string {
  const text = recorded.toString();
  if (!disk || !text.includes("[redacted:")) return text;
  try {
    return JSON.stringify(revealed(JSON.parse(text), JSON.parse(disk.toString()), secrets.isRedacted));
  } catch {
    return text; // the file is being written
  }
}

/** What an agent was given by name is redacted in all that is compared with the record: to be known before that. */
function learnSecrets({ secrets }: Workspace, task: Buffer | null): void {
  if (!task?.includes('"env"')) return;
  const parsed = parseJson(task);
  if ("ok" in parsed) secrets.addTask(parsed.ok as unknown as Task);
}

function putSession(state: State, id: SessionId, file: SessionFile): void {
  const session = state.sessions.get(id);
  if (session) session.file = file;
  else state.sessions.set(id, emptySession(file));
}

function isFolder(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}
