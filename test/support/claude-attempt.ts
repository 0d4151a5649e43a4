/** One attempt with the real Claude Code against a scripted service: the program, a request for it, and the run. */
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { claudeRunner } from "../../src/agent/claude.ts";
import type { AttemptRequest, Launch, RunOutput } from "../../src/agent/runner.ts";
import type { Role } from "../../src/model/role.ts";
import type { Execution, Task } from "../../src/model/task.ts";

/** The Claude Code that the tests run against, or undefined where there is none for this platform. */
export function installedClaude(): string | undefined {
  try {
    const require = createRequire(import.meta.url);
    const manifest = require.resolve(`@anthropic-ai/claude-code-${process.platform}-${process.arch}/package.json`);
    const file = join(dirname(manifest), "claude");
    return existsSync(file) ? file : undefined;
  } catch {
    return undefined;
  }
}

/** A folder with an empty home and an empty working folder; removed by `remove`. */
export interface Place {
  root: string;
  home: string;
  cwd: string;
  remove: () => Promise<void>;
}

export async function newPlace(): Promise<Place> {
  const root = await realpath(await mkdtemp(join(tmpdir(), "cox-claude-")));
  const [home, cwd] = [join(root, "home"), join(root, "work")];
  await Promise.all([mkdir(join(home, ".claude"), { recursive: true }), mkdir(cwd)]);
  return { root, home, cwd, remove: () => rm(root, { recursive: true, force: true, maxRetries: 5 }) };
}

/** The environment of a user without an account, whose Claude Code asks the service at `url` once and never again. */
export function userEnvironment(place: Place, url: string): NodeJS.ProcessEnv {
  return {
    PATH: process.env.PATH,
    HOME: place.home,
    TMPDIR: place.root,
    CLAUDE_CODE_TMPDIR: place.root,
    CLAUDE_CONFIG_DIR: join(place.home, ".claude"),
    CLAUDE_CODE_MAX_RETRIES: "0",
    ANTHROPIC_BASE_URL: url,
    ANTHROPIC_API_KEY: "sk-ant-not-a-key",
  };
}

export const TESTED_ROLE: Role = {
  name: "code-developer",
  description: "",
  runner: "claude",
  allowed_tools: ["Bash"],
  prompt: "You develop.",
  origin: "built-in",
};

export type Changes = Partial<Omit<AttemptRequest, "settings" | "task" | "role">> & {
  settings?: Partial<AttemptRequest["settings"]>;
  execution?: Partial<Execution>;
  role?: Partial<Role>;
};

export function attemptRequest(place: Place, url: string, changes: Changes = {}): AttemptRequest {
  const { settings, execution, role, ...rest } = changes;
  const runId = randomUUID();
  const runDir = join(place.root, "runs", runId);
  return {
    session: "WFS-test",
    task: taskWith(execution),
    attempt: 1,
    runId,
    prompt: "# Task impl-1\n\nDo it.",
    promptFile: join(runDir, "prompt.md"),
    responseFile: join(runDir, "response.json"),
    cwd: place.cwd,
    runDir,
    repository: place.cwd,
    userEnv: userEnvironment(place, url),
    role: { ...TESTED_ROLE, ...role },
    ...rest,
    settings: {
      claude: installedClaude() ?? "claude",
      permissionMode: "acceptEdits",
      trustProjectSettings: false,
      env: [],
      deny: [],
      ...settings,
    },
  };
}

function taskWith(execution: Partial<Execution> = {}): Task {
  return {
    id: "impl-1",
    title: "Do it",
    status: "active",
    type: "feature",
    agent: "code-developer",
    paths: "",
    context: { requirements: [], scope: [], acceptance: [] },
    relations: { parent: null, subtasks: [], dependencies: [] },
    execution: { attempts: 0, last_attempt: null, ...execution },
    implementation: { files: [], context_notes: {}, analysis_source: "manual" },
  };
}

/** The launch for a request that can be started. */
export async function launchOf(request: AttemptRequest): Promise<Launch> {
  const launched = await claudeRunner.launch(request);
  if ("cannot" in launched) throw new Error(`cannot start: ${launched.cannot.error.message}`);
  return launched.ok;
}

export interface Running {
  pid: number;
  ended: Promise<RunOutput>;
}

/** Starts what the launch says. It is killed after `limitMs`, so that no test waits for ever. */
export function start(launch: Launch, limitMs = 60_000): Running {
  const child = spawn(launch.file, launch.args, { cwd: launch.cwd, env: launch.env, stdio: "pipe" });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => (stdout += chunk));
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (stderr += chunk));
  child.stdin.on("error", () => {}).end(launch.stdin);
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const ended = new Promise<RunOutput>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(limit);
      resolve({
        stdout,
        stderr,
        end: signal === null ? { kind: "exited", code: code ?? -1 } : { kind: "signalled", signal },
      });
    });
  });
  return { pid: child.pid ?? -1, ended };
}

/** Waits for a condition, 20 s at most. */
export async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 20_000; Date.now() < end;) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  throw new Error(`not in time: ${what}`);
}
