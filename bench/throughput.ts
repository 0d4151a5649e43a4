/** Many tiny command tasks dropped at once, done by eight slots, every transition in git. */
import { renameSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeLab, startDaemon, stopDaemon, until } from "./lab.ts";

export async function throughput(tasks = 1000): Promise<string[]> {
  const lab = makeLab({ config: "concurrency: 8\n" });
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
        if (now - last < 250) return false;
        last = now;
        peak = Math.max(peak, memoryOf(pid));
        return commits(lab.git) >= tasks * 3;
      },
      600_000,
      "all tasks to be recorded as completed",
    );
    const seconds = (performance.now() - began) / 1000;
    const status = cpuSeconds(pid);
    lines.push(
      `${tasks} tasks of \`true\`, 8 at a time, all recorded: ${(tasks / seconds).toFixed(0)} tasks/s (${seconds.toFixed(1)} s), ` +
        `${((seconds * 1000) / tasks).toFixed(2)} ms a task, daemon ${(status * 1000 / tasks).toFixed(2)} ms CPU a task, peak memory ${peak.toFixed(0)} MB`,
    );
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
  return lines;
}

function commits(git: (...args: string[]) => string): number {
  try {
    return git("log", "--format=%s", "refs/cox/ledger").split("\n").filter((subject) => / impl-\d+: /.test(subject)).length;
  } catch {
    return 0;
  }
}

function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
}

function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

if (import.meta.main) for (const line of await throughput(Number(process.argv[2] ?? 1000))) console.log(line);
