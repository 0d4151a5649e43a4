/**
 * Loaded into a daemon (`NODE_OPTIONS=--import=…`): how late its event loop comes to a timer, p99 and longest in ms, each
 * second into the file that `BENCH_PAUSES` names.
 */
import { renameSync, writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { isMainThread } from "node:worker_threads";

export interface Pauses {
  p99: number;
  longest: number;
}

const file = process.env["BENCH_PAUSES"];
if (file !== undefined && isMainThread) {
  const RESOLUTION_MS = 10;
  const delays = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delays.enable();
  const late = (ns: number) => Math.max(0, ns / 1e6 - RESOLUTION_MS);
  setInterval(() => {
    const pauses: Pauses = { p99: late(delays.percentile(99)), longest: late(delays.max) };
    writeFileSync(`${file}.new`, JSON.stringify(pauses));
    renameSync(`${file}.new`, file);
  }, 1000).unref();
}
