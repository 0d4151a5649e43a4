/**
 * The program that a `scripted` attempt runs: `node scripted-player <file>`, the file holding a {@link ScriptedRun}. It
 * prints what Claude Code prints with `--output-format stream-json`, and does the steps where it was started.
 */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { appendFileSync, lstatSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { unreachable } from "../model/unreachable.ts";
import type { ScriptedClass, ScriptedFailure, ScriptedRun, Step } from "./scripted.ts";

const NOTE = "scripted: no model was called";
const LONGEST_OUTPUT = 30_000;

const run = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")) as ScriptedRun;
const cwd = realpathSync(process.cwd());
const began = performance.now();
const denials: object[] = [];
let turns = 0;
let command: ChildProcess | undefined;
let said = "";

process.on("SIGINT", () => {
  command?.kill("SIGKILL");
  const line = { subtype: "error_during_execution", is_error: true, terminal_reason: "aborted_tools" };
  end({ ...line, errors: [`interrupted (${NOTE})`] }, 0);
});

print({
  type: "system",
  subtype: "init",
  cwd,
  model: "scripted",
  tools: ["Bash", "Edit", "Write"],
  claude_code_version: NOTE,
});
message({ type: "text", text: `(${NOTE})` });
for (const step of run.steps) await play(step);
end({ subtype: "success", is_error: false, terminal_reason: "completed", result: `${said || "Done."} (${NOTE})` }, 0);

async function play(step: Step): Promise<void> {
  if ("say" in step) {
    said = step.say;
    return message({ type: "text", text: `${step.say} (${NOTE})` });
  }
  if ("write" in step) {
    const { path, content } = step.write;
    return tool("Write", { file_path: join(cwd, path), content }, () => writeFileSync(inside(path), content));
  }
  if ("append" in step) {
    const { path, content } = step.append;
    return tool("Write", { file_path: join(cwd, path), content }, () => appendFileSync(inside(path), content));
  }
  if ("replace" in step) {
    const { path, from, to } = step.replace;
    return tool("Edit", { file_path: join(cwd, path), old_string: from, new_string: to }, () => {
      const file = inside(path);
      const text = readFileSync(file, "utf8");
      if (!text.includes(from)) throw new Error(`${path} does not hold ${JSON.stringify(from)}`);
      writeFileSync(
        file,
        text.replace(from, () => to),
      );
    });
  }
  if ("sleep" in step) return pause(step.sleep);
  if ("run" in step) return shell(step.run);
  if ("spawn" in step) {
    return tool("Bash", { command: step.spawn, run_in_background: true }, () => {
      spawn("/bin/sh", ["-c", step.spawn], { detached: true, stdio: "ignore" }).unref();
    });
  }
  if ("answer" in step) {
    const line = { subtype: "success", is_error: false, terminal_reason: "completed", structured_output: step.answer };
    return end({ ...line, result: `${said || JSON.stringify(step.answer)} (${NOTE})` }, 0);
  }
  if ("fail" in step) return fail(step.fail);
  if ("hang" in step) return new Promise(() => setInterval(() => {}, 60_000));
  return unreachable(step);
}

/** A tool's use and its result. A file step that cannot be done ends the script: the script is wrong. */
function tool(name: string, input: object, act: () => void): void {
  const id = use(name, input);
  try {
    act();
    answered(id, "done", false);
  } catch (error) {
    const why = (error as Error).message;
    answered(id, why, true);
    fail({ class: "invalid", message: `The script cannot go on: ${why}.` });
  }
}

/** Like Claude Code's Bash, in a session of its own; the output counts as read, whatever the code. */
async function shell(line: string): Promise<void> {
  const id = use("Bash", { command: line });
  const child = spawn("/bin/sh", ["-c", line], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  command = child;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-LONGEST_OUTPUT)));
  }
  const code = await new Promise<number | string>((done) => {
    child.on("error", (error) => done(error.message)).on("close", (exit, signal) => done(exit ?? signal ?? "?"));
    // What it left in the background may hold the pipes open for ever.
    child.on("exit", (exit, signal) => setTimeout(() => done(exit ?? signal ?? "?"), 200));
  });
  command = undefined;
  answered(id, code === 0 ? output : `Exit code ${code}\n${output}`, code !== 0);
}

