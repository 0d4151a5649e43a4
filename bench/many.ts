/**
 * Very many tasks dropped at once, with file events and with every one of them lost: each is done, once:
 * `node bench/many.ts [tasks]`.
 */
import { mkdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { assertWhole } from "../test/support/survival.ts";
import { SESSION, Workshop } from "../test/support/workshop.ts";
import { prove, type Proof } from "./proof.ts";

const ENV = { COX_CONCURRENCY: "8", COX_RESCAN: "1s", COX_LOG_LEVEL: "warn" };

export async function many(tasks = 10_000): Promise<Proof> {
  const broken: string[] = [];
  const lines: string[] = [];
  for (const [what, env] of [
    ["with file events", {}],
    ["with every event lost", { COX_NO_WATCH: "1" }],
  ] as const) {
    const began = performance.now();
    broken.push(...(await done(tasks, { ...ENV, ...env })).map((fault) => `${what}: ${fault}`));
    lines.push(`${what} in ${Math.round((performance.now() - began) / 1000)} s`);
  }
  return {
    figures: `${tasks} tasks dropped at once, each done once ${lines.join(", ")}; ${broken.length} faults`,
    broken,
  };
}

async function done(tasks: number, env: Record<string, string>): Promise<string[]> {
  const broken: string[] = [];
  const hold = async (check: () => unknown) => {
    try {
      await check();
    } catch (error) {
      broken.push((error as Error).message.slice(0, 1000));
    }
  };
  const shop = new Workshop(env);
  await hold(async () => {
    shop.drop(`${SESSION}/workflow-session.json`, {});
    shop.touch(`.active-${SESSION}`);
    await shop.start();
    const aside = join(shop.root, "aside");
    mkdirSync(aside);
    for (let n = 1; n <= tasks; n++) {
      const execution = { command: 'echo "$COX_TASK" >> "$HOME/ran"' };
      const drop = { title: `Task ${n}`, agent: "command", paths: `p${n}`, execution };
      writeFileSync(join(aside, `impl-${n}.json`), JSON.stringify(drop));
    }
    // All appear in one moment.
    const folder = shop.at(SESSION, ".task");
    rmSync(folder, { recursive: true, force: true });
    renameSync(aside, folder);
    const ran = () => statSync(join(shop.home, "ran"), { throwIfNoEntry: false })?.size ?? 0;
    const whole = Array.from({ length: tasks }, (_, n) => `impl-${n + 1}\n`.length).reduce((sum, size) => sum + size);
    await shop.until("all have begun", () => ran() >= whole, tasks * 100 + 60_000);
    // To read all of them takes a while.
    const completed = async () => {
      await pause(500);
      return shop.tasks().filter(({ status }) => status === "completed").length === tasks;
    };
    await shop.until("all are completed", completed, 60_000);
    if ((await shop.stop()) !== 0) broken.push("the daemon did not end well");
  });
  const names = (shop.left("ran") ?? "").trim().split("\n");
  if (names.length !== tasks || new Set(names).size !== tasks)
    broken.push(`${names.length} runs of ${new Set(names).size} tasks instead of ${tasks}`);
  const moves = new Map<string, string[]>();
  await hold(() => {
    for (const subject of shop.subjects()) {
      const [, id = "", move = ""] = /^WFS-main (impl-\d+): (.*->.*)$/.exec(subject) ?? [];
      if (id) moves.set(id, [...(moves.get(id) ?? []), move]);
    }
  });
  const expected = "new -> pending, pending -> active, active -> completed";
  const odd = [...moves].filter(([, each]) => each.join(", ") !== expected);
  if (moves.size !== tasks) broken.push(`${moves.size} tasks are in the ledger instead of ${tasks}`);
  for (const [id, each] of odd.slice(0, 5)) broken.push(`${id}: ${each.join(", ")}`);
  await hold(() => assertWhole(shop));
  await hold(() => shop.close());
  return broken;
}

if (import.meta.main) await prove("many", many(Number(process.argv[2] ?? 10_000)));
