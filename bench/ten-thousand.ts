/** Ten thousand tasks: dropped at once and done by eight slots; then, with all of them on disk, kill -9 after kill -9. */
import { spawn } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import {
  isDone,
  LAUNCHER,
  makeLab,
  ms,
  quantile,
  readIf,
  recordedSubjects,
  startDaemon,
  stopDaemon,
  until,
  usage,
  type Lab,
} from "./lab.ts";
import type { Pauses } from "./pauses.ts";

const FEW = 100;
/** Of few, as often before as after the many: what else the machine does changes meanwhile. */
const ROUNDS = 3;
const LONGEST_MS = 1_200_000;

export async function tenThousand(tasks = 10_000, kills = 20): Promise<string[]> {
  const few: Burst[] = [];
  const someRounds = async () => {
    for (let round = 0; round < ROUNDS; round++) few.push(await burst(FEW));
  };
  const lab = makeLab({ config: "concurrency: 8\nisolation: none\n" });
  try {
    await someRounds();
    const all = await burst(tasks, lab);
    await someRounds();
    const beside = (figure: (one: Burst) => number) => {
      const ofFew = quantile(few.map(figure), 0.5);
      return `${ms(figure(all))}, with ${FEW} ${ms(ofFew)} (${(figure(all) / ofFew).toFixed(2)} times)`;
    };
    return [
      `${tasks} tasks of \`true\` dropped at once, 8 at a time: each ${beside(({ each }) => each)}; ` +
        `the daemon's CPU for each ${beside(({ cpu }) => cpu)}; most memory ${all.memory.toFixed(0)} MB; ` +
        `event loop pauses p99 ${ms(all.pauses.p99)}, longest ${ms(all.pauses.longest)}`,
      await restarts(lab, tasks, kills),
    ];
  } finally {
    lab.remove();
  }
}

interface Burst {
  /** ms for each task, until all are recorded as completed. */
  each: number;
  /** ms of the daemon's, for each task. */
  cpu: number;
  /** MB. */
  memory: number;
  pauses: Pauses;
}

/** All tasks done by a daemon of their own. */
async function burst(tasks: number, given?: Lab): Promise<Burst> {
  const lab = given ?? makeLab({ config: "concurrency: 8\nisolation: none\n" });
  const folder = join(lab.workspace, "WFS-bench", ".task");
  const file = join(lab.dir, ".git", "pauses.json");
  stage(lab, 1, tasks);
  const probe = pathToFileURL(join(import.meta.dirname, "pauses.ts")).href;
  const daemon = await startDaemon(lab, { NODE_OPTIONS: `--import=${probe}`, BENCH_PAUSES: file });
  const pid = daemon.pid ?? 0;
  try {
    let memory = 0;
    const watch = setInterval(() => (memory = Math.max(memory, usage(pid).memory)), 100);
    const before = usage(pid).cpu;
    const began = performance.now();
    drop(lab);
    try {
      await until(() => isDone(folder, tasks), LONGEST_MS, "all tasks to be completed");
      await until(() => completions(lab) >= tasks, LONGEST_MS, "all tasks to be recorded as completed");
    } finally {
      clearInterval(watch);
    }
    const each = (performance.now() - began) / tasks;
    const cpu = ((usage(pid).cpu - before) * 1000) / tasks;
    await until(() => readIf(file) !== "", 10_000, "the pauses to be told");
    return { each, cpu, memory, pauses: JSON.parse(readIf(file)) as Pauses };
  } finally {
    await stopDaemon(daemon);
    if (!given) lab.remove();
  }
}

/** Some are at work whenever the daemon is killed. */
async function restarts(lab: Lab, tasks: number, kills: number): Promise<string> {
  const ready: number[] = [];
  const taken: number[] = [];
  const cpu: number[] = [];
  let daemon = await startDaemon(lab);
  try {
    let next = tasks + 1;
    for (let n = 0; n < kills; n++) {
      stage(lab, next, 16);
      next += 16;
      drop(lab);
      await pause(50 + 20 * n);
      const dead = new Promise((resolve) => daemon.once("exit", resolve));
      const state = join(lab.workspace, ".run", "daemon.json");
      const began = performance.now();
      daemon.kill("SIGKILL");
      await dead;
      daemon = spawn(LAUNCHER, ["start", "-C", lab.dir], {
        stdio: ["ignore", "ignore", "inherit"],
        env: { ...process.env, COX_LOG_LEVEL: "error" },
      });
      const ours = new RegExp(`"pid": ${daemon.pid},`);
      await until(() => ours.test(readIf(state)), 60_000, "the lock to be taken");
      taken.push(performance.now() - began);
      await until(
        () => ours.test(readIf(state)) && /"ready": true/.test(readIf(state)),
        60_000,
        "the daemon to be ready",
      );
      ready.push(performance.now() - began);
      cpu.push(usage(daemon.pid ?? 0).cpu * 1000);
      await pause(1000);
    }
  } finally {
    await stopDaemon(daemon);
  }
  const range = (each: readonly number[]) => `median ${ms(quantile(each, 0.5))}, longest ${ms(Math.max(...each))}`;
  return `${kills} times kill -9 with ${tasks} tasks on disk: lock taken over ${range(taken)}; ready ${range(ready)}, by then CPU ${range(cpu)}`;
}

/** Makes task files from the number on, ready to be dropped. */
function stage(lab: Lab, first: number, count: number): void {
  const staged = join(lab.workspace, ".run", "staged");
  mkdirSync(staged, { recursive: true });
  for (let n = first; n < first + count; n++) {
    const task = { title: `Task ${n}`, agent: "command", execution: { command: "true" } };
    writeFileSync(join(staged, `impl-${n}.json`), JSON.stringify(task));
  }
}

function drop(lab: Lab): void {
  const staged = join(lab.workspace, ".run", "staged");
  for (const name of readdirSync(staged))
    renameSync(join(staged, name), join(lab.workspace, "WFS-bench", ".task", name));
}

const completions = (lab: Lab) =>
  recordedSubjects(lab).filter((subject) => / impl-\d+: .*completed/.test(subject)).length;

if (import.meta.main)
  for (const line of await tenThousand(Number(process.argv[2] ?? 10_000), Number(process.argv[3] ?? 20)))
    console.log(line);
