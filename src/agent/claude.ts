/**
 * The `claude` runner: the real Claude Code CLI, without a terminal. What it may do is decided by role and settings;
 * nothing of the repository's own Claude Code configuration is loaded unless `trustProjectSettings` says so.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { NO_FACTS, type AttemptEnd } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { findClaude, isAtLeast, type ClaudeProgram } from "./claude-program.ts";
import { notFound, notPrepared, refusalOf, unusable } from "./claude-refusal.ts";
import { followClaude, readClaude } from "./claude-stream.ts";
import { systemPrompt } from "./claude-system-prompt.ts";
import { agentEnvironment } from "./environment.ts";
import type { AttemptRequest, Launch, Runner } from "./runner.ts";

export const claudeRunner: Runner = {
  launch,
  read: ({ task }, output) => readClaude(output, { structured: task.execution.response_schema !== undefined }),
  follow: followClaude,
};

/** What an agent gets whose role names no tools. */
const DEFAULT_TOOLS = ["Bash", "Read", "Edit", "Write", "Glob", "Grep"];

type Launched = Awaited<ReturnType<Runner["launch"]>>;

async function launch(request: AttemptRequest): Promise<Launched> {
  const env = environment(request);
  const found = await findClaude(request.settings.claude, env);
  if ("missing" in found) return cannot(notFound(request.settings.claude));
  if ("unusable" in found) return cannot(unusable(request.settings.claude, found.unusable));
  const program = found.ok;
  const refusal = refusalOf({ request, program, env, mode: permissionMode(request) });
  if (refusal) return cannot(refusal);

  try {
    return { ok: await prepare(request, program, env) };
  } catch (error) {
    return cannot(notPrepared(request.runDir, error as Error));
  }
}

/** The files of this run, and what to start with them. */
async function prepare(request: AttemptRequest, program: ClaudeProgram, env: Record<string, string>): Promise<Launch> {
  await mkdir(request.runDir, { recursive: true });
  const settingsFile = join(request.runDir, "claude-settings.json");
  await writeFile(settingsFile, `${JSON.stringify({ permissions: { deny: request.settings.deny } }, null, 2)}\n`);
  // With trusted project settings Claude Code loads CLAUDE.md itself.
  const folders = request.settings.trustProjectSettings ? [] : [request.cwd, request.repository];
  const system = await systemPrompt(request.role, folders);
  const systemFile = join(request.runDir, "claude-system-prompt.md");
  if (system !== undefined) await writeFile(systemFile, system);

  const args = [...claudeArguments(request, program), "--settings", settingsFile];
  if (system !== undefined) args.push("--append-system-prompt-file", systemFile);
  return {
    file: program.file,
    args,
    env: { ...env, ...mentionsOff(program) },
    cwd: request.cwd,
    stdin: guarded(request.prompt),
  };
}

/** Everything but the files of this run. */
function claudeArguments(request: AttemptRequest, program: ClaudeProgram): string[] {
  const { role, settings, task } = request;
  const { execution } = task;
  const args = ["-p", "--output-format", "stream-json", "--verbose"];
  args.push(...(request.resume === undefined ? ["--session-id", request.runId] : ["--resume", request.resume]));
  if (!settings.trustProjectSettings) args.push("--setting-sources", "", "--strict-mcp-config");

  const { tools, allowed } = toolsOf(request);
  args.push("--permission-mode", permissionMode(request));
  args.push("--tools", tools.join(","));
  if (allowed.length > 0) args.push("--allowedTools", ...allowed);
  if (role.disallowed_tools?.length) args.push("--disallowedTools", ...role.disallowed_tools);

  const option = (name: string, value: string | number | undefined) => {
    if (value !== undefined && value !== "") args.push(name, String(value));
  };
  option("--max-turns", execution.max_turns ?? role.max_turns);
  // It takes no zero: with nothing left it ends after its first answer.
  const budget = request.budgetUsd ?? execution.budget_usd;
  option("--max-budget-usd", budget === undefined ? undefined : Math.max(0.01, budget));
  const model = execution.model ?? role.model ?? settings.model;
  option("--model", model);
  if (settings.fallbackModel !== model) option("--fallback-model", settings.fallbackModel);
  if (program.options.has("--effort")) option("--effort", execution.effort ?? role.effort);
  if (program.options.has("--permission-prompts")) option("--permission-prompts", "none");
  if (execution.response_schema !== undefined) option("--json-schema", JSON.stringify(execution.response_schema));
  return args;
}

