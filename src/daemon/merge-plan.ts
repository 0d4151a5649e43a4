/** What merging another history with ours comes to: decided here, written elsewhere. SPEC sections 7 and 13. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { readLog } from "../ledger/log.ts";
import { arrive, type Arrival } from "../machine/arrival.ts";
import { mergeSession } from "../machine/both-sessions.ts";
import { mergeTasks } from "../machine/both-sides.ts";
import { checkRules } from "../machine/intake.ts";
import { apply, type Decision } from "../machine/machine.ts";
import { equal } from "../machine/merge.ts";
import { emptyState } from "../machine/state.ts";
import { type SessionId, type TaskId } from "../model/ids.ts";
import { newSession, type SessionFile } from "../model/session.ts";
import { withExecution, withState, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import { escaping } from "../store/escaping.ts";
import { at, placeOf } from "../store/paths.ts";
import type { MergeFacts, MergeWay } from "../store/sync-requests.ts";
import type { Foreign, ForeignSession } from "./foreign.ts";
import type { Workspace } from "./workspace.ts";

export interface MergePlan {
  way: MergeWay;
  /** What their own line tells already, when it becomes ours. */
  adopted: Decision;
  /** What is to be recorded. */
  decision: Decision;
  /** Bytes of task and session files that are just as they have them. */
  texts: Map<string, Buffer>;
  /** All other files that are otherwise than we have them; null: gone. */
  files: Map<string, Buffer | null>;
  facts: MergeFacts;
}

export async function planMerge(
  workspace: Workspace,
  foreign: Foreign,
  { trust, now }: { trust: boolean; now: Instant },
): Promise<MergePlan> {
  const facts: MergeFacts = {
    arrived: [],
    changed: [],
    gone: [],
    conflicts: [],
    renumbered: [],
    sessions: [],
    paused: [],
    beside: [],
    kept: [],
    refused: [...foreign.refused],
  };
  const absent = absentSessions(workspace, foreign);
  const files = await mergeFiles(foreign, absent, facts);
  const arrivals: Arrival[] = [];
  let likeTheirs = foreign.refused.length === 0 && facts.kept.length === 0 && absent.size === 0;
  for (const theirs of foreign.sessions.values()) {
    if (absent.has(theirs.session)) continue;
    const arrival = mergeOne({ workspace, foreign, theirs, files, trust, now, facts });
    arrivals.push(arrival);
    likeTheirs &&= isAsTheirs(workspace, theirs, arrival);
  }
  likeTheirs &&= facts.beside.length === 0;
  const texts = await textsOf(foreign, arrivals);
  if (foreign.ours === null) {
    // Nothing is recorded here: their line becomes ours, and what must not go on here is stopped on top of it.
    const adopted = arrive(emptyState(), asTheyAre(foreign));
    const decision = arrive(apply(emptyState(), adopted.changes), arrivals);
    return { way: "forward", adopted, decision, texts, files, facts };
  }
  const decision = arrive(workspace.state, arrivals);
  const isOurs = decision.changes.length === 0 && [...files.keys()].every((path) => isRebuilt(path));
  const behind = foreign.base !== null && foreign.base === foreign.ours;
  const adoptable = behind && likeTheirs && (await isWholeStory(workspace, foreign));
  const way = adoptable ? "forward" : behind && isOurs ? "nothing" : "join";
  const none: Decision = { changes: [], effects: [] };
  return way === "forward"
    ? { way, adopted: decision, decision: none, texts, files, facts }
    : { way, adopted: none, decision, texts, files, facts };
}

/** Whether their own line tells how each task came to the status that it has there: then it can be ours. */
async function isWholeStory({ gitDir }: Workspace, foreign: Foreign): Promise<boolean> {
  const { base, theirs, sessions } = foreign;
  if (base === null) return true;
  const told = new Map<string, string | null>();
  for (const { session, task, to } of await readLog(gitDir, theirs, { after: base, ownLine: true }))
    if (to !== null && !told.has(`${session}/${task}`)) told.set(`${session}/${task}`, to);
  for (const { session, tasks } of sessions.values())
    for (const [id, each] of tasks) {
      const [was, is] = [each.base?.status ?? "deleted", each.theirs?.status ?? "deleted"];
      if (was !== is && told.get(`${session}/${id}`) !== is) return false;
    }
  return true;
}

