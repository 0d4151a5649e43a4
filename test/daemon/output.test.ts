/** Agents that write more than anybody could keep. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { daemonPid, assertRanOnce, assertWhole, killDaemon, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

const MB = 1024 * 1024;
/** One line of so many MB. */
const line = (mb: number) => `head -c ${mb}M /dev/zero | tr "\\0" x`;

function output(shop: Workshop): string {
  const [run] = readdirSync(shop.at(".run/attempts"));
  return shop.at(".run/attempts", run ?? "", "stdout");
}

function onDisk(shop: Workshop): number {
  return statSync(output(shop)).blocks * 512;
}

/** In kB: the most that the daemon has had. */
function memory(shop: Workshop): number {
  return Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${daemonPid(shop)}/status`, "latin1"))?.[1]);
}

test("a line that no disk could bear is cut to its end, the agent goes on, and its answer counts", async (t) => {
  const shop = await workshop(t, { env: { COX_CONCURRENCY: "1" } });
  shop.command("impl-1", `${NOTES}; ${line(300)}; ${shop.waits()}; ${line(40)}; echo; echo the answer`);
  await shop.until("it is cut", () => /has written more than 256 MB/.test(shop.output));
  assert.match(shop.output, /WFS-main impl-1-a1 has written more than 256 MB: all but the last 8 MB are given back/);
  await shop.until("the disk has room", () => onDisk(shop) < 64 * MB);
  const before = memory(shop);
  await killDaemon(shop);
  await shop.start();
  await shop.until("it is followed again", () => shop.output.includes("following it again"));
  shop.release();
  await shop.becomes("impl-1", "completed");
  const { result } = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as { result: string };
  assert.match(result.slice(0, 200), /^\[the first \d{9} bytes are left out\]\n/);
  assert.equal(result.slice(-12), "\nthe answer\n");
  assert.ok(result.length < 2 * MB);
  for (const used of [before, memory(shop)]) assert.ok(used < 400 * 1024, `${used} kB of memory`);
  assert.deepEqual(ran(shop), ["impl-1 1"]);
  assertRanOnce(shop);
  await assertWhole(shop);
});
