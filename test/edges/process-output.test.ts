import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { appendFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { capOutput, readRun, tail } from "../../src/agent/process.ts";
import { newRun, within } from "./process-fixture.ts";

const MB = 1024 * 1024;

test("following gives each line once, and only when it is whole", async (t) => {
  const file = join(newRun(t).cwd, "stdout");
  assert.deepEqual(await tail(file, 0), { lines: [], next: 0 });
  writeFileSync(file, "one\ntw");
  const first = await tail(file, 0);
  assert.deepEqual(first, { lines: ["one"], next: 4 });
  assert.deepEqual(await tail(file, first.next), { lines: [], next: 4 });
  appendFileSync(file, "o\n\nthré\n");
  assert.deepEqual(await tail(file, first.next), { lines: ["two", "", "thré"], next: 15 });
  assert.deepEqual(await tail(file, 15), { lines: [], next: 15 });
});

test("of an overlong line the rest is dropped, however it arrives, and the next line is whole again", async (t) => {
  const file = join(newRun(t).cwd, "stdout");
  writeFileSync(file, `before\n${"x".repeat(3 * MB)}`);
  const lines: string[] = [];
  let next = 0;
  const follow = async () => {
    for (let before = -1; before !== next;) {
      before = next;
      const more = await tail(file, next);
      lines.push(...more.lines);
      next = more.next;
    }
  };
  await follow();
  appendFileSync(file, "x".repeat(9 * MB));
  await follow();
  appendFileSync(file, "x\nafter\n");
  await follow();
  assert.deepEqual(
    lines.map((line) => (line.length > 10 ? line.length : line)),
    ["before", MB, "after"],
  );
});

test("a long file is followed in portions, without losing a line", async (t) => {
  const file = join(newRun(t).cwd, "stdout");
  const written = Array.from({ length: 200_000 }, (_, n) => `line ${n} ${"y".repeat(n % 60)}`);
  writeFileSync(file, written.map((line) => `${line}\n`).join(""));
  const lines: string[] = [];
  for (let next = 0, before = -1; next !== before;) {
    before = next;
    const more = await tail(file, next);
    lines.push(...more.lines);
    next = more.next;
  }
  assert.deepEqual(lines, written);
});

test("of long output the end is read, from the start of a line", async (t) => {
  const { runDir } = newRun(t);
  mkdirSync(runDir);
  writeFileSync(join(runDir, "stdout"), "0123456789\nabc\nlast\n");
  writeFileSync(join(runDir, "exit"), "0\n");
  const output = await readRun(runDir, { maxBytes: 12 });
  assert.deepEqual(output, { stdout: "abc\nlast\n", stderr: "", end: { kind: "exited", code: 0 } });
});

test("a link or a pipe in the place of a response file is not followed and does not hang", async (t) => {
  const { runDir, cwd } = newRun(t);
  mkdirSync(runDir);
  writeFileSync(join(cwd, "private"), "{}");
  symlinkSync(join(cwd, "private"), join(runDir, "response.json"));
  execFileSync("mkfifo", [join(runDir, "stderr")]);
  const output = await within(readRun(runDir, { maxBytes: MB }));
  assert.deepEqual(output, { stdout: "", stderr: "", end: { kind: "vanished" } });
});

test("output over the cap is noticed", async (t) => {
  const { runDir } = newRun(t);
  assert.deepEqual(await capOutput(runDir, 10), { bytes: 0, over: false });
  mkdirSync(runDir);
  writeFileSync(join(runDir, "stdout"), "12345");
  writeFileSync(join(runDir, "stderr"), "12345");
  assert.deepEqual(await capOutput(runDir, 10), { bytes: 10, over: false });
  appendFileSync(join(runDir, "stderr"), "6");
  assert.deepEqual(await capOutput(runDir, 10), { bytes: 11, over: true });
});
