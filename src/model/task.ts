/** What a task is: its file, its state as a union, and the two ways between them. SPEC section 3. */
import type { BLOCKED_REASONS, PENDING_REASONS, STATUSES, TYPES, TaskDropShape, TaskShape } from "./task-schema.ts";
import type { Instant } from "./time.ts";

export type Status = (typeof STATUSES)[number];
export type TaskType = (typeof TYPES)[number];
export type BlockedReason = (typeof BLOCKED_REASONS)[number];
export type PendingReason = (typeof PENDING_REASONS)[number];

/** A task as its file holds it: unknown keys and key order of a person's file are part of the value. */
export type Task = TaskShape;
export type TaskDrop = TaskDropShape;
export type Execution = Task["execution"];
export type LastAttempt = NonNullable<Execution["last_attempt"]>;

/** The state of a task with the facts that belong to it; the file holds it flat. */
export type TaskState =
  | { status: "pending"; reason?: PendingReason; nextAttemptAt?: Instant }
  | { status: "active" }
  | { status: "completed" }
  | { status: "blocked"; reason: BlockedReason }
  | { status: "container" };

/** The task's state as its file tells it; a blocked task without a known reason counts as cancelled by hand. */
export function stateOf(task: Task): TaskState {
  const { reason, next_attempt_at } = task.execution;
  switch (task.status) {
    case "pending":
      return {
        status: "pending",
        ...(reason ? { reason: reason as PendingReason } : {}),
        ...(next_attempt_at ? { nextAttemptAt: next_attempt_at } : {}),
      };
    case "blocked":
      return { status: "blocked", reason: (reason ?? "cancelled") as BlockedReason };
    default:
      return { status: task.status };
  }
}

/** The task with another state; facts of the old state go, everything else stays. */
export function withState(task: Task, state: TaskState): Task {
  const execution: Execution = { ...task.execution };
  delete execution.reason;
  delete execution.next_attempt_at;
  if (state.status !== "blocked" || state.reason !== "budget") delete execution.over_budget;
  delete execution.conflict;
  if (state.status !== "blocked" || state.reason !== "awaiting-person") delete execution.due_at;
  if ((state.status === "pending" || state.status === "blocked") && state.reason) execution.reason = state.reason;
  if (state.status === "pending" && state.nextAttemptAt) execution.next_attempt_at = state.nextAttemptAt;
  return { ...task, status: state.status, execution };
}

/** The task with some fields of `execution` changed; a field given as undefined is removed. */
export function withExecution(task: Task, changes: { [K in keyof Execution]?: Execution[K] | undefined }): Task {
  const execution: Record<string, unknown> = { ...task.execution };
  for (const [key, value] of Object.entries(changes)) {
    if (value === undefined) delete execution[key];
    else execution[key] = value;
  }
  return { ...task, execution: execution as Execution };
}

/** The declared paths, `src/auth;tests/auth` → `["src/auth", "tests/auth"]`, without a trailing slash. */
export function pathsOf(task: Task): string[] {
  return task.paths
    .split(";")
    .map((path) => path.trim().replace(/\/+$/, ""))
    .filter((path) => path !== "");
}
