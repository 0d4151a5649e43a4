/** `cox answer`: a person's answer to a task that asks for one. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { attemptName } from "../../model/ids.ts";
import { plain } from "../../model/plain.ts";
import { parseDuration } from "../../model/time.ts";
import { problemLine } from "../../problems.ts";
import { checkAnswer, fieldsOf, type Answer } from "../../store/answer.ts";
import { at } from "../../store/paths.ts";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, saveJson } from "./edit.ts";
import { findTask, type NamedTask } from "./naming.ts";
import { TASK_ARGUMENT } from "./steer.ts";
import { isObject } from "./tasks-on-disk.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Answers a task that waits for a person: with one of its choices, a text, key=value for each field of its form, or JSON. Without an\nanswer it shows the question. An answer that does not do is refused, and nothing is changed. Exit 4 if the task asks nobody.",
  arguments: [
    TASK_ARGUMENT,
    { name: "answer", text: "a choice, a text, key=value …, or JSON", optional: true, variadic: true },
  ],
  options: [
    { name: "file", value: "file", text: "file with the answer, as JSON or text; - for standard input", is: "file" },
  ],
  example: "cox answer impl-3 yes",
  run,
};

/** What is written as the response. */
type Given = Answer | { outcome: "failure"; result: string };

async function run(
  input: { text(name: string): string | undefined; list(name: string): string[] },
  context: Context & { workspace: Workspace },
): Promise<Outcome> {
  const words = input.list("answer");
  const file = input.text("file");
  if (file !== undefined && words.length > 0)
    return refused({ exit: 2, what: "There is an answer and a --file.", todo: "Give one of them." });
  const read = file === undefined ? { ok: undefined } : textOf(file, context.dir);
  if ("trouble" in read) return refused(read.trouble);
  if (read.ok === undefined && words.length === 0) return question(input.text("task") ?? "", context);
  return answerWith(input.text("task"), context, (named) => {
    const { choices, form } = named.task.execution;
    const given = read.ok === undefined ? fromWords(words, form) : fromText(read.ok, form !== undefined);
    const checked = checkAnswer({ ...(choices ? { choices } : {}), ...(form ? { form } : {}) }, given);
    if ("ok" in checked) return { given: checked.ok };
    const problems = checked.problems;
    const more = problems.map((each) => problemLine({ ...each, pointer: "" })).join(" ");
    return { trouble: { exit: 2, what: `That is no answer to ${named.name}.`, why: more, problems } };
  });
}

/** Also for `cox approve` and `cox reject`. */
export async function answerWith(
  written: string | undefined,
  context: Context & { workspace: Workspace },
  decide: (named: NamedTask) => { given: Given } | { trouble: Trouble },
): Promise<Outcome> {
  const { workspace, paint } = context;
  const answered = await exclusively(workspace, async () => {
    const found = asked(workspace, written ?? "");
    if ("trouble" in found) return found;
    const decided = decide(found.ok);
    if ("trouble" in decided) return decided;
    const path = responseOf(found.ok);
    const { given } = decided;
    await saveJson(workspace, { path, value: "outcome" in given ? given : { outcome: "success", ...given } });
    return { named: found.ok, given, path };
  });
  if ("trouble" in answered) return refused(answered.trouble);
  const { named, given, path } = answered;
  const daemon = await daemonOf(workspace);
  const file = `.workflow/${path}`;
  const json = {
    session: named.session,
    task: named.id,
    file,
    answer: "structured" in given ? given.structured : given.result,
    outcome: "outcome" in given ? given.outcome : "success",
    daemon: daemon.up ? "up" : "down",
  };
  const said = `${named.name} is answered: ${given.result}`;
  return done([said, paint("dim", `The same as: write it to ${file}`), whoActs(daemon)].join("\n"), json);
}