function asTheyAre(foreign: Foreign): Arrival[] {
  return [...foreign.sessions.values()].map(({ session, file, tasks }) => ({
    session,
    file: file?.theirs ?? undefined,
    tasks: new Map([...tasks].map(([id, { theirs }]) => [id, theirs])),
  }));
}

/** Recorded, but not on disk: the person is asked for it elsewhere, and it stays as it is. */
function absentSessions({ state, folder }: Workspace, foreign: Foreign): Set<SessionId> {
  const absent = new Set<SessionId>();
  const known = new Set(foreign.files.map(({ path, ours }) => (ours === null ? "" : (path.split("/")[0] ?? ""))));
  for (const { session, file, tasks } of foreign.sessions.values()) {
    const isRecorded = known.has(session) || file?.base || [...tasks.values()].some(({ base }) => base);
    if (isRecorded && foreign.ours !== null && !state.sessions.has(session) && !existsSync(join(folder, session)))
      absent.add(session);
  }
  return absent;
}

async function mergeFiles(
  foreign: Foreign,
  absent: ReadonlySet<SessionId>,
  facts: MergeFacts,
): Promise<Map<string, Buffer | null>> {
  const files = new Map<string, Buffer | null>();
  for (const { path, base, ours, theirs } of foreign.files) {
    if (ours === theirs || theirs === base || absent.has(path.split("/")[0] ?? "")) continue;
    const { kind } = placeOf(path);
    // What decides how agents run is each machine's own, and never comes along with tasks.
    if (kind === "config" || kind === "role" || (kind === "workflow" && (await hasTriggers(foreign, theirs))))
      facts.kept.push(path);
    else if (ours === base) files.set(path, theirs === null ? null : await foreign.read(theirs));
    else if (theirs !== null && ours === null) files.set(path, await foreign.read(theirs));
    else if (theirs !== null && !isRebuilt(path)) {
      const name = `${path}.from-${foreign.theirs.slice(0, 8)}`;
      files.set(name, await foreign.read(theirs));
      facts.beside.push(name);
    }
  }
  return files;
}

