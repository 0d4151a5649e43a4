/** From the rename of a task file to the start of its agent's process, both transitions durable in git. */
import { renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, ms, quantile, readIf, startDaemon, stopDaemon, until } from "./lab.ts";

export async function drop(rounds = 200): Promise<string[]> {
  const lab = makeLab();
  const daemon = await startDaemon(lab);
  const waits: number[] = [];
  try {
    for (let n = 1; n <= rounds + 5; n++) {
      const started = join(lab.dir, ".git", `started-${n}`);
      const staged = join(lab.workspace, ".run", `drop-${n}.json`);
      // The agent's first act is to say what time it is: its own start-up is part of the figure.
      const command = `date +%s%N > ${started}`;
      writeFileSync(staged, JSON.stringify({ title: `Task ${n}`, agent: "command", execution: { command } }));
      const before = performance.timeOrigin + performance.now();
      renameSync(staged, join(lab.workspace, "WFS-bench", ".task", `impl-${n}.json`));
      await until(() => readIf(started).endsWith("\n"), 10_000, `task ${n} to start`);
      if (n > 5) waits.push(Number(readIf(started)) / 1e6 - before);
      await until(() => /"status": "completed"/.test(readIf(join(lab.workspace, "WFS-bench", ".task", `impl-${n}.json`))), 10_000, `task ${n} to be done`);
      await pause(20);
    }
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
  return [`drop to start of the agent's process, ${rounds} tasks one by one: p50 ${ms(quantile(waits, 0.5))}, p99 ${ms(quantile(waits, 0.99))}`];
}

if (import.meta.main) for (const line of await drop()) console.log(line);
