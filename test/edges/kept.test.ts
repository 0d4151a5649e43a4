/** Saves that go into a file which the daemon has just replaced: each step in its exact order, by hand. */
import assert from "node:assert/strict";
import {
  chmodSync,
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { test, type TestContext } from "node:test";
import { writeFiles } from "../../src/store/files.ts";
import { Kept } from "../../src/store/kept.ts";
import { Scanner } from "../../src/store/scan.ts";

const TASK = "WFS-a/.task/impl-1.json";

/** A task's file that was seen as `old`, an editor that has it open, and the daemon's write of `new` over it. */
async function replaced(t: TestContext) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), "cox-kept-")));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, "WFS-a/.task"), { recursive: true });
  const file = join(folder, TASK);
  writeFileSync(file, "old");
  const scanner = new Scanner(folder);
  for (const found of await scanner.full()) scanner.accept(found);
  const kept = new Kept(folder, scanner, Date.now());
  const editor = openSync(file, "r+");
  t.after(() => closeSync(editor));
  const keep = () => kept.keep(TASK, Date.now());
  const left = await writeFiles(folder, [{ path: TASK, content: "new", changed: scanner.watchful(TASK), keep }], false);
  assert.deepEqual(left, []);
  scanner.wrote(TASK, "new");
  return {
    folder,
    file,
    scanner,
    kept,
    editor,
    later: Date.now() + 1000,
    read: () => readFileSync(file, "utf8"),
    links: () => readdirSync(join(folder, ".run/kept")),
  };
}

const always = () => true;

test("what an editor writes into the replaced file is put back in its place, and found there as a change", async (t) => {
  const { kept, editor, later, read, scanner } = await replaced(t);
  writeSync(editor, "own", 0); // as many bytes, and perhaps in the same tick of the clock
  assert.equal(read(), "new");
  assert.deepEqual(kept.look(later, always), [TASK]);
  assert.equal(read(), "own");
  assert.equal(scanner.some([TASK])[0]?.is, "file");
});

test("who goes on writing after that writes into the file that is in place", async (t) => {
  const { kept, editor, later, read } = await replaced(t);
  writeSync(editor, "half", 0);
  kept.look(later, always);
  writeSync(editor, " and the rest", 4);
  assert.equal(read(), "half and the rest");
});

test("a late write is seen as well, up to five seconds after", async (t) => {
  const { kept, editor, later, read } = await replaced(t);
  assert.deepEqual(kept.look(later, always), []);
  await pause(20); // past a tick of the clock
  writeSync(editor, "own", 0);
  assert.deepEqual(kept.look(later + 3000, always), [TASK]);
  assert.equal(read(), "own");
});

test("a file that nobody wrote into is let go after five seconds", async (t) => {
  const { kept, later, links, read } = await replaced(t);
  assert.equal(links().length, 1);
  assert.deepEqual(kept.look(later, always), []);
  assert.deepEqual(kept.look(later + 5000, always), []);
  assert.equal(kept.due, undefined);
  while (links().length > 0) await pause(5);
  assert.equal(read(), "new");
});

test("new times and rights of the replaced file are no save", async (t) => {
  const { kept, folder, later, links, read } = await replaced(t);
  const link = join(folder, ".run/kept", links()[0] ?? "");
  utimesSync(link, 1, 1);
  chmodSync(link, 0o600);
  assert.deepEqual(kept.look(later, always), []);
  assert.equal(read(), "new");
});

test("after a kill the next daemon puts the save back", async (t) => {
  const { folder, editor, later, read, scanner } = await replaced(t);
  writeSync(editor, "own", 0);
  const next = new Kept(folder, scanner, later);
  assert.deepEqual(next.look(later + 1000, always), [TASK]);
  assert.equal(read(), "own");
});

test("after a kill between the link and the write the link is removed", async (t) => {
  const { folder, file, scanner, links, later } = await replaced(t);
  linkSync(file, join(folder, ".run/kept", `9,${"0".repeat(64)},${encodeURIComponent(TASK)}`));
  assert.equal(links().length, 2);
  void new Kept(folder, scanner, later);
  assert.equal(links().length, 1);
});

test("a newer save in the place is not written over: first it is looked at", async (t) => {
  const { kept, editor, file, later, read, scanner } = await replaced(t);
  writeSync(editor, "own", 0);
  writeFileSync(file, "newer");
  assert.deepEqual(kept.look(later, always), []);
  assert.equal(read(), "newer");
  for (const found of scanner.some([TASK])) scanner.accept(found);
  assert.deepEqual(
    kept.look(later + 100, () => false),
    [],
    "it may not be replaced yet",
  );
  assert.deepEqual(kept.look(later + 200, always), [TASK]);
  assert.equal(read(), "own");
});

test("a save that may not be put back yet is looked at less and less often, and put back when it may", async (t) => {
  const { kept, editor, later, read } = await replaced(t);
  writeSync(editor, "own", 0);
  let now = later + 10_000;
  for (let looks = 0; looks < 20; looks++) {
    assert.deepEqual(
      kept.look(now, () => false),
      [],
    );
    now = kept.due ?? 0;
  }
  assert.ok(now - later > 5 * 60_000, `twenty looks took ${now - later} ms`);
  assert.deepEqual(kept.look(now, always), [TASK]);
  assert.equal(read(), "own");
});

test("a file that was deleted since does not come back", async (t) => {
  const { kept, editor, file, folder, later, links, scanner } = await replaced(t);
  writeSync(editor, "own", 0);
  rmSync(file);
  for (const found of await scanner.full()) scanner.accept(found);
  assert.deepEqual(kept.look(later, always), []);
  assert.deepEqual([readdirSync(join(folder, "WFS-a/.task")), links()], [[], []]);
});

test("at the end of the daemon nothing is kept but what is still to be put back", async (t) => {
  const { kept, editor, read, links } = await replaced(t);
  writeSync(editor, "own", 0);
  kept.close(Date.now(), always);
  assert.deepEqual([read(), links()], ["own", []]);
});
