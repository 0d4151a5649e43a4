/**
 * The simulation. `npm run simulate -- --seeds 1000`, with `--from 500`, `--hours 24`, `--mutant no-sync`; each mutant
 * until a seed finds it: `--mutants`; one seed with all that happens in it: `--seed 123 --trace`. With `--json` each
 * outcome is a line of its own. Exit code 1: a promise was broken, or a mutant was not found.
 */
import "./hooks.ts";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "./world.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "200" },
    from: { type: "string", default: "1" },
    seed: { type: "string" },
    hours: { type: "string", default: "24" },
    mutant: { type: "string" },
    mutants: { type: "boolean", default: false },
    trace: { type: "boolean", default: false },
    json: { type: "boolean", default: false },
  },
});

// What a killed daemon had begun ends nowhere.
process.on("unhandledRejection", (error: Error) => {
  if (error.name !== "Killed") throw error;
});
// Where an error comes from costs more than all the rest, and is told with --trace.
if (!values.trace) Error.stackTraceLimit = 0;

const { live } = await import("./life.ts");
const first = Number(values.seed ?? values.from);
const seeds = values.seed === undefined ? Number(values.seeds) : 1;
const mutant = MUTANTS.find((name) => name === values.mutant);
if (values.mutant !== undefined && !mutant) {
  console.error(`There is no mutant ${values.mutant}: ${MUTANTS.join(", ")}`);
  process.exitCode = 2;
} else if (values.mutants) {
  for (const name of MUTANTS) await find(name);
} else {
  await playAll();
}

function play(seed: number, planted: Mutant | undefined) {
  const trace = values.trace ? (line: string) => console.log(line) : undefined;
  return live({ seed, hours: Number(values.hours), mutant: planted, trace });
}

async function playAll(): Promise<void> {
  const began = process.hrtime.bigint();
  const sum = { hours: 0, tasks: 0, agents: 0, transitions: 0, lives: 0, kills: 0, cuts: 0, events: 0, steps: 0 };
  let broken = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const outcome = await play(seed, mutant);
    for (const key of Object.keys(sum) as (keyof typeof sum)[]) sum[key] += outcome[key];
    const { last, ...figures } = outcome;
    if (values.json) console.log(JSON.stringify(outcome.violation === undefined ? figures : outcome));
    if (outcome.violation === undefined) continue;
    broken++;
    if (!values.json) tell(seed, outcome.violation, values.trace ? [] : last);
  }
  process.exitCode = broken > 0 ? 1 : 0;
  if (values.json) return;
  const { hours, tasks, agents, transitions, lives, kills, cuts, events, steps } = sum;
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const cpu = process.cpuUsage();
  console.log(
    `${seeds} seeds, ${Math.round(hours)} simulated hours: ${tasks} tasks, ${agents} agents, ${transitions} transitions; ` +
      `the daemon lived ${lives} times (${kills} kills, ${cuts} power cuts), with ${events} watch events and ${steps} steps. ` +
      `${seconds.toFixed(1)} s, ${((cpu.user + cpu.system) / 1e6).toFixed(1)} s of CPU. ${broken} broken`,
  );
}

/** The first seed that notices the mutant. */
async function find(planted: Mutant): Promise<void> {
  for (let tried = 1; tried <= seeds; tried++) {
    const { violation } = await play(first + tried - 1, planted);
    if (violation === undefined) continue;
    const found = { mutant: planted, tried, violation };
    return console.log(values.json ? JSON.stringify(found) : `${planted}: found by seed ${tried}: ${violation}`);
  }
  process.exitCode = 1;
  console.log(
    values.json ? JSON.stringify({ mutant: planted, tried: seeds }) : `${planted}: NOT FOUND by ${seeds} seeds`,
  );
}

function tell(seed: number, violation: string, last: string[]): void {
  const more = mutant ? ` --mutant ${mutant}` : "";
  console.log(`${last.join("\n")}\nseed ${seed}: ${violation}`);
  console.log(`Again: npm run simulate -- --seed ${seed} --trace${more}\n`);
}
