/** A decision in the making: reads the state through the changes already decided, and never touches the state itself. */
import { parentOf, taskKey, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import type { PatternsFile } from "../model/pattern.ts";
import type { Phase, SessionFile } from "../model/session.ts";
import { NOTHING, type Spent } from "../model/spent.ts";
import type { Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Breaker, Change, Effect, Run } from "../model/transition.ts";
import { unreachable } from "../model/unreachable.ts";
import { isAsked, isOpen, isReady, phaseOfTask, startsBefore, type Session, type State } from "./state.ts";

export class Draft {
  readonly changes: Change[] = [];
  readonly effects: Effect[] = [];
  /** Tasks that this decision changed, by session. */
  readonly touched = new Map<SessionId, Map<TaskId, Task | null>>();
  /** Of these, the subtasks: by `<session>/<parent>`. */
  private readonly touchedSubtasks = new Map<TaskKey, Set<TaskId>>();
  private readonly files = new Map<SessionId, SessionFile | null>();
  private readonly liveRuns = new Map<TaskKey, Run | null>();
  private readonly liveLimits = new Map<string, Instant | null>();
  private readonly liveWarnings = new Map<string, Instant | null>();
  private readonly liveProven = new Map<string, boolean>();
  private spentThen: State["spent"] | undefined;
  private readonly liveBreakers = new Map<string, Breaker>();
  private learned: PatternsFile | undefined;
  private isDraining: boolean | undefined;
  private readonly state: State;

  constructor(state: State) {
    this.state = state;
  }

  add(...changes: Change[]): void {
    for (const change of changes) {
      this.changes.push(change);
      this.note(change);
    }
  }

  act(effect: Effect): void {
    this.effects.push(effect);
  }

  sessionIds(): SessionId[] {
    const ids = new Set(this.state.sessions.keys());
    for (const [id, file] of this.files) file ? ids.add(id) : ids.delete(id);
    return [...ids].sort();
  }

  session(id: SessionId): SessionFile | undefined {
    const changed = this.files.get(id);
    return changed === null ? undefined : (changed ?? this.state.sessions.get(id)?.file);
  }

  task(session: SessionId, id: TaskId): Task | undefined {
    const changed = this.touched.get(session)?.get(id);
    return changed === null ? undefined : (changed ?? this.base(session)?.tasks.get(id));
  }

  taskCount(session: SessionId): number {
    const tasks = this.base(session)?.tasks;
    let count = tasks?.size ?? 0;
    for (const [id, task] of this.touched.get(session) ?? []) count += (task ? 1 : 0) - (tasks?.has(id) ? 1 : 0);
    return count;
  }

  /** How many tasks are not done yet, by phase. */
  openWork(session: SessionId): Record<Phase, number> {
    const base = this.base(session);
    const open: Record<Phase, number> = base ? { ...base.index.open } : { PLAN: 0, IMPLEMENT: 0, REVIEW: 0 };
    for (const [id, task] of this.touched.get(session) ?? []) {
      const before = base?.tasks.get(id);
      if (before && isOpen(before)) open[phaseOfTask(before)]--;
      if (task && isOpen(task)) open[phaseOfTask(task)]++;
    }
    return open;
  }

  *tasks(session: SessionId): Generator<Task> {
    const touched = this.touched.get(session);
    for (const [id, task] of this.base(session)?.tasks ?? []) if (!touched?.has(id)) yield task;
    for (const task of touched?.values() ?? []) if (task) yield task;
  }

  children(session: SessionId, parent: TaskId): TaskId[] {
    const found = new Set(this.base(session)?.index.children.get(parent));
    for (const id of this.touchedSubtasks.get(taskKey(session, parent)) ?? []) {
      if (this.touched.get(session)?.get(id)) found.add(id);
      else found.delete(id);
    }
    return [...found];
  }

  /** Pending tasks with their dependencies met, in starting order, lazily: the first few are all that is mostly needed. */
  *ready(session: SessionId): Generator<Task> {
    const base = this.base(session);
    const unsure = new Set<TaskId>(this.touched.get(session)?.keys());
    for (const id of [...unsure]) for (const next of base?.index.dependents.get(id) ?? []) unsure.add(next);
    const extra: Task[] = [];
    for (const id of unsure) {
      const task = this.task(session, id);
      if (task && isReady(task, (other) => this.task(session, other))) extra.push(task);
    }
    extra.sort(startsBefore);
    let next = 0;
    for (const id of base?.index.ready ?? []) {
      if (unsure.has(id)) continue;
      const task = base?.tasks.get(id);
      if (!task) continue;
      while (next < extra.length && startsBefore(extra[next] as Task, task) < 0) yield extra[next++] as Task;
      yield task;
    }
    while (next < extra.length) yield extra[next++] as Task;
  }

  /** Pending tasks with a time before which they do not start. */
  waiting(session: SessionId): Task[] {
    const ids = new Set(this.base(session)?.index.waiting);
    for (const id of this.touched.get(session)?.keys() ?? []) ids.add(id);
    return [...ids].flatMap((id) => {
      const task = this.task(session, id);
      return task?.status === "pending" && task.execution.next_attempt_at ? [task] : [];
    });
  }

  run(session: SessionId, id: TaskId): Run | undefined {
    const key = taskKey(session, id);
    const changed = this.liveRuns.get(key);
    return changed === null ? undefined : (changed ?? this.state.runs.get(key));
  }

  runs(): Run[] {
    const all = new Map<TaskKey, Run>(this.state.runs);
    for (const [key, run] of this.liveRuns) run ? all.set(key, run) : all.delete(key);
    return [...all.values()];
  }

  isAlive(key: TaskKey): boolean {
    const changed = this.liveRuns.get(key);
    return changed !== null && (changed !== undefined || this.state.runs.has(key));
  }

  limit(account: string): Instant | undefined {
    const changed = this.liveLimits.get(account);
    return changed === null ? undefined : (changed ?? this.state.limits.get(account));
  }

  warning(account: string): Instant | undefined {
    const changed = this.liveWarnings.get(account);
    return changed === null ? undefined : (changed ?? this.state.warnings.get(account));
  }

  isProven(account: string): boolean {
    return this.liveProven.get(account) ?? this.state.proven.has(account);
  }

  /** On the latest day on which anything was. */
  get spent(): State["spent"] {
    return this.spentThen ?? this.state.spent;
  }

  /** What the workspace has spent on the day, without the runs that live. */
  spentOn(day: string): Spent {
    const latest = this.spent;
    return latest.day === day ? { usd: latest.usd, tokens: latest.tokens } : NOTHING;
  }

  /** Tasks of the session that wait for a budget. */
  overBudget(session: SessionId): Task[] {
    const ids = new Set(this.base(session)?.index.overBudget);
    for (const id of this.touched.get(session)?.keys() ?? []) ids.add(id);
    return [...ids].flatMap((id) => {
      const task = this.task(session, id);
      return task?.status === "blocked" && task.execution.over_budget ? [task] : [];
    });
  }

  /** Tasks of the session that wait for a person until their `due_at`. */
  asked(session: SessionId): Task[] {
    const ids = new Set(this.base(session)?.index.asked);
    for (const id of this.touched.get(session)?.keys() ?? []) ids.add(id);
    return [...ids].flatMap((id) => {
      const task = this.task(session, id);
      return task && isAsked(task) ? [task] : [];
    });
  }

  breaker(key: string): Breaker {
    return this.liveBreakers.get(key) ?? this.state.breakers.get(key) ?? { state: "closed", failures: [] };
  }

  get patterns(): PatternsFile {
    return this.learned ?? this.state.patterns;
  }

  get draining(): boolean {
    return this.isDraining ?? this.state.draining;
  }

  private base(session: SessionId): Session | undefined {
    return this.files.get(session) === null ? undefined : this.state.sessions.get(session);
  }

  private put(session: SessionId, id: TaskId, task: Task | null): void {
    const tasks = this.touched.get(session);
    if (tasks) tasks.set(id, task);
    else this.touched.set(session, new Map([[id, task]]));
    const parent = parentOf(id);
    if (parent === null) return;
    const key = taskKey(session, parent);
    const subtasks = this.touchedSubtasks.get(key);
    if (subtasks) subtasks.add(id);
    else this.touchedSubtasks.set(key, new Set([id]));
  }

  private note(change: Change): void {
    switch (change.of) {
      case "task":
        this.put(change.session, change.id, change.after);
        for (const other of change.also ?? []) this.put(change.session, other.id, other);
        return;
      case "task-edit":
        this.put(change.session, change.id, change.after);
        return;
      case "session":
      case "session-edit":
      case "session-file":
        this.files.set(change.session, change.after);
        return;
      case "workspace":
        return;
      case "run-started":
        this.liveRuns.set(taskKey(change.run.session, change.run.id), change.run);
        return;
      case "run-stopping": {
        const run = this.run(change.session, change.id);
        if (run)
          this.liveRuns.set(taskKey(change.session, change.id), { ...run, stopping: run.stopping ?? change.why });
        return;
      }
      case "run-ended":
        this.liveRuns.set(taskKey(change.session, change.id), null);
        return;
      case "run-progress": {
        const run = this.run(change.session, change.id);
        if (run) this.liveRuns.set(taskKey(change.session, change.id), { ...run, seen: change.seen });
        return;
      }
      case "spent":
        this.spentThen = { day: change.day, ...change.spent };
        return;
      case "warning":
        this.liveWarnings.set(change.account, change.until);
        return;
      case "proven":
        this.liveProven.set(change.account, change.proven);
        return;
      case "limit":
        this.liveLimits.set(change.account, change.until);
        return;
      case "breaker":
        this.liveBreakers.set(change.key, change.breaker);
        return;
      case "patterns":
        this.learned = change.after;
        return;
      case "draining":
        this.isDraining = change.draining;
        return;
      default:
        unreachable(change);
    }
  }
}
