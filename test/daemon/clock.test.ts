/** Waits beside a clock on the wall that is set, and a machine that sleeps. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { Alarm } from "../../src/daemon/alarm.ts";
import { steady } from "../../src/daemon/steady.ts";
import { assertRanOnce, assertWhole, killDaemon, NOTES, ran } from "../support/survival.ts";
import { clockThatIsSet, HOUR, setClock } from "../support/clock.ts";
import { SESSION, workshop } from "../support/workshop.ts";

test("a clock that is set ahead times nobody out, and one that is set back puts no limit off", async (t) => {
  const shop = await workshop(t, { started: false, env: { COX_AGENT_TIMEOUT: "20s", COX_CONCURRENCY: "2" } });
  clockThatIsSet(shop);
  await shop.start();
  shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
  await shop.until("it runs", () => ran(shop).length === 1);
  setClock(shop, 10 * HOUR);
  await killDaemon(shop);
  await shop.start();
  await shop.until("it is followed again", () => shop.output.includes("following it again"));
  shop.command("impl-2", NOTES);
  await shop.becomes("impl-2", "completed");
  assert.equal(shop.status("impl-1"), "active");
  setClock(shop, 0);
  // By the clock of its start it has ten hours more than it is allowed.
  shop.command("impl-3", `${NOTES}; ${shop.waits("never")}`, { execution: { timeout: "1s", max_attempts: 1 } });
  await shop.until("the third runs", () => ran(shop).length === 3);
  setClock(shop, -10 * HOUR);
  await killDaemon(shop);
  await shop.start();
  await shop.becomes("impl-3", "blocked");
  assert.equal(shop.task("impl-3")?.execution.last_attempt?.error?.class, "timeout");
  shop.release();
  await shop.becomes("impl-1", "completed");
  const { duration_ms } = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as { duration_ms: number };
  assert.ok(duration_ms < HOUR, `${duration_ms} ms`);
  assertRanOnce(shop);
  await assertWhole(shop);
});

test("while the clock is set back by hours, drops are taken in, broken files reported, and saves settle as ever", async (t) => {
  const shop = await workshop(t, { started: false, env: { COX_RESCAN: "500ms", COX_SETTLE: "1500ms" } });
  clockThatIsSet(shop);
  await shop.start();
  shop.drop(`${SESSION}/.task/impl-2.json`, { title: 5 });
  shop.command("impl-1", NOTES);
  await shop.becomes("impl-1", "completed"); // so the other one was seen as well
  setClock(shop, -5 * HOUR);
  await shop.until("it is reported", () => shop.has(`${SESSION}/.task/impl-2.json.error.md`));
  shop.drop("inbox/text.md", "A text that has no end\n\nDo it.\n");
  shop.remove(`${SESSION}/.task/impl-1.json`);
  await shop.recorded(/impl-1: completed -> deleted/);
  await shop.until("the text is taken in", () => !readdirSync(shop.at("inbox")).includes("text.md"));
  shop.remove(`${SESSION}/.task/impl-2.json`);
});

test("a time by the clock on the wall is noticed soon after the clock jumps there, others do not come early", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  let wall = 1_000_000;
  t.mock.method(Date, "now", () => wall);
  const alarm = new Alarm();
  let awake = 0;
  const sleep = () => void alarm.sleep().then(() => awake++);
  const settle = async () => {
    for (let turns = 0; turns < 5; turns++) await Promise.resolve();
  };
  sleep();
  alarm.at(wall + HOUR);
  alarm.in(60_000);
  t.mock.timers.tick(10_000);
  await settle();
  assert.equal(awake, 0);
  wall += HOUR; // the machine slept: its timers did not go on
  t.mock.timers.tick(10_000);
  await settle();
  assert.equal(awake, 1);
  sleep();
  wall -= 10 * HOUR;
  t.mock.timers.tick(39_999);
  await settle();
  assert.equal(awake, 1);
  t.mock.timers.tick(1);
  await settle();
  assert.equal(awake, 2);
  const before = steady();
  wall -= 10 * HOUR;
  assert.ok(steady() >= before && steady() < before + 60_000);
  alarm.clear();
});
