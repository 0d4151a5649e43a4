/** Steps of workflows that wait for more than their dependencies: a condition, a failure, the end of all others. */
import { withExecution } from "../model/task.ts";
import { unreachable } from "../model/unreachable.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import { isHeld } from "./state.ts";
import { move } from "./steering.ts";

/** What is decided from results, which the machine does not have; it holds only for a step that still waits for it. */
export function stepDecided(
  draft: Draft,
  { session, id, is, trouble }: Extract<Event, { type: "step-decided" }>,
): void {
  const task = draft.task(session, id);
  if (!task || task.status !== "pending" || !isHeld(task)) return;
  const workflow = task.execution.workflow;
  if (!workflow) return;
  const { trouble: _before, ...rest } = workflow;
  switch (is) {
    case "met": {
      const after = withExecution(task, { workflow: { ...rest, met: true } });
      return draft.add({ of: "task-edit", session, id, by: "daemon", fields: ["execution.workflow"], after });
    }
    case "skipped": {
      const after = withExecution(task, { workflow: { ...rest, skipped: true } });
      return move(draft, session, after, { status: "completed" }, "daemon", { reason: "skipped" });
    }
    case "wrong": {
      const after = withExecution(task, { workflow: { ...rest, ...(trouble === undefined ? {} : { trouble }) } });
      return move(draft, session, after, { status: "blocked", reason: "invalid" }, "daemon");
    }
    default:
      return unreachable(is);
  }
}
