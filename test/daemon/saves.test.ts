/** A person's save is seen once, whatever the editor does, and also if it goes into a file that was just replaced. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  openSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { SESSION, workshop } from "../support/workshop.ts";

const FILE = `${SESSION}/.task/impl-1.json`;

async function slowly(fd: number, text: string): Promise<void> {
  ftruncateSync(fd);
  const size = Math.ceil(text.length / 3);
  for (let at = 0; at < text.length; at += size) {
    writeSync(fd, text.slice(at, at + size), at);
    await pause(30);
  }
}

/** `file` is replaced by `text`, in which only the title differs: `from` is `to` now. */
type Way = (file: string, edit: { text: string; from: string; to: string }) => void | Promise<void>;

const WAYS: Record<string, Way> = {
  "truncated and written": (file, { text }) => writeFileSync(file, text),
  async "truncated and written slowly"(file, { text }) {
    const fd = openSync(file, "r+");
    await slowly(fd, text);
    closeSync(fd);
  },
  "written aside and renamed"(file, { text }) {
    writeFileSync(`${file}.tmp`, text);
    renameSync(`${file}.tmp`, file);
  },
  "moved to a backup and written, as vim does"(file, { text }) {
    renameSync(file, `${file}~`);
    writeFileSync(file, text);
    rmSync(`${file}~`);
  },
  "changed by sed -i": (file, { from, to }) => void execFileSync("sed", ["-i", `s/${from}/${to}/`, file]),
  "filtered and moved"(file, { from, to }) {
    execFileSync("sh", ["-c", `sed 's/${from}/${to}/' "$1" > "$1.tmp" && mv "$1.tmp" "$1"`, "sh", file]);
  },
};

test("each way to save gives one commit of the person, and a mere touch gives none", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true", { title: "Title 0" });
  await shop.becomes("impl-1", "completed");
  const edits = () => shop.moves("impl-1").filter((move) => move.startsWith("steered"));
  let n = 0;
  for (const [name, save] of Object.entries(WAYS)) {
    const [from, to] = [`Title ${n}`, `Title ${++n}`];
    await save(shop.at(FILE), { text: shop.read(FILE).replace(from, to), from, to });
    await shop.until(`it is recorded: ${name}`, () => shop.recordedFile(FILE)?.includes(to));
    assert.equal(edits().length, n, name);
  }
  const before = shop.ledger().length;
  utimesSync(shop.at(FILE), 1, 1);
  chmodSync(shop.at(FILE), 0o600);
  // What is seen after it has been looked at after it.
  shop.command("impl-2", "true");
  await shop.becomes("impl-2", "completed");
  assert.equal(edits().length, n);
  assert.ok(shop.ledger().length > before);
  for (const commit of shop.ledger().filter(({ subject }) => subject.includes("steered")))
    assert.deepEqual([commit.trailers["Cox-Actor"], commit.author], ["person", "Ada Lovelace"]);
});

for (const pace of ["at once", "slowly"]) {
  test(`an editor that had the file open when the daemon replaced it, and writes ${pace}, loses nothing`, async (t) => {
    const shop = await workshop(t);
    shop.command("impl-1", shop.waits(), { title: "Before" });
    await shop.becomes("impl-1", "active");
    const text = shop.read(FILE).replace("Before", "After!");
    const editor = openSync(shop.at(FILE), "r+");
    t.after(() => closeSync(editor));
    shop.release();
    await shop.becomes("impl-1", "completed");
    if (pace === "at once") writeSync(editor, text, 0);
    else await slowly(editor, text);
    await shop.recorded(`${SESSION} impl-1: steered (title)`);
    const task = await shop.until("both are in the file", () => {
      const now = shop.task("impl-1");
      return now?.status === "completed" && now.title === "After!" ? now : undefined;
    });
    assert.deepEqual([task.execution.attempts, task.execution.last_attempt?.outcome], [1, "success"]);
    assert.deepEqual(shop.moves("impl-1"), [
      "new -> pending",
      "pending -> active",
      "active -> completed",
      "steered (title)",
    ]);
  });
}
