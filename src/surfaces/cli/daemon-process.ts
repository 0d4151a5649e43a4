/** The daemon as a process that can be signalled, and only if it certainly is that one. */
import { hostname } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { startOf } from "./process-start.ts";
import { readSessions } from "./sessions-on-disk.ts";

const LOOK_MS = 50;

/** `command`: what to run where the daemon is, if that is elsewhere. */
export function pidOf(
  holder: { pid: number; start: string | null; host: string } | null,
  command: string,
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
    return { trouble: { exit: 4, what: `The daemon runs on ${holder.host}.`, todo: `Run ${command} there.` } };
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

export function signal(pid: number, name: NodeJS.Signals): Trouble | undefined {
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

/** Waits until nobody holds the workspace; `look` is called with the tasks that run meanwhile, again and again. */
export async function untilDown(
  workspace: Workspace,
  look: (running: string[]) => void,
  deadline = Number.POSITIVE_INFINITY,
): Promise<boolean> {
  while ((await daemonOf(workspace)).up) {
    if (Date.now() > deadline) return false;
    look(runningIn(workspace));
    await sleep(LOOK_MS);
  }
  return true;
}

/** As the session files say: cheap to ask again and again. */
export function runningIn(workspace: Workspace): string[] {
  const { sessions } = readSessions(workspace.folder);
  return sessions.flatMap((session) => session.progress.current_tasks.map((task) => `${session.session_id}/${task}`));
}
