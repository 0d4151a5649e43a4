import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { keepOwnPage } from "../../src/daemon/own-pages.ts";
import { generatedFrom } from "../../src/views/markdown.ts";
import { SESSION, workshop } from "../support/workshop.ts";

test("a page that somebody wrote where a view belongs is kept beside it, once; a generated one is not", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "cox-pages-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const write = (text: string) => writeFileSync(join(folder, "IMPL_PLAN.md"), text);
  assert.equal(keepOwnPage(folder, "IMPL_PLAN.md"), undefined);
  write(`${generatedFrom(".task/*.json", "the task files")}\n`);
  assert.equal(keepOwnPage(folder, "IMPL_PLAN.md"), undefined);
  write("# My plan\n");
  assert.equal(keepOwnPage(folder, "IMPL_PLAN.md"), "IMPL_PLAN.own.md");
  assert.equal(readFileSync(join(folder, "IMPL_PLAN.own.md"), "utf8"), "# My plan\n");
  assert.ok(!existsSync(join(folder, "IMPL_PLAN.md")));
  write("# Another\n");
  assert.equal(keepOwnPage(folder, "IMPL_PLAN.md"), undefined);
});

test("pages that were written once are not taken for somebody's own: the daemon comes to rest", async (t) => {
  const shop = await workshop(t);
  const count = 150; // more than are put in place at once
  for (let n = 1; n <= count; n++)
    shop.drop(`${SESSION}/.task/impl-${n}.json`, { title: `Task ${n}`, agent: "human", status: "completed" });
  const page = (n: number) => `${SESSION}/.summaries/IMPL-${n}-summary.md`;
  await shop.until("all have a page", () => shop.has(page(count)) && shop.has(page(1)));
  const times = () => Array.from({ length: count }, (_, n) => statSync(shop.at(page(n + 1))).mtimeMs).join();
  const before = await shop.until("the pages are at rest", async () => {
    const first = times();
    await pause(300);
    return first === times() && first;
  });
  await shop.stays("no page is written again", () => times() === before, 1000);
});
