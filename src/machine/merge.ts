/** A person's save and the daemon's write, field by field, against the version both started from. SPEC section 5. */
import type { SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";

/** Fields that Coxswain keeps; a save without them has not asked for their removal. */
const KEPT = new Set([
  "attempts",
  "last_attempt",
  "failures",
  "failed_with",
  "source",
  "branch",
  "commit",
  "conflict",
  "spent",
  "over_budget",
  "fell_back_from",
  "reviews",
]);
const NESTED = new Set(["context", "relations", "execution", "implementation"]);

export interface Merged {
  task: Task;
  /** What the person changed, as `title`, `context.acceptance`; empty if only the form differs. */
  fields: string[];
}

/**
 * `current` is what is recorded, `older` are versions before it (newest first): a save made from one of those (its
 * attempts and last attempt tell) is compared with that one, so that a slow editor does not undo what happened since.
 */
export function mergeEdit(saved: Record<string, unknown>, current: Task, older: readonly Task[]): Merged {
  const base = [current, ...older].find((version) => sameHistory(saved, version)) ?? current;
  const fields: string[] = [];
  const task = mergeObject({ saved, base: asRecord(base), current: asRecord(current), path: "" }, fields);
  return { task: { ...task, id: current.id } as unknown as Task, fields };
}

/** What Coxswain keeps in a session's file: a save never changes it. */
const DERIVED = new Set(["progress", "current_phase", "updated_at", "created_at", "cost_usd", "tokens", "session_id"]);
/** What every session has: missing from a save means unchanged. */
const CORE = new Set(["$schema", "project", "type", "status"]);

/**
 * The same for a session's file, whose fields count as a whole; `updated_at` tells from which version a save was made.
 * `saved` as it was written, without what it lacks.
 */
export function mergeSessionEdit(
  saved: Record<string, unknown>,
  current: SessionFile,
  older: readonly SessionFile[],
): { file: SessionFile; fields: string[] } {
  const now = asRecord(current);
  const base = asRecord([current, ...older].find((version) => version.updated_at === saved["updated_at"]) ?? current);
  const fields: string[] = [];
  const file: Record<string, unknown> = {};
  for (const key of new Set([...Object.keys(saved), ...Object.keys(now)])) {
    if (DERIVED.has(key) && !Object.hasOwn(now, key)) continue;
    const inSaved = Object.hasOwn(saved, key);
    const isChange = !DERIVED.has(key) && (inSaved || !CORE.has(key)) && !equal(saved[key], base[key]);
    const from = isChange || !Object.hasOwn(now, key) ? saved : now;
    if (isChange && !equal(saved[key], now[key])) fields.push(key);
    if (!isChange && !Object.hasOwn(now, key) && Object.hasOwn(base, key)) continue; // the daemon has taken it out since
    if (Object.hasOwn(from, key)) file[key] = from[key];
  }
  return { file: file as SessionFile, fields };
}

interface Sides {
  saved: Record<string, unknown>;
  base: Record<string, unknown>;
  current: Record<string, unknown>;
  path: string;
}

function mergeObject({ saved, base, current, path }: Sides, fields: string[]): Record<string, unknown> {
  const merged: Record<string, unknown> = {};
  const keys = [...Object.keys(saved), ...Object.keys(current).filter((key) => !Object.hasOwn(saved, key))];
  for (const key of keys) {
    const name = path ? `${path}.${key}` : key;
    const inSaved = Object.hasOwn(saved, key);
    if (!inSaved && (path === "" ? Object.hasOwn(base, key) && isCore(key) : path === "execution" && KEPT.has(key))) {
      merged[key] = current[key];
      continue;
    }
    if (path === "" && NESTED.has(key) && isObject(saved[key]) && isObject(current[key])) {
      const sides = { saved: saved[key], base: asRecord(base[key] ?? {}), current: current[key], path: key };
      merged[key] = mergeObject(sides, fields);
      continue;
    }
    if (equal(saved[key], base[key])) {
      if (Object.hasOwn(current, key)) merged[key] = current[key];
      continue;
    }
    fields.push(name);
    if (inSaved) merged[key] = saved[key];
    else if (isListField(name)) merged[key] = [];
  }
  return merged;
}

/** Top-level fields that every task has: missing from a save means unchanged. */
function isCore(key: string): boolean {
  return NESTED.has(key) || key === "id" || key === "status" || key === "type" || key === "agent" || key === "paths";
}

/** Lists that the schema requires: removing one empties it. */
function isListField(name: string): boolean {
  return /^(context\.(requirements|scope|acceptance)|relations\.(subtasks|dependencies)|implementation\.files)$/.test(
    name,
  );
}

function sameHistory(saved: Record<string, unknown>, version: Task): boolean {
  const execution = saved["execution"];
  if (!isObject(execution)) return false;
  return (
    equal(execution["attempts"], version.execution.attempts) &&
    equal(execution["last_attempt"], version.execution.last_attempt)
  );
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function asRecord(value: unknown): Record<string, unknown> {
  return value as Record<string, unknown>;
}

/** Whether two values from JSON are the same, whatever the order of their keys. */
export function equal(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equal(asRecord(a)[key], asRecord(b)[key]));
}
