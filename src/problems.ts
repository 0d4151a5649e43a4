/**
 * All that can go wrong, in words: each has a permanent code, a text (what happened and why) and a hint (what to do).
 * `docs/problems.md` is generated from this list.
 */

export const PROBLEMS = {
  "not-json": "The file is not valid JSON.",
  "empty-file": "The file is empty.",
  "not-utf8": "The file is not UTF-8 text.",
  "too-large": "The file is larger than 1 MiB.",
  "too-deep": "The file nests deeper than 64 levels.",
  "duplicate-key": "An object has the same key twice.",
  "forbidden-key": "A key such as __proto__ that programs misread.",
  "not-an-object": "The file holds something else than one object.",
  "wrong-value": "A field has a value that it cannot have.",
  "missing-field": "A required field is missing.",
  "misspelt-key": "A key that is probably misspelt.",
  "misplaced-key": "A key at the top of the file that means something only in another part.",
  "bad-id": "An id that does not follow impl-N or impl-N.M.",
  "third-level": "An id with a third level.",
  "id-exists": "A task with this id exists already.",
  "id-changed": "The id in a task's file no longer is the file's name.",
  "missing-parent": "The parent of a subtask does not exist.",
  "missing-dependency": "A dependency does not exist.",
  "dependency-cycle": "Tasks that wait for each other.",
  "path-escapes": "A path that leaves the repository.",
  "missing-prompt": "A prompt file that does not exist.",
  "path-wildcard": "A path with a wildcard.",
  "unknown-role": "A role that does not exist.",
  "bad-instant": "A time that cannot be read.",
  "bad-session": "A session file that cannot be used.",
  "bad-session-name": "A folder in .workflow that is not named like a session.",
  "bad-config": "A setting that cannot be used.",
  "bad-role": "A role file that cannot be used.",
  "bad-response": "A response file that cannot be used.",
  "not-a-folder": "Something that is no folder where a folder of a session has to be.",
  "not-a-file": "Something that is not a regular file.",
  "untrusted-file": "A file that arrived by git and was not trusted yet.",
  "not-yaml": "The file is not valid YAML.",
  "unknown-key": "A key that does not exist.",
  "duplicate-step": "A step's id, or the name of its result, is another's already.",
  "unknown-name": "A name in braces that stands for nothing.",
  "bad-condition": "A condition that cannot be true or false.",
  "missing-variable": "A variable of a workflow that was given no value.",
  "unknown-workflow": "A workflow that does not exist.",
  "bad-plan": "A plan that cannot become tasks.",
  "no-command": "A command task without a command.",
} as const;

export type ProblemCode = keyof typeof PROBLEMS;

/** One thing that is wrong with something a person wrote. */
export interface Problem {
  code: ProblemCode;
  message: string;
  hint?: string;
  /** JSON pointer into the file. */
  pointer?: string;
  /** From 1. */
  line?: number;
  column?: number;
}

export function problem(code: ProblemCode, message: string, more: Omit<Problem, "code" | "message"> = {}): Problem {
  return { code, message, ...more };
}

/** `impl-1.json:3:5 /title: message (hint)`, one line. */
export function problemLine(p: Problem, file?: string): string {
  const where = [file, p.line, p.column].filter((part) => part !== undefined).join(":");
  const place = [where, p.pointer].filter(Boolean).join(" ");
  return `${place ? `${place}: ` : ""}${p.message}${p.hint ? ` ${p.hint}` : ""}`;
}