/** Runs that nobody asked for here would begin on two machines at once. */
async function hasTriggers(foreign: Foreign, theirs: string | null): Promise<boolean> {
  const text = theirs === null ? "" : ((await foreign.read(theirs))?.toString("utf8") ?? "");
  return /(?:^|[{,\s])["']?on["']?\s*:/.test(text);
}

/** What is written anew from the rest. */
function isRebuilt(path: string): boolean {
  return placeOf(path).kind === "view" || path.endsWith("/state/checkpoint.json");
}

function mergeOne(of: {
  workspace: Workspace;
  foreign: Foreign;
  theirs: ForeignSession;
  files: ReadonlyMap<string, Buffer | null>;
  trust: boolean;
  now: Instant;
  facts: MergeFacts;
}): Arrival {
  const { workspace, foreign, theirs, facts } = of;
  const { session, words } = theirs;
  const mine = workspace.state.sessions.get(session);
  const merged = mergeTasks({
    changed: theirs.tasks,
    ours: mine?.tasks ?? new Map(),
    words,
    highest: workspace.highest.get(session) ?? 0,
    isOwnRun: (run) => isOwnRun(workspace, run),
  });
  const tasks = obeyRules(workspace, foreign, session, merged.tasks);
  facts.renumbered.push(...merged.renumbered.map((each) => ({ session, ...each })));
  facts.conflicts.push(...[...merged.conflicts].map(([id, fields]) => ({ task: `${session}/${id}`, fields })));
  for (const [id, task] of tasks)
    (task === null ? facts.gone : mine?.tasks.has(id) ? facts.changed : facts.arrived).push(`${session}/${id}`);

  let file = fileAfter(of, mine?.file, tasks, mine?.tasks.size ?? 0);
  if (file && !mine) facts.sessions.push(session);
  const current = file === undefined ? mine?.file : file;
  if (!of.trust && mine && current?.status === "active" && bringsWork(of.files, session, tasks)) {
    file = { ...current, status: "paused" };
    facts.paused.push(session);
  }
  return { session, file, tasks };
}

/** Undefined: as it is; null: the session goes, since they deleted it and nothing of it is left. */
function fileAfter(
  { theirs, now }: { theirs: ForeignSession; now: Instant },
  mine: SessionFile | undefined,
  tasks: ReadonlyMap<TaskId, Task | null>,
  taskCount: number,
): SessionFile | null | undefined {
  const { session, file } = theirs;
  if (!mine) {
    const found = file?.theirs ?? ([...tasks.values()].some(Boolean) ? newSession(session, now) : undefined);
    return found && mergeSession({ base: null, ours: null, theirs: found });
  }
  if (!file) return undefined;
  if (file.theirs === null) {
    const isEmpty = [...tasks].filter(([, task]) => task === null).length === taskCount && mine.status !== "active";
    return isEmpty ? null : undefined;
  }
  const merged = mergeSession({ base: file.base, ours: mine, theirs: file.theirs });
  return equal(merged, mine) ? undefined : merged;
}

/** Whether something came that could start, or be tried again, in a session that is active. */
function bringsWork(
  files: ReadonlyMap<string, Buffer | null>,
  session: SessionId,
  tasks: ReadonlyMap<TaskId, Task | null>,
): boolean {
  for (const task of tasks.values()) if (task?.status === "pending" || task?.status === "active") return true;
  for (const path of files.keys())
    if (placeOf(path).kind === "prompt-drop" && path.startsWith(`${session}/`)) return true;
  return false;
}

function isOwnRun({ state, folder }: Workspace, runId: string): boolean {
  for (const run of state.runs.values()) if (run.runId === runId) return true;
  return existsSync(join(folder, at.runFolder(runId)));
}

/** Each side kept the rules; both together may not: such a task waits for a person. */
function obeyRules(
  { state, roles, repository }: Workspace,
  { ours, theirs }: Foreign,
  session: SessionId,
  tasks: Map<TaskId, Task | null>,
): Map<TaskId, Task | null> {
  const mine = state.sessions.get(session)?.tasks;
  const taskOf = (id: TaskId) => {
    const task = tasks.get(id);
    return task === null ? undefined : (task ?? mine?.get(id));
  };
  for (const [id, task] of tasks) {
    if (task?.status !== "pending") continue;
    const problems = checkRules(task, { taskOf, roles, roleNames: () => [...roles.keys()] }).map(
      ({ message }) => message,
    );
    problems.push(...escaping(task.paths, repository).map((path) => `The path ${path} leaves the repository.`));
    if (problems.length === 0) continue;
    const versions = [ours, theirs].flatMap((commit) => commit ?? []);
    const conflict = { fields: [], versions, message: problems.join(" ") };
    tasks.set(id, withExecution(withState(task, { status: "blocked", reason: "conflict" }), { conflict }));
  }
  return tasks;
}

/** Whether all that they changed in the session is here as they have it. */
function isAsTheirs({ state }: Workspace, theirs: ForeignSession, { session, file, tasks }: Arrival): boolean {
  const mine = state.sessions.get(session);
  const now = file === undefined ? (mine?.file ?? null) : file;
  if (theirs.file && !(theirs.file.theirs === null ? now === null : now && equal(now, theirs.file.theirs)))
    return false;
  if (!theirs.file && file !== undefined) return false;
  for (const [id, each] of theirs.tasks) {
    const task = tasks.has(id) ? tasks.get(id) : mine?.tasks.get(id);
    if (each.theirs === null ? task : !task || !equal(task, each.theirs)) return false;
  }
  return [...tasks.keys()].every((id) => theirs.tasks.has(id));
}

/** Files that are just as they have them keep their bytes. */
async function textsOf(foreign: Foreign, arrivals: readonly Arrival[]): Promise<Map<string, Buffer>> {
  const texts = new Map<string, Buffer>();
  const put = async (path: string) => {
    const blob = foreign.blobs.get(path);
    if (blob) texts.set(path, await foreign.read(blob));
  };
  for (const { session, file, tasks } of arrivals) {
    const theirs = foreign.sessions.get(session);
    if (file && theirs?.file?.theirs) await put(at.sessionFile(session));
    for (const [id, task] of tasks) if (task && theirs?.tasks.get(id)?.theirs) await put(at.task(session, id));
  }
  return texts;
}
