/** An idle daemon gives back the memory that a burst took: it may have nothing to do for days. */
import { memoryUsage } from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

const WORTH_IT_BYTES = 12 * 1024 * 1024;
type Collect = (options: { type: "major"; execution: "sync"; flavor: "last-resort" }) => void;
let collect: Collect | undefined;
/** Resident after the last time. */
let settled = 0;

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
