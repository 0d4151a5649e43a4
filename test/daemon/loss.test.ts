/** What a daemon makes of it when more than a file is gone: it says so, and records nothing that nobody asked for. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { lives, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const COX = fileURLToPath(new URL("../../bin/cox.js", import.meta.url));
const TASKS = `${SESSION}/.task`;

function cox(shop: Workshop, ...args: string[]): { exit: number | null; out: string; err: string } {
  const env = { PATH: process.env["PATH"] ?? "", HOME: shop.home, GIT_CONFIG_NOSYSTEM: "1" };
  const { status, stdout, stderr } = spawnSync(process.execPath, [COX, ...args], {
    cwd: shop.dir,
    env,
    encoding: "utf8",
  });
  return { exit: status, out: stdout, err: stderr };
}

const deletions = (shop: Workshop) => shop.subjects().filter((subject) => subject.includes("deleted"));

/** One task done, one at work, both on record; the pid of the agent. */
async function atWork(shop: Workshop): Promise<number> {
  shop.command("impl-1", "true");
  shop.command("impl-2", `echo $$ > "$HOME/pid"; ${shop.waits()}`);
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.recorded(`${SESSION} impl-2: pending -> active`);
  return Number(await shop.until("it runs", () => shop.left("pid")?.trim()));
}

test("when .task/ is removed the daemon says so and ends; restore brings the tasks back, and the agent was never stopped", async (t) => {
  const shop = await workshop(t);
  const pid = await atWork(shop);
  rmSync(shop.at(TASKS), { recursive: true, maxRetries: 10 });
  assert.equal(await shop.over(), 1);
  assert.match(shop.output, /\.workflow\/WFS-main\/\.task is gone\. Nothing was recorded as deleted.*cox restore/);
  assert.deepEqual(deletions(shop), []);
  assert.ok(await lives(pid));
  assert.ok(!existsSync(shop.at(TASKS)), "it was made again");
  const { exit, err } = cox(shop, "restore");
  assert.equal(exit, 0, err);
  assert.equal(shop.status("impl-2"), "active");
  await shop.start();
  shop.release();
  const { execution } = await shop.becomes("impl-2", "completed");
  assert.equal(execution.attempts, 1);
  assert.deepEqual(deletions(shop), []);
});

test("a start without .task/ ends as well, until the folder is made again: then the tasks are deleted", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.stop();
  rmSync(shop.at(TASKS), { recursive: true, maxRetries: 10 });
  const refused = cox(shop, "start", "--once");
  assert.equal(refused.exit, 1, refused.out);
  assert.match(refused.out + refused.err, /To have them deleted: mkdir \.workflow\/WFS-main\/\.task/);
  assert.deepEqual(deletions(shop), []);
  mkdirSync(shop.at(TASKS));
  await shop.start();
  await shop.recorded(`${SESSION} impl-1: completed -> deleted`);
});

test("a folder of tasks that is back in a moment was never gone", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  renameSync(shop.at(TASKS), shop.at(`${SESSION}/aside`));
  renameSync(shop.at(`${SESSION}/aside`), shop.at(TASKS));
  shop.command("impl-2", "sleep 1.3");
  await shop.becomes("impl-2", "completed");
  assert.deepEqual(deletions(shop), []);
});

test("a session whose folder is removed is deleted, and comes back from the moment before", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  const last = await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const before = shop.read(`${TASKS}/impl-1.json`);
  rmSync(shop.at(SESSION), { recursive: true, maxRetries: 10 });
  await shop.recorded(/^WFS-main: \w+ -> deleted$/);
  await shop.stop();
  const { exit, err } = cox(shop, "restore", "--session", SESSION);
  assert.equal(exit, 1);
  const commit = /cox restore --session WFS-main --at ([0-9a-f]+)/.exec(err)?.[1] ?? "";
  assert.equal(commit, last.hash.slice(0, commit.length), err);
  assert.equal(cox(shop, "restore", "--session", SESSION, "--at", commit).exit, 0);
  assert.equal(shop.read(`${TASKS}/impl-1.json`), before);
  await shop.start();
  await shop.recorded(`${SESSION} impl-1: pending -> completed`);
});

test("a workspace that is removed and restored under a living daemon has one owner: the old one ends, nothing is deleted", async (t) => {
  const shop = await workshop(t, { env: { COX_RESCAN: "10m" } });
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const before = shop.read(`${TASKS}/impl-1.json`);
  renameSync(shop.at(), join(shop.root, "gone"));
  const { exit, err } = cox(shop, "restore");
  assert.equal(exit, 0, err);
  assert.equal(await shop.over(), 1);
  assert.match(shop.output, /cox restore/);
  assert.deepEqual(deletions(shop), []);
  assert.equal(shop.read(`${TASKS}/impl-1.json`), before);
  assert.equal(cox(shop, "switch", SESSION).exit, 0);
  await shop.start();
  shop.command("impl-2", "true");
  await shop.becomes("impl-2", "completed");
  assert.deepEqual(deletions(shop), []);
});
