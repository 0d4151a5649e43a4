/** What is known of a `git gc` of the user's: it names itself in `gc.pid` before it looks at any pack, to its end. */
import { readFileSync, statSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";

const HOUR_MS = 3600 * 1000;

/** Whether one is at work. One that was killed leaves its file; as git has it, no file of another machine counts for ever. */
export function isGcAtWork(gitDir: string): boolean {
  return isAtWork(gitDir, 12 * HOUR_MS);
}

/**
 * Whether packs cannot go because of one, or because `git maintenance` is at work. Who runs a longer one than this finds it
 * failing, rather than ever more packs.
 */
export function isGcInTheWay(gitDir: string): boolean {
  const maintained = statSync(join(gitDir, "objects/maintenance.lock"), { throwIfNoEntry: false });
  return isAtWork(gitDir, HOUR_MS) || (maintained !== undefined && Date.now() - maintained.mtimeMs < HOUR_MS);
}

function isAtWork(gitDir: string, oldestMs: number): boolean {
  const file = join(gitDir, "gc.pid");
  const found = statSync(file, { throwIfNoEntry: false });
  if (!found || Date.now() - found.mtimeMs > oldestMs) return false;
  try {
    const [pid, host] = readFileSync(file, "utf8").trim().split(" ");
    return host !== hostname() || isProcess(Number(pid));
  } catch {
    return false; // gone meanwhile
  }
}

function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
