/** What can happen, as the machine hears of it. */
import type { AttemptEnd, AttemptFacts } from "../model/attempt.ts";
import type { RunId, SessionId, TaskId } from "../model/ids.ts";
import type { RightPlan } from "../model/plan.ts";
import type { Review } from "../model/review.ts";
import type { PatternsFile } from "../model/pattern.ts";
import type { SessionFile } from "../model/session.ts";
import type { Spent } from "../model/spent.ts";
import type { Status, Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Actor, StopReason } from "../model/transition.ts";

/** What the task's answer plans, where it is to become tasks if the task is done by this. */
interface Planning {
  plan?: RightPlan;
}

export type Event =
  /** Task files that were accepted; together, so that they may depend on each other. */
  | { type: "tasks-found"; session: SessionId; tasks: Task[]; by: Actor; untrusted?: ReadonlySet<TaskId> }
  /** A person saved a task's file: the whole task as it shall be, and the names of the fields that differ. */
  | ({ type: "task-edited"; session: SessionId; task: Task; fields: string[]; by: Actor } & Planning)
  /** What a workflow's step waited for is there; it is not to be done; or its condition cannot be told, and why. */
  | { type: "step-decided"; session: SessionId; id: TaskId; is: "met" | "skipped" | "wrong"; trouble?: string }
  /** Tasks that a workflow's step is done in, which had `after` of them until now; and what it gave their workflow. */
  | ({ type: "parts-known"; session: SessionId; id: TaskId; after: number | undefined; parts: Task[] } & Given)
  /** All of them are over: how they stood then, and what that makes of the step. */
  | {
      type: "parts-over";
      session: SessionId;
      id: TaskId;
      seen: ReadonlyMap<TaskId, Status>;
      outcome: "success" | "failure";
      message: string;
    }
  | { type: "task-deleted"; session: SessionId; id: TaskId; by: Actor }
  /** A person marked a file that arrived by git as trusted, or it lost that trust. */
  | { type: "trust-changed"; session: SessionId; id: TaskId; trusted: boolean }
  | { type: "session-found"; file: SessionFile; by: Actor }
  | { type: "session-edited"; file: SessionFile; fields: string[]; by: Actor }
  /** All its files are on record as they are, and none was changed since then. */
  | { type: "session-idle"; session: SessionId; since: Instant }
  | { type: "session-gone"; session: SessionId; by: Actor }
  /** The marker files that exist, newest first. */
  | { type: "markers"; present: SessionId[] }
  /** `merging`: no agent had run, what it left was to be merged. */
  | ({
      type: "ended";
      session: SessionId;
      id: TaskId;
      attempt: number;
      runId: RunId;
      end: RunEnd;
      merging?: boolean;
      /** Of a review: the reviewer's role. */
      role?: string;
    } & Planning)
  /** What can be seen of a run while it works. */
  | { type: "progress"; session: SessionId; id: TaskId; runId: RunId; seen: Spent; answered: boolean; warned?: Instant }
  /** A person wrote the response of an attempt. */
  | ({
      type: "answered";
      session: SessionId;
      id: TaskId;
      attempt: number;
      outcome: "success" | "failure";
      message: string;
    } & Planning)
  /** `errors/patterns.json` as it shall be. */
  | { type: "patterns-edited"; file: PatternsFile }
  /** Something was put in order: it goes on record. */
  | { type: "repaired"; text: string }
  /** Something about triggers: it goes on record, with what is remembered of them. */
  | { type: "triggered"; text: string }
  | { type: "tick" }
  | { type: "drain" }
  | { type: "stop-all"; why: StopReason };

type Given = Pick<NonNullable<Task["execution"]["workflow"]>, "vars" | "told">;

/** How a run ended; `stopped` is the daemon's own doing. Durations in milliseconds. */
export type RunEnd =
  /** `review`: what a reviewer has answered. `told`: the error's message without secrets, for what is learned from it: in parts they would not be known. */
  | { kind: "finished"; end: AttemptEnd; durationMs: number; told?: string; review?: Review }
  | { kind: "stopped"; why: StopReason; facts: AttemptFacts; durationMs: number };
