/** From the bytes of a dropped file to something that can be taken in. SPEC section 3.3. */
import { join } from "node:path";
import type { Drop } from "../machine/intake.ts";
import { isTaskId } from "../model/ids.ts";
import { plain } from "../model/plain.ts";
import { TRIGGER_KINDS } from "../model/trigger-kinds.ts";
import type { Cause, Vars } from "../model/workflow.ts";
import { problem, type Problem } from "../problems.ts";
import { checkTaskDrop } from "../store/check.ts";
import { locate, parseJson } from "../store/json-file.ts";
import { escaping, promptFileIs } from "../store/escaping.ts";
import { isTextDrop, isWorkflowDrop, WORKSPACE } from "../store/paths.ts";

export type ReadDrop = { ok: Drop; text?: string } | { run: RunRequest } | { problems: Problem[]; unfinished: boolean };

/** A run of a workflow that is asked for: by its name in `workflows/`, or with its text. `isFile`: the text is the file's own. */
export type RunRequest = { vars: Vars; cause?: Cause } & ({ workflow: string } | { text: string; isFile: boolean });

const MOST_OF_A_TITLE = 200;

/** `text` is the prompt of a markdown or text file. */
export function readDrop(file: { path: string; content: Buffer; hash: string }, repository: string): ReadDrop {
  const name = file.path.slice(file.path.lastIndexOf("/") + 1);
  const known = { file: file.path, sha256: file.hash };
  if (isTextDrop(name)) {
    const text = textOf(file.content);
    if ("problems" in text) return text;
    const title = titleOf(text.ok);
    if (!title)
      return {
        problems: [problem("empty-file", "The file has no text.", { hint: "Its first line is the title." })],
        unfinished: true,
      };
    return { ok: { ...known, drop: { title }, idByName: null, escaping: [] }, text: text.ok };
  }
  if (isWorkflowDrop(name)) {
    const text = textOf(file.content);
    return "problems" in text ? text : { run: { text: text.ok, vars: {}, isFile: true } };
  }
  const parsed = parseJson(file.content);
  if ("problems" in parsed) return parsed;
  if (isRunRequest(parsed.ok)) {
    const request = runRequest(parsed.ok);
    if ("run" in request) return request;
    return { problems: locate(parsed.text, request.problems), unfinished: false };
  }
  const checked = checkTaskDrop(parsed.ok);
  if ("problems" in checked) return { problems: locate(parsed.text, checked.problems), unfinished: false };
  const base = name.slice(0, -".json".length);
  const { ok: drop } = checked;
  const named = { ...known, drop, idByName: isTaskId(base) ? base : null };
  const workspace = join(repository, WORKSPACE);
  const promptFile = (name: string, session: string) => promptFileIs(name, { repository, workspace, session });
  return { ok: { ...named, escaping: escaping(drop.paths ?? "", repository), promptFile } };
}

/** `{"workflow": "name", "vars": {…}}`; a task is what has a title. */
function isRunRequest(value: Record<string, unknown>): boolean {
  return value["title"] === undefined && (value["workflow"] !== undefined || value["text"] !== undefined);
}

function runRequest(value: Record<string, unknown>): { run: RunRequest } | { problems: Problem[] } {
  const { workflow, text, vars = {}, cause } = value;
  const problems: Problem[] = [];
  if (text === undefined && (typeof workflow !== "string" || !/^\w[\w-]{0,99}$/.test(workflow)))
    problems.push(
      problem("wrong-value", "workflow must be the name of a workflow.", {
        pointer: "/workflow",
        hint: "That of its file in .workflow/workflows/, without .yaml.",
      }),
    );
  if (text !== undefined && typeof text !== "string")
    problems.push(problem("wrong-value", "text must be the text of a workflow.", { pointer: "/text" }));
  if (typeof vars !== "object" || vars === null || Array.isArray(vars))
    problems.push(
      problem("wrong-value", "vars must be an object.", { pointer: "/vars", hint: 'Such as {"file": "a.csv"}.' }),
    );
  if (cause !== undefined && !isCause(cause))
    problems.push(
      problem("wrong-value", "cause is none of a trigger's.", { pointer: "/cause", hint: "Leave it out." }),
    );
  const keys = Object.keys(value).filter((key) => !["workflow", "text", "vars", "cause", "$schema"].includes(key));
  for (const key of keys)
    problems.push(
      problem("unknown-key", `A run of a workflow has no key ${key}.`, {
        pointer: `/${key}`,
        hint: "It has workflow and vars. A task has a title.",
      }),
    );
  if (problems.length > 0) return { problems };
  if (typeof text === "string") return { run: { text, vars: vars as Vars, isFile: false } };
  return { run: { workflow: String(workflow), vars: vars as Vars, ...(isCause(cause) ? { cause } : {}) } };
}

function isCause(value: unknown): value is Cause {
  if (typeof value !== "object" || value === null) return false;
  const { on, key, about, depth } = value as Partial<Cause>;
  const isText = typeof key === "string" && typeof about === "string";
  return isText && TRIGGER_KINDS.some((kind) => kind === on) && (depth === undefined || Number.isSafeInteger(depth));
}

function textOf(content: Buffer): { ok: string } | { problems: Problem[]; unfinished: boolean } {
  try {
    return { ok: new TextDecoder("utf-8", { fatal: true }).decode(content) };
  } catch {
    return {
      problems: [problem("not-utf8", "The file is not UTF-8 text.", { hint: "Save it as UTF-8." })],
      unfinished: false,
    };
  }
}

/** The first line or heading that says something. */
function titleOf(text: string): string {
  for (const line of text.split("\n")) {
    const title = plain(line)
      .replace(/^\s*#+\s*/, "")
      .replace(/\s+/g, " ")
      .trim();
    if (title) return [...title].slice(0, MOST_OF_A_TITLE).join("");
  }
  return "";
}
