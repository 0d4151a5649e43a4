import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { keepOwnPage } from "../../src/daemon/own-pages.ts";
import { generatedFrom } from "../../src/views/markdown.ts";

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