function use(name: string, input: object): string {
  const id = `toolu_scripted_${turns + 1}`;
  message({ type: "tool_use", id, name, input });
  return id;
}

function answered(id: string, content: string, isError: boolean): void {
  const block = { type: "tool_result", tool_use_id: id, content, is_error: isError };
  print({ type: "user", message: { role: "user", content: [block] } });
}

function message(block: object): void {
  turns += 1;
  const usage = { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
  const id = `msg_scripted_${turns}`;
  print({
    type: "assistant",
    message: { id, role: "assistant", model: "scripted", content: [block], usage },
    parent_tool_use_id: null,
  });
}

function fail(failure: ScriptedFailure): void {
  const text = `${failure.message ?? ("exit" in failure ? `exit ${failure.exit}` : failure.class)} (${NOTE})`;
  if ("exit" in failure) {
    console.error(text);
    process.exit(failure.exit);
  }
  if (failure.class === "usage-limit") {
    const resetsAt = Math.ceil((Date.now() + (failure.resets_in ?? 3_600_000)) / 1000);
    print({ type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt, rateLimitType: "five_hour" } });
  }
  const { line, error, code } = failureLine(failure.class, text);
  if (error !== undefined) {
    const content = [{ type: "text", text }];
    print({ type: "assistant", message: { id: "synthetic", role: "assistant", model: "<synthetic>", content }, error });
  }
  end(line, code);
}

/** The result line that Claude Code ends with, and what its own assistant line before that says (`error`). */
function failureLine(kind: ScriptedClass, text: string): { line: object; error?: string; code: number } {
  const api = (error: string, more: object) => ({
    line: { subtype: "success", is_error: true, terminal_reason: "api_error", result: text, ...more },
    error,
    code: 1,
  });
  const limit = (subtype: string) => ({ line: { subtype, is_error: true, errors: [text] }, code: 1 });
  switch (kind) {
    case "network":
      return api("server_error", { api_error_status: null, api_error: "connection_failed" });
    case "overloaded":
      return api("server_error", { api_error_status: 529 });
    case "rate-limit":
      return api("rate_limit", { api_error_status: 429 });
    case "usage-limit":
      return api("rate_limit", { api_error_status: 429, api_error: "usage_limit_reached" });
    case "auth":
      return api("authentication_failed", { api_error_status: 401 });
    case "invalid":
      return api("invalid_request", { api_error_status: 400 });
    case "unknown":
      return api("unknown", { api_error_status: null });
    case "crash":
      return limit("error_during_execution");
    case "budget":
      return limit("error_max_budget_usd");
    case "turns":
      return limit("error_max_turns");
    case "permission": {
      const input = { command: "true" };
      const id = use("Bash", input);
      answered(id, "Permission to use Bash was denied.", true);
      denials.push({ tool_name: "Bash", tool_use_id: id, tool_input: input });
      return { line: { subtype: "success", is_error: false, terminal_reason: "completed", result: text }, code: 0 };
    }
    default:
      return unreachable(kind);
  }
}

function end(line: object, code: number): void {
  const duration_ms = Math.round(performance.now() - began);
  const usage = { input_tokens: 0, output_tokens: 0, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
  print({
    type: "result",
    ...line,
    num_turns: turns,
    duration_ms,
    total_cost_usd: 0,
    usage,
    modelUsage: {},
    permission_denials: denials,
  });
  process.exit(code);
}

function print(line: object): void {
  process.stdout.write(`${JSON.stringify({ ...line, session_id: run.session })}\n`);
}

/** The absolute path, its folder made; throws when it, or what a link on the way points to, is not inside the cwd. */
function inside(path: string): string {
  const file = resolve(cwd, path);
  const within = (place: string) => place === cwd || place.startsWith(cwd + sep);
  const outside = () => new Error(`${path} is outside of the folder that the attempt works in`);
  if (!within(file) || file === cwd) throw outside();
  let there = file;
  while (lstatSync(there, { throwIfNoEntry: false }) === undefined) there = dirname(there);
  let real: string;
  try {
    real = realpathSync(there);
  } catch {
    throw outside();
  }
  if (!within(real)) throw outside();
  mkdirSync(dirname(file), { recursive: true });
  return file;
}
