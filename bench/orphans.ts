/** Six kinds of grandchildren that do not want to end, each under an agent that is stopped: `node bench/orphans.ts [times]`. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { send } from "../src/agent/proc-table.ts";
import { SESSION, Workshop } from "../test/support/workshop.ts";
import { prove, type Proof } from "./proof.ts";

/** Lines of the shell; `$MARK` is in the command line of what has to be gone. */
const KINDS: Record<string, string> = {
  "in a session of its own": `setsid sh -c 'sleep 300; : '"$MARK" &`,
  "without a parent, twice over": `( ( setsid sh -c 'sleep 300; : '"$MARK" & ) & )`,
  "deaf to signals": `setsid sh -c 'trap "" TERM INT HUP QUIT; while :; do sleep 1; done; : '"$MARK" &`,
  stopped: `setsid sh -c 'kill -STOP $$; sleep 300; : '"$MARK" &`,
  "forking all the time": `setsid sh -c 'n=0; while [ $n -lt 300 ]; do n=$((n+1)); sh -c "sleep 0.2; : $0 $1" & sleep 0.02; done; wait' "$MARK" &`,
  "a daemon with no marker, environment, or descriptor": `env -i setsid sh -c '( exec <&- >&- 2>&-; cd /; setsid /bin/sh -c "/bin/sleep 300; : $0" & )' "$MARK"`,
};
const GONE_AFTER_MS = 5000;
const TOGETHER = 4;

export async function orphans(times = 20, kinds: readonly string[] = Object.keys(KINDS)): Promise<Proof> {
  const broken: string[] = [];
  let slowest = 0;
  for (const kind of kinds) {
    const shop = new Workshop({ COX_CONCURRENCY: "64", COX_AGENT_STOP_GRACE: "1s", COX_RESCAN: "500ms" });
    try {
      shop.drop(`${SESSION}/workflow-session.json`, {});
      shop.touch(`.active-${SESSION}`);
      await shop.start();
      let left = 0;
      for (let first = 1; first <= times; first += TOGETHER) {
        const ids = Array.from({ length: Math.min(TOGETHER, times - first + 1) }, (_, more) => first + more);
        const found = await stopped(shop, KINDS[kind] ?? "", ids);
        slowest = Math.max(slowest, found.took);
        left += found.left;
      }
      if (left > 0) broken.push(`${kind}: ${left} of ${times} are left after ${GONE_AFTER_MS} ms`);
    } catch (error) {
      broken.push(`${kind}: ${(error as Error).message}`);
    } finally {
      for (let id = 1; id <= times; id++) for (const pid of alive(markOf(shop, id))) send(pid, "SIGKILL");
      await shop.close();
    }
  }
  const figures =
    `${kinds.length} kinds of grandchildren, ${times} of each, stopped ${Math.min(times, TOGETHER)} at a time: ` +
    `the last was gone after ${Math.round(slowest)} ms; ${broken.length} kinds survive`;
  return { figures, broken };
}

/** How many are left, and how long the last one that is not took. */
async function stopped(shop: Workshop, line: string, ids: readonly number[]): Promise<{ left: number; took: number }> {
  for (const id of ids) {
    const script = `MARK=${markOf(shop, id)}\n${line}\nwhile :; do sleep 0.1; done`;
    shop.command(`impl-${id}`, script, { paths: `p${id}` });
  }
  const marks = ids.map((id) => markOf(shop, id));
  await shop.until("each has one", () => marks.every((mark) => alive(mark).length > 0), 60_000);
  for (const id of ids) shop.edit(`impl-${id}`, (task) => (task.status = "blocked"));
  const began = performance.now();
  for (;;) {
    await pause(50);
    const left = marks.flatMap(alive);
    const took = performance.now() - began;
    if (left.length > 0 && took < GONE_AFTER_MS) continue;
    for (const pid of left) send(pid, "SIGKILL");
    return { left: left.length, took };
  }
}

const markOf = (shop: Workshop, id: number) => `grandchild-${shop.root.split("-").at(-1)}-${id}-`;

/** Processes with the word in their command line, but for agents' own shells, which hold the whole script. */
function alive(mark: string): number[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const line = readFileSync(join("/proc", pid, "cmdline"), "latin1");
      return line.includes(mark) && !line.includes("MARK=") ? [Number(pid)] : [];
    } catch {
      return [];
    }
  });
}

if (import.meta.main) await prove("orphans", orphans(Number(process.argv[2] ?? 20)));
