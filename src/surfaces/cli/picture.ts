/** The state of a workspace at one look: what `cox status` shows, as a value (its `--json`). */
import { whatIsWrong, whyItWaits, type Surroundings } from "../../views/waiting.ts";
import type { SessionFile } from "../../model/session.ts";
import { stateOf, type Task } from "../../model/task.ts";
import { isInstant, toMs } from "../../model/time.ts";
import { at, RUN } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { mayTrack } from "./git-index.ts";
import { readObject, runningOf, type Running } from "./running.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { containers, entriesOf, isObject, readTasks, type TaskOnDisk, type TasksOnDisk } from "./tasks-on-disk.ts";
import { bytesText, unmarked } from "./text.ts";

export interface Picture {
  daemon: { up: boolean; pid: number | null; since: string | null; version: string | null };
  sessions: SessionPicture[];
  running: Running[];
  waiting: Waiting[];
  /** Waiting tasks that are not in `waiting`. */
  waiting_more: number;
  problems: Wrong[];
  limits: { account: string; until: string }[];
  breakers: { key: string; until: string | null }[];
}

export interface SessionPicture {
  session: string;
  project: string;
  active: boolean;
  status: SessionFile["status"];
  phase: string;
  cost_usd: number | null;
  /** Null for a session whose tasks were not looked at: it is not active. Containers are not counted. */
  counts: { total: number; completed: number; active: number; pending: number; blocked: number } | null;
}

interface Waiting {
  session: string;
  task: string;
  title: string;
  /** Null: nothing but a free slot. */
  why: string | null;
}

interface Wrong {
  about: "task" | "file" | "daemon";
  what: string;
  /** The command or act that mends it. */
  mend: string;
  /** What helps besides, often the same for many tasks. */
  hint?: string;
}

const MOST_WAITING = 10;

export async function look(workspace: Workspace, now: number): Promise<Picture> {
  const { folder } = workspace;
  const daemon = await daemonOf(workspace);
  const { sessions, active } = readSessions(folder);
  const shown = sessions.filter(
    ({ status, progress }) =>
      status === "active" ||
      progress.current_tasks.length > 0 ||
      sessions.length === 1 ||
      // What is to go on has to be chosen among these.
      (active.length === 0 && status === "paused"),
  );
  const seen = shown.map((session) => ({ session, tasks: readTasks(folder, session.session_id) }));
  const holder = daemon.up ? daemon.holder : null;
  const picture: Picture = {
    daemon: { up: daemon.up, pid: holder?.pid ?? null, since: holder?.since ?? null, version: holder?.version ?? null },
    sessions: sessions.map((session) =>
      pictureOf(session, active, seen.find((each) => each.session === session)?.tasks),
    ),
    running: [],
    waiting: [],
    waiting_more: 0,
    problems: [],
    limits: [],
    breakers: [],
  };
  if (typeof holder?.trouble?.message === "string") picture.problems.push(troubled(holder.trouble));
  if (typeof holder?.unwatched?.message === "string") picture.problems.push(unwatched(holder.unwatched, holder.pid));
  for (const { session, tasks } of seen) {
    const first = active[0] === session.session_id || sessions.length === 1;
    for (const task of tasks.tasks) oneTask({ picture, folder, session, tasks, now, short: first }, task);
    services(picture, readObject(`${folder}/${at.checkpoint(session.session_id)}`), now);
    picture.problems.push(...filesOf(folder, session.session_id, tasks));
  }
  picture.problems.push(...workspaceFiles(workspace), ...tooLarge(folder));
  if (mayTrack(workspace)) {
    const { howToTrust, untrustedFiles } = await import("./trusted.ts");
    for (const path of untrustedFiles(workspace)) {
      picture.problems.push({
        about: "file",
        what: `.workflow/${path} arrived by git and is not obeyed`,
        mend: howToTrust(path),
      });
    }
  }
  return picture;
}

/** As the daemon says in `daemon.json`. */
function troubled({ since, message }: { since: string; message: string }): Wrong {
  return {
    about: "daemon",
    what: `since ${since} nothing can be recorded, so nothing is started: ${message}`,
    mend: "make room on the disk, or see cox doctor; it tries every 2 s and goes on by itself",
  };
}

/** The same. */
function unwatched({ since, message }: { since: string; message: string }, pid: number): Wrong {
  return {
    about: "daemon",
    what: `since ${since} file events are lost: ${message}`,
    mend: `cox doctor says what is short; then kill -HUP ${pid}, or cox restart`,
  };
}

interface Place {
  picture: Picture;
  folder: string;
  session: SessionFile;
  tasks: TasksOnDisk;
  now: number;
  short: boolean;
}

function oneTask({ picture, folder, session, tasks, now, short }: Place, task: TaskOnDisk): void {
  // Most tasks of a large session are done, or wait behind others: their files are not parsed.
  if (task.status === "completed" || task.status === "container") return;
  const { noted } = task;
  if (task.status === "pending" && !noted && picture.waiting.length >= MOST_WAITING) {
    picture.waiting_more += 1;
    return;
  }
  const whole = task.task();
  if (!whole) return;
  const around: Surroundings = {
    session: { ...session, status: short ? "active" : "paused" },
    taskOf: (id) => tasks.byId.get(id)?.task() ?? undefined,
  };
  if (task.status === "active") {
    picture.running.push(runningOf(folder, task, whole, now));
    return;
  }
  const { hint, task: hintless } = withoutHint(whole);
  const wrong = whatIsWrong(hintless, around);
  const name = short ? task.id : `${task.session}/${task.id}`;
  if (wrong !== undefined) {
    const parts = unmarked(wrong).split(" · ");
    const counts = hint !== undefined && whatIsWrong(whole, around) !== wrong;
    picture.problems.push({
      about: "task",
      what: `${name} ${parts.slice(0, -1).join(" · ")}`,
      mend: parts.at(-1) ?? "",
      ...(counts ? { hint: unmarked(hint) } : {}),
    });
    return;
  }
  const forPerson = stateOf(whole).status === "blocked";
  if (picture.waiting.length >= MOST_WAITING && !noted && !forPerson) {
    picture.waiting_more += 1;
    return;
  }
  const why = whyItWaits(whole, around) ?? (session.status === "active" ? undefined : "its session is not active");
  picture.waiting.push({
    session: task.session,
    task: task.id,
    title: task.title,
    why: why === undefined ? null : unmarked(why),
  });
}

