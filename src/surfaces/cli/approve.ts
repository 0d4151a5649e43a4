/** `cox approve`: passes the approval that a task waits for. */
import type { Command } from "./command.ts";
import type { NamedTask } from "./naming.ts";
import { steer, TASK_ARGUMENT, type Steer } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Approves a task that awaits it (execution.approve before or after): it starts, or is completed. Exit 4 if it awaits none.",
  arguments: [TASK_ARGUMENT],
  example: "cox approve impl-1",
  run: (input, context) => steer(input.text("task"), context, (named) => decision(named, true)),
};

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
