/** What has been kept for long enough leaves the disk, is recorded as that, and comes back. */
import assert from "node:assert/strict";
import { existsSync, lstatSync, mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { Cleaned } from "../../src/store/cleaned.ts";
import { assertWhole } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

const DAY = 24 * 3_600_000;
const OLD = "WFS-old";

/** As if nobody had touched it for so many days. */
function age(path: string, days: number): void {
  const stat = lstatSync(path);
  if (stat.isDirectory()) for (const name of readdirSync(path)) age(join(path, name), days);
  const at = new Date(Date.now() - days * DAY);
  if (!stat.isSymbolicLink()) utimesSync(path, at, at);
}

/** A second session, with one task that ran, completed by a person. */
async function completedSession(shop: Workshop): Promise<void> {
  shop.drop(`${OLD}/notes.md`, "what I thought\n");
  shop.command("impl-1", "echo well done", { session: OLD });
  shop.touch(`.active-${OLD}`);
  await shop.becomes("impl-1", "completed", OLD);
  shop.touch(`.active-${SESSION}`);
  await shop.recorded(`${OLD}: active -> paused`);
  const file = JSON.parse(shop.read(`${OLD}/workflow-session.json`)) as object;
  shop.put(`${OLD}/workflow-session.json`, { ...file, status: "completed" });
  await shop.recorded(`${OLD}: paused -> completed`);
  await shop.until("its pages are as they are recorded", () => shop.has(`${OLD}/.summaries/IMPL-1-summary.md`));
}

/** A workspace whose daemon has done its cleaning of the day. */
async function opened(t: TestContext, env: Record<string, string> = {}): Promise<Workshop> {
  const shop = await workshop(t, { env });
  await shop.until("it has looked today", () => shop.has(".run/cleaned.json"));
  return shop;
}

async function cleaned(shop: Workshop): Promise<Cleaned> {
  shop.touch(".run/clean");
  await shop.until("it is cleaned", () => !shop.has(".run/clean"));
  return JSON.parse(shop.read(".run/cleaned.json")) as Cleaned;
}

describe("a daemon that is asked to clean", { concurrency: 2 }, () => {
  test("takes a session off the disk whose time is over, and says in the ledger that nobody deleted it", async (t) => {
    const shop = await opened(t);
    await completedSession(shop);
    shop.drop(`${OLD}/messages/impl-1-a1.jsonl`, "{}\n");
    age(shop.at(OLD), 6);
    assert.deepEqual((await cleaned(shop)).archived, []);
    assert.ok(shop.has(OLD));
    age(shop.at(OLD), 8);
    const { archived } = await cleaned(shop);
    assert.deepEqual(
      archived.map(({ session, why }) => [session, why]),
      [[OLD, "completed"]],
    );
    assert.ok(!shop.has(OLD));
    const { trailers, author } = await shop.recorded(`${OLD}: completed -> archived`);
    assert.deepEqual(
      [author, trailers["Cox-Actor"], trailers["Cox-Reason"], trailers["Cox-To"]],
      ["Coxswain", "daemon", "retention", "archived"],
    );
    assert.equal((await shop.recorded(`${OLD} impl-1: completed -> deleted`)).trailers["Cox-Reason"], "retention");
    assert.deepEqual(
      shop.recordedPaths().filter((path) => path.startsWith(OLD)),
      [],
    );
    // The conversation is in no ledger: it is kept aside until its own time is over.
    const aside = shop.at(".run/archived", readdirSync(shop.at(".run/archived"))[0] ?? "");
    assert.deepEqual(readdirSync(aside), ["messages"]);
    age(shop.at(".run/archived"), 31);
    assert.ok((await cleaned(shop)).removed.length > 0);
    assert.deepEqual(readdirSync(shop.at(".run/archived")), []);
    await assertWhole(shop);
  });

  test("keeps a session in which anything is not in the ledger as it is", async (t) => {
    const shop = await opened(t);
    await completedSession(shop);
    writeFileSync(shop.at(OLD, ".draft"), "not for anybody yet");
    age(shop.at(OLD), 8);
    const { archived, kept } = await cleaned(shop);
    assert.deepEqual([archived, kept], [[], [{ session: OLD, unrecorded: [`${OLD}/.draft`] }]]);
    assert.ok(shop.has(`${OLD}/.task/impl-1.json`) && shop.has(`${OLD}/.draft`));
    assert.equal(shop.status("impl-1", OLD), "completed");
    await assertWhole(shop);
  });

  test("never touches the active session, nor one with open work", async (t) => {
    const shop = await opened(t);
    shop.command("impl-1", "true");
    await shop.becomes("impl-1", "completed");
    shop.drop("WFS-later/.task/impl-1.json", { title: "some day", agent: "human" });
    await shop.becomes("impl-1", "pending", "WFS-later");
    for (const session of [SESSION, "WFS-later"]) age(shop.at(session), 400);
    assert.deepEqual((await cleaned(shop)).archived, []);
    assert.ok(shop.has(SESSION) && shop.has("WFS-later"));
  });

  test("removes logs, conversations and left-over folders of runs after thirty days, not those at work", async (t) => {
    const shop = await opened(t);
    shop.command("impl-1", `echo > "$HOME/began"; ${shop.waits()}`);
    await shop.until("it is at work", () => shop.left("began") !== undefined);
    const [run = ""] = readdirSync(shop.at(".run/attempts"));
    for (const path of [".run/attempts/left", ".run/log", `${SESSION}/messages`])
      mkdirSync(shop.at(path), { recursive: true });
    for (const path of [
      ".run/attempts/left/stdout",
      ".run/log/daemon.jsonl.1",
      `${SESSION}/messages/impl-9-a1.jsonl`,
    ]) {
      writeFileSync(shop.at(path), "x");
    }
    for (const path of [".run/attempts", ".run/log/daemon.jsonl.1", `${SESSION}/messages`]) age(shop.at(path), 31);
    const { removed } = await cleaned(shop);
    assert.deepEqual(removed.map(({ path }) => path).sort(), [
      ".run/attempts/left",
      ".run/log/daemon.jsonl.1",
      `${SESSION}/messages/impl-9-a1.jsonl`,
    ]);
    assert.ok(existsSync(shop.at(".run/attempts", run)));
    shop.release();
    await shop.becomes("impl-1", "completed");
    await assertWhole(shop);
  });

  test("does so by itself, once a day", async (t) => {
    const shop = await opened(t);
    await completedSession(shop);
    age(shop.at(OLD), 8);
    await shop.stays("not again today", () => shop.has(OLD), 300);
    await shop.stop();
    const yesterday = JSON.parse(shop.read(".run/cleaned.json")) as Cleaned;
    shop.drop(".run/cleaned.json", { ...yesterday, at: new Date(Date.now() - 1.1 * DAY).toISOString() });
    await shop.start();
    await shop.recorded(`${OLD}: completed -> archived`);
    await shop.until("it is gone", () => !shop.has(OLD));
    await assertWhole(shop);
  });

  for (const failpoint of ["recorded", "acted"]) {
    test(`loses nothing when it is killed in the middle (${failpoint})`, async (t) => {
      const env: Record<string, string> = {};
      const shop = await opened(t, env);
      await completedSession(shop);
      await shop.stop();
      age(shop.at(OLD), 8);
      const before = shop.read(`${OLD}/.task/impl-1.json`);
      shop.drop(".run/clean", "");
      env["COX_FAILPOINT"] = `${failpoint}:2`;
      await shop.start().catch(() => {});
      await shop.over();
      delete env["COX_FAILPOINT"];
      await shop.start();
      const { archived } = await cleaned(shop);
      await shop.until(
        "it is in the ledger's past, or on disk",
        () => shop.has(OLD) || shop.subjects().includes(`${OLD}: completed -> archived`),
      );
      if (shop.has(OLD)) {
        assert.deepEqual(archived, []);
        await shop.becomes("impl-1", "completed", OLD);
        assert.equal((JSON.parse(shop.read(`${OLD}/workflow-session.json`)) as { status: string }).status, "completed");
        assert.equal((JSON.parse(before) as { title: string }).title, shop.task("impl-1", OLD)?.title);
      }
      await assertWhole(shop);
    });
  }
});
