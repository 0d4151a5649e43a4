/** What a command costs against an empty Node, side by side in one run. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LAUNCHER, makeLab, ms, quantile, type Lab } from "./lab.ts";

export async function commands(rounds = 20): Promise<string[]> {
  const small = makeLab();
  const large = makeLab();
  try {
    fill(small, 5);
    fill(large, 10_000);
    const candidates: [string, string, string[]][] = [
      ["node -e 0", process.execPath, ["-e", "0"]],
      ["cox --help", LAUNCHER, ["--help"]],
      ["cox status", LAUNCHER, ["status", "-C", small.dir]],
      ["cox status, 10,000 tasks", LAUNCHER, ["status", "-C", large.dir]],
      ["cox list, 10,000 tasks", LAUNCHER, ["list", "-C", large.dir]],
    ];
    const times = new Map<string, number[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const [name, file, args] of candidates) {
        const began = performance.now();
        const { status } = spawnSync(file, args, { stdio: ["ignore", "ignore", "inherit"] });
        if (status !== 0) throw new Error(`${name} ended with ${status}`);
        if (round > 0) times.set(name, [...(times.get(name) ?? []), performance.now() - began]);
      }
    }
    const base = quantile(times.get("node -e 0") ?? [], 0.5);
    return [...times].map(([name, each]) => {
      const median = quantile(each, 0.5);
      return `${name}: ${ms(median)}, ${(median / base).toFixed(1)} times node -e 0`;
    });
  } finally {
    small.remove();
    large.remove();
  }
}

/** Tasks as the daemon leaves them, half of them completed. */
function fill(lab: Lab, count: number): void {
  const folder = join(lab.workspace, "WFS-bench", ".task");
  const file = {
    session_id: "WFS-bench",
    project: "bench",
    type: "simple",
    current_phase: "IMPLEMENT",
    status: "active",
    progress: { completed_phases: ["PLAN"], current_tasks: [] },
  };
  writeFileSync(join(lab.workspace, "WFS-bench", "workflow-session.json"), JSON.stringify(file));
  mkdirSync(folder, { recursive: true });
  for (let n = 1; n <= count; n++) {
    const task = {
      id: `impl-${n}`,
      title: `Task number ${n} of the bench`,
      status: n % 2 === 0 ? "completed" : "pending",
      type: "feature",
      agent: "code-developer",
      paths: "",
      context: { requirements: ["one", "two"], scope: [], acceptance: ["it works"], inherited_from: "WFS-bench" },
      relations: { parent: null, subtasks: [], dependencies: n > 2 ? [`impl-${n - 2}`] : [] },
      execution: { attempts: 0, last_attempt: null },
      implementation: { files: [], context_notes: {}, analysis_source: "manual" },
    };
    writeFileSync(join(folder, `impl-${n}.json`), `${JSON.stringify(task, null, 2)}\n`);
  }
}

if (import.meta.main) for (const line of await commands()) console.log(line);
