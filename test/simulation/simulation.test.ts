/** The daemon through two hundred simulated days of crashes, power cuts and people; and the faults that it must notice. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { MUTANTS } from "./world.ts";

const SEEDS = 200;
/** Most seeds that it may take to notice a planted fault. */
const WITHIN = 25;
const LONGEST_MS = 600_000;

interface Line {
  seed: number;
  violation?: string;
  last?: string[];
  fingerprint: string;
  hours: number;
  tasks: number;
  agents: number;
  transitions: number;
  kills: number;
  cuts: number;
}

/** In a process of its own: its clock and its disk are not ours. */
function simulate<T>(...args: string[]): Promise<T[]> {
  return new Promise((resolve, reject) => {
    const file = join(import.meta.dirname, "main.ts");
    execFile(process.execPath, [file, "--json", ...args], { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
      const lines = stdout.split("\n").filter(Boolean);
      if (error && lines.length === 0) reject(new Error(stderr));
      else if (stderr) reject(new Error(`${stderr}\n${stdout.slice(-2000)}`));
      else resolve(lines.map((line) => JSON.parse(line) as T));
    });
  });
}

test("two hundred days break no promise, and a seed is the same life each time", { timeout: LONGEST_MS }, async (t) => {
  const began = performance.now();
  const half = SEEDS / 2;
  const days = await Promise.all([
    simulate<Line>("--seeds", String(half)),
    simulate<Line>("--seeds", String(half), "--from", String(half + 1)),
  ]);
  const all = days.flat();
  const sum = (key: "hours" | "tasks" | "agents" | "transitions" | "kills" | "cuts") =>
    Math.round(all.reduce((total, line) => total + line[key], 0));
  t.diagnostic(
    `${all.length} seeds, ${sum("hours")} simulated hours, ${sum("tasks")} tasks, ${sum("agents")} agents, ` +
      `${sum("transitions")} transitions, ${sum("kills")} kills, ${sum("cuts")} power cuts: ` +
      `${((performance.now() - began) / 1000).toFixed(1)} s`,
  );
  const broken = all.filter(({ violation }) => violation !== undefined);
  const told = broken.map(
    ({ seed, violation, last = [] }) =>
      `${last.join("\n")}\nseed ${seed}: ${violation}\nAgain: npm run simulate -- --seed ${seed} --trace`,
  );
  assert.equal(told.join("\n\n"), "");
  assert.equal(all.length, SEEDS);
  assert.ok(sum("kills") > 5 * SEEDS && sum("cuts") > SEEDS && sum("transitions") > 20 * SEEDS);

  const [again] = await simulate<Line>("--seed", "117");
  assert.equal(again?.fingerprint, all.find(({ seed }) => seed === 117)?.fingerprint);
});

test(
  `each planted fault is noticed within ${WITHIN} seeds, which pass without it`,
  { timeout: LONGEST_MS },
  async (t) => {
    const found = await simulate<{ mutant: string; tried: number; violation?: string }>(
      "--mutants",
      "--seeds",
      String(WITHIN),
    );
    for (const { mutant, tried, violation } of found) t.diagnostic(`${mutant}: seed ${tried}: ${violation}`);
    assert.deepEqual(
      found.filter(({ violation }) => violation !== undefined).map(({ mutant }) => mutant),
      [...MUTANTS],
    );
  },
);
