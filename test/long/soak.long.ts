/** The proofs of `npm run soak`, a few rounds each: that they can be carried through, and that they find what is wrong. */
import assert from "node:assert/strict";
import { readdirSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { beside } from "../../bench/beside.ts";
import { besideGc } from "../../bench/beside-gc.ts";
import { daemonKills } from "../../bench/daemon-kills.ts";
import { diskFull } from "../../bench/disk-full.ts";
import { growth } from "../../bench/growth.ts";
import { ioErrors } from "../../bench/io-errors.ts";
import { kills } from "../../bench/kills.ts";
import { makeLab } from "../../bench/lab.ts";
import { commitsAfter, fsck, leftBehind, open, transition } from "../../bench/ledger-lab.ts";
import { ledger } from "../../bench/ledger.ts";
import { many } from "../../bench/many.ts";
import { orphans } from "../../bench/orphans.ts";
import { power } from "../../bench/power.ts";

test("killed while it records, it loses nothing that was acknowledged", async () => {
  assert.deepEqual((await kills(2)).broken, []);
});

test("a daemon that is killed loses nothing and does nothing twice, with real agents", async () => {
  assert.deepEqual((await daemonKills(1, ["after-started"])).broken, []);
});

test("nothing that agents started survives their stop", async (t) => {
  if (process.platform !== "linux") return t.skip("processes are found by /proc");
  const kinds = ["a daemon with no marker, environment, or descriptor"];
  assert.deepEqual((await orphans(1, kinds)).broken, []);
});

test("a file operation that fails, once or for a while, costs no task", async () => {
  const { figures, broken } = await ioErrors(4);
  assert.match(figures, /, [1-9]\d* struck/);
  assert.deepEqual(broken, []);
});

test("of many tasks dropped at once each is done once, file events or not", async () => {
  assert.deepEqual((await many(40)).broken, []);
});

test("after a power cut all is there that was acknowledged", async (t) => {
  const { figures, broken } = await power(1);
  if (figures.startsWith("skipped")) return t.skip(figures);
  assert.deepEqual(broken, []);
});

test("a full disk is said to be full, and nothing is torn", async (t) => {
  const { figures, broken } = await diskFull(2);
  if (figures.startsWith("skipped")) return t.skip(figures);
  assert.match(figures, /[1-9]\d* refused/);
  assert.deepEqual(broken, []);
});

test("git gc --prune=now beside it takes nothing away", async () => {
  assert.deepEqual((await besideGc(0.3)).broken, []);
});

test("a user at work beside it and the recording both succeed", async () => {
  assert.deepEqual((await beside(0.2)).broken, []);
});

test("a ledger that has grown is whole", async () => {
  assert.deepEqual((await growth(300, 3)).broken, []);
});

test("the figures of the ledger can be taken", async () => {
  const lines = await ledger({ rounds: 2, seconds: 0.2, files: [2, 4, 8], tasks: [5, 10], history: [1, 5, 10] });
  assert.equal(lines.length, 8);
  assert.doesNotMatch(lines.join("\n"), /NaN|undefined/);
});

test("the proofs see a lost commit, a damaged object and a stale lock", async () => {
  const lab = makeLab();
  try {
    const recording = await open(lab.dir);
    const { commits } = await recording.record([transition(0), transition(1)]);
    await recording.close();
    assert.deepEqual(commitsAfter(lab, null), commits);
    assert.deepEqual([fsck(lab), leftBehind(lab)], ["", []]);

    writeFileSync(join(lab.dir, ".git", "refs", "cox", "other.lock"), "");
    assert.match(leftBehind(lab).join(), /other\.lock/);
    lab.git("update-ref", "refs/cox/ledger", commits[0] ?? "");
    assert.deepEqual(commitsAfter(lab, null), commits.slice(0, 1));
    const tree = lab.git("rev-parse", "HEAD^{tree}").trim();
    const raw = lab.complaint("update-ref", "refs/heads/broken", tree);
    assert.match(raw, /update-ref/, "git refuses, and it is told");
    writeFileSync(join(lab.dir, ".git", "refs", "heads", "broken"), `${"1".repeat(40)}\n`);
    assert.match(fsck(lab), /broken/);
  } finally {
    lab.remove();
  }
  assert.deepEqual(
    readdirSync(tmpdir()).filter((name) => name.startsWith("cox-disk-")),
    [],
  );
});
