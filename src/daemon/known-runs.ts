/** The runs of workflows in `workflows/`, and how they stand: what triggers wait for. */
import { parentOf, taskKey, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import { hasFailed } from "../machine/state.ts";
import type { Event } from "../machine/event.ts";
import { withState, type Task } from "../model/task.ts";
import type { Change } from "../model/transition.ts";
import type { Cause } from "../model/workflow.ts";
import { outcomeOf } from "../workflow/outcome.ts";
import type { Workspace } from "./workspace.ts";

export interface KnownRun {
  session: SessionId;
  id: TaskId;
  run: string;
  /** The workflow's name in `workflows/`. */
  workflow: string;
  cause: Cause | undefined;
  /** Undefined while it goes on. */
  outcome: "success" | "failure" | undefined;
}

export class KnownRuns {
  private readonly workspace: Workspace;
  private readonly runs = new Map<TaskKey, KnownRun>();
  /** Their tasks have changed: session and the run's own task. */
  private readonly changed = new Map<TaskKey, { session: SessionId; id: TaskId }>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    for (const [session, { tasks }] of workspace.state.sessions)
      for (const task of tasks.values()) this.noteTask(session, task.id, task);
  }

  /** Whether these change any of them. */
  note(changes: readonly Change[]): boolean {
    let isNews = false;
    for (const change of changes)
      if (change.of === "task" || change.of === "task-edit")
        isNews = this.noteTask(change.session, change.id, change.after) || isNews;
    return isNews;
  }

  /** All of them as they stand now. */
  all(): Iterable<KnownRun> {
    for (const [key, { session, id }] of this.changed) {
      const task = this.taskOf(session, id);
      const { workflow } = task?.execution ?? {};
      if (!task || workflow?.file === undefined) this.runs.delete(key);
      else {
        const { over } = outcomeOf({ task, steps: this.stepsOf(session, id) });
        const outcome = !over ? undefined : task.status === "completed" ? "success" : "failure";
        this.runs.set(key, { session, id, run: workflow.run, workflow: workflow.file, cause: workflow.cause, outcome });
      }
    }
    this.changed.clear();
    return this.runs.values();
  }

  /** What a person would do to stop the run: all but the steps at its end. The last first, so that none starts meanwhile. */
  cancel({ session, id }: KnownRun): Event[] {
    return this.stepsOf(session, id)
      .filter((step) => step.status !== "completed" && !hasFailed(step) && !step.execution.workflow?.finally)
      .reverse()
      .map((step): Event => {
        const task = withState(step, { status: "blocked", reason: "cancelled" });
        return { type: "task-edited", session, task, fields: ["status", "execution.reason"], by: "daemon" };
      });
  }

  private noteTask(session: SessionId, task: TaskId, after: Task | null): boolean {
    const id = parentOf(task) ?? task;
    const key = taskKey(session, id);
    const isOne = after?.execution.workflow !== undefined || this.runs.has(key);
    if (isOne) this.changed.set(key, { session, id });
    return isOne;
  }

  private taskOf(session: SessionId, id: TaskId): Task | undefined {
    return this.workspace.state.sessions.get(session)?.tasks.get(id);
  }

  private stepsOf(session: SessionId, id: TaskId): Task[] {
    const known = this.workspace.state.sessions.get(session);
    return [...(known?.index.children.get(id) ?? [])].flatMap((step) => known?.tasks.get(step) ?? []);
  }
}
