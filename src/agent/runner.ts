/** What every kind of agent has in common: what is started, and what is read when it has ended. SPEC section 6. */
import type { AttemptEnd } from "../model/attempt.ts";
import type { RunId, SessionId } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import type { Spent } from "../model/spent.ts";
import type { Task } from "../model/task.ts";

/** Everything a runner needs to know to start one attempt. Paths are absolute. */
export interface AttemptRequest {
  session: SessionId;
  task: Task;
  attempt: number;
  runId: RunId;
  role: Role;
  /** Exactly what `prompts/<attempt>.md` holds. */
  prompt: string;
  promptFile: string;
  /** Where a `command` agent may write its answer as JSON: inside `.run/`. */
  responseFile: string;
  /** Where the attempt works. */
  cwd: string;
  /** The folder of this run under `.run/attempts/`, for files the runner wants to pass along. */
  runDir: string;
  repository: string;
  /** Most that this attempt may cost, in US dollars. */
  budgetUsd?: number;
  /** Claude Code session to resume instead of starting afresh. */
  resume?: string;
  settings: RunnerSettings;
  /** The environment of the user who started the daemon; runners pass on only what the allow-list names. */
  userEnv: NodeJS.ProcessEnv;
}

/** The part of the configuration that runners read. Durations in milliseconds. */
export interface RunnerSettings {
  /** The Claude Code executable, a name on PATH or an absolute path. */
  claude: string;
  permissionMode: string;
  trustProjectSettings: boolean;
  /** Names of environment variables that every agent gets. */
  env: string[];
  deny: string[];
  model?: string;
  fallbackModel?: string;
}

/** A process to start: never through a shell, the prompt on standard input. */
export interface Launch {
  file: string;
  args: string[];
  env: Record<string, string>;
  cwd: string;
  /** The text, or a file that holds it already. */
  stdin: string | { file: string };
}

/** How the process itself ended. */
export type ProcessEnd =
  | { kind: "exited"; code: number }
  | { kind: "signalled"; signal: string }
  /** It is gone and left no exit code: killed together with its wrapper, or the machine went down. */
  | { kind: "vanished" };

/** What a run left behind in its folder. */
export interface RunOutput {
  stdout: string;
  stderr: string;
  /** Bytes of standard output before that which are not in it, if any. */
  leftOut?: number;
  end: ProcessEnd;
  /** Content of the response file, if the agent wrote one. */
  response?: string;
}

/** What can be seen of an attempt while it runs. */
export interface Progress {
  agentSession?: string;
  model?: string;
  turns: number;
  costUsd: number | null;
  /** The last thing it did, in a few words, without control characters. */
  doing?: string;
  /** Set when the account has hit its usage limit: the run will fail with it. */
  limitedUntil?: string;
  /** Set when the account is near its usage limit, which is reset then. */
  warnedUntil?: string;
  /** What it has used so far, as far as it can be told. */
  spent?: Spent;
}

/** A kind of agent. */
export interface Runner {
  /** What to start; or why it cannot be started (a program that is missing, a version that is too old). */
  launch(request: AttemptRequest): Promise<{ ok: Launch } | { cannot: AttemptEnd & { outcome: "failure" } }>;
  /** The result, from structure only. */
  read(request: Pick<AttemptRequest, "task" | "role">, output: RunOutput): AttemptEnd;
  /** Feeds what standard output has so far; called with the whole lines that were added. */
  follow(progress: Progress, lines: string[]): Progress;
}
