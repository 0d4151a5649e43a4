/** The ledger and a `git gc` of the user's in the same repository: neither fails because of the other. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { git } from "../../src/ledger/git.ts";
import { commits, folder, moved, open, repository, sh, until } from "./ledger-lab.ts";

const packsOf = (dir: string) => join(dir, ".git/objects/pack");
const files = (dir: string, ending: string) => readdirSync(packsOf(dir)).filter((name) => name.endsWith(ending));
const fsck = (dir: string) => sh(dir, "fsck", "--full", "--strict", "--no-dangling", "--no-progress");
const gcFile = (dir: string) => join(dir, ".git/gc.pid");
const beginGc = (dir: string) => writeFileSync(gcFile(dir), `${process.pid} ${hostname()}`);

/** So many packs of the user's that git has to read the folder in several pieces. */
function manyPacks(dir: string, count: number): void {
  sh(dir, "commit", "--allow-empty", "-qm", "one");
  sh(dir, "repack", "-adq");
  const packs = packsOf(dir);
  const [one = ""] = files(dir, ".pack").map((name) => name.slice(0, -".pack".length));
  for (let n = 0; n < count; n++) {
    const copy = `pack-${createHash("sha1").update(String(n)).digest("hex")}`;
    writeFileSync(join(packs, `${copy}.keep`), "the user's");
    for (const kind of ["pack", "idx"]) copyFileSync(join(packs, `${one}.${kind}`), join(packs, `${copy}.${kind}`));
  }
}

test("git gc in a loop beside it, plain and with --prune=now, fails never and takes nothing", async (t) => {
  const dir = repository(t);
  manyPacks(dir, 250);
  const ledger = await open(t, dir);
  const failed: string[] = [];
  let stop = false;
  let runs = 0;
  const collecting = (async () => {
    for (; !stop; runs++) {
      const ended = await git(["gc", "-q", ...(runs % 2 === 0 ? ["--prune=now"] : [])], { cwd: dir });
      if (ended.code !== 0) failed.push(ended.stderr);
    }
  })();
  let n = 0;
  for (const end = Date.now() + 3000; Date.now() < end; n++) await ledger.record([moved(n)]);
  stop = true;
  await collecting;
  assert.deepEqual(failed, []);
  assert.ok(runs > 2);
  assert.equal(commits(dir).length, n);
  await ledger.close();
  fsck(dir);
});

test("while a gc is at work no index comes up beside a pack that this gc may have missed", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  beginGc(dir);
  const recording = ledger.record([moved(1)]);
  await until("the pack's name is there", () => files(dir, ".pack").length > 0);
  assert.deepEqual(files(dir, ".idx"), []);
  const began = Date.now();
  await recording;
  assert.ok(Date.now() - began > 500, `${Date.now() - began} ms`);
  beginGc(dir);
  const next = ledger.record([moved(2), moved(3)]);
  rmSync(gcFile(dir));
  await next;
  assert.equal(commits(dir).length, 3);
});

test("packs are gathered, and go, when no gc is at work, which would fail for want of them", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir, { durability: "process" });
  beginGc(dir);
  await ledger.record([moved(0)]);
  for (let n = 1; n < 12; n++) await ledger.record([moved(n)]);
  await ledger.tidy();
  assert.equal(files(dir, ".idx").length, 13, "all are there, and the one that they were gathered into");
  for (let n = 12; n < 24; n++) await ledger.record([moved(n)]);
  await ledger.tidy();
  assert.equal(files(dir, ".idx").length, 25, "nothing more is gathered");
  writeFileSync(gcFile(dir), `999999999 ${hostname()}`); // killed, and left its file
  await until("they are gone", () => files(dir, ".idx").length < 5);
  assert.equal(commits(dir).length, 24);
  await ledger.close();
  assert.deepEqual([files(dir, ".keep"), files(dir, ".pack").length], [[], files(dir, ".idx").length]);
  fsck(dir);
});

test("git's own index over many packs never names one that is gone", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir, { durability: "process" });
  for (let n = 0; n < 12; n++) await ledger.record([moved(n)]);
  sh(dir, "multi-pack-index", "write");
  await ledger.tidy();
  assert.ok(files(dir, ".idx").length < 5);
  fsck(dir);
});

test("names for packs to come go when nothing goes on", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir, { durability: "process" });
  for (let n = 0; n < 5; n++) await ledger.record([moved(n)]);
  await ledger.tidy();
  assert.deepEqual([files(dir, ".pack").length, files(dir, ".keep").length], [5, 5]);
  assert.match(sh(dir, "count-objects", "-v"), /^garbage: 0$/m);
});

test("packs of an earlier life that a gc has taken do not stop the gathering", async (t) => {
  const dir = repository(t);
  const packList = join(folder(t), "packs");
  const first = await open(t, dir, { packList });
  for (let n = 0; n < 6; n++) await first.record([moved(n)]);
  await first.close();
  const ledger = await open(t, dir, { packList });
  sh(dir, "gc", "-q", "--prune=now");
  for (let n = 6; n < 20; n++) await ledger.record([moved(n)]);
  await ledger.tidy();
  assert.ok(files(dir, ".idx").length < 5, `${files(dir, ".idx").length} packs`);
  await ledger.close();
  assert.equal(commits(dir).length, 20);
  assert.ok(!existsSync(gcFile(dir)));
  fsck(dir);
});
