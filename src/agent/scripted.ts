/**
 * The `scripted` runner, for demonstrations and tests: a real process that speaks Claude Code's `stream-json` and really
 * changes files, but calls no model and says so in all it prints.
 *
 * The script is YAML or JSON: a mapping from a task's id or title, or `default`, to a list of steps. Strings may hold
 * `{task.id}`, `{task.title}` and `{attempt}`; in commands they are put in quoted. Every step may name the `attempt` it
 * is meant for. See {@link Step}.
 */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { NO_FACTS } from "../model/attempt.ts";
import { parseDuration } from "../model/time.ts";
import { followClaude, readClaude } from "./claude-stream.ts";
import { agentEnvironment } from "./environment.ts";
import { excerpt } from "./excerpt.ts";
import type { AttemptRequest, Runner } from "./runner.ts";

/** One thing that the player does. Paths are relative to where the attempt works, and stay inside. */
export type Step =
  | { say: string }
  | { write: { path: string; content: string } }
  | { append: { path: string; content: string } }
  | { replace: { path: string; from: string; to: string } }
  /** Milliseconds; written as a duration such as `300ms`. */
  | { sleep: number }
  /** A shell command; a code other than 0 is shown and does not end the script. */
  | { run: string }
  /** A shell command in a session of its own, left running. */
  | { spawn: string }
  /** Ends the script with an answer by schema. */
  | { answer: unknown }
  | { fail: ScriptedFailure }
  /** Says nothing more and does not end. */
  | { hang: true };

/** How the script ends badly: as Claude Code tells of a failure of this class, or with no result and an exit code. */
export type ScriptedFailure =
  | { exit: number; message?: string }
  | { class: ScriptedClass; message?: string; /** Milliseconds until a usage limit is reset. */ resets_in?: number };

/** What an agent can run into itself; `turns` is its limit of turns. */
export const SCRIPTED_CLASSES = [
  ...([
    "network",
    "overloaded",
    "rate-limit",
    "usage-limit",
    "auth",
    "invalid",
    "crash",
    "permission",
    "budget",
    "unknown",
  ] as const),
  "turns",
] as const;
export type ScriptedClass = (typeof SCRIPTED_CLASSES)[number];

/** What the player is given, as a JSON file. */
export interface ScriptedRun {
  session: string;
  steps: Step[];
}

export const scriptedRunner: Runner = {
  launch,
  read: ({ task }, output) => readClaude(output, { structured: task.execution.response_schema !== undefined }),
  follow: followClaude,
};

const player = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./scripted-player.ts" : "./scripted-player.js", import.meta.url),
);

async function launch(request: AttemptRequest): Promise<Awaited<ReturnType<Runner["launch"]>>> {
  const { role, task, runDir } = request;
  if (role.script === undefined) return cannot(`The role ${role.name} names no script.`, "Set `script` in the role.");
  const file = resolve(request.repository, role.script);
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => error);
  if (typeof text !== "string")
    return cannot(`The script ${file} cannot be read (${text.code}).`, "Correct `script` in the role.");
  const script = stepsFor(text, { id: task.id, title: task.title, attempt: request.attempt });
  if ("problem" in script)
    return cannot(`The script ${file} cannot be played: ${script.problem}`, "Correct the script.");

  const run: ScriptedRun = { session: request.resume ?? request.runId, steps: script.ok };
  await mkdir(runDir, { recursive: true });
  const runFile = join(runDir, "script.json");
  await writeFile(runFile, JSON.stringify(run), { mode: 0o600 });
  const env = agentEnvironment({
    userEnv: request.userEnv,
    names: [...request.settings.env, ...(role.env ?? []), ...(task.execution.env ?? [])],
    runner: "scripted",
    extra: {
      COX_SESSION: request.session,
      COX_TASK: task.id,
      COX_ATTEMPT: String(request.attempt),
      COX_RUN_ID: request.runId,
    },
  });
  return { ok: { file: process.execPath, args: [player, runFile], env, cwd: request.cwd, stdin: request.prompt } };
}

