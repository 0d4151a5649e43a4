/** What the tests of crashes and stops need beside a workshop: a daemon that is killed, and what must hold afterwards. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { Workshop } from "./workshop.ts";

/** The daemon's process id. */
export function daemonPid(shop: Workshop): number {
  return (JSON.parse(shop.read(".run/daemon.json")) as { pid: number }).pid;
}

/** `kill -9` of the daemon, and of nothing else. */
export async function killDaemon(shop: Workshop): Promise<void> {
  process.kill(daemonPid(shop), "SIGKILL");
  await shop.over();
}

/** A shell command that writes down which attempt runs. */
export const NOTES = 'echo "$COX_TASK $COX_ATTEMPT $COX_RUN_ID" >> "$HOME/ran"';

/** Which attempts ran, in order: `impl-1 1`. */
export function ran(shop: Workshop): string[] {
  return (shop.left("ran") ?? "")
    .split("\n")
    .filter(Boolean)
    .map((line) => line.split(" ").slice(0, 2).join(" "));
}

/** Attempts whose command began, by the run they belonged to: each at most once. */
export function assertRanOnce(shop: Workshop): void {
  const lines = (shop.left("ran") ?? "").split("\n").filter(Boolean);
  const runs = lines.map((line) => line.split(" ")[2]);
  assert.equal(new Set(runs).size, runs.length, `a run ran twice:\n${lines.join("\n")}`);
  const attempts = ran(shop);
  assert.equal(new Set(attempts).size, attempts.length, `an attempt ran twice:\n${lines.join("\n")}`);
}

/** Processes that this workshop's agents left, by any run: what carries the marker and works in its repository. */
export function marked(shop: Workshop): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const environment = readFileSync(join("/proc", pid, "environ"), "latin1");
      if (!environment.includes("COX_RUN_ID=") || !environment.includes(`HOME=${shop.home}\0`)) return [];
      return [`${pid} ${readFileSync(join("/proc", pid, "cmdline"), "latin1").replaceAll("\0", " ")}`];
    } catch {
      return [];
    }
  });
}

/** What must hold after any life: whole chains, an intact repository, nothing half done. */
export async function assertWhole(shop: Workshop): Promise<void> {
  // Files come before the ledger, and a run's folder goes when its end is recorded.
  const folders = () => (existsSync(shop.at(".run/attempts")) ? readdirSync(shop.at(".run/attempts")) : []);
  await shop.until("no folder of a run is left", () => folders().length === 0);
  shop.checkChains();
  await shop.until("git finds nothing wrong", () => {
    try {
      return shop.git("fsck", "--full", "--strict", "--no-dangling") === "";
    } catch (error) {
      // The daemon may be packing the ledger just now, under the hands of fsck.
      return /index not opened|cannot be (opened|accessed)/.test((error as Error).message)
        ? false
        : Promise.reject(error);
    }
  });
  await shop.until("no process of an agent is left", () => marked(shop).length === 0, 5000);
  // A living daemon writes its pages a moment after what they tell of is recorded: what stays is what was left behind.
  await shop.until("no half-written file is left", () => readdirSync(shop.at(".run/tmp")).length === 0, 5000);
  const locks = readdirSync(join(shop.dir, ".git"), { recursive: true, encoding: "utf8" }).filter((name) =>
    name.endsWith(".lock"),
  );
  assert.deepEqual(locks, [], "locks of git");
}
