/** `cox reject`: refuses the approval that a task waits for. */
import { decision } from "./approve.ts";
import type { Command } from "./command.ts";
import { steer, TASK_ARGUMENT } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Rejects a task that awaits approval: it stays blocked (rejected). Change it, then cox retry. Exit 4 if it awaits none.",
  arguments: [TASK_ARGUMENT],
  example: "cox reject impl-1",
  run: (input, context) => steer(input.text("task"), context, (named) => decision(named, false)),
};
