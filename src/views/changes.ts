/** Which files a task has changed, or was to change. */
import type { ResponseFile } from "../model/attempt.ts";
import { pathsOf, type Task } from "../model/task.ts";

/** Keys of a structured answer under which agents name files. */
const KEYS = ["files", "files_changed", "changed_files", "files_modified", "files_created"];

/** The files that a structured answer names, as texts or as objects with a `path`; each once, in its order. */
export function changedFiles(response: ResponseFile | null): string[] {
  const answer = response?.structured;
  if (typeof answer !== "object" || answer === null) return [];
  const named = KEYS.flatMap((key) => {
    const value = Object.hasOwn(answer, key) ? (answer as Record<string, unknown>)[key] : undefined;
    return Array.isArray(value) ? value.map(pathIn) : [];
  });
  return [...new Set(named.filter((path) => path !== undefined))];
}

/** The files of the task's guidance, else its declared paths. */
export function plannedFiles(task: Task): string[] {
  const files = task.implementation.files.map(({ path }) => path);
  return [...new Set(files.length > 0 ? files : pathsOf(task))];
}

function pathIn(entry: unknown): string | undefined {
  const path = typeof entry === "object" && entry !== null && "path" in entry ? entry.path : entry;
  return typeof path === "string" && path.trim() !== "" ? path : undefined;
}
