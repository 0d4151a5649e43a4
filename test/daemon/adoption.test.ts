/** Agents outlive the daemon: the next one follows what still runs, and settles what has ended. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { assertRanOnce, assertWhole, killDaemon, marked, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

/** Starts the tasks, waits until their commands run, and kills the daemon. */
async function orphaned(shop: Workshop, ids: string[], more: Record<string, unknown> = {}): Promise<void> {
  for (const id of ids) shop.command(id, `${NOTES}; ${shop.waits()}; echo "result of $COX_TASK"`, more);
  await shop.until("the agents run", () => ran(shop).length === ids.length);
  await killDaemon(shop);
}

function runFolder(shop: Workshop): string {
  return shop.at(".run/attempts", readdirSync(shop.at(".run/attempts"))[0] ?? "");
}

function killAgents(shop: Workshop): void {
  for (const line of marked(shop)) {
    try {
      process.kill(Number(line.split(" ")[0]), "SIGKILL");
    } catch {
      // It went with its parent.
    }
  }
}

describe("a daemon that comes after a killed one", { concurrency: 2 }, () => {
  test("follows three agents that still run, and collects their results", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1", "impl-2", "impl-3"]);
    assert.ok(marked(shop).length >= 3);
    await shop.start();
    await shop.until(
      "they are followed",
      () => shop.output.match(/still runs \(pid \d+\): following it again/g)?.length === 3,
    );
    shop.release();
    for (const id of ["impl-1", "impl-2", "impl-3"]) {
      const task = await shop.becomes(id, "completed");
      assert.equal(task.execution.attempts, 1);
      assert.match(shop.read(`${SESSION}/responses/${id}-a1.json`), new RegExp(`result of ${id}`));
    }
    assertRanOnce(shop);
    await assertWhole(shop);
  });

  test("settles from what they left those that ended meanwhile", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1", "impl-2"]);
    shop.release();
    await shop.until("the agents have ended", () => marked(shop).length === 0);
    await shop.start();
    for (const id of ["impl-1", "impl-2"]) {
      const task = await shop.becomes(id, "completed");
      assert.equal(task.execution.attempts, 1);
      assert.match(shop.read(`${SESSION}/responses/${id}-a1.json`), new RegExp(`result of ${id}`));
    }
    assertRanOnce(shop);
    await assertWhole(shop);
  });

  test("takes an agent that was killed with the daemon for a crash, and tries again", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1"]);
    killAgents(shop);
    shop.release();
    await shop.start();
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.attempts, 2);
    assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /"class": "crash"/);
    assert.deepEqual(ran(shop), ["impl-1 1", "impl-1 2"]);
    await assertWhole(shop);
  });

  test("never lets two agents of a task live when the folder of the run was removed", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1"]);
    rmSync(runFolder(shop), { recursive: true });
    const before = marked(shop).map((line) => line.split(" ")[0]);
    await shop.start();
    await shop.until("the second attempt runs", () => ran(shop).includes("impl-1 2"));
    const now = marked(shop).map((line) => line.split(" ")[0]);
    assert.deepEqual(
      before.filter((pid) => now.includes(pid)),
      [],
    );
    shop.release();
    await shop.becomes("impl-1", "completed");
    assertRanOnce(shop);
    await assertWhole(shop);
  });

  test("knows after a reboot that nothing of before still runs", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1"]);
    killAgents(shop);
    const started = join(runFolder(shop), "started");
    const was = JSON.parse(readFileSync(started, "utf8")) as object;
    // After the reboot another process has this pid, and by chance this start time.
    writeFileSync(
      started,
      JSON.stringify({ ...was, pid: process.pid, bootId: "00000000-0000-0000-0000-000000000000" }),
    );
    shop.release();
    await shop.start();
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.attempts, 2);
    await assertWhole(shop);
  });

  test("keeps the time limit that began with the attempt", async (t) => {
    const shop = await workshop(t);
    const began = Date.now();
    await orphaned(shop, ["impl-1"], { execution: { timeout: "3s", max_attempts: 1 } });
    await shop.start();
    await shop.becomes("impl-1", "blocked");
    assert.equal(shop.reason("impl-1"), "timeout");
    const { last_attempt: last } = shop.task("impl-1")?.execution ?? {};
    assert.ok(Date.now() - began >= 3000 && (last?.duration_ms ?? 0) < 6000, String(last?.duration_ms));
    await assertWhole(shop);
  });

  test("ends an agent whose task was taken away from it, before another one starts", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1"]);
    const before = marked(shop).map((line) => line.split(" ")[0]);
    shop.edit("impl-1", (task) => (task.status = "pending"));
    await shop.start();
    await shop.until("the next attempt runs", () => ran(shop).length === 2);
    const now = marked(shop).map((line) => line.split(" ")[0]);
    assert.deepEqual(
      before.filter((pid) => now.includes(pid)),
      [],
    );
    shop.release();
    await shop.becomes("impl-1", "completed");
    await assertWhole(shop);
  });

  test("ends what a killed daemon had decided to stop", async (t) => {
    const shop = await workshop(t, { env: { COX_AGENT_STOP_GRACE: "2s" } });
    shop.command("impl-1", `trap "" TERM; ${NOTES}; while [ "$COX_ATTEMPT" = 1 ]; do sleep 0.05; done`);
    await shop.until("the agent runs", () => ran(shop).length === 1);
    shop.edit("impl-1", (task) => (task.status = "blocked"));
    await shop.recorded(/impl-1: active -> blocked/);
    await killDaemon(shop);
    assert.ok(marked(shop).length > 0);
    await shop.start();
    await shop.until("no process of it is left", () => marked(shop).length === 0);
    assert.equal(shop.status("impl-1"), "blocked");
    await shop.until("its end is on record", () => shop.task("impl-1")?.execution.last_attempt?.ended_at);
    await assertWhole(shop);
  });

  test("ends the agent of a task that is gone", async (t) => {
    const shop = await workshop(t);
    await orphaned(shop, ["impl-1"]);
    shop.remove(`${SESSION}/.task/impl-1.json`);
    await shop.start();
    await shop.recorded(/impl-1: active -> deleted/);
    await shop.until("no process of it is left", () => marked(shop).length === 0);
    await shop.until("its folder is gone", () => readdirSync(shop.at(".run/attempts")).length === 0);
    await assertWhole(shop);
  });
});
