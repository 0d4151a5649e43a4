/** `cox logs`: what an agent, or the daemon, says; live with `-f`. */
import { refused, type Command, type Input, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonLog } from "./logs-of-daemon.ts";
import { taskLogs } from "./logs-of-task.ts";
import { findTask } from "./naming.ts";

export const command: Command = {
  where: "workspace",
  arguments: [
    { name: "task", text: "impl-1 or WFS-x/impl-1; without it, the daemon's own log", optional: true, is: "task" },
  ],
  options: [
    { name: "follow", short: "f", text: "go on until the task is finished (the daemon's log: until Ctrl-C)" },
    { name: "attempt", value: "n", text: "this attempt instead of the latest" },
    { name: "raw", text: "the output as it is, not made readable" },
    {
      name: "lines",
      short: "n",
      value: "count",
      text: "the last lines only, this many (the daemon's log: 100 unless said otherwise)",
    },
  ],
  example: "cox logs impl-1 -f",
  description:
    "Show what an agent does: its words, its use of tools, its result. With --json one document; with --json -f a document a line, as it comes.",
  run,
};

export interface LogsWanted {
  follow: boolean;
  raw: boolean;
  attempt: number | undefined;
  /** Only the last ones, this many. */
  lines: number | undefined;
}

async function run(input: Input, context: Context & { workspace: Workspace }): Promise<Outcome> {
  const [attempt, lines] = ["attempt", "lines"].map((name) => input.text(name));
  for (const [name, value] of [
    ["attempt", attempt],
    ["lines", lines],
  ] as const) {
    if (value !== undefined && !/^[1-9]\d{0,8}$/.test(value))
      return refused({ exit: 2, what: `--${name} is ${value}; it must be a whole number above 0.` });
  }
  const wanted: LogsWanted = {
    follow: input.flag("follow"),
    raw: input.flag("raw"),
    attempt: attempt === undefined ? undefined : Number(attempt),
    lines: lines === undefined ? undefined : Number(lines),
  };
  const name = input.text("task");
  if (name === undefined) {
    if (attempt !== undefined)
      return refused({ exit: 2, what: "--attempt needs a task.", todo: "cox logs impl-1 --attempt 2" });
    return daemonLog(wanted, context);
  }
  const found = findTask(context.workspace, name);
  if ("trouble" in found) return refused(found.trouble);
  return taskLogs(found.ok, wanted, context);
}
