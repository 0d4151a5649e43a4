/**
 * The Nth file operation of the daemon fails, along one life of tasks: for want of room or with an I/O error, once or until
 * the disk is well again: `node bench/io-errors.ts [lives]`. Of all operations so many are chosen, evenly.
 */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { assertRanOnce, assertWhole, NOTES } from "../test/support/survival.ts";
import { SESSION, Workshop } from "../test/support/workshop.ts";
import type { Fault } from "./io-fault.ts";
import { prove, type Proof } from "./proof.ts";

const KINDS = (["ENOSPC", "EIO"] as const).flatMap((code) => [true, false].map((once) => ({ code, once })));
const SIDE_BY_SIDE = 2;
const TROUBLE = /nothing can be recorded|cannot be read|cannot be started yet|could not be|i\/o fault/;
type Kind = (typeof KINDS)[number];

interface Lived {
  broken: string[];
  struck: boolean;
  /** The daemon ended, and another one was needed. */
  ended: boolean;
}

export async function ioErrors(lives = 120): Promise<Proof> {
  const broken: string[] = [];
  const sum = { lives: 0, struck: 0, ended: 0 };
  const plan: { kind: Kind; at: number }[] = [];
  for (const kind of KINDS) {
    const count = await operations(kind.code);
    const each = Math.max(1, Math.round(lives / KINDS.length));
    for (let n = 0; n < each; n++) plan.push({ kind, at: 1 + Math.floor(((n + Math.random()) * count) / each) });
  }
  const work = async () => {
    for (let next = plan.shift(); next; next = plan.shift()) {
      const { kind, at } = next;
      const lived = await live({ ...kind, at });
      const what = `${kind.code} ${kind.once ? "once" : "until it is well"}, operation ${at}`;
      broken.push(...lived.broken.map((each) => `${what}: ${each}`));
      sum.lives++;
      if (lived.struck) sum.struck++;
      if (lived.ended) sum.ended++;
    }
  };
  await Promise.all(Array.from({ length: SIDE_BY_SIDE }, work));
  const figures =
    `${sum.lives} lives of two tasks, ${sum.struck} struck by ENOSPC or EIO, once or until the disk was well: ` +
    `${sum.struck - sum.ended} went on by themselves, ${sum.ended} ended and the next daemon went on; ${broken.length} faults`;
  return { figures, broken };
}

/** How many there are in a life without faults. */
async function operations(code: Fault["code"]): Promise<number> {
  const shop = open({ code, at: 0, once: true });
  try {
    if ((await shop.once()) !== 0) throw new Error(`without a fault it does not work:\n${shop.output}`);
    return Number(/^(\d+) in all$/m.exec(told(shop))?.[1]);
  } finally {
    await shop.close();
  }
}

async function live(fault: Pick<Fault, "code" | "at" | "once">): Promise<Lived> {
  const shop = open(fault);
  const broken: string[] = [];
  const hold = async (check: () => unknown) => {
    try {
      await check();
    } catch (error) {
      broken.push(`${(error as Error).message} [${told(shop).split("\n")[0]}]`);
    }
  };
  let ended = false;
  await hold(async () => {
    await shop.start("once");
    if (!fault.once) {
      await shop.until("it says that something is wrong, or ends", () => TROUBLE.test(shop.output) || !shop.isUp);
      rmSync(join(shop.home, "ill"));
    }
    await shop.until("it has ended", () => !shop.isUp, 60_000);
    if ((await shop.over()) === 0) return;
    ended = true;
    if (shop.output.trim() === "") broken.push("it ended without a word");
    shop.env["NODE_OPTIONS"] = "";
    const code = await shop.once();
    if (code !== 0) throw new Error(`the next one ended with ${code}:\n${shop.output}`);
  });
  const states = shop.tasks().map(({ id, status, execution }) => `${id} ${status} ${execution.attempts}`);
  if (states.sort().join() !== "impl-1 completed 1,impl-2 completed 1") broken.push(states.join() || "no tasks");
  await hold(() => assertRanOnce(shop));
  await hold(() => assertWhole(shop));
  const struck = / (ENOSPC|EIO) /.test(told(shop));
  await hold(() => shop.close());
  return { broken, struck, ended };
}

function open(fault: Pick<Fault, "code" | "at" | "once">): Workshop {
  const shop = new Workshop({ COX_RESCAN: "300ms", COX_RETRY_BASE: "50ms" });
  const whole: Fault = {
    ...fault,
    under: [shop.at(), join(shop.dir, ".git")],
    while: join(shop.home, "ill"),
    told: join(shop.home, "told"),
  };
  writeFileSync(whole.while, "");
  writeFileSync(whole.told, "");
  shop.env["COX_IO_FAULT"] = JSON.stringify(whole);
  shop.env["NODE_OPTIONS"] = `--import ${new URL("./io-fault.ts", import.meta.url).href}`;
  shop.drop(`${SESSION}/workflow-session.json`, {});
  shop.touch(`.active-${SESSION}`);
  shop.command("impl-1", NOTES);
  shop.command("impl-2", NOTES, { relations: { dependencies: ["impl-1"] } });
  return shop;
}

function told(shop: Workshop): string {
  try {
    return readFileSync(join(shop.home, "told"), "utf8");
  } catch {
    return "";
  }
}

if (import.meta.main) await prove("io-errors", ioErrors(Number(process.argv[2] ?? 120)));
