/** `cox retry`: a blocked or completed task runs again; one that waits for its next attempt is tried at once. */
import { unreachable } from "../../model/unreachable.ts";
import type { Command } from "./command.ts";
import type { NamedTask } from "./naming.ts";
import { steer, TASK_ARGUMENT, type Steer } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Runs a blocked or completed task again: its status becomes pending. A pending task that waits for its next attempt is\ntried at once. Exit 4 if it runs, or waits for nothing that could be shortened.",
  arguments: [TASK_ARGUMENT],
  example: "cox retry impl-1",
  run: (input, context) => steer(input.text("task"), context, retry),
};

const AGAIN = { reason: undefined, next_attempt_at: undefined };

function retry({ task, name, path }: NamedTask): Steer {
  const { reason } = task.execution;
  switch (task.status) {
    case "completed":
      return { status: "pending", execution: AGAIN, said: `${name} is pending again.`, same: "set status to pending" };
    case "blocked":
      if (reason === "awaiting-approval") {
        return {
          trouble: { exit: 4, what: `${name} awaits approval.`, todo: `cox approve ${name} or cox reject ${name}.` },
        };
      }
      if (reason === "untrusted") {
        return {
          trouble: {
            exit: 4,
            what: `${name} is not trusted yet: its file arrived by git.`,
            todo: `Read it, then: cox trust .workflow/${path}`,
          },
        };
      }
      return {
        status: "pending",
        execution: AGAIN,
        said: `${name} is pending again.`,
        same: "set status to pending, remove execution.reason",
      };
    case "pending":
      if (task.execution.next_attempt_at || reason) {
        return {
          execution: AGAIN,
          said: `${name} is tried as soon as possible.`,
          same: "remove execution.next_attempt_at and execution.reason",
        };
      }
      return {
        trouble: {
          exit: 4,
          what: `${name} is pending already.`,
          why: "It starts when its dependencies are completed and a slot is free.",
          todo: "cox status says what it waits for.",
        },
      };
    case "active":
      return {
        trouble: {
          exit: 4,
          what: `${name} is running.`,
          todo: `Watch it: cox logs ${name} -f; stop it: cox cancel ${name}.`,
        },
      };
    case "container":
      return {
        trouble: {
          exit: 4,
          what: `${name} is a container: only its subtasks run.`,
          todo: `Retry one of them: cox retry ${name}.1`,
        },
      };
    default:
      return unreachable(task.status);
  }
}
