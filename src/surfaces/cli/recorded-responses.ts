/** What came back from attempts, as far as it is still on disk or in the ledger. */
import { readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { openObjects, type ObjectReader } from "../../ledger/cat-file.ts";
import { git } from "../../ledger/git.ts";
import type { GateResult, Tokens, Work } from "../../model/attempt.ts";
import { compareTaskIds, isSessionId, parseAttemptName, type SessionId, type TaskId } from "../../model/ids.ts";
import { at as paths, WORKSPACE } from "../../store/paths.ts";
import type { RecordedWork } from "../../worktree/provenance.ts";
import type { CodePlace } from "./code-place.ts";
import { recordedFiles } from "./ledger-place.ts";
import { entriesOf, isObject } from "./tasks-on-disk.ts";

export interface AttemptKey {
  session: SessionId;
  task: TaskId;
  attempt: number;
}

/** A response as it can be read: what is missing or of another kind is null. */
export interface RecordedResponse extends AttemptKey {
  run_id: string | null;
  outcome: string | null;
  model: string | null;
  cost_usd: number | null;
  turns: number | null;
  duration_ms: number | null;
  tokens: Tokens | null;
  work: Work | null;
  gates: GateResult[];
  /** When its file on disk was written; null if it is in the ledger alone. */
  written: number | null;
}

export interface Records {
  /** A file of `.workflow/`: from disk, else as last recorded (also of a session that has left), else at that commit. */
  read(path: string, commit?: string | null): Promise<string | null>;
  /** All responses, by session, task and attempt; with `wanted` only those. */
  responses(wanted?: (key: AttemptKey) => boolean): Promise<RecordedResponse[]>;
  /** Ids of tasks that a session has, on disk or recorded. */
  tasksOf(session: SessionId): Promise<string[]>;
  close(): Promise<void>;
}

const MOST_BYTES = 16 * 1024 * 1024;

/** `folder` is `.workflow`, which need not be there. */
export function openRecords({ repository, tip }: CodePlace, folder: string | null): Records {
  let objects: ObjectReader | undefined;
  let files: Promise<Map<string, string>> | undefined;
  const get = (name: string) => (objects ??= openObjects(repository.commonDir)).get(name);
  const recorded = () => (files ??= tip === null ? Promise.resolve(new Map()) : recordedFiles(repository, tip));

  const read: Records["read"] = async (path, commit) => {
    const text = folder === null ? null : textOf(join(folder, path));
    if (text !== null) return text;
    const names = [
      ...(tip === null ? [] : [`${tip}:${WORKSPACE}/${path}`]),
      ...(commit ? [`${commit}:${WORKSPACE}/${path}`] : []),
    ];
    for (const name of names) {
      const object = await get(name);
      if (object?.type === "blob") return object.content.toString();
    }
    if (tip === null) return null;
    const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
    const gone = await git(["rev-list", "-1", "--end-of-options", tip, "--", `${WORKSPACE}/${path}`], own);
    const removed = gone.stdout.toString().trim();
    const object = removed === "" ? null : await get(`${removed}^:${WORKSPACE}/${path}`);
    return object?.type === "blob" ? object.content.toString() : null;
  };

  return {
    read,
    async responses(wanted = () => true) {
      const found = new Map<string, { key: AttemptKey; blob: string | null }>();
      for (const [path, blob] of await recorded()) {
        const key = keyOf(path);
        if (key && wanted(key)) found.set(path, { key, blob });
      }
      for (const path of folder === null ? [] : responsesOnDisk(folder)) {
        const key = keyOf(path);
        if (key && wanted(key)) found.set(path, { key, blob: null });
      }
      const all = await Promise.all(
        [...found].map(async ([path, { key, blob }]) => {
          const file = join(folder ?? "", path);
          const text = blob === null ? textOf(file) : ((await get(blob))?.content.toString() ?? null);
          const written = blob === null ? (statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? null) : null;
          return text === null ? null : responseOf(key, text, written);
        }),
      );
      return all.filter((each) => each !== null).toSorted(inOrder);
    },
    async tasksOf(session) {
      const names = folder === null ? [] : entriesOf(join(folder, session, ".task")).map(({ name }) => name);
      if (names.length === 0) {
        const start = `${session}/.task/`;
        for (const path of (await recorded()).keys()) if (path.startsWith(start)) names.push(path.slice(start.length));
      }
      return names.flatMap((name) => /^(impl-\d+(?:\.\d+)?)\.json$/.exec(name)?.[1] ?? []);
    },
    close: async () => objects?.close(),
  };
}

/** What attempts did to the code, in the order in which the ids are. */
export async function recordedWorks(records: Records): Promise<RecordedWork[]> {
  const all = await records.responses();
  return all.flatMap(({ work, ...each }) => (work ? [{ ...each, work }] : []));
}

function inOrder(a: AttemptKey, b: AttemptKey): number {
  return a.session < b.session
    ? -1
    : a.session > b.session
      ? 1
      : compareTaskIds(a.task, b.task) || a.attempt - b.attempt;
}

function keyOf(path: string): AttemptKey | undefined {
  const [session = "", folder, name = "", ...more] = path.split("/");
  if (folder !== "responses" || more.length > 0 || !name.endsWith(".json") || !isSessionId(session)) return undefined;
  const parsed = parseAttemptName(name.slice(0, -".json".length));
  return parsed && { session, ...parsed };
}

function responsesOnDisk(folder: string): string[] {
  return entriesOf(folder)
    .filter((entry) => entry.isDirectory() && isSessionId(entry.name))
    .flatMap(({ name }) =>
      entriesOf(join(folder, name, "responses"))
        .filter((entry) => entry.isFile())
        .map((entry) => paths.response(name, entry.name.replace(/\.json$/, ""))),
    );
}

function textOf(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isFile() && stat.size <= MOST_BYTES ? readFileSync(path, "utf8") : null;
}

function responseOf(key: AttemptKey, text: string, written: number | null): RecordedResponse | null {
  const value = parsed(text);
  if (!isObject(value)) return null;
  return {
    ...key,
    run_id: textOr(value["run_id"]),
    outcome: textOr(value["outcome"]),
    model: textOr(value["model"]),
    cost_usd: numberOr(value["cost_usd"]),
    turns: numberOr(value["turns"]),
    duration_ms: numberOr(value["duration_ms"]),
    tokens: tokensOf(value["tokens"]),
    work: workOf(value["work"]),
    gates: Array.isArray(value["gates"]) ? (value["gates"].filter(isObject) as unknown as GateResult[]) : [],
    written,
  };
}

export function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? "null");
  } catch {
    return null;
  }
}

export function tokensOf(value: unknown): Tokens | null {
  if (!isObject(value)) return null;
  const [input, output] = [numberOr(value["input"]) ?? 0, numberOr(value["output"]) ?? 0];
  const [cache_read, cache_write] = [numberOr(value["cache_read"]) ?? 0, numberOr(value["cache_write"]) ?? 0];
  return { input, output, cache_read, cache_write };
}

function workOf(value: unknown): Work | null {
  if (!isObject(value)) return null;
  const list = (key: string) => (Array.isArray(value[key]) ? value[key].filter(isObject) : []);
  return {
    branch: textOr(value["branch"]) ?? "",
    base: textOr(value["base"]) ?? "",
    commit: textOr(value["commit"]),
    merged: textOr(value["merged"]),
    commits: list("commits").map((each) => ({ id: textOr(each["id"]) ?? "", patch: textOr(each["patch"]) })),
    files: list("files").map((each) => ({
      path: textOr(each["path"]) ?? "",
      blob: textOr(each["blob"]),
      added: numberOr(each["added"]),
      deleted: numberOr(each["deleted"]),
    })),
  };
}

export const textOr = (value: unknown): string | null => (typeof value === "string" ? value : null);
export const numberOr = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null;
