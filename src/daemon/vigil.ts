/** Keeping an eye on an agent: what it writes, and whether it does anything at all. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { cpuTicks, withMarker } from "../agent/proc-table.ts";
import { capOutput, readCut, tail, type Cut } from "../agent/process.ts";
import { attemptName } from "../model/ids.ts";
import { formatDuration } from "../model/time.ts";
import type { StopReason } from "../model/transition.ts";
import type { Live } from "./live.ts";

const LONGEST_BETWEEN_LOOKS_MS = 5000;
const OUTPUT = { most: 256 * 1024 * 1024, keep: 8 * 1024 * 1024 };

interface Tell {
  warn: (text: string) => void;
  stop: (why: StopReason) => Promise<void>;
}

/** What is new in its output, for `cox status`; and no more of it than a disk can bear. One look at a time. */
export async function look(live: Live, tell: Tell): Promise<void> {
  if (live.looking) return;
  live.looking = true;
  // What cannot be read now is looked at the next time.
  await lookOnce(live, tell).catch(() => {});
  live.looking = false;
}

async function lookOnce(live: Live, tell: Tell): Promise<void> {
  const file = join(live.runDir, "stdout");
  live.cut ??= await readCut(live.runDir);
  live.read = Math.max(live.read, live.cut.stdout);
  const { lines, next } = await tail(file, live.read).catch(() => ({ lines: [], next: live.read }));
  await capped(live, live.cut, tell);
  if (next === live.read) return;
  live.read = next;
  live.progress = live.runner.follow(live.progress, lines);
  await writeFileAtomic(join(live.runDir, "progress.json"), `${JSON.stringify(live.progress)}\n`, {
    fsync: false,
  }).catch(() => {});
}

async function capped(live: Live, before: Cut, { warn, stop }: Tell): Promise<void> {
  const done = await capOutput(live.runDir, before, OUTPUT);
  if (!done) return;
  const name = nameOf(live);
  const most = `${OUTPUT.most / 2 ** 20} MB`;
  if ("cut" in done) {
    live.cut = done.cut;
    warn(`${name} has written more than ${most}: all but the last ${OUTPUT.keep / 2 ** 20} MB are given back`);
  } else if (!live.stopping) {
    warn(`${name} has written more than ${most}, none of which can be given back (${done.cannot}): it is stopped`);
    await stop("stalled");
  }
}

function nameOf({ run }: Live): string {
  return `${run.session} ${attemptName(run.id, run.attempt)}`;
}

/**
 * No output, and less than 2 % of a core in all its processes together: `warn` hears of it once after half of the set time,
 * then it is stopped.
 */
export function watchSilence(live: Live, limitMs: () => number, tell: Tell): NodeJS.Timeout {
  const use = new Use();
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
        const at = performance.now();
        const isBusy = use.of({ at, ticks }, Math.min(USE_OVER_MS, limitMs() / 2)) >= LEAST_USE;
        const now = sizes.join(" ");
        if (now !== before || isBusy) {
          lastSign = at;
          warned = false;
        }
        before = now;
        const silent = at - lastSign;
        if (silent > limitMs()) return tell.stop("stalled");
        if (silent <= limitMs() / 2 || warned) return;
        warned = true;
        const [so, limit] = [formatDuration(silent), formatDuration(limitMs())];
        tell.warn(
          `${nameOf(live)} has written nothing and used hardly any CPU for ${so}: it is stopped after ${limit}`,
        );
      })().catch(() => {});
    },
    Math.min(LONGEST_BETWEEN_LOOKS_MS, Math.max(250, limitMs() / 5)),
  );
}

/** What a process that only waits, and looks now and then, stays below: of one core. */
const LEAST_USE = 0.02;
const USE_OVER_MS = 60_000;

/** How much of a core is used, over some time: once a minute a lot is as little as always a bit. */
class Use {
  private readonly looks: { at: number; used: number }[] = [];
  private ticks = 0;
  private used = 0;

  /** `ticks` are hundredths of a second, and fewer where a process has ended. */
  of({ at, ticks }: { at: number; ticks: number }, overMs: number): number {
    this.used += Math.max(0, ticks - this.ticks);
    this.ticks = ticks;
    const first = this.looks.findLast((look) => at - look.at >= overMs) ?? this.looks[0];
    while (this.looks[0] !== first) this.looks.shift();
    this.looks.push({ at, used: this.used });
    return first ? ((this.used - first.used) * 10) / Math.max(1, at - first.at) : 0;
  }
}
