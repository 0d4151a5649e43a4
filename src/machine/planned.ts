/**
 * What a plan adds, in the decision that completes the task it comes from: the tasks become that task's subtasks, or,
 * where it is a subtask itself, others beside it, for which waits whatever waited for it.
 */
import { parentOf, taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import { plans, type PlannedTask, type RightPlan } from "../model/plan.ts";
import type { Task, TaskState } from "../model/task.ts";
import type { Actor } from "../model/transition.ts";
import { filledIn } from "./defaults.ts";
import type { Draft } from "./draft.ts";

/** What a task is once all that it had to do is done. One that must plan is never done without a plan. */
export function doneBy(task: Task, plan: RightPlan | undefined): TaskState {
  if (plan) return { status: parentOf(task.id) === null ? "container" : "completed" };
  return plans(task) === "required" ? { status: "blocked", reason: "awaiting-approval" } : { status: "completed" };
}

export function addPlanned(
  draft: Draft,
  { session, id, plan, by }: { session: SessionId; id: TaskId; plan: RightPlan | undefined; by: Actor },
): void {
  const task = draft.task(session, id);
  if (!task || !plan) return;
  const parent = parentOf(id) ?? id;
  const highest = draft.children(session, parent).map((child) => taskNumbers(child)[1]);
  const first = Math.max(0, ...highest) + 1;
  const ids = plan.tasks.map((_, place) => `${parent}.${first + place}`);
  for (const [place, planned] of plan.tasks.entries()) {
    const after = made(planned, { id: ids[place] ?? "", ids, session, source: plan.source, from: task });
    draft.add({ of: "task", session, id: after.id, from: "new", to: "pending", by, after });
  }
  carryRisks(draft, session, id, plan.risks);
  if (parent !== id) for (const dependent of draft.tasks(session)) extend(draft, session, dependent, { id, ids });
}

function made(
  { drop, needs }: PlannedTask,
  of: { id: TaskId; ids: readonly TaskId[]; session: SessionId; source: RightPlan["source"]; from: Task },
): Task {
  const { id, ids, session, source, from } = of;
  const dependencies = needs.map((need) => (typeof need === "number" ? (ids[need] ?? "") : need));
  const own = from.execution.workflow;
  const workflow = own && { name: own.name, run: own.run, step: `${own.step}.${taskNumbers(id)[1]}` };
  const execution = { ...drop.execution, ...(workflow ? { workflow } : {}) };
  const whole = { ...drop, relations: { dependencies }, execution };
  const about = { file: source.file, sha256: source.sha256, idByName: id, escaping: [] };
  const task = filledIn({ ...about, drop: whole }, id, session);
  // What comes from a plan is not planned once more: its agent reports in words.
  return task.execution.plan === undefined
    ? task
    : filledIn({ ...about, drop: { ...whole, execution: { ...execution, plan: "none" } } }, id, session);
}

/** Into the change that completed it: they are told of the whole in `IMPL_PLAN.md`. */
function carryRisks(draft: Draft, session: SessionId, id: TaskId, risks: readonly string[]): void {
  const cause = draft.changes.findLast(
    (change) => change.of === "task" && change.session === session && change.id === id,
  );
  if (cause?.of !== "task" || !cause.after || risks.length === 0) return;
  const { implementation } = cause.after;
  const { context_notes: notes } = implementation;
  const all = [...new Set([...(notes.risks ?? []), ...risks])];
  const after = { ...cause.after, implementation: { ...implementation, context_notes: { ...notes, risks: all } } };
  cause.after = after;
  draft.touched.get(session)?.set(id, after);
}

function extend(
  draft: Draft,
  session: SessionId,
  task: Task,
  { id, ids }: { id: TaskId; ids: readonly TaskId[] },
): void {
  const { dependencies } = task.relations;
  if (!dependencies.includes(id) || ids.includes(task.id) || task.status === "completed") return;
  const more = { ...task.relations, dependencies: [...new Set([...dependencies, ...ids])] };
  const fields = ["relations.dependencies"];
  const after = { ...task, relations: more };
  draft.add({ of: "task-edit", session, id: task.id, by: "daemon", fields, after });
}
