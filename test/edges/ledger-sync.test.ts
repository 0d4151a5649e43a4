/** The last step of recording, making the ref itself last, fails: then what the ref names must still be there. */
import assert from "node:assert/strict";
import { rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LedgerUnwritable } from "../../src/ledger/ledger.ts";
import { commits, moved, open, repository, sh } from "./ledger-lab.ts";

test("a batch whose last sync fails is recorded once when it is asked for again, and the ref never names what is gone", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(1)]);
  // Something that cannot be synced where another kind of git keeps its refs.
  const unsyncable = join(dir, ".git", "reftable");
  symlinkSync("reftable", unsyncable);
  for (const _ of ["once", "and again"]) {
    await assert.rejects(ledger.record([moved(2)]), LedgerUnwritable);
    assert.equal(sh(dir, "fsck", "--full", "--strict"), "");
  }
  rmSync(unsyncable);
  await ledger.record([moved(2)]);
  await ledger.record([moved(3)]);
  assert.equal(commits(dir).length, 3);
  assert.equal(sh(dir, "fsck", "--full", "--strict"), "");
});