/**
 * `--tools` takes names only: a rule such as `Bash(git log *)` among the tools also says what of it is allowed. A task's
 * own are instead of its role's, and of what the role allows only what is among them.
 */
function toolsOf({ role, task }: AttemptRequest): { tools: string[]; allowed: string[] } {
  const { tools: own } = task.execution;
  const wanted = own ?? role.tools ?? DEFAULT_TOOLS;
  const names = new Set(wanted.map((tool) => tool.replace(/\(.*$/s, "")));
  const isMcp = (tool: string) => tool.startsWith("mcp__");
  const tools = wanted.filter((tool) => !isMcp(tool)).map((tool) => tool.replace(/\(.*$/s, ""));
  const rules = wanted.filter((tool) => isMcp(tool) || tool.includes("("));
  const ofRole = (role.allowed_tools ?? []).filter((rule) => !own || names.has(rule.replace(/\(.*$/s, "")));
  return { tools: [...new Set(tools)], allowed: [...new Set([...rules, ...ofRole])] };
}

/** `manual` is the newer name of `default`; every version takes `default`. */
function permissionMode({ role, settings }: AttemptRequest): string {
  const mode = role.permission_mode ?? settings.permissionMode;
  return mode === "manual" ? "default" : mode;
}

/** A prompt that begins with a slash is run as a command of Claude Code's own, one with a dash or @ is misread too. */
function guarded(prompt: string): string {
  return /^\s*[^\s/@\-!]/.test(prompt) ? prompt : `Task:\n${prompt}`;
}

function environment(request: AttemptRequest): Record<string, string> {
  const { settings, role, task, userEnv } = request;
  const extra = {
    COX_RUN_ID: request.runId,
    COX_SESSION: request.session,
    COX_TASK: task.id,
    COX_ATTEMPT: String(request.attempt),
  };
  const names = [...settings.env, ...(role.env ?? []), ...(task.execution.env ?? [])];
  return { ...DEFAULTS, ...agentEnvironment({ userEnv, names, runner: "claude", extra }), ...SWITCHES };
}

/** A person's own environment wins over these: bounds on waiting, and no talk with hosts that the work does not need. */
const DEFAULTS = {
  CLAUDE_CODE_MAX_RETRIES: "3",
  API_TIMEOUT_MS: "300000",
  CLAUDE_CODE_DISABLE_AUTO_MEMORY: "1",
  CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: "1",
};
/** What the reading of the output relies on: one result line, nothing left running, no update in mid run. */
const SWITCHES = {
  CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "1",
  CLAUDE_CODE_STARTUP_FAILURE_RESULTS: "1",
  DISABLE_AUTOUPDATER: "1",
};

/**
 * `@/path` anywhere in a prompt inlines that file without asking, even one that the Read tool would refuse, and prompts
 * quote what other agents wrote. Versions before the narrow switch only know the one for all attachments.
 */
function mentionsOff({ version }: ClaudeProgram): Record<string, string> {
  return isAtLeast(version, "2.1.329")
    ? { CLAUDE_CODE_DISABLE_FILE_MENTIONS: "1" }
    : { CLAUDE_CODE_DISABLE_ATTACHMENTS: "1" };
}

function cannot(error: Failure): { cannot: AttemptEnd & { outcome: "failure" } } {
  return { cannot: { ...NO_FACTS, outcome: "failure", result: "", error } };
}
