/** `cox stop`: asks the daemon to end, and waits until it has. */
import { done, refused, type Command, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { pidOf, runningIn, signal, untilDown } from "./daemon-process.ts";
import { daemonOf } from "./daemon-state.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Stops the daemon: it starts nothing new and ends when its running agents have. With --now the agents are stopped too;\nthey go on from where they were at the next start. With --keep-agents it ends at once and they work on: the next start\nfinds them again. Exit 4 if none is up.",
  options: [
    { name: "now", text: "stop the running agents as well" },
    { name: "keep-agents", text: "leave the running agents at work" },
  ],
  example: "cox stop",
  async run(input, context) {
    const { workspace } = context;
    const keep = input.flag("keep-agents");
    if (keep && input.flag("now"))
      return refused({ exit: 2, what: "--now and --keep-agents exclude each other.", todo: "Give one of them." });
    const daemon = await daemonOf(workspace);
    if (!daemon.up) return refused({ exit: 4, what: "No daemon is up.", todo: "Start one: cox start" });
    const target = pidOf(daemon.holder, "cox stop");
    if ("trouble" in target) return refused(target.trouble);
    const trouble = signal(target.pid, keep ? "SIGQUIT" : input.flag("now") ? "SIGUSR2" : "SIGTERM");
    return trouble ? refused(trouble) : waited(context, { pid: target.pid, keep });
  },
};

async function waited(
  { workspace, tell }: Context & { workspace: Workspace },
  { pid, keep }: { pid: number; keep: boolean },
): Promise<Outcome> {
  let said = "";
  await untilDown(workspace, (running) => {
    const line =
      running.length > 0 && !keep
        ? `waiting for ${running.join(", ")} (cox stop --now stops ${running.length === 1 ? "it" : "them"})`
        : "waiting for the daemon to end";
    if (line !== said) tell(`${line}\n`);
    said = line;
  });
  const kept = keep ? runningIn(workspace) : [];
  const text = kept.length > 0 ? `The daemon has stopped. At work: ${kept.join(", ")}.` : "The daemon has stopped.";
  return done(text, { daemon: "down", pid, ...(keep ? { at_work: kept } : {}) });
}
