/** `cox stop`: asks the daemon to end, and waits until it has. */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import { done, refused, type Command, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { startOf } from "./process-start.ts";
import { readSessions } from "./sessions-on-disk.ts";

const LOOK_MS = 50;

export const command: Command = {
  where: "workspace",
  description:
    "Stops the daemon: it starts nothing new and ends when its running agents have. With --now the agents are stopped too;\nthey go on from where they were at the next start. Exit 4 if none is up.",
  options: [{ name: "now", text: "stop the running agents as well" }],
  example: "cox stop",
  async run(input, context) {
    const { workspace } = context;
    const daemon = await daemonOf(workspace);
    if (!daemon.up) return refused({ exit: 4, what: "No daemon is up.", todo: "Start one: cox start" });
    const target = pidOf(daemon.holder);
    if ("trouble" in target) return refused(target.trouble);
    const trouble = signal(target.pid, input.flag("now") ? "SIGUSR2" : "SIGTERM");
    return trouble ? refused(trouble) : waited(context, target.pid);
  },
};

/** The daemon's process, if it certainly is that one. */
function pidOf(
  holder: { pid: number; start: string | null; host: string } | null,
): { pid: number } | { trouble: Trouble } {
  if (!holder || !Number.isSafeInteger(holder.pid) || holder.pid < 2) {
    return {
      trouble: {
        exit: 1,
        what: "A daemon is up, but it does not say who it is.",
        why: ".workflow/.run/daemon.json is missing or damaged.",
        todo: "If it has just been started, try again; else stop it where it was started.",
      },
    };
  }
  if (holder.host !== hostname()) {
    return { trouble: { exit: 4, what: `The daemon runs on ${holder.host}.`, todo: "Run cox stop there." } };
  }
  const start = startOf(holder.pid);
  if (start === undefined || (start !== null && holder.start !== null && start !== holder.start)) {
    return {
      trouble: {
        exit: 1,
        what: `The process ${holder.pid} is not the daemon any more.`,
        why: "Its start time differs from what the daemon wrote: the pid has been used again.",
        todo: "Try again; if it stays so, stop the daemon where it was started.",
      },
    };
  }
  return { pid: holder.pid };
}

function signal(pid: number, name: NodeJS.Signals): Trouble | undefined {
  try {
    process.kill(pid, name);
    return undefined;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ESRCH") return undefined; // it has just ended by itself
    return {
      exit: 1,
      what: `The daemon (pid ${pid}) cannot be signalled: ${(error as Error).message}.`,
      todo: "Stop it as the user who started it.",
    };
  }
}

async function waited({ workspace, tell }: Context & { workspace: Workspace }, pid: number): Promise<Outcome> {
  let said = "";
  for (; (await daemonOf(workspace)).up; await sleep(LOOK_MS)) {
    const running = runningIn(workspace);
    const line =
      running.length > 0
        ? `waiting for ${running.join(", ")} (cox stop --now stops ${running.length === 1 ? "it" : "them"})`
        : "waiting for the daemon to end";
    if (line !== said) tell(`${line}\n`);
    said = line;
  }
  return done("The daemon has stopped.", { daemon: "down", pid });
}

/** As the session files say: cheap to ask again and again. */
function runningIn(workspace: Workspace): string[] {
  const { sessions } = readSessions(workspace.folder);
  return sessions.flatMap((session) => session.progress.current_tasks.map((task) => `${session.session_id}/${task}`));
}
