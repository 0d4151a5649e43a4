import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { takeLock } from "../../src/store/lock.ts";
import { cox, git, read, record, repository, SESSION, workspace, write } from "./recorded.ts";

const TASK = (n: number) => `${SESSION}/.task/impl-${n}.json`;
const lose = (dir: string, path = "") => rmSync(join(dir, ".workflow", path), { recursive: true, force: true });

test("after rm -rf .workflow everything comes back, paused, with nothing running", async (t) => {
  const { dir } = await workspace(t);
  const before = read(dir, TASK(1));
  lose(dir);
  const { exit, out, err } = cox(dir, ["restore"]);
  assert.equal(exit, 0, err);
  assert.match(out, /^Brought back 4 files from [0-9a-f]{12}\.\n {2}WFS-user-auth {2}3 tasks {2}paused\n/);
  assert.match(out, /pending again: WFS-user-auth\/impl-2\./);
  assert.match(out, /Next: cox switch WFS-user-auth, then cox start\.\n$/);
  assert.equal(read(dir, TASK(1)), before);
  assert.equal(JSON.parse(read(dir, `${SESSION}/workflow-session.json`)).status, "paused");
  assert.equal(JSON.parse(read(dir, TASK(2))).status, "pending");
  assert.deepEqual(readdirSync(join(dir, ".workflow")).sort(), [".run", SESSION, "agents", "inbox"]);
  assert.deepEqual(readdirSync(join(dir, ".workflow/.run")).sort(), ["daemon.lock", "tmp"]);
  assert.deepEqual(readdirSync(join(dir, ".workflow/.run/tmp")), []);
  assert.equal(git(dir, "status", "--porcelain"), "");
});

test("an agent whose run folder is still there may be at work: its task stays active", async (t) => {
  const { dir } = await workspace(t);
  mkdirSync(join(dir, ".workflow/.run/attempts/run-2"), { recursive: true });
  lose(dir, SESSION);
  assert.doesNotMatch(cox(dir, ["restore"]).out, /pending again/);
  assert.equal(JSON.parse(read(dir, TASK(2))).status, "active");
});

test("files that differ are left alone and listed, and written over only by force", async (t) => {
  const { dir } = await workspace(t);
  write(dir, TASK(3), "my own");
  lose(dir, TASK(1));
  const first = cox(dir, ["restore"]);
  assert.equal(first.exit, 0, first.err);
  assert.match(first.out, /Brought back 1 file from .*; 2 files stood as recorded/);
  assert.match(first.out, /Left alone.*\n {2}WFS-user-auth\/\.task\/impl-3\.json\n/);
  assert.equal(read(dir, TASK(3)), "my own");
  assert.ok(existsSync(join(dir, `.workflow/.active-${SESSION}`)), "a session that was not brought back stays active");
  const forced = cox(dir, ["restore", "--force", "--json"]).json<{
    written: number;
    kept: string[];
    unchanged: number;
  }>();
  assert.deepEqual([forced.written, forced.kept, forced.unchanged], [1, [], 3]);
  assert.equal(JSON.parse(read(dir, TASK(3))).id, "impl-3");
});

test("an older moment comes back with --at, and says what that means", async (t) => {
  const { dir, commits } = await workspace(t);
  lose(dir);
  const { exit, out } = cox(dir, ["restore", "--at", commits[1] ?? ""]);
  assert.equal(exit, 0);
  assert.match(out, /Brought back 2 files/);
  assert.match(out, /not the newest record/);
  assert.ok(!existsSync(join(dir, ".workflow", TASK(2))));
});

test("a commit that is none, or none of the ledger's, is wrong use", async (t) => {
  const { dir } = await workspace(t);
  assert.equal(cox(dir, ["restore", "--at", "nothing"]).exit, 2);
  const { exit, err } = cox(dir, ["restore", "--at", "main"]);
  assert.equal(exit, 2);
  assert.match(err, /does not belong to the ledger/);
});