/** The task, if it asks somebody now. */
function asked(workspace: Workspace, written: string): { ok: NamedTask } | { trouble: Trouble } {
  const found = findTask(workspace, written);
  if ("trouble" in found) return found;
  const { task, name } = found.ok;
  const { reason, approve } = task.execution;
  if (task.status === "blocked" && reason === "awaiting-person" && task.execution.last_attempt) return found;
  const state = task.status === "blocked" ? `blocked (${reason ?? "cancelled"})` : task.status;
  const todo =
    reason === "awaiting-approval" && approve
      ? `cox approve ${name} or cox reject ${name}.`
      : task.status === "pending"
        ? "It asks once its dependencies are completed: cox status."
        : `cox retry ${name} asks again.`;
  return { trouble: { exit: 4, what: `${name} asks nobody: it is ${state}.`, todo } };
}

function responseOf({ session, id, task }: NamedTask): string {
  return at.response(session, attemptName(id, task.execution.last_attempt?.attempt ?? 1));
}

/** `yes`, `ship it`, `version=1.2 ready=true`, `{"version": "1.2"}`. */
function fromWords(words: readonly string[], form: Record<string, unknown> | undefined): unknown {
  const [first = ""] = words;
  if (!form || (words.length === 1 && first.trimStart().startsWith("{")))
    return fromText(words.join(" "), Boolean(form));
  const properties = form["properties"];
  const fields = words.map((word) => {
    const equals = word.indexOf("=");
    const key = equals === -1 ? word : word.slice(0, equals);
    const type = isObject(properties) && isObject(properties[key]) ? properties[key]["type"] : undefined;
    return [key, valued(equals === -1 ? "" : word.slice(equals + 1), type)] as const;
  });
  return Object.fromEntries(fields);
}

/** Of a field that is no text, the JSON value. */
function valued(text: string, type: unknown): unknown {
  if (type === undefined || type === "string" || (Array.isArray(type) && type.includes("string"))) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function fromText(text: string, isForm: boolean): unknown {
  if (!isForm) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function textOf(file: string, dir: string): { ok: string } | { trouble: Trouble } {
  try {
    return { ok: readFileSync(file === "-" ? 0 : resolve(dir, file), "utf8") };
  } catch (error) {
    return { trouble: { exit: 1, what: `${file} cannot be read: ${(error as Error).message}` } };
  }
}

async function question(written: string, { workspace, paint }: Context & { workspace: Workspace }): Promise<Outcome> {
  const found = asked(workspace, written);
  if ("trouble" in found) return refused(found.trouble);
  const { session, id, task, name } = found.ok;
  const { choices, form, due_at: due, default: otherwise, time_limit: limit, last_attempt: last } = task.execution;
  const path = at.prompt(session, attemptName(id, last?.attempt ?? 1));
  const text = plain(askedIn(join(workspace.folder, path)) ?? task.title);
  const fields = form ? fieldsOf(form) : [];
  const how = choices
    ? choices.map((choice) => `cox answer ${name} ${/^[\w.-]+$/.test(choice) ? choice : JSON.stringify(choice)}`)
    : [`cox answer ${name} ${form ? fields.map((field) => `${field}=…`).join(" ") : '"…"'}`];
  const until =
    due && limit && parseDuration(limit) !== undefined
      ? [`until ${due}${otherwise === undefined ? "" : `, then ${JSON.stringify(otherwise)}`}`]
      : [];
  const lines = [text, "", ...how, ...until.map((line) => paint("dim", line)), paint("dim", `.workflow/${path}`)];
  const json = {
    session,
    task: id,
    question: text,
    choices: choices ?? null,
    form: form ?? null,
    due_at: due ?? null,
    default: otherwise ?? null,
    file: `.workflow/${responseOf(found.ok)}`,
  };
  return done(lines.join("\n"), json);
}

/** What a step's question says, with its values. */
function askedIn(prompt: string): string | undefined {
  try {
    return /^## What is asked\n\n([\s\S]*?)\n\n## (?!What it names\n)/m.exec(readFileSync(prompt, "utf8"))?.[1];
  } catch {
    return undefined;
  }
}
