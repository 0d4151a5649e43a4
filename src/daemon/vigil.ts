/** Keeping an eye on an agent: what it writes, and whether it does anything at all. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { cpuTicks, withMarker } from "../agent/proc-table.ts";
import { capOutput, tail } from "../agent/process.ts";
import type { StopReason } from "../model/transition.ts";
import type { Live } from "./live.ts";

const SILENCE_CHECK_MS = 5000;
const MAX_OUTPUT_BYTES = 256 * 1024 * 1024;

/** What is new in its output, for `cox status`; and no more of it than a disk can bear. */
export async function look(live: Live, stop: (why: StopReason) => Promise<void>): Promise<void> {
  const file = join(live.runDir, "stdout");
  const { lines, next } = await tail(file, live.read).catch(() => ({ lines: [], next: live.read }));
  if (next === live.read) return;
  live.read = next;
  live.progress = live.runner.follow(live.progress, lines);
  await writeFileAtomic(join(live.runDir, "progress.json"), `${JSON.stringify(live.progress)}\n`, {
    fsync: false,
  }).catch(() => {});
  const capped = await capOutput(live.runDir, MAX_OUTPUT_BYTES).catch(() => ({ over: false }));
  if (capped.over) await stop("stalled");
}

/** No output and no CPU in all its processes for the set time. */
export function watchSilence(
  live: Live,
  limitMs: () => number,
  stop: (why: StopReason) => Promise<void>,
): NodeJS.Timeout {
  let lastSign = Date.now();
  let before = "";
  return setInterval(() => {
    void (async () => {
      const sizes = await Promise.all(
        ["stdout", "stderr"].map((name) =>
          stat(join(live.runDir, name)).then(
            (found) => found.size,
            () => 0,
          ),
        ),
      );
      const ticks = await cpuTicks(await withMarker(live.run.runId));
      const now = `${sizes.join(" ")} ${ticks}`;
      if (now !== before) lastSign = Date.now();
      before = now;
      if (Date.now() - lastSign > limitMs()) await stop("stalled");
    })().catch(() => {});
  }, SILENCE_CHECK_MS);
}
