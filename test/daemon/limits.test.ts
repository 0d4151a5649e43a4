/** Waiting: for the reset of a usage limit, and between attempts; also across a restart. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { assertRanOnce, assertWhole, killDaemon, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

function script(shop: Workshop, steps: unknown[]): void {
  writeFileSync(join(shop.home, "script.json"), JSON.stringify({ default: steps }));
}

function scriptedDeveloper(shop: Workshop): void {
  const lines = [
    "---",
    "name: code-developer",
    "description: plays a script",
    "runner: scripted",
    `script: ${shop.home}/script.json`,
    "---",
    "Plays.",
    "",
  ];
  shop.drop("agents/code-developer.md", lines.join("\n"));
}

test("a usage limit parks the task until its reset and a margin, uses up no attempt, and survives a restart", async (t) => {
  const env = { COX_RETRY_USAGE_MARGIN: "1s", COX_RETRY_ATTEMPTS: "1" };
  const shop = await workshop(t, { env, before: scriptedDeveloper });
  script(shop, [{ run: NOTES }, { fail: { class: "usage-limit", resets_in: "3s" } }]);
  const began = Date.now();
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Meets a limit", agent: "code-developer" });
  await shop.recorded(/impl-1: active -> pending/);
  script(shop, [{ run: NOTES }, { say: "done" }]);
  const parked = shop.task("impl-1");
  assert.equal(parked?.execution.reason, "usage-limit");
  assert.equal(parked?.execution.attempts, 0);
  assert.equal(parked?.execution.last_attempt?.error?.class, "usage-limit");
  const until = Date.parse(parked?.execution.next_attempt_at ?? "");
  assert.ok(until >= began + 4000 && until < Date.now() + 6000, parked?.execution.next_attempt_at ?? "no time");

  await killDaemon(shop);
  await shop.start();
  const done = await shop.becomes("impl-1", "completed");
  assert.ok(Date.parse(done.execution.last_attempt?.started_at ?? "") >= until);
  assert.equal(done.execution.attempts, 1);
  assert.equal(ran(shop).length, 2);
  assert.deepEqual(shop.moves("impl-1"), [
    "new -> pending",
    "pending -> active",
    "active -> pending",
    "pending -> active",
    "active -> completed",
  ]);
  await assertWhole(shop);
});

test("attempts are as far apart as the settings say, also when the daemon is killed in between", async (t) => {
  const shop = await workshop(t, { env: { COX_RETRY_BASE: "1s", COX_RETRY_ATTEMPTS: "3" } });
  shop.command("impl-1", `${NOTES}; date +%s%3N >> "$HOME/times"; false`);
  await shop.recorded(/impl-1: active -> pending/);
  await killDaemon(shop);
  await shop.start();
  const task = await shop.becomes("impl-1", "blocked");
  assert.equal(task.execution.attempts, 3);
  const times = (shop.left("times") ?? "").trim().split("\n").map(Number);
  const waits = times.slice(1).map((time, place) => time - (times[place] ?? 0));
  t.diagnostic(`waits of ${waits.join(" and ")} ms`);
  assert.ok((waits[0] ?? 0) >= 1000 && (waits[1] ?? 0) >= 2000 && (waits[1] ?? 0) < 5000, waits.join());
  assertRanOnce(shop);
  await assertWhole(shop);
});

test("a breaker that is open stays open after a restart", async (t) => {
  const env = { COX_RETRY_BASE: "10ms", COX_BREAKER_FAILURES: "1", COX_BREAKER_OPEN: "4s" };
  const shop = await workshop(t, { env, before: scriptedDeveloper });
  script(shop, [{ run: NOTES }, { fail: { class: "overloaded" } }]);
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Meets trouble", agent: "code-developer" });
  await shop.until("the breaker opens", () => ran(shop).length === 2 && shop.moves("impl-1").length === 5);
  const opened = Date.now();
  script(shop, [{ run: NOTES }, { say: "done" }]);
  await killDaemon(shop);
  await shop.start();
  const done = await shop.becomes("impl-1", "completed");
  const waited = Date.parse(done.execution.last_attempt?.started_at ?? "") - opened;
  assert.ok(waited > 2500, `${waited} ms`);
  assertRanOnce(shop);
  await assertWhole(shop);
});

test("an agent that says and does nothing is warned of, stopped, tried once more, and then blocked", async (t) => {
  const shop = await workshop(t, { env: { COX_AGENT_SILENCE: "1500ms" } });
  shop.command("impl-1", `${NOTES}; sleep 300`);
  const task = await shop.becomes("impl-1", "blocked");
  assert.equal(task.execution.reason, "stalled");
  assert.equal(task.execution.attempts, 2);
  assert.equal(task.execution.last_attempt?.error?.class, "stalled");
  const logs = shop.at(".run", "log");
  const log = readdirSync(logs)
    .map((name) => readFileSync(join(logs, name), "utf8"))
    .join("");
  assert.match(log, /impl-1-a1 has written nothing and used hardly any CPU for \d/);
  await assertWhole(shop);
});

test("an agent that only looks now and then whether something has come is silent too", async (t) => {
  const shop = await workshop(t, { env: { COX_AGENT_SILENCE: "4s" } });
  shop.command("impl-1", "while :; do sleep 0.2; done", { execution: { max_attempts: 1 } });
  const task = await shop.becomes("impl-1", "blocked");
  assert.equal(task.execution.last_attempt?.error?.class, "stalled");
});

test("an agent that computes in silence is left alone", async (t) => {
  const shop = await workshop(t, { env: { COX_AGENT_SILENCE: "1s" } });
  // Its processor time is what tells it from one that hangs.
  shop.command("impl-1", `end=$(($(date +%s) + 4)); while [ $(date +%s) -lt $end ]; do :; done`);
  const task = await shop.becomes("impl-1", "completed");
  assert.equal(task.execution.attempts, 1);
});
