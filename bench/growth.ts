/** What 100,000 transitions make of a repository: `node bench/growth.ts [transitions]`. */
import { execFileSync } from "node:child_process";
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeLab, ms, quantile, type Lab } from "./lab.ts";
import { fsck, open, recordMany, REF, taskPath, transition } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";

const TOGETHER = 200;
/** The daemon tidies when nothing goes on, which is seldom in a long run. */
const BETWEEN_TIDYING = 10_000;
const YOUNG = 1000;

export async function growth(count = 100_000, samples = 60): Promise<Proof> {
  const lab = makeLab();
  const youth = makeLab();
  const ideal = makeLab();
  try {
    const before = kilobytes(lab);
    const ledger = await open(lab.dir);
    const young = await open(youth.dir);
    let alone: { old: number; young: number };
    const began = performance.now();
    let seconds: number;
    try {
      for (let first = 0; first < count; first += BETWEEN_TIDYING) {
        await recordMany(ledger, { first, count: Math.min(BETWEEN_TIDYING, count - first), together: TOGETHER });
        await ledger.tidy();
      }
      seconds = (performance.now() - began) / 1000;
      await recordMany(young, { first: 0, count: Math.min(YOUNG, count), together: TOGETHER });
      await young.tidy();
      // Both in the same minute, one after the other: a busy machine is busy for both.
      const times = { old: [] as number[], young: [] as number[] };
      for (let n = 0; n < samples; n++) {
        for (const [name, one] of [["old", ledger] as const, ["young", young] as const]) {
          const start = performance.now();
          await one.record([transition(count + n)]);
          times[name].push(performance.now() - start);
        }
      }
      alone = { old: quantile(times.old, 0.5), young: quantile(times.young, 0.5) };
      await ledger.tidy();
    } finally {
      await Promise.all([ledger.close(), young.close()]);
    }
    const megabytes = (kilobytes(lab) - before) / 1024;
    const [log = 0] = timed([lab], "log", "-20", REF);
    makeIdeal(ideal, lab);
    const [logOfTask = 0, atBest = 0] = timed([lab, ideal], "log", REF, "--", `.workflow/${taskPath(7)}`);
    const broken = [fsck(lab)].filter(Boolean);
    const ratio = alone.old / alone.young;
    const missed = [
      megabytes > 150 && `.git grew by more than 150 MB`,
      ratio > 1.3 && "a commit takes longer than on the first day",
      log >= 30 && "git log -20 takes 30 ms or more",
      logOfTask >= 200 && "the log of one task takes 200 ms or more",
    ].filter((what) => what !== false);
    const figures =
      `${count} transitions in ${seconds.toFixed(0)} s: .git grew by ${megabytes.toFixed(1)} MB; one alone ${ms(alone.old)}, ` +
      `in a ledger of ${Math.min(YOUNG, count)} ${ms(alone.young)} (${ratio.toFixed(2)} times); git log -20 ${ms(log)}, ` +
      `log of one task's file ${ms(logOfTask)}, after git's own gc and whole graph ${ms(atBest)}`;
    return { figures, broken, missed };
  } finally {
    lab.remove();
    youth.remove();
    ideal.remove();
  }
}

/** The same history as git itself has it at its best. */
function makeIdeal(ideal: Lab, lab: Lab): void {
  rmSync(join(ideal.dir, ".git"), { recursive: true });
  cpSync(join(lab.dir, ".git"), join(ideal.dir, ".git"), { recursive: true });
  rmSync(join(ideal.dir, ".git/objects/info/commit-graphs"), { recursive: true, force: true });
  ideal.git("gc", "--quiet");
  ideal.git("commit-graph", "write", "--reachable", "--changed-paths", "--no-progress");
}

function kilobytes(lab: Lab): number {
  return Number(/^\d+/.exec(execFileSync("du", ["-sk", `${lab.dir}/.git`], { encoding: "utf8" })));
}

/** The median of a command in each, by turns, the start of git included. */
function timed(labs: readonly Lab[], ...args: string[]): number[] {
  const times = labs.map((): number[] => []);
  for (let n = 0; n < 7; n++) {
    labs.forEach((lab, place) => {
      const start = performance.now();
      lab.git(...args);
      times[place]?.push(performance.now() - start);
    });
  }
  return times.map((each) => quantile(each, 0.5));
}

if (import.meta.main) await prove("growth", growth(Number(process.argv[2] ?? 100_000)));
