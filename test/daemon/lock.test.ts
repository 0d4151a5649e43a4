/** One daemon for a workspace. */
import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { assertRanOnce, assertWhole, daemonPid, killDaemon, NOTES, ran } from "../support/survival.ts";
import { workshop, type Workshop } from "../support/workshop.ts";

const MAIN = fileURLToPath(new URL("../support/daemon-main.ts", import.meta.url));

interface Other {
  child: ChildProcess;
  said: () => string;
  ended: Promise<number | null>;
}

function another(shop: Workshop): Other {
  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [MAIN, shop.dir], {
    env: { PATH, HOME: shop.home },
    stdio: ["pipe", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  return { child, said: () => said, ended: new Promise((resolve) => child.on("close", resolve)) };
}

test("a second daemon ends at once with exit code 4 and says who is at work", async (t) => {
  const shop = await workshop(t);
  const second = another(shop);
  assert.equal(await second.ended, 4);
  assert.match(second.said(), new RegExp(`process ${daemonPid(shop)}\\b`));
  assert.match(second.said(), /cox stop/);
});

test("after a kill -9 the next daemon is at work at once", async (t) => {
  const shop = await workshop(t);
  await killDaemon(shop);
  const began = performance.now();
  await shop.start();
  const took = performance.now() - began;
  t.diagnostic(`taken over within ${Math.round(took)} ms, the start of Node included`);
  assert.ok(took < 3000, `${took} ms`);
});

test("a daemon that sleeps keeps its workspace", async (t) => {
  const shop = await workshop(t);
  process.kill(daemonPid(shop), "SIGSTOP");
  try {
    const second = another(shop);
    assert.equal(await second.ended, 4);
  } finally {
    process.kill(daemonPid(shop), "SIGCONT");
  }
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
});

test("of daemons that are started at the same moment exactly one is at work", async (t) => {
  const shop = await workshop(t, { started: false });
  for (let round = 0; round < 3; round++) {
    const all = Array.from({ length: 3 }, () => another(shop));
    const refused = await shop.until("two have given up", async () => {
      const over = all.filter(({ child }) => child.exitCode !== null);
      return over.length >= 2 ? over : undefined;
    });
    assert.deepEqual(
      refused.map(({ child }) => child.exitCode),
      [4, 4],
    );
    const [one] = all.filter((other) => !refused.includes(other));
    assert.ok(one);
    await shop.until("the third is at work", () => one.said().includes("is at work in"));
    // The last one tidies up: what a killed daemon was about to write is cleared away by the next.
    one.child.kill(round < 2 ? "SIGKILL" : "SIGTERM");
    await one.ended;
  }
});

test("a daemon whose lock is removed ends, and the next one takes over what it left", async (t) => {
  for (const gone of [".run", ".run/daemon.lock"]) {
    const shop = await workshop(t, { env: { COX_RESCAN: "10m" } });
    shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
    await shop.becomes("impl-1", "active");
    await shop.until("it runs", () => ran(shop).length === 1);
    const first = shop.detach();
    shop.remove(gone);
    await shop.start();
    shop.command("impl-2", NOTES);
    assert.equal(await first.ended, 1);
    assert.match(shop.output, /lock of this daemon.*removed or replaced.*cox start/);
    await shop.becomes("impl-2", "completed");
    shop.release();
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.attempts, gone === ".run" ? 2 : 1);
    assertRanOnce(shop);
    await assertWhole(shop);
    assert.equal(shop.moves("impl-1").filter((move) => move === "active -> completed").length, 1);
  }
});
