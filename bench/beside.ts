/** A busy user beside 200 transitions a second, and the same user alone: `node bench/beside.ts [seconds]`. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { makeLab, ms, quantile, type Lab } from "./lab.ts";
import { commitsAfter, fsck, leftBehind, open } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";
import { startRecorder } from "./recorder.ts";

const EVERY_MS = 5;
const FILES = 500;
const PASSES_TO_A_GC = 5;

/** Times of each command, in ms. */
type Times = Map<string, number[]>;

export async function beside(seconds = 60): Promise<Proof> {
  const with_ = makeLab({ files: FILES });
  const without = makeLab({ files: FILES });
  const broken: string[] = [];
  const times = { with: new Map() as Times, without: new Map() as Times };
  try {
    const recorder = startRecorder({ dir: with_.dir, first: 0, together: 1, everyMs: EVERY_MS });
    await recorder.opened;
    let spent = 0;
    let begun = 0;
    try {
      // Seconds with and seconds without take turns, in repositories that differ in nothing else.
      for (let pass = 0; spent < seconds * 1000; pass++) {
        const start = performance.now();
        recorder.say("work");
        await userPass(with_, { pass, times: times.with, broken });
        spent += performance.now() - start;
        recorder.say("rest");
        begun = recorder.acknowledged.length;
        await userPass(without, { pass, times: times.without, broken });
      }
    } finally {
      await recorder.end();
    }
    const there = new Set(commitsAfter(with_, null));
    const lost = recorder.acknowledged.filter((id) => !there.has(id));
    broken.push(...recorder.failures.map((failure) => `it could not record: ${failure}`));
    if (lost.length > 0) broken.push(`${lost.length} acknowledged are lost`);
    // An end that takes too long leaves the rest to the next start.
    await (await open(with_.dir)).close();
    broken.push(...[fsck(with_)].filter(Boolean), ...leftBehind(with_));
    const all = { with: median([...times.with.values()].flat()), without: median([...times.without.values()].flat()) };
    const ratio = all.with / all.without;
    const worst = [...times.with]
      .map(([name, each]) => ({ name, ratio: median(each) / median(times.without.get(name) ?? []) }))
      .sort((a, b) => b.ratio - a.ratio)[0];
    const commands = [...times.with.values()].flat().length;
    const figures =
      `${commands} commands of a user in ${(spent / 1000).toFixed(0)} s beside ${(begun / (spent / 1000)).toFixed(0)} transitions/s, ` +
      `${broken.length} faults on both sides; user's median ${ms(all.with)}, alone ${ms(all.without)} (${ratio.toFixed(2)} times; ` +
      `most for ${worst?.name}: ${worst?.ratio.toFixed(2)} times)`;
    const missed = ratio > 1.1 ? [`the user's median is ${ratio.toFixed(2)} times that without us`] : [];
    return { figures, broken, missed };
  } finally {
    with_.remove();
    without.remove();
  }
}

const median = (each: readonly number[]) => quantile(each, 0.5);

async function userPass(lab: Lab, at: { pass: number; times: Times; broken: string[] }): Promise<void> {
  const { pass, times, broken } = at;
  const file = join(lab.dir, "src", "m1", "f1.ts");
  const edit = (text: string) => writeFileSync(file, `export const f1 = "${text} ${pass}";\n`);
  const tree = `${lab.dir}-tree`;
  const run = async (name: string, ...args: string[]) => {
    const start = performance.now();
    const complaint = lab.complaint(...args);
    times.set(name, [...(times.get(name) ?? []), performance.now() - start]);
    if (complaint !== "") broken.push(`the user's ${complaint}`);
    await breathe(); // what the recorder told is read
  };
  try {
    edit("one");
    await run("status", "status", "--short");
    await run("add", "add", "src");
    await run("commit", "commit", "-qm", `one ${pass}`);
    edit("aside");
    await run("stash", "stash", "push", "-q");
    await run("stash pop", "stash", "pop", "-q");
    await run("restore", "restore", ".");
    await run("switch", "switch", "-qc", "topic");
    writeFileSync(join(lab.dir, "src", "topic.ts"), `export const topic = ${pass};\n`);
    await run("add", "add", "src");
    await run("commit", "commit", "-qm", `topic ${pass}`);
    await run("switch", "switch", "-q", "main");
    edit("two");
    await run("commit", "commit", "-qam", `two ${pass}`);
    await run("rebase", "rebase", "-q", "main", "topic");
    await run("switch", "switch", "-q", "main");
    await run("merge", "merge", "-q", "--ff-only", "topic");
    await run("branch", "branch", "-qd", "topic");
    await run("worktree add", "worktree", "add", "-q", "--detach", tree);
    await run("worktree remove", "worktree", "remove", tree);
    await run("log", "log", "-5", "--oneline");
    if (pass % PASSES_TO_A_GC === PASSES_TO_A_GC - 1) await run("gc", "gc", "-q");
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}

if (import.meta.main) await prove("beside", beside(Number(process.argv[2] ?? 60)));
