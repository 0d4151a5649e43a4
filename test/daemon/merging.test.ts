/** Another machine's history that comes into a ledger while a daemon is at work on it. SPEC section 7. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { MERGE_FAILPOINTS, type Failpoint } from "../../src/daemon/failpoint.ts";
import { assertRanOnce, assertWhole, NOTES, ran } from "../support/survival.ts";
import { LEDGER, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const OTHER = "WFS-other";
const ASIDE = "refs/cox-moved/ledger";

/** Another machine, that has done two tasks and left one. */
async function elsewhere(t: TestContext): Promise<Workshop> {
  const there = await workshop(t, { session: OTHER });
  there.command("impl-1", NOTES, { session: OTHER });
  there.command("impl-2", NOTES, { session: OTHER });
  await there.becomes("impl-1", "completed", OTHER);
  await there.becomes("impl-2", "completed", OTHER);
  there.command("impl-3", NOTES, { session: OTHER, execution: { approve: "before" } });
  await there.becomes("impl-3", "blocked", OTHER);
  await there.stop();
  return there;
}

const fetch = (shop: Workshop, from: Workshop) => shop.git("fetch", "-q", from.dir, `+${LEDGER}:${LEDGER}`);
const hasMerged = (shop: Workshop) => shop.subjects().some((subject) => subject.startsWith("workspace: merged"));

async function assertMerged(shop: Workshop, there: Workshop, ours: string): Promise<void> {
  for (const id of ["impl-1", "impl-2", "impl-3"]) {
    assert.equal(shop.read(`${OTHER}/.task/${id}.json`), there.read(`${OTHER}/.task/${id}.json`));
    assert.equal(`${shop.recordedFile(`${OTHER}/.task/${id}.json`)}\n`, there.read(`${OTHER}/.task/${id}.json`));
  }
  for (const path of [`${OTHER}/prompts/impl-1-a1.md`, `${OTHER}/responses/impl-2-a1.json`])
    assert.equal(shop.read(path), there.read(path));
  assert.match(shop.read(`${OTHER}/workflow-session.json`), /"status": "paused"/);
  for (const commit of [ours, there.git("rev-parse", LEDGER)]) shop.git("merge-base", "--is-ancestor", commit, LEDGER);
  await shop.until("nothing waits to be merged", () => shop.git("for-each-ref", ASIDE) === "");
  assert.deepEqual(
    ran(shop).filter((run) => !run.startsWith("impl-9 ")),
    [],
    "nothing of it ran here",
  );
  assertRanOnce(shop);
  await assertWhole(shop);
}

describe("a foreign history", { concurrency: 2 }, () => {
  test("that is fetched into the ref of a daemon at work is merged, and nothing of it starts", async (t) => {
    const there = await elsewhere(t);
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-9", NOTES);
    await shop.becomes("impl-9", "completed");
    const ours = shop.git("rev-parse", LEDGER);
    fetch(shop, there);
    await shop.until("it is merged", () => hasMerged(shop));
    await shop.becomes("impl-3", "blocked", OTHER);
    await assertMerged(shop, there, ours);
    assert.deepEqual(shop.moves("impl-1", OTHER), ["new -> pending", "pending -> completed"]);
    // And once more, with what came since.
    await there.start();
    there.edit("impl-3", (task) => (task.title = "Changed there"), OTHER);
    await there.recorded(/impl-3: steered \(title\)/);
    await there.stop();
    fetch(shop, there);
    await shop.until("the change is here", () => shop.task("impl-3", OTHER)?.title === "Changed there");
    await shop.recorded(/impl-3: noted \(title\)/);
    await assertMerged(shop, there, ours);
  });

  test("that stops a task which runs here is obeyed: its agent ends", async (t) => {
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-9", `${NOTES}; ${shop.waits()}`);
    await shop.becomes("impl-9", "active");
    await shop.until("its agent runs", async () => (await shop.agents()).length > 0);
    // What a second machine would record: the task, cancelled there by a person.
    const file = shop.recordedFile(`${SESSION}/.task/impl-9.json`) ?? "";
    const cancelled = file
      .replace('"status": "active"', '"status": "blocked"')
      .replace('"attempts": 1', '"reason": "cancelled",\n    "attempts": 1');
    const commit = shop.commitOnto(
      LEDGER,
      `${SESSION}/.task/impl-9.json`,
      `${cancelled}\n`,
      `${SESSION} impl-9: active -> blocked`,
    );
    shop.git("update-ref", LEDGER, commit);
    await shop.until("it is merged", () => hasMerged(shop));
    await shop.becomes("impl-9", "blocked");
    assert.equal(shop.reason("impl-9"), "cancelled");
    await shop.until("no agent runs", async () => (await shop.agents()).length === 0);
    await assertWhole(shop);
  });

  for (const point of MERGE_FAILPOINTS.filter((each) => each !== "merged-forward"))
    test(`is whole after a kill at ${point}`, (t) => killedAt(t, point));

  test("that goes on from ours is taken as it is, also after a kill in the middle", async (t) => {
    const there = await elsewhere(t);
    const env: Record<string, string> = { COX_FAILPOINT: "merged-forward" };
    const shop = await workshop(t, { session: null, env, started: false });
    shop.git("fetch", "-q", there.dir, `${LEDGER}:refs/cox-remotes/there/ledger`);
    shop.drop(".run/sync/one.request.json", { commit: "refs/cox-remotes/there/ledger", from: "there" });
    const end = await shop.once();
    delete env["COX_FAILPOINT"];
    if (end === null) await shop.once();
    await shop.start();
    await shop.until(
      "it is answered",
      () => shop.has(".run/sync/one.answer.json") || shop.has(`${OTHER}/.task/impl-3.json`),
    );
    await assertMerged(shop, there, there.git("rev-parse", LEDGER));
    await shop.stop();
  });
});

/** The daemon dies in the middle of a merge; the next one comes to the same as if it had not. */
async function killedAt(t: TestContext, point: Failpoint): Promise<void> {
  const there = await elsewhere(t);
  const env: Record<string, string> = { COX_RESCAN: "300ms", COX_FAILPOINT: point };
  const shop = await workshop(t, { env });
  shop.command("impl-9", NOTES);
  await shop.becomes("impl-9", "completed");
  const ours = shop.git("rev-parse", LEDGER);
  fetch(shop, there);
  await shop.over();
  delete env["COX_FAILPOINT"];
  await shop.start();
  await shop.until("it is merged", () => hasMerged(shop) && shop.git("for-each-ref", ASIDE) === "");
  await assertMerged(shop, there, ours);
}
