/** `cox approve`: passes the approval that a task waits for. */
import type { Command } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import type { NamedTask } from "./naming.ts";
import { planThatWaits } from "./plan-on-disk.ts";
import { oneLine } from "./text.ts";
import { steer, TASK_ARGUMENT, type Steer } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Approves a task that awaits it (execution.approve before or after): it starts, or is completed. Exit 4 if it awaits none.",
  arguments: [TASK_ARGUMENT],
  example: "cox approve impl-1",
  run: (input, context) =>
    steer(input.text("task"), context, (named) => planned(named, context) ?? decision(named, true)),
};

/** A plan that waits: it is approved as its file stands, if that is right. */
function planned(named: NamedTask, context: Context & { workspace: Workspace }): Steer | undefined {
  const found = named.task.execution.reason === "awaiting-approval" ? planThatWaits(context, named) : undefined;
  if (!found) return undefined;
  if (!found.plan || found.problems.length > 0)
    return {
      trouble: {
        exit: 1,
        what: `The plan of ${named.name} is wrong.`,
        problems: found.problems,
        todo: `Mend .workflow/${found.file}, or remove it: then the plan is as it was answered.`,
      },
    };
  const { tasks, questions = [] } = found.plan;
  const count = `${tasks.length} ${tasks.length === 1 ? "task" : "tasks"}`;
  const open = questions.map((question) => `\n  It asked: ${oneLine(question, 500)}`).join("");
  return {
    execution: { approved: true },
    said: `The plan of ${named.name} is approved: ${count} will be added.${open}`,
    same: "set execution.approved to true",
  };
}

/** Also for `cox reject`. */
export function decision({ task, name }: NamedTask, approved: boolean): Steer {
  const { reason, approve } = task.execution;
  if (task.status !== "blocked" || reason !== "awaiting-approval") {
    const state = task.status === "blocked" ? `blocked (${reason ?? "cancelled"})` : task.status;
    return {
      trouble: {
        exit: 4,
        what: `${name} does not await approval: it is ${state}.`,
        todo: `cox show ${name} says more.`,
      },
    };
  }
  const then = approved ? (approve === "after" ? "its work is accepted" : "it may start") : "it stays blocked";
  return {
    execution: { approved },
    said: `${name} is ${approved ? "approved" : "rejected"}: ${then}.`,
    same: `set execution.approved to ${approved}`,
  };
}
