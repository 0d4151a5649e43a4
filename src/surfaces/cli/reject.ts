/** `cox reject`: refuses the approval that a task waits for, or says no where it asks a person. */
import { decideOn } from "./approve.ts";
import type { Command } from "./command.ts";
import { TASK_ARGUMENT } from "./steer.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Rejects a task that awaits approval: it stays blocked (rejected). Change it, then cox retry. A task that asks a person is answered\nwith no; without choices it has failed. Exit 4 if it awaits neither.",
  arguments: [TASK_ARGUMENT],
  example: "cox reject impl-1",
  run: (input, context) => decideOn(input.text("task"), context, false),
};
