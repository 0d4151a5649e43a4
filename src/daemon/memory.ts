/** How much memory the daemon takes: little more than it needs, and what a burst took an idle one gives back. */
import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const WORTH_IT_BYTES = 12 * 1024 * 1024;
type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;
let collect: Collect | undefined;
/** Resident after the last time. */
let settled = 0;

/**
 * Garbage is collected when the heap has grown by half, not fourfold: with ten thousand tasks that is 100 MB less at the same
 * cost. An engine that does not know the flag says so, and goes on as it is.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=50");
}

/** A pause of some tens of milliseconds, and only when there is something to give back. Call it when nothing waits. */
export function giveBackMemory(): void {
  if (memoryUsage.rss() - settled < WORTH_IT_BYTES) return;
  if (!collect) {
    setFlagsFromString("--expose-gc");
    collect = runInNewContext("gc") as Collect;
  }
  collect({ type: "major", execution: "sync", flavor: "last-resort" });
  settled = memoryUsage.rss();
}
