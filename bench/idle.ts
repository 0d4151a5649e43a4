/** What a daemon costs that has nothing to do, with 1,000 tasks on disk. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, recordedFiles, startDaemon, stopDaemon, until, usage } from "./lab.ts";

const SECONDS = 30;
const TASKS = 1000;

export async function idle(): Promise<string[]> {
  const lab = makeLab();
  const folder = join(lab.workspace, "WFS-bench", ".task");
  for (let n = 1; n <= TASKS; n++) {
    writeFileSync(
      join(folder, `impl-${n}.json`),
      JSON.stringify({ title: `Task ${n}`, agent: "human", status: "completed" }),
    );
  }
  const daemon = await startDaemon(lab);
  const pid = daemon.pid ?? 0;
  try {
    await until(
      () => recordedFiles(lab).filter((path) => path.includes("/.task/")).length === TASKS,
      60_000,
      "all tasks to be recorded",
    );
    await pause(5000);
    const before = usage(pid).cpu;
    await pause(SECONDS * 1000);
    const { cpu, memory } = usage(pid);
    const share = ((cpu - before) / SECONDS) * 100;
    return [
      `idle daemon, ${TASKS} tasks on disk: ${share.toFixed(2)} % of a core over ${SECONDS} s, ${memory.toFixed(0)} MB`,
    ];
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
}

if (import.meta.main) for (const line of await idle()) console.log(line);
