/** Many tiny command tasks dropped at once, done by eight slots, every transition in git. */
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDone, makeLab, recordedSubjects, startDaemon, stopDaemon, until, usage } from "./lab.ts";

export async function throughput(): Promise<string[]> {
  return [...(await done(1000, "none")), ...(await done(150, "worktree"))];
}

async function done(tasks: number, isolation: "none" | "worktree"): Promise<string[]> {
  const lab = makeLab({ config: `concurrency: 8\nisolation: ${isolation}\n` });
  const staged = join(lab.workspace, ".run", "staged");
  const folder = join(lab.workspace, "WFS-bench", ".task");
  mkdirSync(staged, { recursive: true });
  for (let n = 1; n <= tasks; n++) {
    const task = { title: `Task ${n}`, agent: "command", execution: { command: "true" } };
    writeFileSync(join(staged, `impl-${n}.json`), JSON.stringify(task));
  }
  const daemon = await startDaemon(lab);
  const pid = daemon.pid ?? 0;
  let peak = 0;
  const lines: string[] = [];
  try {
    const began = performance.now();
    for (const name of readdirSync(staged)) renameSync(join(staged, name), join(folder, name));
    let last = 0;
    await until(
      () => {
        const now = performance.now();
        if (now - last < 100) return false;
        last = now;
        peak = Math.max(peak, usage(pid).memory);
        // To ask git takes a processor from what is measured: only when the last file says so.
        return isDone(folder, tasks) && recordedSubjects(lab).filter(isOfTask).length >= tasks * 3;
      },
      600_000,
      "all tasks to be recorded as completed",
    );
    const seconds = (performance.now() - began) / 1000;
    const { cpu } = usage(pid);
    lines.push(
      `${tasks} tasks of \`true\`, 8 at a time, isolation ${isolation}, all recorded: ${(tasks / seconds).toFixed(0)} tasks/s (${seconds.toFixed(1)} s), ` +
        `${((seconds * 1000) / tasks).toFixed(2)} ms a task, daemon ${((cpu * 1000) / tasks).toFixed(2)} ms CPU a task, peak memory ${peak.toFixed(0)} MB`,
    );
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
  return lines;
}

const isOfTask = (subject: string) => / impl-\d+: /.test(subject);

if (import.meta.main) for (const line of await throughput()) console.log(line);
