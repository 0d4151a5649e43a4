/** The daemon's life under its lock: boot, loop, goodbye. */
import { join } from "node:path";
import { RUN } from "../store/paths.ts";
import { boot } from "./boot.ts";
import { FileEvents } from "./file-events.ts";
import { openLog } from "./log.ts";
import { Loop } from "./loop.ts";
import { keepHeapSmall } from "./memory.ts";
import type { StartOptions } from "./start.ts";
import type { Tenure } from "./tenure.ts";

/** Runs until it is told to stop. Resolves with the exit code. `folder`: `.workflow`. */
export async function serve(options: StartOptions & { folder: string; tenure: Tenure }): Promise<number> {
  const { folder, tenure } = options;
  const log = openLog(join(folder, RUN), { level: "info", terminal: options.terminal });
  let loop: Loop | undefined;
  /** What changes while the daemon looks for the first time. */
  const early = new Set<string>();
  const events = new FileEvents({ folder, log, tenure }, (path) => (loop ? loop.hint(path) : early.add(path)));
  try {
    const booted = await boot({ repository: options.dir, folder, log, tenure, watching: events.again() });
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
      await tenure.tell(events.ready());
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
