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
}

/** How an agent's process ended, as its runner reads it. `interrupted` is the daemon's own stop. */
export type AttemptEnd = AttemptFacts &
  (
    | { outcome: "success"; result: string; structured?: unknown }
    | { outcome: "failure"; result: string; error: Failure }
  );

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
}

export const NO_FACTS: AttemptFacts = {
  agent_session: null,
  model: null,
  cost_usd: null,
  tokens: null,
  turns: null,
  permission_denials: [],
};
