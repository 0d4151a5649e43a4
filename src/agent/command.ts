/** The `command` runner: a person's shell command does the work; the prompt on standard input, the answer on standard output. */
import { NO_FACTS } from "../model/attempt.ts";
import type { AttemptEnd } from "../model/attempt.ts";
import { FAILURE_CLASSES } from "../model/failure.ts";
import type { Failure, FailureClass } from "../model/failure.ts";
import { instant, isInstant, toMs } from "../model/time.ts";
import { unreachable } from "../model/unreachable.ts";
import { agentEnvironment } from "./environment.ts";
import { leftOut } from "./cap-output.ts";
import { excerpt } from "./excerpt.ts";
import type { AttemptRequest, Progress, Runner, RunOutput } from "./runner.ts";

export const commandRunner: Runner = { launch, read, follow };

/** Of longer standard output the end is the result. */
export const LONGEST_RESULT = 1024 * 1024;
const LINES_OF_TROUBLE = 10;

async function launch(request: AttemptRequest): Promise<Awaited<ReturnType<Runner["launch"]>>> {
  const { task, role, settings } = request;
  const command = task.execution.command ?? role.command;
  if (command === undefined || command.trim() === "") {
    return {
      cannot: failure("", {
        class: "invalid",
        message: `Nothing says which command does the work of ${task.id}.`,
        hint: "Set `execution.command` in the task, or `command` in the role, then `cox retry`.",
      }),
    };
  }
  const env = agentEnvironment({
    userEnv: request.userEnv,
    names: [...settings.env, ...(role.env ?? []), ...(task.execution.env ?? [])],
    runner: "command",
    extra: {
      COX_SESSION: request.session,
      COX_TASK: task.id,
      COX_ATTEMPT: String(request.attempt),
      COX_RUN_ID: request.runId,
      COX_PROMPT_FILE: request.promptFile,
      COX_RESPONSE_FILE: request.responseFile,
    },
  });
  return { ok: { file: "/bin/sh", args: ["-c", command], env, cwd: request.cwd, stdin: { file: request.promptFile } } };
}

/**
 * Exit code 0 is success, and the result is standard output; or what the response file says: an object with some of
 * `result`, `structured`, `outcome` and `error`, or any other JSON value, which is then the structured answer.
 */
function read(_: Pick<AttemptRequest, "task" | "role">, output: RunOutput): AttemptEnd {
  const printed = capped(output);
  const response = parseResponse(output.response);
  const { end } = output;
  switch (end.kind) {
    case "exited":
      if (end.code !== 0) return failure(printed, response.error ?? exitFailure(end.code, output.stderr));
      if (response.damage !== undefined) return failure(printed, damaged(response.damage));
      if (response.error) return failure(response.result ?? printed, response.error);
      return {
        ...NO_FACTS,
        outcome: "success",
        result: response.result ?? printed,
        ...("structured" in response ? { structured: response.structured } : {}),
      };
    case "signalled":
      return failure(printed, {
        class: "crash",
        message: said(`The command was ended by ${end.signal}`, output.stderr),
      });
    case "vanished":
      return failure(printed, {
        class: "crash",
        message: said("The command is gone and left no exit code", output.stderr),
      });
    default:
      return unreachable(end);
  }
}

/** The last line it printed is what it is doing. */
function follow(progress: Progress, lines: string[]): Progress {
  const doing = excerpt(lines.findLast((line) => line.trim() !== "") ?? "", 80);
  return doing === "" ? progress : { ...progress, doing };
}

interface Response {
  result?: string;
  structured?: unknown;
  /** Set when the response says that the work failed. */
  error?: Failure;
  /** Why the file cannot be used. */
  damage?: string;
}

function parseResponse(text: string | undefined): Response {
  if (text === undefined || text.trim() === "") return {};
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return { damage: (error as Error).message };
  }
  if (!isAnswer(value)) return { structured: value };
  const { result, structured, outcome, error } = value;
  if (outcome !== undefined && outcome !== "success" && outcome !== "failure") {
    return { damage: `outcome is ${JSON.stringify(outcome)}, and can be "success" or "failure"` };
  }
  const failed = outcome === "failure" || (outcome === undefined && error !== undefined && error !== null);
  return {
    ...(result === undefined ? {} : { result: typeof result === "string" ? result : JSON.stringify(result) }),
    ...(structured === undefined ? {} : { structured }),
    ...(failed ? { error: errorOf(error) } : {}),
  };
}

function isAnswer(value: unknown): value is Record<"result" | "structured" | "outcome" | "error", unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  return ["result", "structured", "outcome", "error"].some((key) => Object.hasOwn(value, key));
}

function errorOf(error: unknown): Failure {
  const given = (typeof error === "object" && error !== null ? error : { message: error }) as Record<string, unknown>;
  const text = (key: string) => (typeof given[key] === "string" ? { [key]: given[key] } : {});
  const known = FAILURE_CLASSES.includes(given.class as FailureClass);
  return {
    class: known ? (given.class as FailureClass) : "unknown",
    message: "The response file says that the work failed.",
    ...text("message"),
    ...text("hint"),
    ...(isInstant(String(given.retry_at)) ? { retry_at: instant(toMs(String(given.retry_at))) } : {}),
  };
}

function exitFailure(code: number, stderr: string): Failure {
  if (code === 126 || code === 127) {
    return {
      class: "invalid",
      message: said(`exit code ${code}: the command ${code === 127 ? "was not found" : "may not be executed"}`, stderr),
      hint: "Correct `execution.command` (or the role's `command`), or the PATH the daemon was started with, then `cox retry`.",
    };
  }
  return { class: "unknown", message: said(`exit code ${code}`, stderr) };
}

function damaged(why: string): Failure {
  return {
    class: "invalid",
    message: `The response file cannot be used: ${excerpt(why)}.`,
    hint: "The command must write one JSON value to $COX_RESPONSE_FILE, or nothing.",
  };
}

function failure(result: string, error: Failure): AttemptEnd & { outcome: "failure" } {
  return { ...NO_FACTS, outcome: "failure", result, error };
}

/** The fact, and the last of what it said on standard error. */
function said(fact: string, stderr: string): string {
  const lines = stderr.slice(-20_000).split("\n");
  const last = lines
    .map((line) => excerpt(line))
    .filter((line) => line !== "")
    .slice(-LINES_OF_TROUBLE);
  return last.length === 0 ? `${fact}.` : `${fact}:\n${last.join("\n")}`;
}

function capped({ stdout, leftOut: before = 0 }: RunOutput): string {
  const bytes = Buffer.from(stdout);
  const from = Math.max(0, bytes.length - LONGEST_RESULT);
  return before + from === 0 ? stdout : `${leftOut(before + from)}\n${bytes.toString("utf8", from)}`;
}
