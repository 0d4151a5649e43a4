/** `cox verify`: what is whole, and what is not. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findRepository } from "../../src/ledger/git.ts";
import { takeLock } from "../../src/store/lock.ts";
import { compare } from "../../src/surfaces/cli/ledger-differences.ts";
import { cox, git, record, repository, SESSION, task, workspace, write } from "./recorded.ts";

interface Verified {
  ok: boolean;
  findings: { check: string; state: string; text: string; fix?: string }[];
}

function verified(dir: string, ...args: string[]): Verified & { exit: number | null } {
  const answer = cox(dir, ["verify", "--json", ...args]);
  return { ...answer.json<Verified>(), exit: answer.exit };
}

const wrong = ({ findings }: Verified) => findings.filter(({ state }) => state === "bad").map(({ check }) => check);

test("a whole ledger is said to be whole, also one that has not begun, also by git's own check", async (t) => {
  const { dir } = await workspace(t);
  const { exit, out, err } = cox(dir, ["verify"]);
  assert.equal(exit, 0, out + err);
  assert.match(out, /story {2}7 entries, 3 tasks: each transition follows the one before/);
  assert.match(out, /fsck {2}git finds nothing wrong[^]*refs\/cox\/ledger is whole\./);
  assert.match(cox(repository(t), ["verify", "--quick"]).out, /refs\/cox\/ledger has not begun\.$/m);
});

test("a ref that names nothing readable is no ledger that has not begun, and what to do is named", async (t) => {
  const { dir } = await workspace(t);
  for (const content of ["garbage", "", `${"0".repeat(39)}1`, git(dir, "rev-parse", "HEAD^{tree}")]) {
    writeFileSync(join(dir, ".git/refs/cox/ledger"), `${content}\n`);
    const found = verified(dir, "--quick");
    assert.deepEqual([found.exit, wrong(found)], [1, ["ledger"]], content);
    assert.match(JSON.stringify(found.findings), /names no commit that can be read.*fetch the ref/);
  }
});

test("a gap in a task's story, and a recorded file that says otherwise, are wrong", async (t) => {
  const { dir } = await workspace(t);
  const trailers = (from: string, to: string): [string, string][] => [
    ["Cox-Session", SESSION],
    ["Cox-Task", "impl-3"],
    ["Cox-From", from],
    ["Cox-To", to],
  ];
  await record(dir, [{ subject: `${SESSION} impl-3: active -> completed`, trailers: trailers("active", "completed") }]);
  const found = verified(dir);
  assert.deepEqual([found.exit, wrong(found)], [1, ["story"]]);
  const { text = "" } = found.findings.find(({ check }) => check === "story") ?? {};
  assert.match(text, /2 breaks: WFS-user-auth\/impl-3 was pending, but [0-9a-f]+ says active -> completed/);
  assert.match(text, /is pending in its file, but completed in the ledger/);
});

test("an edit that is not recorded yet is no damage, and is named", async (t) => {
  const { dir } = await workspace(t);
  write(dir, `${SESSION}/.task/impl-3.json`, task("impl-3", { title: "Another" }));
  const found = verified(dir);
  assert.equal(found.exit, 0);
  assert.match(JSON.stringify(found.findings), /Changed since they were recorded: WFS-user-auth\/\.task\/impl-3\.json/);
});

test("an object that git misses is wrong", async (t) => {
  const { dir } = await workspace(t);
  const packs = join(dir, ".git/objects/pack");
  const blob = git(dir, "rev-parse", `cox/ledger:.workflow/${SESSION}/.task/impl-1.json`);
  const others = git(dir, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)")
    .split("\n")
    .filter((id) => id !== blob);
  const args = ["pack-objects", "-q", join(packs, "pack")];
  const name = execFileSync("git", args, { cwd: dir, input: `${others.join("\n")}\n`, encoding: "utf8" }).trim();
  for (const file of readdirSync(packs)) if (!file.includes(name)) rmSync(join(packs, file));
  const found = verified(dir);
  assert.equal(found.exit, 1);
  assert.ok(wrong(found).includes("objects"), JSON.stringify(found.findings));
});

test("what a killed writer left long ago is wrong, with the command that clears it", async (t) => {
  const { dir } = await workspace(t);
  const left = join(dir, ".git/objects/pack/cox_tmp_1");
  writeFileSync(left, "half");
  assert.equal(verified(dir).exit, 0); // it may be at work
  utimesSync(left, 1, 1);
  const found = verified(dir);
  assert.deepEqual(wrong(found), ["leftovers"]);
  assert.match(JSON.stringify(found.findings), /cox start clears them/);
});

/** Replaces all objects of the repository by those that are left, in one pack. */
function packWithout(dir: string, left: (id: string) => boolean): string {
  const packs = join(dir, ".git/objects/pack");
  const ids = git(dir, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split("\n").filter(left);
  const args = ["pack-objects", "-q", "--window=0", join(packs, "pack")];
  const name = execFileSync("git", args, { cwd: dir, input: `${ids.join("\n")}\n`, encoding: "utf8" }).trim();
  for (const file of readdirSync(packs)) if (!file.includes(name)) rmSync(join(packs, file));
  return join(packs, `pack-${name}.pack`);
}

test("a story that cannot be read to its end is a finding, and the other checks are made", async (t) => {
  const { dir, commits } = await workspace(t);
  packWithout(dir, (id) => id !== commits[2]);
  const found = verified(dir, "--quick");
  assert.equal(found.exit, 1);
  assert.deepEqual(wrong(found), ["story", "objects"]);
  assert.ok(found.findings.some(({ check }) => check === "files"));
});

/** As git keeps it loose, with content that is not what its name says. */
function spoil(dir: string, id: string, content: string): void {
  const other = execFileSync("git", ["hash-object", "-w", "--stdin"], { cwd: dir, input: `${content} ` });
  const loose = (of: string) => join(dir, ".git/objects", of.slice(0, 2), of.slice(2));
  mkdirSync(join(loose(id), ".."), { recursive: true });
  writeFileSync(`${loose(id)}`, readFileSync(loose(other.toString().trim())), { mode: 0o644, flag: "w" });
}

test("an object of the ledger that is spoilt is wrong; one of the person's own is said, and is no damage here", async (t) => {
  const { dir } = await workspace(t);
  const theirs = execFileSync("git", ["hash-object", "-w", "--stdin"], { cwd: dir, input: "mine" }).toString().trim();
  chmodSync(join(dir, ".git/objects", theirs.slice(0, 2), theirs.slice(2)), 0o644);
  spoil(dir, theirs, "mine");
  const foreign = verified(dir);
  assert.deepEqual([foreign.exit, wrong(foreign)], [0, []], JSON.stringify(foreign.findings));
  assert.equal(foreign.findings.find(({ check }) => check === "fsck")?.state, "warn");
  const blob = git(dir, "rev-parse", `cox/ledger:.workflow/${SESSION}/.task/impl-1.json`);
  const content = git(dir, "cat-file", "blob", blob);
  packWithout(dir, (id) => id !== blob && id !== theirs);
  rmSync(join(dir, ".git/objects", theirs.slice(0, 2)), { recursive: true });
  spoil(dir, blob, content);
  const found = verified(dir);
  assert.equal(found.exit, 1);
  assert.ok(wrong(found).includes("fsck"), JSON.stringify(found.findings));
});

const move = (id: string, from: string, to: string): [string, string][] => [
  ["Cox-Session", SESSION],
  ["Cox-Task", id],
  ["Cox-From", from],
  ["Cox-To", to],
];

test("a task that has a file must have a story", async (t) => {
  const { dir } = await workspace(t);
  write(dir, `${SESSION}/.task/impl-4.json`, task("impl-4"));
  await record(dir, [{ subject: "workspace: changed", trailers: [], files: [`${SESSION}/.task/impl-4.json`] }]);
  const found = verified(dir, "--quick");
  assert.deepEqual(wrong(found), ["story"]);
  assert.match(JSON.stringify(found.findings), /impl-4 has a file, but no transition/);
});

test("where another machine's line was joined, the story is told along our own", async (t) => {
  const { dir, commits } = await workspace(t);
  const ours = git(dir, "rev-parse", "cox/ledger");
  git(dir, "update-ref", "refs/cox/ledger", commits[5] ?? "");
  await record(dir, [
    { subject: `${SESSION} impl-2: pending -> active`, trailers: move("impl-2", "pending", "active") },
  ]);
  const theirs = git(dir, "rev-parse", "cox/ledger");
  const joined = git(dir, "commit-tree", `${ours}^{tree}`, "-p", ours, "-p", theirs, "-m", "workspace: joined");
  git(dir, "update-ref", "refs/cox/ledger", joined);
  assert.deepEqual(wrong(verified(dir, "--quick")), []);
});

test("a ledger that was fetched without its beginning has no gap there", async (t) => {
  const { dir, commits } = await workspace(t);
  writeFileSync(join(dir, ".git/shallow"), `${commits[3]}\n`);
  const found = verified(dir, "--quick");
  assert.deepEqual([found.exit, wrong(found)], [0, []]);
  assert.match(JSON.stringify(found.findings), /what came before [0-9a-f]{12} was not fetched/);
});

test("beside a daemon a difference that lasts is said, and one that passes is not", async (t) => {
  const { dir } = await workspace(t);
  const since = new Date().toISOString();
  const folder = join(dir, ".workflow");
  const lock = await takeLock(folder, { pid: process.pid, start: null, host: "here", since, version: "0" });
  assert.ok("ok" in lock);
  const path = `${SESSION}/.task/impl-3.json`;
  write(dir, path, task("impl-3", { title: "Another" }));
  rmSync(join(folder, `${SESSION}/.task/impl-1.json`));
  const { exit, out } = cox(dir, ["verify", "--quick"]);
  lock.ok.release();
  assert.equal(exit, 0);
  assert.match(out, /! unrecorded {2}Changed since they were recorded: WFS-user-auth\/\.task\/impl-3\.json/);
  assert.match(out, /! missing {2}Recorded, but deleted: WFS-user-auth\/\.task\/impl-1\.json/);

  const found = await findRepository(dir);
  assert.ok("ok" in found);
  const recorded = `${git(dir, "show", `cox/ledger:.workflow/${SESSION}/.task/impl-1.json`)}\n`;
  let looks = 0;
  const { findings } = await compare({
    ...{ repository: found.ok, ref: "refs/cox/ledger", folder, up: true },
    async pause() {
      write(dir, `${SESSION}/.task/impl-1.json`, recorded);
      write(dir, path, task("impl-3", { title: `Look ${looks++}` })); // moves on all the time
    },
  });
  assert.deepEqual(
    findings.map(({ check }) => check),
    [],
  );
  assert.equal(looks, 1);
});
