/**
 * Decides what the machine cannot, since it has no results: whether the conditions of workflows' steps are met, and
 * whether what they handle has failed. Each look compares what there is, so that nothing hangs on an event.
 */
import { hasFailed, isHeld, isWhole, releases } from "../machine/state.ts";
import type { Event } from "../machine/event.ts";
import { parentOf, taskKey, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";
import { othersInScope } from "../workflow/scope.ts";
import { stuckAmong } from "../workflow/stuck.ts";
import type { Observation } from "./observation.ts";
import { conditionOf } from "./step-conditions.ts";
import { Wholes } from "./wholes.ts";
import type { Workspace } from "./workspace.ts";

type Decided = Extract<Event, { type: "step-decided" }>;

export class HeldSteps {
  private readonly workspace: Workspace;
  /** Runs of which something has changed: session and the run's own task. */
  private readonly due = new Map<TaskKey, { session: SessionId; run: TaskId }>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    for (const [session, { tasks }] of workspace.state.sessions)
      for (const task of tasks.values()) this.noteTask(session, task);
  }

  /** Whether there is something to look at: nothing once the daemon is told to end. */
  note(changes: readonly Change[]): boolean {
    for (const change of changes)
      if (change.of === "task" || change.of === "task-edit") {
        const { session, id, after } = change;
        if (after) this.noteTask(session, after);
        // What was made for a step, and is gone, is not waited for.
        else this.noteGone(session, parentOf(id));
      }
    return this.due.size > 0 && !this.workspace.state.draining;
  }

  /** What is decided is added to what was observed. */
  async look(observed: Observation): Promise<void> {
    const { state } = this.workspace;
    const decided = observed.events;
    for (const [key, { session, run }] of state.draining ? [] : [...this.due]) {
      this.due.delete(key);
      const known = state.sessions.get(session);
      const steps = [...(known?.index.children.get(run) ?? [])].flatMap((id) => known?.tasks.get(id) ?? []);
      const wholes = new Wholes(this.workspace, { session, run, all: steps, observed });
      for (const step of steps) {
        if (step.status !== "pending" || !isHeld(step)) continue;
        const { workflow } = step.execution;
        const isBegun = isWhole(workflow) && workflow?.parts !== undefined;
        const is = isBegun ? { is: "met" as const } : await this.decide(session, step, steps);
        if (is?.is === "met" && isWhole(workflow)) await wholes.look(step);
        else if (is) decided.push({ type: "step-decided", session, id: step.id, ...is });
      }
    }
  }

  private noteGone(session: SessionId, run: TaskId | null): void {
    if (run !== null && this.taskOf(session, run)?.execution.workflow)
      this.due.set(taskKey(session, run), { session, run });
  }

  private noteTask(session: SessionId, { id, execution }: Task): void {
    const run = parentOf(id);
    if (run !== null && execution.workflow) this.due.set(taskKey(session, run), { session, run });
  }

  /** Undefined: it has to wait. */
  private async decide(
    session: SessionId,
    step: Task,
    steps: readonly Task[],
  ): Promise<Pick<Decided, "is" | "trouble"> | undefined> {
    const { workflow, when } = step.execution;
    const byId = new Map(steps.map((other) => [other.id, other]));
    if (workflow?.handles) {
      const handled = workflow.handles.flatMap((id) => byId.get(id) ?? []);
      if (!handled.some(hasFailed))
        return handled.every(({ status }) => status === "completed") ? { is: "skipped" } : undefined;
    }
    if (workflow?.finally) {
      const others = othersInScope(step, steps);
      const stuck = stuckAmong(others);
      if (!others.every((other) => isOver(other) || stuck.has(other.id))) return undefined;
    }
    if (!step.relations.dependencies.every((id) => releases(byId.get(id) ?? this.taskOf(session, id))))
      return undefined;
    if (when === undefined) return { is: "met" };
    return conditionOf(this.workspace, { session, step, all: steps, text: when });
  }

  private taskOf(session: SessionId, id: TaskId): Task | undefined {
    return this.workspace.state.sessions.get(session)?.tasks.get(id);
  }
}

const isOver = (task: Task) => task.status === "completed" || hasFailed(task);