test("while a daemon holds the workspace nothing is restored", async (t) => {
  const { dir } = await workspace(t);
  const holder = { pid: process.pid, start: null, host: "here", since: "2026-11-21T09:00:00.000Z", version: "0" };
  const lock = await takeLock(join(dir, ".workflow"), holder);
  assert.ok("ok" in lock);
  t.after(() => lock.ok.release());
  lose(dir, TASK(1));
  for (const args of [[], ["--session", SESSION, "--as", "WFS-copy"]]) {
    const { exit, err } = cox(dir, ["restore", ...args]);
    assert.equal(exit, 4);
    assert.match(err, /A daemon is at work here \(process \d+[^]*cox stop, then again/);
  }
  assert.deepEqual(
    [TASK(1), "WFS-copy"].filter((path) => existsSync(join(dir, ".workflow", path))),
    [],
  );
  assert.equal(cox(dir, ["restore", "--to", join(dir, "../beside")]).exit, 0);
});

test("a ref that is no ledger, and a folder that cannot be made, are refused", async (t) => {
  const { dir } = await workspace(t);
  const main = cox(dir, ["restore", "--ref", "refs/heads/main"]);
  assert.equal(main.exit, 1);
  assert.match(main.err, /Nothing is recorded in [0-9a-f]{12}\.[^]*no commit of a ledger/);
  const { exit, err } = cox(dir, ["restore", "--to", "/proc/nope/deeper"]);
  assert.equal(exit, 4, err);
  assert.match(err, /\/proc\/nope\/deeper cannot be made/);
});

test("a link in the place of a session's folder is not followed, to compare or to restore", async (t) => {
  const { dir } = await workspace(t);
  const folder = join(dir, ".workflow", SESSION);
  renameSync(folder, join(dir, "../moved"));
  symlinkSync(join(dir, "../moved"), folder);
  assert.match(cox(dir, ["verify", "--quick"]).out, /! lost {2}Recorded, but not on disk: WFS-user-auth/);
  const { exit, err } = cox(dir, ["restore", "--force"]);
  assert.equal(exit, 1);
  assert.match(err, /could not be brought back: .*WFS-user-auth is not a folder/);
});

test("one recorded file that git cannot read any more keeps none of the others away", async (t) => {
  const { dir } = await workspace(t);
  const packs = join(dir, ".git/objects/pack");
  const blob = git(dir, "rev-parse", `cox/ledger:.workflow/${TASK(2)}`);
  const ids = git(dir, "cat-file", "--batch-all-objects", "--batch-check=%(objectname)").split("\n");
  const input = `${ids.filter((id) => id !== blob).join("\n")}\n`;
  const name = execFileSync("git", ["pack-objects", "-q", join(packs, "pack")], { cwd: dir, input })
    .toString()
    .trim();
  for (const file of readdirSync(packs)) if (!file.includes(name)) rmSync(join(packs, file));
  lose(dir);
  const { exit, out, err } = cox(dir, ["restore"]);
  assert.equal(exit, 1);
  assert.match(out, /Brought back 3 files/);
  assert.match(err, /impl-2\.json \(git cannot read its content, [0-9a-f]{40}\)[^]*git fsck[^]*as deleted/);
  assert.ok(existsSync(join(dir, ".workflow", TASK(1))));
});

test("with nothing recorded it fails, makes nothing, and says how a pushed ledger is fetched", (t) => {
  const dir = repository(t);
  const { exit, err } = cox(dir, ["restore"]);
  assert.equal(exit, 1);
  assert.match(err, /Nothing is recorded in refs\/cox\/ledger/);
  assert.match(err, /git fetch origin refs\/cox\/ledger:refs\/cox\/ledger/);
  assert.ok(!existsSync(join(dir, ".workflow")));
});

test("a ledger of another name is pointed to, and taken when it is named", async (t) => {
  const { dir } = await workspace(t);
  git(dir, "update-ref", "refs/cox/mine", "refs/cox/ledger");
  git(dir, "update-ref", "-d", "refs/cox/ledger");
  lose(dir);
  assert.match(cox(dir, ["restore"]).err, /cox restore --ref refs\/cox\/mine/);
  assert.equal(cox(dir, ["restore", "--ref", "refs/cox/mine"]).exit, 0);
});

test("a link in the way is not followed", async (t) => {
  const { dir } = await workspace(t);
  lose(dir, SESSION);
  const elsewhere = join(dir, "..", "elsewhere");
  mkdirSync(elsewhere);
  symlinkSync(elsewhere, join(dir, ".workflow", SESSION));
  const { exit, err } = cox(dir, ["restore"]);
  assert.equal(exit, 1);
  assert.match(err, /4 files could not be brought back: .* is not a folder/);
  assert.deepEqual(readdirSync(elsewhere), []);
});

test("what was redacted in the ledger counts as recorded, and is not written over", async (t) => {
  const { dir } = await workspace(t);
  const key = `sk-ant-api03-${"A1b2C3d4".repeat(12)}`;
  const text = `---\nname: mine\n---\nuse ${key}\n`;
  write(dir, "agents/mine.md", text);
  await record(dir, [{ subject: "workspace: changed agents/mine.md", trailers: [], files: ["agents/mine.md"] }]);
  assert.doesNotMatch(git(dir, "show", "refs/cox/ledger:.workflow/agents/mine.md"), /A1b2C3d4/);
  assert.equal(cox(dir, ["restore", "--force", "--json"]).json()["written"], 0);
  assert.equal(read(dir, "agents/mine.md"), text);
});
