/** A run of a workflow outlives the daemon: killed at any step, it goes on with its variables, each step once. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { describe, test } from "node:test";
import type { Failpoint } from "../../src/daemon/failpoint.ts";
import { assertRanOnce, assertWhole, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

const FLOW = {
  text: JSON.stringify({
    name: "Flow",
    vars: { word: "none" },
    steps: [
      { id: "first", run: `${NOTES}; echo {word}`, output_variable: "said" },
      { id: "second", run: `${NOTES}; printf %s {said} > "$HOME/said"` },
      { id: "third", run: NOTES, when: "said.startsWith('it') && steps.second.outcome == 'success'" },
    ],
  }),
  vars: { word: "it's {said}" },
};

function assertRan(shop: Workshop): void {
  assert.deepEqual(ran(shop), ["impl-1.1 1", "impl-1.2 1", "impl-1.3 1"], shop.output);
  assertRanOnce(shop);
  assert.equal(shop.left("said"), "it's {said}");
  assert.deepEqual(
    shop
      .tasks()
      .map(({ id, status }) => `${id} ${status}`)
      .sort(),
    ["impl-1 completed", "impl-1.1 completed", "impl-1.2 completed", "impl-1.3 completed"],
  );
  assert.ok(!shop.has("inbox/run.json"));
  assert.equal(shop.recordedFile(`${SESSION}/workflows/flow-1.yaml`), FLOW.text);
}

const POINTS: Failpoint[] = [
  ...(["decided", "before-files", "after-files-before-ledger", "after-ledger", "drops-removed"] as const),
  ...(["applied", "before-spawn", "spawned", "ended-before-read", "after-response"] as const),
];

describe("a run whose daemon is killed", { concurrency: 2 }, () => {
  for (const point of some(POINTS, 4))
    test(`at ${point} goes on, each step once`, async (t) => {
      const env: Record<string, string> = { COX_FAILPOINT: point };
      const before = (made: Workshop) => made.drop("inbox/run.json", FLOW);
      const shop = await workshop(t, { session: null, env, before, started: false });
      assert.equal(await shop.once(), null, `it is never ${point}`);
      delete env["COX_FAILPOINT"];
      assert.equal(await shop.once(), 0, shop.output);
      assertRan(shop);
      await assertWhole(shop);
    });

  test("when only some of its tasks were on disk is taken in as a whole", async (t) => {
    const env: Record<string, string> = { COX_FAILPOINT: "after-files-before-ledger" };
    const before = (made: Workshop) => made.drop("inbox/run.json", FLOW);
    const shop = await workshop(t, { session: null, env, before, started: false });
    assert.equal(await shop.once(), null);
    rmSync(shop.at(`${SESSION}/.task/impl-1.3.json`));
    delete env["COX_FAILPOINT"];
    assert.equal(await shop.once(), 0, shop.output);
    assertRan(shop);
    await assertWhole(shop);
  });
});

test("a daemon that is told to stop ends when the step that runs has, and the next one goes on after it", async (t) => {
  const shop = await workshop(t, { session: null });
  const steps = [
    { id: "first", run: shop.waits() },
    { id: "second", run: NOTES },
  ];
  shop.drop("inbox/run.json", { text: JSON.stringify({ name: "Flow", steps }) });
  await shop.becomes("impl-1.1", "active");
  const over = shop.stop();
  await shop.until("it was told", () => shop.output.includes("no new agents"));
  shop.release();
  assert.equal(await over, 0);
  assert.equal(await shop.once(), 0, shop.output);
  assert.deepEqual(ran(shop), ["impl-1.2 1"]);
});
