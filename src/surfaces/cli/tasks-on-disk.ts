/**
 * The tasks as their files say, read without the schema library: quick with ten thousand, and lenient. What is missing or
 * of the wrong kind counts as not given; whether a file is right is the business of `cox validate` and of the daemon.
 */
import { closeSync, constants, openSync, readdirSync, readSync } from "node:fs";
import { compareTaskIds, parentOf, type SessionId, type TaskId } from "../../model/ids.ts";
import type { Execution, LastAttempt, Status, Task } from "../../model/task.ts";
import { isUnfinishedName } from "../../store/paths.ts";

export interface TaskOnDisk {
  id: TaskId;
  session: SessionId;
  status: Status;
  title: string;
  /** Whether the file of a pending task gives a `reason` for its not running. */
  noted: boolean;
  /** The whole task, read when it is asked for; null when the file is no JSON object (any more). */
  task(): Task | null;
}

export interface TasksOnDisk {
  /** In order of their ids. */
  tasks: TaskOnDisk[];
  byId: Map<TaskId, TaskOnDisk>;
  /** Files named like tasks that are none, in order of those ids. */
  faulty: FaultyFile[];
  /** Dropped files that have not become tasks yet. */
  dropped: string[];
  /** Files with a report of what is wrong beside them. */
  reported: string[];
  /** Folders, links, FIFOs and so on that are named like a task. */
  irregular: string[];
}

export interface FaultyFile {
  id: TaskId;
  session: SessionId;
  /** Relative to `.workflow/`. */
  path: string;
  /** `refused`: it can be read, but was not taken in, and is no task's that there was before. */
  is: "unreadable" | "refused";
  /** Whether a report is beside it. */
  reported: boolean;
}

/** `folder` is the workspace's. Of a session without `.task/` there are none. */
export function readTasks(folder: string, session: SessionId): TasksOnDisk {
  const found: TasksOnDisk = { tasks: [], byId: new Map(), faulty: [], dropped: [], reported: [], irregular: [] };
  const dir = `${folder}/${session}/.task`;
  const numbered: { task: TaskOnDisk; main: number; sub: number }[] = [];
  const entries = entriesOf(dir);
  const reports = new Set(entries.map(({ name }) => name).filter((name) => name.endsWith(REPORT)));
  for (const entry of entries) {
    const { name } = entry;
    const numbers = NAME.exec(name);
    if (numbers && entry.isFile()) {
      const id = name.slice(0, -".json".length);
      const reported = reports.has(`${name}${REPORT}`);
      const task = readTask(dir, session, id);
      const is = !task ? "unreadable" : reported && !isOwnFile(`${dir}/${name}`, id) ? "refused" : undefined;
      if (is) found.faulty.push({ id, session, path: `${session}/.task/${name}`, is, reported });
      else if (task) numbered.push({ task, main: Number(numbers[1]), sub: Number(numbers[2] ?? 0) });
      continue;
    }
    if (reports.has(name)) {
      const file = name.slice(0, -REPORT.length);
      if (entries.some((other) => other.name === file)) found.reported.push(`${session}/.task/${file}`);
    }
    if (!name.endsWith(".json") || isUnfinishedName(name)) continue;
    (entry.isFile() ? found.dropped : found.irregular).push(`${session}/.task/${name}`);
  }
  found.faulty.sort((a, b) => compareTaskIds(a.id, b.id));
  numbered.sort((a, b) => a.main - b.main || a.sub - b.sub);
  for (const { task } of numbered) {
    found.tasks.push(task);
    found.byId.set(task.id, task);
  }
  return found;
}

/** A task's id and `.json`, with its numbers: asked once for each of ten thousand. */
const NAME = /^impl-(0|[1-9]\d{0,8})(?:\.([1-9]\d{0,8}))?\.json$/;

const REPORT = ".error.md";

/** Whether a file with a report beside it is a task's all the same: the daemon wrote it once, and an edit was refused. */
export function isOwnFile(path: string, id: TaskId): boolean {
  let value: unknown;
  try {
    value = JSON.parse(readText(path) ?? "");
  } catch {
    return false;
  }
  if (!isObject(value) || (value["id"] !== undefined && value["id"] !== id)) return false;
  return isObject(value["execution"]) && value["execution"]["source"] !== undefined;
}

/** Tasks that are a folder for others: never run. */
export function containers(tasks: readonly TaskOnDisk[]): Set<TaskId> {
  const parents = tasks.map(({ id }) => parentOf(id)).filter((id) => id !== null);
  return new Set([...parents, ...tasks.filter(({ status }) => status === "container").map(({ id }) => id)]);
}

