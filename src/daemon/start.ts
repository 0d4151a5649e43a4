/** The daemon's first step, with as little loaded as it takes: its lock, so that no other begins meanwhile. */
import { existsSync, lstatSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { identityOf } from "../agent/proc-table.ts";
import { takeLock, type Holder } from "../store/lock.ts";
import { WORKSPACE } from "../store/paths.ts";
import type { Terminal } from "./log.ts";
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
  try {
    const { serve } = await import("./serve.ts");
    return await serve({ ...options, folder, tenure: held });
  } finally {
    lock.ok.release();
  }
}
