/** The daemon's life: lock, boot, loop, goodbye. */
import { existsSync, lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { identityOf } from "../agent/proc-table.ts";
import { takeLock, type Holder } from "../store/lock.ts";
import { RUN, WORKSPACE } from "../store/paths.ts";
import { watchWorkspace } from "../store/watch.ts";
import { boot } from "./boot.ts";
import { openLog, type Terminal } from "./log.ts";
import { Loop } from "./loop.ts";
import { tenure } from "./tenure.ts";

export interface StartOptions {
  /** Top of the repository's working tree. */
  dir: string;
  once: boolean;
  /** Only merges what waits for it (`cox sync`), and ends. */
  mergeOnly?: boolean;
  terminal: Terminal | null;
  version: string;
}

/** Runs until it is told to stop. Resolves with the exit code; what keeps it from starting is said on the terminal. */
export async function startDaemon(options: StartOptions): Promise<number> {
  const folder = join(options.dir, WORKSPACE);
  if (!existsSync(folder) || lstatSync(folder).isSymbolicLink()) {
    options.terminal?.write(
      `${folder} is ${existsSync(folder) ? "a symbolic link" : "missing"}. Run cox init in the repository.\n`,
    );
    return 3;
  }
  const holder: Holder = {
    pid: process.pid,
    start: (await identityOf(process.pid))?.start ?? null,
    host: hostname(),
    since: new Date().toISOString(),
    version: options.version,
  };
  const lock = await takeLock(folder, holder);
  if ("heldBy" in lock) {
    const who = lock.heldBy
      ? `process ${lock.heldBy.pid} on ${lock.heldBy.host}, since ${lock.heldBy.since}`
      : "another process";
    options.terminal?.write(`A daemon is at work here already: ${who}. cox status shows it, cox stop ends it.\n`);
    return 4;
  }
  const held = tenure(folder, holder);
  const log = openLog(join(folder, RUN), { level: "info", terminal: options.terminal });
  try {
    const booted = await boot({ repository: options.dir, folder, log, tenure: held });
    if ("problem" in booted) {
      log.say("error", `${booted.problem.message} ${booted.problem.hint}`);
      return 1;
    }
    const { workspace, found, orphans } = booted;
    const loop = new Loop(workspace, { once: options.once, mergeOnly: options.mergeOnly === true });
    const watch = watchWorkspace(
      folder,
      (path) => loop.hint(path),
      (error) =>
        log.say(
          "warn",
          `file events are not available (${error.message}); changes are found every ${workspace.config.rescan}`,
        ),
    );
    const deafen = onSignals(loop, (text) => log.say("info", text));
    try {
      await watch.ready;
      await held.tell(null);
      log.say(
        "info",
        `cox ${options.version} is at work in ${options.dir} (pid ${process.pid}). Ctrl-C: no new agents, wait for the running ones.`,
      );
      // What changed between the first look and the first event is found by looking again.
      loop.hint(".");
      const code = await loop.run({ found, orphans });
      log.say("info", "cox has stopped");
      return code;
    } finally {
      deafen();
      await watch.close();
      await workspace.ledger.close();
    }
  } finally {
    lock.ok.release();
  }
}

/**
 * First signal: no new agents, wait. Second, or SIGUSR2: stop the agents too. SIGQUIT: go, the agents stay. What comes
 * when all is over does nothing: a signal must not cut off the last steps. Returns what brings that about.
 */
function onSignals(loop: Loop, say: (text: string) => void): () => void {
  let asked = 0;
  const gently = () => {
    if (++asked === 1) {
      say(
        loop.agents.count > 0 ? `no new agents; waiting for ${loop.agents.count} (once more stops them)` : "stopping",
      );
      loop.tell({ type: "drain" });
    } else now();
  };
  const now = () => {
    say("stopping the agents");
    loop.tell({ type: "stop-all", why: "shutdown" });
  };
  const leave = () => {
    say(loop.agents.count > 0 ? `leaving; ${loop.agents.count} agents go on by themselves` : "stopping");
    loop.leave();
  };
  const handlers: [NodeJS.Signals, () => void][] = [
    ["SIGINT", gently],
    ["SIGTERM", gently],
    ["SIGUSR2", now],
    ["SIGQUIT", leave],
    ["SIGHUP", () => loop.hint("config.yaml")],
  ];
  let over = false;
  for (const [signal, handler] of handlers) process.on(signal, () => over || handler());
  return () => void (over = true);
}
