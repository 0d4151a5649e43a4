/** Why Claude Code cannot be started for an attempt, each with what to do next. */
import type { Failure } from "../model/failure.ts";
import type { ClaudeProgram } from "./claude-program.ts";
import type { AttemptRequest } from "./runner.ts";

interface Asked {
  request: AttemptRequest;
  program: ClaudeProgram;
  env: Record<string, string>;
  /** As it will be passed. */
  mode: string;
}

/** What of the request cannot be done; undefined when it can be started. */
export function refusalOf({ request, program, env, mode }: Asked): Failure | undefined {
  const lacking = NEEDED.filter((option) => !program.options.has(option));
  if (lacking.length > 0) {
    return {
      class: "invalid",
      message: `Claude Code ${program.version} at ${program.file} is too old: it lacks ${lacking.join(", ")}.`,
      hint: "Update it with `npm install -g @anthropic-ai/claude-code@latest`, then `cox retry`.",
    };
  }
  if (mode === "bypassPermissions" && process.getuid?.() === 0 && !isSandbox(env)) {
    return {
      class: "permission",
      message: "Claude Code refuses permission_mode bypassPermissions when it runs as root.",
      hint:
        "Run the daemon as another user, or give the role `permission_mode: acceptEdits` with the `allowed_tools` it needs. " +
        "Inside a container that is meant as a sandbox, start the daemon with IS_SANDBOX=1. Then `cox retry`.",
    };
  }
  if (Buffer.byteLength(request.prompt) > LONGEST_PROMPT) {
    return {
      class: "invalid",
      message: "The prompt is longer than the 10 MB that Claude Code takes.",
      hint: `Shorten the task or what it inherits (see ${request.promptFile}), then \`cox retry\`.`,
    };
  }
  if (Buffer.byteLength(JSON.stringify(request.task.execution.response_schema ?? {})) > LONGEST_ARGUMENT) {
    return {
      class: "invalid",
      message: "execution.response_schema is longer than the 120 kB that can be passed on.",
      hint: "Shorten the schema, then `cox retry`.",
    };
  }
  return undefined;
}

export function notFound(name: string): Failure {
  const place = name.includes("/") ? `at ${name}` : `as \`${name}\` on PATH`;
  return {
    class: "auth",
    message: `Claude Code was not found ${place}.`,
    hint:
      "Install it with `npm install -g @anthropic-ai/claude-code`, run `claude` once and log in, then `cox retry`. " +
      "If it is installed elsewhere, set `agent.claude` in .workflow/config.yaml to its absolute path.",
  };
}

export function unusable(name: string, why: string): Failure {
  return {
    class: "unknown",
    message: `\`${name} --version\` did not answer as Claude Code does: ${why}`,
    hint: `Run \`${name} --version\` and mend what it says; \`agent.claude\` names the program.`,
  };
}

export function notPrepared(runDir: string, error: Error): Failure {
  return {
    class: "unknown",
    message: `The files of the run could not be written: ${error.message}`,
    hint: `See to the disk and the permissions of ${runDir}, then \`cox retry\`.`,
  };
}

/** Claude Code refuses more than 10 MB on standard input, and the prompt may get a heading. */
const LONGEST_PROMPT = 9_999_000;
/** The kernel takes no longer single argument. */
const LONGEST_ARGUMENT = 120 * 1024;
const NEEDED = [
  ...["--output-format", "--session-id", "--resume", "--settings", "--tools"],
  ...["--setting-sources", "--strict-mcp-config"],
];

function isSandbox(env: Record<string, string>): boolean {
  return env.IS_SANDBOX === "1" || env.CLAUDE_CODE_BUBBLEWRAP === "1";
}
