/** `cox rescue`: what was kept comes back as it was, and over nothing. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BRANCH, coded, type Coded } from "./coded.ts";
import { cox, git, SESSION } from "./recorded.ts";

const ODD = "new\n-f :(top).txt";
interface KeptOne {
  number: number;
  name: string;
  ref: string;
  commit: string;
  said: string;
}

/** A worktree with a commit of its own, something staged, something not, something new: kept as the daemon keeps it. */
function kept(t: TestContext, { staged = true } = {}): { lab: Coded; status: string; tree: string } {
  const lab = coded(t, { "a.txt": "a\n", "b.txt": "b\n", ".gitignore": "ignored\n" });
  const tree = join(lab.dir, "../tree");
  lab.git("worktree", "add", "-q", "-b", `cox/${SESSION}/impl-1`, tree, BRANCH);
  writeFileSync(join(tree, "a.txt"), "a\ncommitted\n");
  git(tree, "commit", "-q", "-am", "done, I think");
  if (staged) {
    writeFileSync(join(tree, "b.txt"), "b\nstaged\n");
    git(tree, "add", "b.txt");
  }
  writeFileSync(join(tree, "b.txt"), "b\nstaged\nand not\n");
  writeFileSync(join(tree, ODD), "new\n");
  const status = git(tree, "status", "--porcelain", "-z");
  const head = git(tree, "rev-parse", "HEAD");
  const parents = ["-p", head];
  if (staged)
    parents.push("-p", git(tree, "commit-tree", git(tree, "write-tree"), "-p", head, "-m", "index of impl-1"));
  git(tree, "add", "-A");
  const message = `${SESSION} impl-1: cancelled\n\nCox-Session: ${SESSION}\nCox-Task: impl-1`;
  const commit = git(tree, "commit-tree", git(tree, "write-tree"), ...parents, "-m", message);
  lab.git("update-ref", `refs/cox/rescue/${SESSION}/impl-1/20261121T093000Z`, commit);
  lab.git("worktree", "remove", "--force", tree);
  return { lab, status, tree };
}

const NAME = `${SESSION}/impl-1/20261121T093000Z`;

test("what was kept is listed and shown", (t) => {
  const { lab } = kept(t);
  const [first] = cox(lab.dir, ["rescue", "list", "--json"]).json<{ kept: KeptOne[] }>().kept;
  assert.deepEqual([first?.number, first?.name, first?.said], [1, NAME, "cancelled"]);
  assert.match(cox(lab.dir, ["rescue"]).out, /^1 +WFS-user-auth\/impl-1\/20261121T093000Z .*cancelled\n/);
  for (const which of ["1", NAME, `refs/cox/rescue/${NAME}`]) {
    const { out, exit } = cox(lab.dir, ["rescue", "show", which]);
    assert.equal(exit, 0);
    assert.match(out, /\+and not\n/);
  }
  for (const which of ["2", "0", "nothing", `${NAME}~1`]) assert.equal(cox(lab.dir, ["rescue", "show", which]).exit, 1);
  const empty = coded(t, { a: "" });
  assert.match(cox(empty.dir, ["rescue"]).out, /Nothing had to be kept/);
});

for (const staged of [true, false]) {
  test(`a new worktree has commit, index and files as they were${staged ? "" : ", with nothing staged"}`, (t) => {
    const { lab, status, tree } = kept(t, { staged });
    const before = lab.git("status", "--porcelain", "--branch");
    const { exit, err } = cox(lab.dir, ["rescue", "restore", "1", "--into", "../tree"]);
    assert.equal(exit, 0, err);
    assert.equal(git(tree, "status", "--porcelain", "-z"), status);
    assert.equal(git(tree, "rev-parse", "HEAD"), lab.git("rev-parse", `cox/${SESSION}/impl-1`));
    assert.equal(readFileSync(join(tree, "b.txt"), "utf8"), staged ? "b\nstaged\nand not\n" : "b\nstaged\nand not\n");
    assert.equal(readFileSync(join(tree, ODD), "utf8"), "new\n");
    if (staged) assert.equal(git(tree, "show", ":b.txt"), "b\nstaged");
    assert.equal(lab.git("status", "--porcelain", "--branch"), before);
  });
}

test("nothing that is there is written over", (t) => {
  const { lab } = kept(t);
  mkdirSync(join(lab.dir, "../full"));
  writeFileSync(join(lab.dir, "../full/mine"), "mine\n");
  writeFileSync(join(lab.dir, "../file"), "mine\n");
  for (const [into, why] of [
    ["../full", /not empty/],
    ["../file", /not a folder/],
    [".", /not empty/],
  ] as const) {
    const answer = cox(lab.dir, ["rescue", "restore", "1", "--into", into]);
    assert.deepEqual([answer.exit, why.test(answer.err)], [4, true], answer.err);
  }
  assert.deepEqual(readdirSync(join(lab.dir, "../full")), ["mine"]);
  lab.git("branch", `rescued/${NAME}`);
  const answer = cox(lab.dir, ["rescue", "restore", NAME]);
  assert.deepEqual([answer.exit, /already, and it is something else/.test(answer.err)], [4, true]);
});

test("as a branch it can be switched to, and its changes taken by the command that is told", (t) => {
  const { lab } = kept(t);
  const { out } = cox(lab.dir, ["rescue", "restore", "1"]);
  const pick = /git (cherry-pick .*)/.exec(out)?.[1]?.split(" ") ?? [];
  lab.git(...pick);
  assert.equal(readFileSync(join(lab.dir, "b.txt"), "utf8"), "b\nstaged\nand not\n");
  lab.git("reset", "-q", "--hard");
  lab.git("switch", "-q", `rescued/${NAME}`);
  assert.equal(readFileSync(join(lab.dir, ODD), "utf8"), "new\n");
  assert.equal(cox(lab.dir, ["rescue", "restore", "1"]).exit, 0, "twice is once");
});

test("it is let go only by its name and with --yes, and the way back is told", (t) => {
  const { lab } = kept(t);
  const ref = `refs/cox/rescue/${NAME}`;
  const commit = lab.git("rev-parse", ref);
  for (const [args, exit] of [
    [["1", "--yes"], 2],
    [[NAME], 4],
  ] as const) {
    assert.equal(cox(lab.dir, ["rescue", "drop", ...args]).exit, exit);
    assert.equal(lab.git("rev-parse", ref), commit);
  }
  const { out } = cox(lab.dir, ["rescue", "drop", NAME, "--yes"]);
  assert.throws(() => lab.git("rev-parse", "--verify", "-q", ref));
  lab.git(...(/git (update-ref \S+ \S+)/.exec(out)?.[1]?.split(" ") ?? []));
  assert.equal(lab.git("rev-parse", ref), commit);
});

test("a program that the repository's configuration names is not run by what was kept", (t) => {
  const { lab } = kept(t);
  const ran = join(lab.dir, "../ran");
  for (const key of ["filter.evil.smudge", "filter.evil.clean", "core.fsmonitor"])
    lab.git("config", key, `touch ${ran}; cat`);
  writeFileSync(join(lab.dir, ".git/info/attributes"), "* filter=evil\n");
  assert.equal(cox(lab.dir, ["rescue", "restore", "1", "--into", "../out"]).exit, 0);
  assert.ok(existsSync(join(lab.dir, "../out/b.txt")) && !existsSync(ran));
});
