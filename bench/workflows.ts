/** What a workflow adds to its steps: `run: "true"` as a step, against the same as a task that is dropped. */
import { mkdirSync, readdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeLab, ms, quantile, readIf, recordedSubjects, startDaemon, stopDaemon, until, usage } from "./lab.ts";

const STEPS = 200;
const ROUNDS = 5;

interface Took {
  /** ms for each, until all are recorded as completed. */
  each: number;
  /** ms of the daemon's, for each. */
  cpu: number;
}

export async function workflows(): Promise<string[]> {
  const [steps, tasks]: Took[][] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    tasks?.push(await took("tasks"));
    steps?.push(await took("steps"));
  }
  const figure = (of: keyof Took) => {
    const [inWorkflow, dropped] = [steps, tasks].map((all) => quantile(all?.map((one) => one[of]) ?? [], 0.5));
    return `${ms(inWorkflow ?? 0)} and ${ms(dropped ?? 0)} (${((inWorkflow ?? 0) / (dropped ?? 1)).toFixed(2)} times)`;
  };
  return [
    `a step \`run: "true"\` of a workflow of ${STEPS}, and a dropped task of \`true\`, 8 at a time, all recorded: each ${figure("each")}; the daemon's CPU ${figure("cpu")}`,
  ];
}

async function took(what: "steps" | "tasks"): Promise<Took> {
  const lab = makeLab({ config: "concurrency: 8\nisolation: none\n" });
  const staged = join(lab.workspace, ".run", "staged");
  const folder = join(lab.workspace, "WFS-bench", ".task");
  mkdirSync(staged, { recursive: true });
  const numbers = Array.from({ length: STEPS }, (_, place) => place + 1);
  if (what === "steps") {
    const steps = numbers.map((n) => `  - { id: s${n}, run: "true", needs: [] }\n`).join("");
    writeFileSync(join(staged, "bench.yaml"), `name: Bench\nsteps:\n${steps}`);
  } else {
    for (const n of numbers) {
      const task = { title: `Task ${n}`, agent: "command", execution: { command: "true" } };
      writeFileSync(join(staged, `impl-${n}.json`), JSON.stringify(task));
    }
  }
  const daemon = await startDaemon(lab);
  const pid = daemon.pid ?? 0;
  try {
    const before = usage(pid).cpu;
    const began = performance.now();
    for (const name of readdirSync(staged))
      renameSync(join(staged, name), join(what === "steps" ? join(lab.workspace, "inbox") : folder, name));
    const left = new Set(numbers.map((n) => join(folder, what === "steps" ? `impl-1.${n}.json` : `impl-${n}.json`)));
    const areDone = () => {
      for (const file of left) {
        if (!/"status": "completed"/.test(readIf(file))) return false;
        left.delete(file);
      }
      return recordedSubjects(lab).filter((subject) => / impl-[\d.]+: .*completed/.test(subject)).length >= STEPS;
    };
    await until(areDone, 120_000, "all to be recorded as completed");
    const each = (performance.now() - began) / STEPS;
    return { each, cpu: ((usage(pid).cpu - before) * 1000) / STEPS };
  } finally {
    await stopDaemon(daemon);
    lab.remove();
  }
}

if (import.meta.main) for (const line of await workflows()) console.log(line);
