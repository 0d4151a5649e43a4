/** Worktrees against plain git, side by side in one run: `node bench/worktrees.ts`. */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { removePlace } from "../src/worktree/leave.ts";
import { ensureSessionBranch, makePlace, type Shop } from "../src/worktree/place.ts";
import { makeLab, ms, quantile, readIf, startDaemon, stopDaemon, until, type Lab } from "./lab.ts";

const SESSION = "WFS-bench";
const median = (values: readonly number[]) => quantile(values, 0.5);

export async function worktrees(): Promise<string[]> {
  return [await ready(5000, 15), await sparse(50_000, 5), await merged(5000, 15)];
}

function shopOf(lab: Lab): Shop {
  const folder = join(lab.workspace, ".run/worktrees");
  mkdirSync(folder, { recursive: true });
  return { commonDir: join(lab.dir, ".git"), folder, disarmed: [] };
}

async function timed(work: () => unknown): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/** A task's worktree against `git worktree add` by hand, in turns. */
async function ready(files: number, rounds: number): Promise<string> {
  const lab = makeLab({ files });
  try {
    const shop = shopOf(lab);
    const head = lab.git("rev-parse", "HEAD").trim();
    const sessionTip = await ensureSessionBranch(shop.commonDir, SESSION, head);
    const plain: number[] = [];
    const ours: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const path = join(lab.dir, "..", `plain-${process.pid}`);
      plain.push(await timed(() => lab.git("worktree", "add", "-q", "-b", `plain-${round}`, path)));
      lab.git("worktree", "remove", "--force", path);
      let place!: Awaited<ReturnType<typeof makePlace>>;
      const task = `impl-${round}`;
      ours.push(
        await timed(async () => (place = await makePlace(shop, { session: SESSION, task, sessionTip, tip: null }))),
      );
      await removePlace(place, { why: "measured", at: new Date() });
    }
    const [mine, theirs] = [median(ours), median(plain)];
    return `worktree ready, ${files} files: ${ms(mine)}, git worktree add ${ms(theirs)} (${(mine / theirs).toFixed(2)} times)`;
  } finally {
    lab.remove();
  }
}

async function sparse(files: number, rounds: number): Promise<string> {
  const lab = makeLab({ files });
  try {
    const shop = shopOf(lab);
    const sessionTip = await ensureSessionBranch(shop.commonDir, SESSION, lab.git("rev-parse", "HEAD").trim());
    const full: number[] = [];
    const some: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      for (const [times, more] of [
        [full, {}],
        [some, { sparse: ["src/m1"] }],
      ] as const) {
        let place!: Awaited<ReturnType<typeof makePlace>>;
        const task = `impl-${round}`;
        times.push(
          await timed(
            async () => (place = await makePlace(shop, { session: SESSION, task, sessionTip, tip: null, ...more })),
          ),
        );
        await removePlace(place, { why: "measured", at: new Date() });
      }
    }
    const [few, all] = [median(some), median(full)];
    return `worktree of one folder of 100, ${files} files: ${ms(few)}, all of it ${ms(all)} (${(few / all).toFixed(2)} times)`;
  } finally {
    lab.remove();
  }
}

/** From the agent's last act to its work in the session's branch, through the daemon. */
async function merged(files: number, rounds: number): Promise<string> {
  const lab = makeLab({ files, config: "isolation: worktree\nnotify:\n  level: none\n" });
  const note = join(lab.dir, "..", `ended-${process.pid}`);
  const daemon = await startDaemon(lab);
  try {
    const times: number[] = [];
    for (let round = 1; round <= rounds; round++) {
      const command = `echo ${round} > made-${round}; date +%s%N > ${note}`;
      const task = { title: `Task ${round}`, agent: "command", execution: { command } };
      writeFileSync(join(lab.workspace, "inbox", `t${round}.json`), JSON.stringify(task));
      const ref = join(lab.dir, ".git/refs/heads/cox", SESSION, "session");
      const before = readIf(ref);
      await until(() => readIf(note) !== "", 20_000, "the agent's end");
      while (readIf(ref) === before || readIf(ref) === "" || (before === "" && !isMade(lab, round))) await pause(1);
      times.push(Date.now() - Number(readFileSync(note, "utf8")) / 1e6);
      rmSync(note);
      await until(
        () => /"completed"/.test(readIf(join(lab.workspace, SESSION, ".task", `impl-${round}.json`))),
        20_000,
        "the task",
      );
    }
    return `agent's end to merged, ${files} files: p50 ${ms(median(times))}, p90 ${ms(quantile(times, 0.9))}`;
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
}

/** The session's branch is made with the first worktree: then a change of it is not the merge. */
function isMade(lab: Lab, round: number): boolean {
  return lab.git("ls-tree", "--name-only", `cox/${SESSION}/session`).includes(`made-${round}\n`);
}

if (import.meta.main) for (const line of await worktrees()) console.log(line);
