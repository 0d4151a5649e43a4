/** The options of `cox add`, and the task that they describe. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { isTaskId } from "../../model/ids.ts";
import type { TaskDrop } from "../../model/task.ts";
import { parseJson } from "../../store/json-file.ts";
import type { Input, Option, Trouble } from "./command.ts";
import { isObject } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";

export const ADD_OPTIONS: readonly Option[] = [
  {
    name: "type",
    value: "type",
    text: "feature, bugfix, refactor, test or docs; else from the title",
    is: ["feature", "bugfix", "refactor", "test", "docs"],
  },
  { name: "agent", value: "role", text: "a role, human or command; else from type and title" },
  { name: "command", value: "command", text: "shell command, for --agent command" },
  { name: "paths", value: "paths", text: "files and folders it is about, ; between", repeatable: true },
  {
    name: "depends",
    value: "tasks",
    text: "tasks that must be completed first, , between",
    repeatable: true,
    is: "task",
  },
  { name: "parent", value: "task", text: "make it a subtask of that task", is: "task" },
  { name: "requirement", value: "text", text: "what the result must do", repeatable: true },
  { name: "scope", value: "text", text: "where the work is", repeatable: true },
  { name: "acceptance", value: "text", text: "how one sees that it is done", repeatable: true },
  {
    name: "verify",
    value: "command",
    text: "shell command that must succeed before it is completed",
    repeatable: true,
  },
  { name: "review", value: "role", text: "a role that reviews the work before it counts", repeatable: true },
  {
    name: "approve",
    value: "when",
    text: "wait for a person before the start, or after the work",
    is: ["before", "after"],
  },
  {
    name: "plan",
    value: "how",
    text: "required: the answer is a plan; allowed: its agent may split it; none",
    is: ["required", "allowed", "none"],
  },
  { name: "priority", value: "number", text: "higher starts first; default 0" },
  { name: "model", value: "model", text: "model for this task" },
  { name: "timeout", value: "duration", text: "limit of one attempt, such as 30m" },
  { name: "max-attempts", value: "number", text: "attempts in all before it is blocked" },
  { name: "prompt-file", value: "file", text: "file whose text is the prompt", is: "file" },
  { name: "session", value: "session", text: "session to add it to; else the active one", is: "session" },
  { name: "id", value: "id", text: "impl-N or impl-N.M; else the next free one", is: "task" },
  { name: "file", value: "file", text: "JSON file with the task; options win over it", is: "file" },
];

export interface Described {
  drop: Record<string, unknown>;
  /** Content of `--prompt-file`. */
  prompt: string | undefined;
  parent: string | undefined;
}

export function describedTask(input: Input, dir: string): { ok: Described } | { trouble: Trouble } {
  const given = fileOf(input.text("file"), dir);
  if ("trouble" in given) return given;
  const prompt = promptOf(input.text("prompt-file"), dir);
  if ("trouble" in prompt) return prompt;
  const parent = input.text("parent");
  if (parent !== undefined && !isTaskId(parent))
    return wrong(`--parent ${JSON.stringify(parent)} is not a task.`, "Such as --parent impl-2.");
  if (parent?.includes("."))
    return wrong(
      `${parent} is a subtask itself; two levels are the most.`,
      `Give it the same parent: --parent ${parent.split(".")[0]}`,
    );
  if (parent !== undefined && input.text("id") !== undefined)
    return wrong("--parent and --id do not go together.", "The id says the parent: --id impl-2.1 belongs to impl-2.");
  const drop = overlaid(input, given.ok, prompt.ok);
  if (drop["title"] === undefined)
    return wrong("The task has no title.", 'Such as: cox add "fix the flaky test in src/queue"');
  return { ok: { drop, prompt: prompt.ok, parent } };
}

function overlaid(input: Input, base: Record<string, unknown>, prompt: string | undefined): Record<string, unknown> {
  const part = (key: string) => (isObject(base[key]) ? base[key] : {});
  const paths = input.list("paths");
  const context = fields({
    requirements: many(input, "requirement"),
    scope: many(input, "scope"),
    acceptance: many(input, "acceptance"),
  });
  const dependencies = input
    .list("depends")
    .flatMap((list) => list.split(","))
    .map((id) => id.trim())
    .filter(Boolean);
  const execution = fields({
    command: input.text("command"),
    verify: many(input, "verify"),
    review: many(input, "review"),
    approve: input.text("approve"),
    plan: input.text("plan"),
    priority: numeric(input.text("priority")),
    model: input.text("model"),
    timeout: input.text("timeout"),
    max_attempts: numeric(input.text("max-attempts")),
  });
  const own = fields({
    id: input.text("id"),
    title: input.text("title") ?? base["title"] ?? firstLineOf(prompt),
    type: input.text("type"),
    agent: input.text("agent"),
    paths: paths.length > 0 ? paths.join(";") : undefined,
    context: empty(context) ? undefined : { ...part("context"), ...context },
    relations: dependencies.length > 0 ? { ...part("relations"), dependencies } : undefined,
    execution: empty(execution) ? undefined : { ...part("execution"), ...execution },
  });
  return { ...base, ...own };
}

function fileOf(file: string | undefined, dir: string): { ok: Record<string, unknown> } | { trouble: Trouble } {
  if (file === undefined) return { ok: {} };
  const read = contentOf(file, dir, "--file");
  if ("trouble" in read) return read;
  const parsed = parseJson(read.ok);
  return "ok" in parsed
    ? { ok: parsed.ok }
    : {
        trouble: {
          exit: 2,
          what: `${file} cannot be used.`,
          problems: parsed.problems,
          todo: "Mend it, then try again.",
        },
      };
}

function promptOf(file: string | undefined, dir: string): { ok: string | undefined } | { trouble: Trouble } {
  if (file === undefined) return { ok: undefined };
  const read = contentOf(file, dir, "--prompt-file");
  if ("trouble" in read) return read;
  const text = read.ok.toString("utf8");
  if (text.trim() === "") return wrong(`${file} is empty.`, "It has to hold what the agent is told.");
  return { ok: text };
}

function contentOf(file: string, dir: string, option: string): { ok: Buffer } | { trouble: Trouble } {
  try {
    return { ok: readFileSync(resolve(dir, file)) };
  } catch (error) {
    return wrong(`${option} ${file} cannot be read.`, "Give it an existing file.", (error as Error).message);
  }
}

function wrong(what: string, todo: string, why?: string): { trouble: Trouble } {
  return { trouble: { exit: 2, what, todo, ...(why === undefined ? {} : { why }) } };
}

/** A number, or the text as it is: the schema then says what is wrong with it. */
function numeric(text: string | undefined): number | string | undefined {
  return text === undefined || text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
}

function many(input: Input, name: string): string[] | undefined {
  const list = input.list(name);
  return list.length > 0 ? list : undefined;
}

function firstLineOf(prompt: string | undefined): string | undefined {
  const line = prompt
    ?.split("\n")
    .map((each) => oneLine(each.replace(/^\s*#+\s*/, "")))
    .find(Boolean);
  return line || undefined;
}

function fields(all: Record<string, unknown>): Partial<TaskDrop> & Record<string, unknown> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

const empty = (object: object) => Object.keys(object).length === 0;
