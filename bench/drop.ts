/** From the rename of a task file to the first act of its agent's process, both transitions durable in git. */
import { mkdirSync, renameSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, ms, quantile, readIf, startDaemon, stopDaemon, until } from "./lab.ts";

/** Longer than the daemon waits before it lets go of what it keeps ready. */
const IDLE_MS = 1500;

export async function drop(rounds = 200, idleRounds = 30): Promise<string[]> {
  const lab = makeLab();
  const signs = join(lab.dir, ".git", "signs");
  mkdirSync(signs);
  const daemon = await startDaemon(lab);
  const seen = new Map<string, number>();
  const watcher = watch(signs, (_event, name) => {
    if (name !== null && !seen.has(name)) seen.set(name, performance.now());
  });
  const waits = { warm: [] as number[], idle: [] as number[] };
  try {
    for (let n = 1; n <= rounds + idleRounds + 5; n++) {
      const idle = n > rounds + 5;
      await pause(idle ? IDLE_MS : 20);
      const staged = join(lab.workspace, ".run", `drop-${n}.json`);
      const file = join(lab.workspace, "WFS-bench", ".task", `impl-${n}.json`);
      // The agent's first act is to make a file: the start of its shell is part of the figure.
      const task = { title: `Task ${n}`, agent: "command", execution: { command: `: > ${join(signs, `t${n}`)}` } };
      writeFileSync(staged, JSON.stringify(task));
      const before = performance.now();
      renameSync(staged, file);
      await until(() => seen.has(`t${n}`), 10_000, `task ${n} to start`);
      if (n > 5) waits[idle ? "idle" : "warm"].push((seen.get(`t${n}`) ?? Number.NaN) - before);
      await until(() => /"status": "completed"/.test(readIf(file)), 10_000, `task ${n} to be done`);
    }
  } finally {
    watcher.close();
    await stopDaemon(daemon);
    lab.remove();
  }
  const line = (how: string, each: readonly number[]) =>
    `drop to start of the agent's process, ${each.length} tasks ${how}: p50 ${ms(quantile(each, 0.5))}, p99 ${ms(quantile(each, 0.99))}`;
  return [line("one by one", waits.warm), line(`after ${IDLE_MS} ms of nothing each`, waits.idle)];
}

if (import.meta.main) for (const line of await drop()) console.log(line);
