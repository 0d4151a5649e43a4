/** `cox verify`: what is whole, and what is not. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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
  const { exit, out, err } = cox(dir, ["verify", "--full"]);
  assert.equal(exit, 0, out + err);
  assert.match(out, /story {2}7 entries, 3 tasks: each transition follows the one before/);
  assert.match(out, /fsck {2}git finds nothing wrong[^]*refs\/cox\/ledger is whole\./);
  assert.equal(verified(repository(t)).ok, true);
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
