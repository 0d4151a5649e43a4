/** Keeping an eye on an agent: what it writes, and whether it does anything at all. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { cpuTicks, withMarker } from "../agent/proc-table.ts";
import { capOutput, tail } from "../agent/process.ts";
import { attemptName } from "../model/ids.ts";
import { formatDuration } from "../model/time.ts";
import type { StopReason } from "../model/transition.ts";
import type { Live } from "./live.ts";

const LONGEST_BETWEEN_LOOKS_MS = 5000;
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

/** No output and no CPU in all its processes: `warn` hears of it once after half of the set time, then it is stopped. */
export function watchSilence(
  live: Live,
  limitMs: () => number,
  tell: { warn: (text: string) => void; stop: (why: StopReason) => Promise<void> },
): NodeJS.Timeout {
  // Not the clock on the wall: a machine that slept was silent as a whole.
  let lastSign = performance.now();
  let before = "";
  let warned = false;
  return setInterval(
    () => {
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
        if (now !== before) {
          lastSign = performance.now();
          warned = false;
        }
        before = now;
        const silent = performance.now() - lastSign;
        if (silent > limitMs()) return tell.stop("stalled");
        if (silent <= limitMs() / 2 || warned) return;
        warned = true;
        const { session, id, attempt } = live.run;
        const name = `${session} ${attemptName(id, attempt)}`;
        const [so, limit] = [formatDuration(silent), formatDuration(limitMs())];
        tell.warn(`${name} has written nothing and used no CPU for ${so}: it is stopped after ${limit}`);
      })().catch(() => {});
    },
    Math.min(LONGEST_BETWEEN_LOOKS_MS, Math.max(250, limitMs() / 5)),
  );
}
