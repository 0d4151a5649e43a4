/**
 * A second marker, for what cleared its environment: the soft limit of file locks. It is inherited like the environment,
 * nobody sets it anew, and since Linux 2.4 it limits nothing (getrlimit(2)). Each run has a number of its own.
 */
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** Below what a shell takes for a number, with room. */
const HEX_DIGITS = 12;
const MOST = 16 ** HEX_DIGITS - 1;

export function limitMark(runId: string): number {
  return Number.parseInt(createHash("sha256").update(runId).digest("hex").slice(0, HEX_DIGITS), 16);
}

/** The number that a process carries; undefined where it carries none, or has ended. */
export function limitOf(pid: number): number | undefined {
  try {
    const found = /^Max file locks +(\d+)/m.exec(readFileSync(`/proc/${pid}/limits`, "latin1"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}

/** For a shell: finds out once how it sets this limit, if it can (`-w` in dash and busybox, `-x` in bash). */
export const FINDS_LIMIT =
  `cox_limit=; if (ulimit -S -w ${MOST}) 2>/dev/null; then cox_limit=w; ` +
  `elif (ulimit -S -x ${MOST}) 2>/dev/null; then cox_limit=x; fi\n`;

/** In that shell: what comes after it carries the run's number. It succeeds where that cannot be. */
export function setsLimit(runId: string): string {
  return `{ \${cox_limit:+ulimit -S -$cox_limit ${limitMark(runId)}}; }`;
}