function withoutHint(task: Task): { task: Task; hint: string | undefined } {
  const last = task.execution.last_attempt;
  if (!last?.error?.hint) return { task, hint: undefined };
  const { hint, ...error } = last.error;
  const execution = { ...task.execution, last_attempt: { ...last, error } };
  return { task: { ...task, execution }, hint: String(hint) };
}

function pictureOf(session: SessionFile, active: readonly string[], tasks: TasksOnDisk | undefined): SessionPicture {
  const { session_id, project, status, current_phase, cost_usd } = session;
  return {
    session: session_id,
    project,
    active: active.includes(session_id),
    status,
    phase: current_phase,
    cost_usd: typeof cost_usd === "number" ? cost_usd : null,
    counts: tasks ? countsOf(tasks) : null,
  };
}

function countsOf({ tasks }: TasksOnDisk): NonNullable<SessionPicture["counts"]> {
  const above = containers(tasks);
  const counts = { total: 0, completed: 0, active: 0, pending: 0, blocked: 0 };
  for (const { id, status } of tasks) {
    if (above.has(id) || status === "container") continue;
    counts.total += 1;
    counts[status] += 1;
  }
  return counts;
}

/** Usage limits and breakers that hold now, from a session's checkpoint. */
function services(picture: Picture, checkpoint: Record<string, unknown>, now: number): void {
  const ahead = (until: unknown): until is string => typeof until === "string" && isInstant(until) && toMs(until) > now;
  const limits = isObject(checkpoint["limits"]) ? checkpoint["limits"] : {};
  for (const [account, until] of Object.entries(limits)) {
    if (ahead(until) && !picture.limits.some((limit) => limit.account === account))
      picture.limits.push({ account, until });
  }
  const breakers = isObject(checkpoint["breakers"]) ? checkpoint["breakers"] : {};
  for (const [key, breaker] of Object.entries(breakers)) {
    if (!isObject(breaker) || picture.breakers.some((known) => known.key === key)) continue;
    if (breaker["state"] === "open" && ahead(breaker["until"])) picture.breakers.push({ key, until: breaker["until"] });
    if (breaker["state"] === "half-open") picture.breakers.push({ key, until: null });
  }
}

/** As the last cleaning saw it. */
function tooLarge(folder: string): Wrong[] {
  const { too_large: found } = readObject(`${folder}/${RUN}/cleaned.json`);
  return (Array.isArray(found) ? found : []).filter(isObject).map((each) => ({
    about: "file",
    what: `.workflow/${String(each["folder"])} has ${bytesText(Number(each["bytes"]))}, more than ${bytesText(Number(each["limit_bytes"]))}`,
    mend: "cox clean --dry-run says what may leave; retention.* says when (or raise retention.warn_mb)",
  }));
}

function filesOf(folder: string, session: string, tasks: TasksOnDisk): Wrong[] {
  const deeper = ["", "prompts/", "responses/"].flatMap((name) => reports(folder, `${session}/${name}`));
  return [
    ...tasks.faulty.filter(({ reported }) => !reported).map(({ path }) => unreadable(path)),
    ...[...tasks.reported.filter((path) => path !== ""), ...deeper].map(reported),
    ...tasks.irregular.map(irregular),
  ];
}

function workspaceFiles({ folder }: Workspace): Wrong[] {
  const inbox = entriesOf(`${folder}/inbox`).filter((entry) => entry.name.endsWith(".json") && !entry.isFile());
  return [
    ...["", "inbox/", "agents/", "errors/"].flatMap((name) => reports(folder, name)).map(reported),
    ...inbox.map(({ name }) => irregular(`inbox/${name}`)),
  ];
}

/**
 * Files with a report beside them, in a folder that ends with `/` or is the top. What was removed while no daemon was
 * there has one still, and is no trouble any more.
 */
function reports(folder: string, inside: string): string[] {
  const names = new Set(entriesOf(`${folder}/${inside}`).map(({ name }) => name));
  return [...names]
    .filter((name) => name.endsWith(".error.md"))
    .map((name) => name.slice(0, -".error.md".length))
    .filter((name) => names.has(name))
    .map((name) => `${inside}${name}`);
}

function unreadable(path: string): Wrong {
  return { about: "file", what: `.workflow/${path} cannot be read`, mend: `cox validate .workflow/${path}` };
}

function reported(path: string): Wrong {
  return {
    about: "file",
    what: `.workflow/${path} was not taken in`,
    mend: `cox validate .workflow/${path} (or read ${path}.error.md)`,
  };
}

function irregular(path: string): Wrong {
  return {
    about: "file",
    what: `.workflow/${path} is not a regular file, and is never opened`,
    mend: "remove it, or put a file in its place",
  };
}
