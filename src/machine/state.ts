/** All that decisions are made from, and the indexes that make them cheap with ten thousand tasks. */
import { compareTaskIds, parentOf, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import { noPatterns, type PatternsFile } from "../model/pattern.ts";
import type { Phase, SessionFile } from "../model/session.ts";
import { NOTHING, type Spent } from "../model/spent.ts";
import type { Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Breaker, Run } from "../model/transition.ts";

export interface State {
  sessions: Map<SessionId, Session>;
  /** Agents that live or may live: at most one for a task. */
  runs: Map<TaskKey, Run>;
  /** Accounts at their usage limit, and until when. */
  limits: Map<string, Instant>;
  /** Accounts near their usage limit, and until when. */
  warnings: Map<string, Instant>;
  /** Accounts that are known to get answers. */
  proven: Set<string>;
  /** What was spent on the latest day on which anything was. */
  spent: { day: string } & Spent;
  breakers: Map<string, Breaker>;
  patterns: PatternsFile;
  /** The daemon is about to stop: nothing new starts. */
  draining: boolean;
}

export interface Session {
  file: SessionFile;
  tasks: Map<TaskId, Task>;
  index: Index;
}

/** Derived from the tasks; {@link setTask} keeps it true. */
export interface Index {
  dependents: Map<TaskId, Set<TaskId>>;
  children: Map<TaskId, Set<TaskId>>;
  /** Pending tasks whose dependencies are met, in starting order. */
  ready: TaskId[];
  /** Pending tasks with a `next_attempt_at`. */
  waiting: Set<TaskId>;
  /** Tasks that are blocked until a budget is raised. */
  overBudget: Set<TaskId>;
  /** Tasks that wait for a person, and for no longer than their `due_at`. */
  asked: Set<TaskId>;
  /** How many tasks are not done yet, by phase. */
  open: Record<Phase, number>;
}

export function emptyState(): State {
  return {
    sessions: new Map(),
    runs: new Map(),
    limits: new Map(),
    warnings: new Map(),
    proven: new Set(),
    spent: { day: "", ...NOTHING },
    breakers: new Map(),
    patterns: noPatterns(),
    draining: false,
  };
}

export function emptySession(file: SessionFile): Session {
  const open = { PLAN: 0, IMPLEMENT: 0, REVIEW: 0 };
  return {
    file,
    tasks: new Map(),
    index: {
      dependents: new Map(),
      children: new Map(),
      ready: [],
      waiting: new Set(),
      overBudget: new Set(),
      asked: new Set(),
      open,
    },
  };
}

const PHASE_OF_ROLE: Record<string, Phase> = { "planning-agent": "PLAN", "review-agent": "REVIEW" };

/** The phase of the work that a task is; implementing, unless its role says otherwise, or the work is being judged. */
export function phaseOfTask(task: Task): Phase {
  const { last_attempt: last, reviews, approve, plan, reason } = task.execution;
  const isDone = last?.outcome === "success" && reviews?.attempt === last.attempt;
  if (isDone || (approve === "after" && plan !== "required" && reason === "awaiting-approval")) return "REVIEW";
  return (Object.hasOwn(PHASE_OF_ROLE, task.agent) ? PHASE_OF_ROLE[task.agent] : undefined) ?? "IMPLEMENT";
}

/** Whether there is work left in the task itself: a container's is in its subtasks. */
export function isOpen(task: Task): boolean {
  return task.status !== "completed" && task.status !== "container";
}

/** Whether a task that waits for `dependency` may go on: a failed or cancelled one releases only with `continue_on_error`. */
export function releases(dependency: Task | undefined): boolean {
  if (!dependency) return false;
  if (dependency.status === "completed") return true;
  return dependency.execution.continue_on_error === true && hasFailed(dependency);
}

/** Given up, or cancelled; not what waits for a person. */
export function hasFailed({ status, execution }: Task): boolean {
  return status === "blocked" && GIVEN_UP.has(execution.reason ?? "cancelled");
}

const GIVEN_UP = new Set([
  "failed",
  "timeout",
  "stalled",
  "budget",
  "verify",
  "conflict",
  "auth",
  "invalid",
  "cancelled",
]);

/** Whether a step of a workflow may not start yet, whatever its dependencies. */
export function isHeld({ execution: { workflow, when } }: Task): boolean {
  if (workflow?.step === undefined) return false;
  if (isWhole(workflow)) return true;
  if (workflow.met) return false;
  const isOne = workflow.index !== undefined || workflow.round !== undefined;
  return when !== undefined || (!isOne && (workflow.finally === true || workflow.handles !== undefined));
}

/** Whether a step is done in several tasks: its own never runs, it waits for those. */
export function isWhole(workflow: Task["execution"]["workflow"]): boolean {
  return workflow?.for_each !== undefined || workflow?.repeat !== undefined || workflow?.call !== undefined;
}

/** Whether a person is asked, for so long. */
export function isAsked({ status, execution: { reason, due_at: due } }: Task): boolean {
  return status === "blocked" && reason === "awaiting-person" && typeof due === "string";
}

export function isReady(task: Task, taskOf: (id: TaskId) => Task | undefined): boolean {
  if (task.status !== "pending" || isHeld(task)) return false;
  return task.relations.dependencies.every((id) => releases(taskOf(id)));
}

/** Starting order: higher priority first, then lower id. */
export function startsBefore(a: Task, b: Task): number {
  return (b.execution.priority ?? 0) - (a.execution.priority ?? 0) || compareTaskIds(a.id, b.id);
}

/** Puts a task in its session, or takes it out (null), and brings the indexes up to date. */
export function setTask(session: Session, id: TaskId, task: Task | null): void {
  const { tasks, index } = session;
  const old = tasks.get(id);
  const parent = parentOf(id);
  if (old) {
    removeReady(session, old);
    index.waiting.delete(id);
    index.overBudget.delete(id);
    index.asked.delete(id);
    for (const dependency of old.relations.dependencies) index.dependents.get(dependency)?.delete(id);
    if (parent) index.children.get(parent)?.delete(id);
    if (isOpen(old)) index.open[phaseOfTask(old)]--;
  }
  if (task) {
    tasks.set(id, task);
    for (const dependency of task.relations.dependencies) addTo(index.dependents, dependency, id);
    if (parent) addTo(index.children, parent, id);
    if (isOpen(task)) index.open[phaseOfTask(task)]++;
    if (task.status === "pending" && task.execution.next_attempt_at) index.waiting.add(id);
    if (task.status === "blocked" && task.execution.over_budget) index.overBudget.add(id);
    if (isAsked(task)) index.asked.add(id);
    if (isReady(task, (other) => tasks.get(other))) insertReady(session, task);
  } else {
    tasks.delete(id);
  }
  if (releases(old) !== releases(task ?? undefined)) {
    for (const dependent of index.dependents.get(id) ?? []) {
      const waiting = tasks.get(dependent);
      if (!waiting) continue;
      removeReady(session, waiting);
      if (isReady(waiting, (other) => tasks.get(other))) insertReady(session, waiting);
    }
  }
}

function addTo(map: Map<TaskId, Set<TaskId>>, key: TaskId, value: TaskId): void {
  const set = map.get(key);
  if (set) set.add(value);
  else map.set(key, new Set([value]));
}

function insertReady(session: Session, task: Task): void {
  session.index.ready.splice(placeOf(session, task), 0, task.id);
}

function removeReady(session: Session, task: Task): void {
  const { ready } = session.index;
  const place = placeOf(session, task);
  if (ready[place] === task.id) ready.splice(place, 1);
}

/** Where the task stands, or would stand, in `ready`. */
function placeOf(session: Session, task: Task): number {
  const { ready } = session.index;
  let low = 0;
  let high = ready.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = session.tasks.get(ready[middle] as TaskId);
    if (other && other.id !== task.id && startsBefore(other, task) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
