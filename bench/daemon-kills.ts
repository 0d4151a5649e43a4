/**
 * kill -9 of the real daemon with real agents at work: at random moments, and once at each step of a task's life:
 * `node bench/daemon-kills.ts [kills]`. The agents outlive it; the next daemon finds them.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { FAILPOINTS } from "../src/daemon/failpoint.ts";
import { assertRanOnce, assertWhole, NOTES, ran } from "../test/support/survival.ts";
import { SESSION, Workshop } from "../test/support/workshop.ts";
import { prove, type Proof } from "./proof.ts";

const KILLS_OF_A_WORKSHOP = 20;
/** Most are killed at work, some while they start, which takes about half of it. */
const LONGEST_LIFE_MS = 1200;
const ENV = { COX_RETRY_BASE: "50ms", COX_RESCAN: "500ms", COX_CONCURRENCY: "4", COX_AGENT_STAGGER: "0s" };

interface Found {
  broken: string[];
  attempts: number;
  adopted: number;
  tasks: number;
}

export async function daemonKills(count = 200, points: readonly string[] = FAILPOINTS): Promise<Proof> {
  const broken: string[] = [];
  const sum = { attempts: 0, adopted: 0, tasks: 0 };
  const add = (what: string, found: Found) => {
    broken.push(...found.broken.map((each) => `${what}: ${each}`));
    sum.attempts += found.attempts;
    sum.adopted += found.adopted;
    sum.tasks += found.tasks;
  };
  for (let done = 0; done < count; done += KILLS_OF_A_WORKSHOP) {
    const kills = Math.min(KILLS_OF_A_WORKSHOP, count - done);
    add(`kills ${done + 1} to ${done + kills}`, await atRandom(kills));
  }
  for (const point of points) add(`killed ${point}`, await atFailpoint(point));
  const figures =
    `${count} kill -9 at random and one at each of ${points.length} steps, ${sum.tasks} tasks: ` +
    `${sum.attempts} attempts, none twice unless said below, ${sum.adopted} times an agent was found again; ` +
    `${broken.length} faults`;
  return { figures, broken };
}

async function atRandom(kills: number): Promise<Found> {
  const shop = open(ENV);
  return closing(shop, async () => {
    for (let n = 0, id = 0; n < kills; n++) {
      for (let more = 0; more < 3; more++) drop(shop, ++id);
      const daemon = shop.start().catch(() => undefined); // killed before it was ready
      if (n % 5 !== 4) await daemon;
      await pause(Math.random() * LONGEST_LIFE_MS);
      shop.kill();
      await shop.over();
      await daemon;
    }
    await shop.start();
    await allDone(shop, kills * 3);
  });
}

async function atFailpoint(point: string): Promise<Found> {
  const shop = open({ ...ENV, COX_FAILPOINT: point });
  return closing(shop, async () => {
    for (let id = 1; id <= 3; id++) drop(shop, id);
    if ((await shop.once()) !== null) throw new Error("the daemon was not killed there");
    delete shop.env["COX_FAILPOINT"];
    await shop.start();
    await allDone(shop, 3);
  });
}

/** By turns: a command that takes a moment, one that fails once, a scripted agent that streams as Claude Code does. */
function drop(shop: Workshop, n: number): void {
  const id = `impl-${n}`;
  const more = n > 3 ? { relations: { dependencies: [`impl-${n - 3}`] } } : {};
  if (n % 3 === 0) shop.drop(`${SESSION}/.task/${id}.json`, { title: `Task ${id}`, agent: "player", ...more });
  else if (n % 3 === 1) shop.command(id, `${NOTES}; sleep ${n % 2}.${n % 7}`, more);
  else shop.command(id, `${NOTES}; [ "$COX_ATTEMPT" != 1 ]`, more);
}

function open(env: Record<string, string>): Workshop {
  const shop = new Workshop({ ...env });
  const script = join(shop.home, "script.json");
  const steps = [{ say: "at work" }, { run: `${NOTES}; sleep 0.2` }, { say: "done" }];
  writeFileSync(script, JSON.stringify({ default: steps }));
  shop.drop(
    "agents/player.md",
    `---\nname: player\ndescription: plays\nrunner: scripted\nscript: ${script}\n---\nPlays.\n`,
  );
  shop.drop(`${SESSION}/workflow-session.json`, {});
  shop.touch(`.active-${SESSION}`);
  return shop;
}

async function allDone(shop: Workshop, count: number): Promise<void> {
  const done = () => shop.tasks().filter(({ status }) => status === "completed").length === count;
  await shop.until(`all ${count} are done`, done, 120_000);
}

/** What must hold at its end. */
async function closing(shop: Workshop, live: () => Promise<void>): Promise<Found> {
  const broken: string[] = [];
  const hold = async (check: () => unknown) => {
    try {
      await check();
    } catch (error) {
      broken.push((error as Error).message.split("\n--- the daemon said")[0] ?? "");
    }
  };
  await hold(live);
  const tasks = shop.tasks();
  const attempts = ran(shop);
  for (const { id, execution } of tasks) {
    const expected = Number(id.slice("impl-".length)) % 3 === 2 ? 2 : 1;
    if (execution.attempts !== expected)
      broken.push(`${id} took ${execution.attempts} attempts instead of ${expected}`);
    const begun = attempts.filter((line) => line.startsWith(`${id} `)).length;
    if (begun !== expected) broken.push(`${id} began ${begun} times instead of ${expected}`);
  }
  await hold(() => assertRanOnce(shop));
  await hold(() => assertWhole(shop));
  const adopted = shop.output.match(/following it again|settling it from what it left/g)?.length ?? 0;
  await hold(() => shop.close());
  return { broken, attempts: attempts.length, adopted, tasks: tasks.length };
}

if (import.meta.main) await prove("daemon-kills", daemonKills(Number(process.argv[2] ?? 200)));
