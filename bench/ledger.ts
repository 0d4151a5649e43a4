/** What recording costs, beside a durable `git add` and `git commit` of the same two files in the same repository. */
import { execFileSync } from "node:child_process";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import type { Ledger } from "../src/ledger/ledger.ts";
import { makeLab, ms, quantile, type Lab } from "./lab.ts";
import { open, recordMany, REF, transition, writeFiles } from "./ledger-lab.ts";

const BATCH = 500;
const EACH_OF_MANY = 5;
interface Sizes {
  rounds: number;
  /** Of steady load. */
  seconds: number;
  files: [few: number, usual: number, many: number];
  tasks: [usual: number, many: number];
  history: [short: number, middle: number, long: number];
}

const SIZES: Sizes = {
  rounds: 40,
  seconds: 5,
  files: [10, 5000, 50_000],
  tasks: [1000, 10_000],
  history: [10, 10_000, 100_000],
};

export async function ledger(sizes: Sizes = SIZES): Promise<string[]> {
  const [few, usual, many] = sizes.files;
  const [tasks, manyTasks] = sizes.tasks;
  const lines: string[] = [];
  const small = await place({ files: few, tasks });
  const middle = await place({ files: usual, tasks });
  const large = await place({ files: many, tasks });
  const crowded = await place({ files: usual, tasks: manyTasks });
  try {
    for (const each of [middle, crowded, large])
      lines.push(await againstGit(each, { rounds: sizes.rounds, together: 1 }));
    for (const together of [8, 64]) lines.push(await againstGit(middle, { rounds: sizes.rounds / 4, together }));
    lines.push(await pauses(middle, sizes.seconds));
    lines.push(`one alone, by tracked files: ${await compared([small, middle, large], sizes.rounds)}`);
  } finally {
    for (const each of [small, middle, large, crowded]) await leave(each);
  }
  const old: Place[] = [];
  try {
    for (const commits of sizes.history) old.push(await place({ files: few, tasks, commits }));
    lines.push(`one alone, by commits in the ledger: ${await compared(old, sizes.rounds)}`);
  } finally {
    for (const each of old) await leave(each);
  }
  return lines;
}

interface Place {
  name: string;
  lab: Lab;
  ledger: Ledger;
  tasks: number;
  /** Number of the next transition. */
  next: number;
}

/** The tasks are in the ledger and, for git's part, on the branch. */
async function place(options: { files: number; tasks: number; commits?: number }): Promise<Place> {
  const { files, tasks, commits } = options;
  const lab = makeLab({ files });
  const name =
    commits === undefined
      ? `${files.toLocaleString("en")} tracked files, ${tasks.toLocaleString("en")} tasks`
      : commits.toLocaleString("en");
  if (commits !== undefined) longHistory(lab, { tasks, commits });
  const ledger = await open(lab.dir);
  const at: Place = { name, lab, ledger, tasks, next: tasks };
  if (commits !== undefined) return at;
  await recordMany(ledger, { first: 0, count: tasks, together: BATCH, tasks });
  await ledger.tidy();
  for (let n = 0; n < tasks; n++) writeFiles(lab, transition(n, tasks));
  lab.git("add", "-f", ".workflow");
  lab.git("commit", "-qm", "tasks");
  return at;
}

async function leave({ lab, ledger }: Place): Promise<void> {
  await ledger.close();
  lab.remove();
}

/** A ledger that has so many commits, made at once: the tasks in the first, then the session's file again and again. */
function longHistory(lab: Lab, { tasks, commits }: { tasks: number; commits: number }): void {
  const file = (path: string, text: Buffer) =>
    `M 100644 inline .workflow/${path}\ndata ${text.length}\n${text.toString()}\n`;
  const commit = (n: number, body: string) =>
    `commit ${REF}\ncommitter Coxswain <coxswain@localhost> ${1_760_000_000 + n} +0000\ndata 2\nn\n\n${body}\n`;
  const all = Array.from({ length: tasks }, (_, n) => transition(n, tasks).changes[0]);
  const parts = [
    commit(0, all.map((change) => change && file(change.path, change.content ?? Buffer.alloc(0))).join("")),
  ];
  for (let n = 1; n < commits; n++)
    parts.push(commit(n, file("WFS-bench/workflow-session.json", Buffer.from(`{"current": ${n}}\n`))));
  execFileSync("git", ["fast-import", "--quiet"], { cwd: lab.dir, input: parts.join("") });
}

