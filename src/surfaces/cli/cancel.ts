/** `cox cancel`: the task does not run any more; the agent of a running one is stopped. */
import { unreachable } from "../../model/unreachable.ts";
import type { Command } from "./command.ts";
import type { NamedTask } from "./naming.ts";
import { steer, TASK_ARGUMENT, type Steer } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Keeps a task from running: its status becomes blocked (cancelled). If it runs, its agent is stopped. cox retry undoes it.",
  arguments: [TASK_ARGUMENT],
  example: "cox cancel impl-1",
  run: (input, context) => steer(input.text("task"), context, cancel),
};

function cancel({ task, name }: NamedTask): Steer {
  switch (task.status) {
    case "blocked":
    case "pending":
    case "active":
      if (task.status === "blocked" && task.execution.reason === "cancelled")
        return { said: `${name} is cancelled already.` };
      return {
        status: "blocked",
        execution: { reason: "cancelled", next_attempt_at: undefined },
        said: task.status === "active" ? `${name} is cancelled; its agent is being stopped.` : `${name} is cancelled.`,
        same: "set status to blocked and execution.reason to cancelled",
      };
    case "completed":
      return { trouble: { exit: 4, what: `${name} is completed.`, todo: `To run it again: cox retry ${name}` } };
    case "container":
      return {
        trouble: {
          exit: 4,
          what: `${name} is a container: only its subtasks run.`,
          todo: `Cancel one of them: cox cancel ${name}.1`,
        },
      };
    default:
      return unreachable(task.status);
  }
}
