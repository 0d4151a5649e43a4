/** The daemon's life: lock, boot, loop, goodbye. */
import { existsSync, lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { identityOf } from "../agent/proc-table.ts";
import { takeLock, type Holder } from "../store/lock.ts";
import { RUN, WORKSPACE } from "../store/paths.ts";
import { boot } from "./boot.ts";
import { FileEvents } from "./file-events.ts";
import { openLog, type Terminal } from "./log.ts";
import { Loop } from "./loop.ts";
import { keepHeapSmall } from "./memory.ts";
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
  let loop: Loop | undefined;
  /** What changes while the daemon looks for the first time. */
  const early = new Set<string>();
  const events = new FileEvents({ folder, log, tenure: held }, (path) => (loop ? loop.hint(path) : early.add(path)));
  try {
    const booted = await boot({ repository: options.dir, folder, log, tenure: held, watching: events.again() });
    if ("problem" in booted) {
      log.say("error", `${booted.problem.message} ${booted.problem.hint}`);
      return 1;
    }
    const { workspace, found, orphans } = booted;
    keepHeapSmall(); // what a start reads stays: to look for garbage in between is in vain
    const begun = new Loop(workspace, { once: options.once, mergeOnly: options.mergeOnly === true });
    loop = begun;
    const reload = () => {
      log.say("info", "SIGHUP: settings, roles and patterns are read again, and everything is looked at");
      void events.again();
      begun.reload();
    };
    const deafen = onSignals(loop, { say: (text) => log.say("info", text), reload });
    try {
      await held.tell(events.ready());
      log.say(
        "info",
        `cox ${options.version} is at work in ${options.dir} (pid ${process.pid}). Ctrl-C: no new agents, wait for the running ones.`,
      );
      for (const path of early) loop.hint(path);
      const code = await loop.run({ found, orphans });
      log.say("info", "cox has stopped");
      return code;
    } finally {
      deafen();
      await workspace.ledger.close();
    }
  } finally {
    await events.close();
    lock.ok.release();
  }
}

/**
 * First signal: no new agents, wait. Second, or SIGUSR2: stop the agents too. SIGQUIT: go, the agents stay. SIGHUP, which
 * a terminal that is closed sends too: read everything again. What comes when all is over does nothing: a signal must not
 * cut off the last steps. Returns what brings that about.
 */
function onSignals(loop: Loop, { say, reload }: { say: (text: string) => void; reload: () => void }): () => void {
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
    ["SIGHUP", reload],
  ];
  let over = false;
  for (const [signal, handler] of handlers) process.on(signal, () => over || handler());
  return () => void (over = true);
}