function cannot(message: string, hint: string): Awaited<ReturnType<Runner["launch"]>> {
  const error = { class: "invalid" as const, message, hint: `${hint} Then \`cox retry\`.` };
  return { cannot: { ...NO_FACTS, outcome: "failure", result: "", error } };
}

/** The steps that a script has for this attempt, filled in; or what is wrong with it, in a sentence. */
export function stepsFor(
  text: string,
  values: { id: string; title: string; attempt: number },
): { ok: Step[] } | { problem: string } {
  let script: unknown;
  try {
    script = parse(text);
  } catch (error) {
    return { problem: `${excerpt((error as Error).message)}.` };
  }
  if (!isObject(script)) return { problem: "it is no mapping from tasks to steps." };
  const key = [values.id, values.title, "default"].find((name) => Object.hasOwn(script, name));
  if (key === undefined) return { problem: `it says nothing about ${values.id} (${values.title}) and has no default.` };
  const written = script[key];
  if (!Array.isArray(written)) return { problem: `${key} holds no list of steps.` };
  const steps: Step[] = [];
  for (const [index, one] of written.entries()) {
    const { attempt, ...rest } = isObject(one) ? one : {};
    const step = stepOf(filled(rest, values) as Record<string, unknown>);
    if (step === undefined)
      return { problem: `step ${index + 1} of ${key} is none that is known: ${excerpt(JSON.stringify(one))}.` };
    if (attempt === undefined || attempt === values.attempt) steps.push(step);
  }
  return { ok: steps };
}

function stepOf(written: Record<string, unknown>): Step | undefined {
  const [kind, ...others] = Object.keys(written);
  if (kind === undefined || others.length > 0) return undefined;
  const value = written[kind];
  const has = (...keys: string[]) => isObject(value) && keys.every((key) => typeof value[key] === "string");
  switch (kind) {
    case "say":
    case "run":
    case "spawn":
      return typeof value === "string" ? (written as Step) : undefined;
    case "write":
    case "append":
      return has("path", "content") ? (written as Step) : undefined;
    case "replace":
      return has("path", "from", "to") ? (written as Step) : undefined;
    case "sleep": {
      const sleep = milliseconds(value);
      return sleep === undefined ? undefined : { sleep };
    }
    case "answer":
      return { answer: value };
    case "fail":
      return isObject(value) ? failOf(value) : undefined;
    case "hang":
      return value === true ? { hang: true } : undefined;
    default:
      return undefined;
  }
}

function failOf(value: Record<string, unknown>): Step | undefined {
  const message = typeof value.message === "string" ? { message: value.message } : {};
  if (Number.isSafeInteger(value.exit)) return { fail: { exit: Number(value.exit), ...message } };
  if (!isScriptedClass(value.class)) return undefined;
  const resets = milliseconds(value.resets_in);
  return { fail: { class: value.class, ...message, ...(resets === undefined ? {} : { resets_in: resets }) } };
}

function isScriptedClass(value: unknown): value is ScriptedClass {
  return SCRIPTED_CLASSES.includes(value as ScriptedClass);
}

/** A duration as people write it; a bare number is seconds. */
function milliseconds(value: unknown): number | undefined {
  if (typeof value === "number" && value >= 0) return value * 1000;
  return typeof value === "string" ? parseDuration(value) : undefined;
}

function filled(value: unknown, values: { id: string; title: string; attempt: number }, quoted = false): unknown {
  const quote = (text: string) => (quoted ? `'${text.replaceAll("'", "'\\''")}'` : text);
  if (typeof value === "string") {
    return value.replace(/\{(task\.id|task\.title|attempt)\}/g, (_, name: string) =>
      quote(name === "task.id" ? values.id : name === "task.title" ? values.title : String(values.attempt)),
    );
  }
  if (Array.isArray(value)) return value.map((item) => filled(item, values, quoted));
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, filled(item, values, quoted || key === "run" || key === "spawn")]),
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
