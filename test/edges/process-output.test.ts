import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { copyOutput } from "../../src/agent/cap-output.ts";
import { capOutput, readCut, readRun, tail } from "../../src/agent/process.ts";
import { newRun, shell, start, within } from "./process-fixture.ts";

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
  assert.deepEqual(output, { stdout: "abc\nlast\n", stderr: "", end: { kind: "exited", code: 0 }, leftOut: 11 });
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

const NOTHING_CUT = { stdout: 0, stderr: 0 };

test("output that is too long is cut to its end while the agent writes on, and no line after the cut is lost", async (t) => {
  const run = newRun(t);
  const { runDir, cwd } = run;
  const cap = { most: MB, keep: MB / 8 };
  assert.equal(await capOutput(runDir, NOTHING_CUT, cap), undefined);
  const count = `n=0; while [ ! -e ${cwd}/enough ]; do n=$((n+1)); echo "line $n ${"y".repeat(500)}"; done; echo "last $n"`;
  const { ended } = await start(run, shell(run, count));
  const file = join(runDir, "stdout");
  let cut = NOTHING_CUT;
  let next = 0;
  const lines: string[] = [];
  const follow = async () => {
    next = Math.max(next, cut.stdout);
    for (let before = -1; before !== next;) {
      before = next;
      const more = await tail(file, next);
      lines.push(...more.lines);
      next = more.next;
    }
  };
  for (let cuts = 0; cuts < 4;) {
    const done = await capOutput(runDir, cut, cap);
    if (done && "cannot" in done) return t.skip(`holes cannot be made here: ${done.cannot}`);
    if (!done) continue;
    cuts++;
    ({ cut } = done);
    const { blocks, size } = statSync(file);
    const most = size - cut.stdout + MB / 4;
    assert.ok(blocks * 512 < most, `${blocks * 512} of ${size} bytes are on disk, cut at ${cut.stdout}`);
  }
  await follow();
  appendFileSync(join(cwd, "enough"), "");
  await within(ended);
  await follow();
  assert.deepEqual(await readCut(runDir), cut);
  const numbers = lines.map((line) => Number(/^line (\d+) y+$/.exec(line)?.[1]));
  const first = numbers[0] ?? 0;
  assert.equal(lines.at(-1), `last ${first + numbers.length - 2}`);
  assert.deepEqual(
    numbers.slice(0, -1),
    Array.from({ length: numbers.length - 1 }, (_, n) => first + n),
  );
  const { stdout, leftOut } = await readRun(runDir, { maxBytes: 64 * MB });
  assert.equal(stdout, lines.map((line) => `${line}\n`).join(""));
  assert.equal((leftOut ?? 0) + stdout.length, statSync(file).size);
  const kept = join(cwd, "kept");
  await copyOutput(runDir, kept);
  const [note, ...rest] = readFileSync(kept, "latin1").split("\n");
  assert.equal(note, `[the first ${cut.stdout} bytes are left out]`);
  assert.equal(rest.slice(1).join("\n"), stdout);
});

test("only an agent's own file is cut: not what it put in its place", async (t) => {
  const { runDir, cwd } = newRun(t);
  mkdirSync(runDir);
  const precious = join(cwd, "precious");
  writeFileSync(precious, "x".repeat(100_000));
  const before = statSync(precious).blocks;
  for (const replace of [symlinkSync, linkSync]) {
    rmSync(join(runDir, "stdout"), { force: true });
    replace(precious, join(runDir, "stdout"));
    const done = await capOutput(runDir, NOTHING_CUT, { most: 10, keep: 5 });
    assert.ok(done === undefined || "cannot" in done, JSON.stringify(done));
    assert.equal(statSync(precious).blocks, before);
  }
});