export function entriesOf(dir: string) {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** One task; undefined when there is no such file, or nothing can be made of it. */
function readTask(dir: string, session: SessionId, id: TaskId): TaskOnDisk | undefined {
  const length = load(`${dir}/${id}.json`);
  if (length === undefined) return undefined;
  const facts = skim(length) ?? lenient(buffer.utf8Slice(0, length), id);
  if (!facts) return undefined;
  const { status, title } = facts;
  const noted = status === "pending" && buffer.latin1Slice(0, length).includes('"reason"');
  return { id, session, status, title, noted, task: () => lenient(readText(`${dir}/${id}.json`) ?? "", id) };
}

/** The content of a task's file; undefined when there is none, or it is no regular file of at most 1 MiB. */
export function readText(path: string): string | undefined {
  const length = load(path);
  return length === undefined ? undefined : buffer.utf8Slice(0, length);
}

const MOST_BYTES = 1024 * 1024;
/** Where title and status stand in a file as Coxswain writes it. */
const HEAD_BYTES = 512;
/** One for all files: allocating ten thousand takes longer than reading them. */
const buffer = Buffer.allocUnsafeSlow(MOST_BYTES + 1) as Buffer & {
  utf8Slice(start: number, end: number): string;
  latin1Slice(start: number, end: number): string;
};

/** Reads a file into {@link buffer}; neither follows a link nor waits at a FIFO. */
function load(path: string): number | undefined {
  let fd: number | undefined;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    let length = readSync(fd, buffer, 0, buffer.length, null);
    // A short read is the end, but for file systems that give less at once.
    for (let more = length; more > 0 && length % 4096 === 0 && length < buffer.length; length += more)
      more = readSync(fd, buffer, length, buffer.length - length, null);
    return length > MOST_BYTES ? undefined : length;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) closeSync(fd);
  }
}

const STATUSES = new Map<unknown, Status>(
  (["pending", "active", "completed", "blocked", "container"] as const).map((status) => [status, status]),
);
/** `"key": "value"` with nothing to be unescaped, after a bracket or comma. */
const PLAIN_FIELD = /[{,]\s*"([a-z_$]+)"\s*:\s*"([^"\\\u0000-\u001f]*)"\s*/y;

/** As Coxswain writes it. */
const USUAL_HEAD = /^(\{\s*"id": "[a-z\d.-]*",\s*"title": ")([^"\\\u0000-\u001f]*)",\s*"status": "([a-z]*)"/;

/**
 * Title and status of the file in {@link buffer}, if it begins with plain text fields and both are among them: parsing all
 * of it takes ten times as long. In latin1 a letter is a byte, and neither result keeps the whole text alive.
 */
function skim(length: number): { title: string; status: Status } | undefined {
  const head = buffer.latin1Slice(0, Math.min(length, HEAD_BYTES));
  const usual = USUAL_HEAD.exec(head);
  if (usual) {
    const [, before = "", written = "", word] = usual;
    const status = STATUSES.get(word);
    return status && { title: buffer.utf8Slice(before.length, before.length + written.length), status };
  }
  let title: string | undefined;
  let status: Status | undefined;
  for (PLAIN_FIELD.lastIndex = 0; ;) {
    const field = PLAIN_FIELD.exec(head);
    if (!field) return undefined;
    const [whole, key, value = ""] = field;
    if (key === "title") {
      const start = field.index + whole.lastIndexOf('"') - value.length;
      title = buffer.utf8Slice(start, start + value.length);
    } else if (key === "status") {
      status = STATUSES.get(value);
      if (!status) return undefined;
    }
    if (title !== undefined && status !== undefined) return { title, status };
  }
}

export function lenient(text: string, id: TaskId): Task | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(value)) return null;
  const context = objectOr(value["context"]);
  const relations = objectOr(value["relations"]);
  const implementation = objectOr(value["implementation"]);
  return {
    ...value,
    id,
    title: textOr(value["title"], id),
    status: STATUSES.get(value["status"]) ?? "pending",
    type: textOr(value["type"], "feature") as Task["type"],
    agent: textOr(value["agent"], "code-developer"),
    paths: textOr(value["paths"], ""),
    context: {
      ...context,
      requirements: texts(context["requirements"]),
      scope: texts(context["scope"]),
      acceptance: texts(context["acceptance"]),
    },
    relations: {
      ...relations,
      parent: parentOf(id),
      subtasks: texts(relations["subtasks"]),
      dependencies: texts(relations["dependencies"]),
    },
    execution: execution(objectOr(value["execution"])),
    implementation: { files: [], context_notes: {}, analysis_source: "manual", ...implementation },
  } as Task;
}

function execution(given: Record<string, unknown>): Execution {
  const kept: Record<string, unknown> = {
    ...given,
    attempts: numberOr(given["attempts"], 0),
    last_attempt: lastAttempt(given["last_attempt"]),
  };
  for (const key of ["reason", "next_attempt_at", "model", "command", "timeout", "branch", "commit"]) {
    if (typeof kept[key] !== "string") delete kept[key];
  }
  if (!isObject(kept["reviews"])) delete kept["reviews"];
  return kept as Execution;
}

function lastAttempt(given: unknown): LastAttempt | null {
  if (!isObject(given)) return null;
  const error = isObject(given["error"]) ? given["error"] : null;
  return {
    ...given,
    attempt: numberOr(given["attempt"], 1),
    run_id: typeof given["run_id"] === "string" ? given["run_id"] : null,
    started_at: textOr(given["started_at"], ""),
    error: error && { ...error, class: textOr(error["class"], "unknown"), message: textOr(error["message"], "") },
  } as LastAttempt;
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const objectOr = (value: unknown) => (isObject(value) ? value : {});
const textOr = (value: unknown, otherwise: string) => (typeof value === "string" ? value : otherwise);
const numberOr = (value: unknown, otherwise: number) => (typeof value === "number" ? value : otherwise);
const texts = (value: unknown) =>
  Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
