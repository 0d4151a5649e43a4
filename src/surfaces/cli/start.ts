/** `cox start`: the daemon, here or detached. */
import { done, refused, type Command, type Exit } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { detached, FOLLOW } from "./detached.ts";

type Here = Context & { workspace: Workspace };

export const command: Command = {
  where: "workspace",
  description:
    "Starts the daemon: it takes in what is dropped and runs the tasks of the active session, until Ctrl-C or cox stop.\nRunning agents outlive it and are found again at its next start. Exit 4 if one is up already.",
  options: [
    { name: "detach", text: "run in the background; return when it is ready" },
    { name: "once", text: "run until nothing is left to be done" },
  ],
  example: "cox start --detach",
  async run(input, context) {
    const daemon = await daemonOf(context.workspace);
    if (daemon.up) {
      const pid = daemon.holder?.pid;
      const facts = { daemon: "up", pid: pid ?? null };
      return refused({
        exit: 4,
        what: `A daemon is up already${pid === undefined ? "" : ` (pid ${pid})`}.`,
        todo: "Look: cox status; stop it: cox stop.",
        facts,
      });
    }
    if (input.flag("detach")) {
      const { pid, log, ...began } = await detached(context, input.flag("once"));
      if ("over" in began) return done(began.over || "All is done.", { daemon: "down", pid, log });
      if ("trouble" in began) return refused(began.trouble);
      return done(`The daemon is up (pid ${pid}).\n${FOLLOW}`, { daemon: "up", pid, log });
    }
    const say = context.json ? null : (text: string) => void process.stderr.write(text);
    const code = await runDaemon(context, { once: input.flag("once") }, say);
    return { exit: code >= 0 && code <= 4 ? (code as Exit) : 1, json: { exit: code }, text: "" };
  },
};

/** The daemon, in this process, until it ends. With `mergeOnly` it merges what waits for it, and starts nothing. */
export async function runDaemon(
  { workspace, version }: Here,
  options: { once: boolean; mergeOnly?: boolean },
  say: ((text: string) => void) | null,
): Promise<number> {
  const { startDaemon } = await import("../../daemon/start.ts");
  outliveTheTerminal();
  const terminal = say && { write: say };
  return startDaemon({ dir: workspace.repository, terminal, version, ...options });
}

/** Nobody reads along any more, or the disk under `daemon.out` is full: the log has it all the same. */
function outliveTheTerminal(): void {
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners("error").on("error", () => {});
}
