/** From the rename of a task file to the first act of its agent's process, both transitions durable in git. */
import { mkdirSync, renameSync, watch, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, ms, quantile, readIf, startDaemon, stopDaemon, until } from "./lab.ts";

export async function drop(rounds = 200): Promise<string[]> {
  const lab = makeLab();
  const signs = join(lab.dir, ".git", "signs");
  mkdirSync(signs);
  const daemon = await startDaemon(lab);
  const seen = new Map<string, number>();
  const watcher = watch(signs, (_event, name) => {
    if (name !== null && !seen.has(name)) seen.set(name, performance.now());
  });
  const waits: number[] = [];
  try {
    for (let n = 1; n <= rounds + 5; n++) {
      const staged = join(lab.workspace, ".run", `drop-${n}.json`);
      const file = join(lab.workspace, "WFS-bench", ".task", `impl-${n}.json`);
      // The agent's first act is to make a file: the start of its shell is part of the figure.
      const task = { title: `Task ${n}`, agent: "command", execution: { command: `: > ${join(signs, `t${n}`)}` } };
      writeFileSync(staged, JSON.stringify(task));
      const before = performance.now();
      renameSync(staged, file);
      await until(() => seen.has(`t${n}`), 10_000, `task ${n} to start`);
      if (n > 5) waits.push((seen.get(`t${n}`) ?? Number.NaN) - before);
      await until(() => /"status": "completed"/.test(readIf(file)), 10_000, `task ${n} to be done`);
      await pause(20);
    }
  } finally {
    watcher.close();
    await stopDaemon(daemon);
    lab.remove();
  }
  return [
    `drop to start of the agent's process, ${rounds} tasks one by one: p50 ${ms(quantile(waits, 0.5))}, p99 ${ms(quantile(waits, 0.99))}`,
  ];
}

if (import.meta.main) for (const line of await drop()) console.log(line);
