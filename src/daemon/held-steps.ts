/**
 * Decides what the machine cannot, since it has no results: whether the conditions of workflows' steps are met, and
 * whether what they handle has failed. Each look compares what there is, so that nothing hangs on an event.
 */
import { hasFailed, isHeld, releases } from "../machine/state.ts";
import type { Event } from "../machine/event.ts";
import { parentOf, taskKey, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";
import { checkCondition, isMet, type Names } from "../workflow/condition.ts";
import { stuckAmong } from "../workflow/stuck.ts";
import { valuesOf } from "./step-values.ts";
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
      if ((change.of === "task" || change.of === "task-edit") && change.after)
        this.noteTask(change.session, change.after);
    return this.due.size > 0 && !this.workspace.state.draining;
  }

  async look(): Promise<Decided[]> {
    const { state } = this.workspace;
    const decided: Decided[] = [];
    for (const [key, { session, run }] of state.draining ? [] : [...this.due]) {
      this.due.delete(key);
      const known = state.sessions.get(session);
      const steps = [...(known?.index.children.get(run) ?? [])].flatMap((id) => known?.tasks.get(id) ?? []);
      for (const step of steps) {
        if (step.status !== "pending" || !isHeld(step)) continue;
        const is = await this.decide(session, step, steps);
        if (is) decided.push({ type: "step-decided", session, id: step.id, ...is });
      }
    }
    return decided;
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
      const others = steps.filter(({ execution }) => !execution.workflow?.finally);
      const stuck = stuckAmong(others);
      if (!others.every((other) => isOver(other) || stuck.has(other.id))) return undefined;
    }
    if (!step.relations.dependencies.every((id) => releases(byId.get(id) ?? this.taskOf(session, id))))
      return undefined;
    if (when === undefined) return { is: "met" };
    return this.condition(session, step, steps);
  }

  private taskOf(session: SessionId, id: TaskId): Task | undefined {
    return this.workspace.state.sessions.get(session)?.tasks.get(id);
  }

  private async condition(
    session: SessionId,
    step: Task,
    steps: readonly Task[],
  ): Promise<Pick<Decided, "is" | "trouble">> {
    const when = step.execution.when ?? "";
    const vars = this.taskOf(session, parentOf(step.id) ?? "")?.execution.workflow?.vars ?? {};
    const outputs = steps.flatMap(({ execution }) => execution.output ?? []);
    const names: Names = {
      vars: Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, typeOf(value)])),
      outputs,
    };
    const checked = checkCondition(when, names);
    const wrong = (why: string) => ({ is: "wrong" as const, trouble: `In its condition ${when}: ${why}.` });
    if ("wrong" in checked) return wrong(checked.wrong);
    const values = await valuesOf(this.workspace, { session, step, steps, outputs: checked.outputs });
    const met = isMet(when, names, { ...vars, ...values });
    return "wrong" in met ? wrong(met.wrong) : { is: met.ok ? "met" : "skipped" };
  }
}

const isOver = (task: Task) => task.status === "completed" || hasFailed(task);

function typeOf(value: unknown): Names["vars"][string] {
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return "number";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "object" : "string";
}
