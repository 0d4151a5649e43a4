/** What happens to tasks and sessions, and what the daemon is asked to do about it: both as values. */
import type { AttemptFacts } from "./attempt.ts";
import type { RunId, SessionId, TaskId } from "./ids.ts";
import type { PatternsFile } from "./pattern.ts";
import type { SessionFile, SessionStatus } from "./session.ts";
import type { Spent } from "./spent.ts";
import type { Status, Task } from "./task.ts";
import type { Instant } from "./time.ts";

export type Actor = "daemon" | "person";

/** A change of a task's or session's state, or a person's edit that changes none: each becomes one ledger commit. */
export type Transition =
  | {
      of: "task";
      session: SessionId;
      id: TaskId;
      from: Status | "new";
      to: Status | "deleted";
      by: Actor;
      /** The task as its file stands afterwards; null when it is deleted. */
      after: Task | null;
      /** Other tasks whose files change with it (a parent's list of subtasks). */
      also?: Task[];
      /** Why, where the task itself does not say. */
      reason?: string;
      attempt?: number;
      facts?: Partial<AttemptFacts>;
    }
  | { of: "task-edit"; session: SessionId; id: TaskId; by: Actor; fields: string[]; after: Task }
  | {
      of: "session";
      session: SessionId;
      from: SessionStatus | "new";
      /** `archived`: it has left the disk by the rules of retention; nobody deleted it. */
      to: SessionStatus | "deleted" | "archived";
      by: Actor;
      reason?: string;
      after: SessionFile | null;
    }
  | { of: "session-edit"; session: SessionId; by: Actor; fields: string[]; after: SessionFile }
  /** `calm`: nothing was wrong. */
  | { of: "workspace"; text: string; by: Actor; calm?: boolean };

/** State beside the tasks: kept in the checkpoint, no commit of its own. */
export type Bookkeeping =
  /** The session file's derived facts (type, phase, progress, cost) have changed. */
  | { of: "session-file"; session: SessionId; after: SessionFile }
  | { of: "run-started"; run: Run }
  | { of: "run-stopping"; session: SessionId; id: TaskId; why: StopReason }
  | { of: "run-ended"; session: SessionId; id: TaskId }
  /** What a run has used so far. */
  | { of: "run-progress"; session: SessionId; id: TaskId; seen: Spent }
  /** What the whole workspace has spent on that day. */
  | { of: "spent"; day: string; spent: Spent }
  | { of: "limit"; account: string; until: Instant | null }
  /** An account is near its limit: until then few agents run at once. */
  | { of: "warning"; account: string; until: Instant | null }
  /** Whether an agent of this account was seen to get answers since the daemon began, or since its last limit. */
  | { of: "proven"; account: string; proven: boolean }
  | { of: "breaker"; key: string; breaker: Breaker }
  /** What is known of failures: `errors/patterns.json`. */
  | { of: "patterns"; after: PatternsFile }
  | { of: "draining"; draining: boolean };

export type Change = Transition | Bookkeeping;

export type StopReason = "cancelled" | "requeued" | "deleted" | "timeout" | "stalled" | "budget" | "shutdown";

/** An agent that lives, or may live. */
export interface Run {
  session: SessionId;
  id: TaskId;
  attempt: number;
  runId: RunId;
  role: string;
  model: string | null;
  startedAt: Instant;
  /** Where it works: in a worktree of its own it is in nobody's way. */
  isolation: "worktree" | "none";
  /** It begins in a fresh worktree, whatever the attempt before left. */
  clean?: boolean;
  /** No agent: what the last attempt left is merged. */
  merging?: boolean;
  /** Which review of the attempt it is: what the attempt left is looked at, by the role of this run. */
  review?: number;
  /** What it may write, for keeping others away: declared paths; `any` when none are declared; `none`. */
  writes: string[] | "any" | "none";
  stopping?: StopReason;
  /** What it has used so far, as far as its output tells. */
  seen?: Spent;
}

/** Circuit breaker of one role and model; failure times are kept while they count. */
export type Breaker =
  { state: "closed"; failures: Instant[] } | { state: "open"; until: Instant } | { state: "half-open"; probe: string };

/** What the daemon does after a decision is on record. */
export type Effect =
  | { do: "start-agent"; run: Run }
  | { do: "stop-agent"; session: SessionId; id: TaskId; attempt: number; runId: RunId; why: StopReason }
  | { do: "touch-marker"; session: SessionId }
  | { do: "remove-marker"; session: SessionId }
  /** The session's folder leaves the disk. */
  | { do: "put-away"; session: SessionId }
  | { do: "wake"; at: Instant };

/** Whether a change becomes a commit. */
export function isTransition(change: Change): change is Transition {
  return (
    change.of === "task" ||
    change.of === "task-edit" ||
    change.of === "session" ||
    change.of === "session-edit" ||
    change.of === "workspace"
  );
}