/** Both in turn, in one run. */
async function againstGit(at: Place, { rounds, together }: { rounds: number; together: number }): Promise<string> {
  const ours: number[] = [];
  const gits: number[] = [];
  for (let round = -2; round < rounds; round++) {
    const each = await timeOurs(at, together);
    const theirs = timeGit(at);
    if (round < 0) continue; // nobody's first time
    ours.push(each);
    gits.push(theirs);
  }
  const [us, git] = [quantile(ours, 0.5), quantile(gits, 0.5)];
  const how = together === 1 ? "one transition alone" : `${together} at a time, each`;
  return `${how}, durable, ${at.name}: ${us.toFixed(2)} ms; durable git add and commit ${ms(git)}: ${(git / us).toFixed(1)} times`;
}

/** So many at work, each asking for its next as soon as the one before is acknowledged; ms for each transition. */
async function timeOurs(at: Place, together: number): Promise<number> {
  const each = together === 1 ? 1 : EACH_OF_MANY;
  const entries = Array.from({ length: each * together }, () => transition(at.next++, at.tasks));
  const start = performance.now();
  const worker = async () => {
    for (let entry = entries.pop(); entry; entry = entries.pop()) await at.ledger.record([entry]);
  };
  await Promise.all(Array.from({ length: together }, worker));
  return (performance.now() - start) / (each * together);
}

/** The daemon has the bytes in memory, git reads them from files: that these are written is not counted. */
function timeGit({ lab, ...at }: Place): number {
  const paths = writeFiles(lab, transition(at.next + 1_000_000, at.tasks));
  const start = performance.now();
  lab.git("-c", "core.fsync=committed", "add", "-f", "--", ...paths);
  lab.git("-c", "core.fsync=committed", "commit", "-qm", "impl: pending -> active");
  return performance.now() - start;
}

/** The same in each place by turns; the slowest median against the fastest. */
async function compared(places: readonly Place[], rounds: number): Promise<string> {
  const times = places.map(() => [] as number[]);
  for (let round = -2; round < rounds; round++) {
    for (const [index, at] of places.entries()) {
      const took = await timeOurs(at, 1);
      if (round >= 0) times[index]?.push(took);
    }
  }
  const medians = times.map((each) => quantile(each, 0.5));
  const shown = places.map(({ name }, index) => `${name} ${(medians[index] ?? 0).toFixed(2)} ms`).join("; ");
  return `${shown}: the slowest ${(Math.max(...medians) / Math.min(...medians)).toFixed(2)} times the fastest`;
}

/** How long other work of the process has to wait while 1,000 transitions a second are asked for, each by itself. */
async function pauses(at: Place, seconds: number): Promise<string> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  let acknowledged = 0;
  const asked: Promise<void>[] = [];
  const start = performance.now();
  delays.enable();
  for (let passed = 0; passed < seconds * 1000; passed = performance.now() - start) {
    while (asked.length < passed)
      asked.push(at.ledger.record([transition(at.next++, at.tasks)]).then(() => void acknowledged++));
    await pause(1);
  }
  delays.disable();
  const inTime = acknowledged;
  await Promise.all(asked);
  const rate = inTime / seconds;
  return (
    `event loop while ${(asked.length / seconds).toFixed(0)} transitions/s are asked for (${rate.toFixed(0)}/s recorded): ` +
    `p99 ${ms(delays.percentile(99) / 1e6)}, longest ${ms(delays.max / 1e6)}`
  );
}

if (import.meta.main) for (const line of await ledger()) console.log(line);
