/** What comes back from one attempt. */
import type { Failure } from "./failure.ts";
import type { RunId, TaskId } from "./ids.ts";

export interface Tokens {
  input: number;
  output: number;
  cache_read: number;
  cache_write: number;
}

/** A tool use that Claude Code refused, as its result line lists it. */
export interface PermissionDenial {
  tool_name: string;
  tool_input?: unknown;
}

/** The facts every ended attempt has; what a runner could not tell is null. */
export interface AttemptFacts {
  /** The agent's own session (Claude Code's session id), with which it can be resumed. */
  agent_session: string | null;
  model: string | null;
  /** At list prices, as Claude Code estimates it; null when nothing was paid by token. */
  cost_usd: number | null;
  tokens: Tokens | null;
  turns: number | null;
  permission_denials: PermissionDenial[];
  /** What it did to the code, and how its gates came out; absent where nothing was looked at. */
  work?: Work;
  gates?: GateResult[];
  /** What a person should know of a review: what its reviewer changed. */
  noticed?: string[];
}

/** How an agent's process ended, as its runner reads it. `interrupted` is the daemon's own stop. */
export type AttemptEnd = AttemptFacts &
  (
    | { outcome: "success"; result: string; structured?: unknown }
    | { outcome: "failure"; result: string; error: Failure }
  );

/** What an attempt did to the code, where it worked in a worktree. Commits are full object names. SPEC section 8. */
export interface Work {
  /** `cox/<session>/<task>`. */
  branch: string;
  /** What the task's branch started from. */
  base: string;
  /** The tip of the task's branch; null where the code is as it was. */
  commit: string | null;
  /** The commit of the session's branch that brought it there; null while it is not merged. */
  merged: string | null;
  /** From `base` to `commit`, oldest first, without merges; `patch` as `git patch-id --stable` gives it. */
  commits: { id: string; patch: string | null }[];
  /** What differs from `base`: the new content's blob (null: deleted), and lines (null: not text). */
  files: { path: string; blob: string | null; added: number | null; deleted: number | null }[];
  /** What was left out of the commit, and stays in the worktree. */
  withheld?: { path: string; why: string }[];
  /** What a person should know of: the repository's own settings that changed while the agent was at work. */
  noticed?: string[];
}

/** One gate as it came out; `output` is its end. */
export interface GateResult {
  command: string;
  passed: boolean;
  exit_code: number | null;
  duration_ms: number;
  output: string;
}

/** `responses/impl-1-a1.json`. Durations in milliseconds, cost in US dollars. */
export interface ResponseFile {
  task: TaskId;
  attempt: number;
  run_id: RunId | null;
  agent_session: string | null;
  outcome: "success" | "failure";
  result: string;
  structured?: unknown;
  error?: Failure;
  cost_usd: number | null;
  tokens: Tokens | null;
  turns: number | null;
  duration_ms: number | null;
  model: string | null;
  permission_denials: PermissionDenial[];
  work?: Work;
  gates?: GateResult[];
  /** Where nobody wrote it: the default, when the time limit had passed. */
  answered_by?: "time-limit";
  /** Of a review (`responses/impl-1-a1-r1.json`): whose it is. */
  role?: string;
}

export const NO_FACTS: AttemptFacts = {
  agent_session: null,
  model: null,
  cost_usd: null,
  tokens: null,
  turns: null,
  permission_denials: [],
};
