/** `cox diff` and `cox show --diff`: what a task or a session changed. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { painted } from "../../src/surfaces/cli/patch.ts";
import { BRANCH, coded, type Coded } from "./coded.ts";
import { cox, environment, git, SESSION, task, write } from "./recorded.ts";

interface Diff {
  session: string;
  task: string | null;
  base: string;
  commit: string;
  uncommitted: boolean;
  files: { path: string; from: string | null; change: string; added: number | null; deleted: number | null }[];
}

const diffOf = ({ dir }: Coded, ...args: string[]) => {
  const { exit, out, err } = cox(dir, ["diff", ...args, "--json"]);
  assert.equal(exit, 0, err);
  return JSON.parse(out) as Diff;
};

test("a task's diff is what its branch has and its base has not, merged or not, and can be applied", (t) => {
  const lab = coded(t, { "a.txt": "one\n", "gone.txt": "x\ny\nz\n" });
  const first = lab.work({
    id: "impl-1",
    files: { "a.txt": "one\ntwo\n", "latin.txt": Buffer.from([0xe9, 10, 27, 10]) },
  });
  const second = lab.work({ id: "impl-2", unmerged: true, files: { "gone.txt": null, "kept.txt": "x\ny\nz\n" } });
  const one = diffOf(lab, "impl-1");
  assert.deepEqual(
    [one.task, one.commit, one.uncommitted, one.files.map(({ path, change, added }) => [path, change, added])],
    [
      "impl-1",
      first.commit,
      false,
      [
        ["a.txt", "M", 1],
        ["latin.txt", "A", 2],
      ],
    ],
  );
  const two = diffOf(lab, `${SESSION}/impl-2`);
  assert.deepEqual(
    [two.commit, two.files],
    [second.commit, [{ path: "kept.txt", from: "gone.txt", change: "R", added: 0, deleted: 0 }]],
  );
  assert.match(cox(lab.dir, ["diff", "impl-1", "--stat"]).out, /a\.txt +\| 1 \+/);
  assert.equal(cox(lab.dir, ["diff", "impl-1", "--name-only"]).out, "a.txt\nlatin.txt\n");

  // Without the record of its base too, from what its merge found.
  write(lab.dir, `${SESSION}/responses/impl-1-a1.json`, { task: "impl-1" });
  assert.deepEqual(diffOf(lab, "impl-1").base, one.base);

  const patch = execFileSync(process.execPath, [join(import.meta.dirname, "../../bin/cox.js"), "diff", "impl-1"], {
    cwd: lab.dir,
    env: environment(lab.dir),
  });
  execFileSync("git", ["apply", "--index"], { cwd: lab.dir, input: patch });
  assert.equal(lab.git("write-tree"), lab.git("rev-parse", `${first.commit}^{tree}`), "byte for byte");
});

test("a session's diff is all that landing it would bring", (t) => {
  const lab = coded(t, { "a.txt": "one\n" });
  lab.work({ id: "impl-1", files: { "a.txt": "one\ntwo\n" } });
  lab.work({ id: "impl-2", files: { "b.txt": "b\n" } });
  lab.work({ id: "impl-3", unmerged: true, files: { "c.txt": "c\n" } });
  lab.commit("mine", { "mine.txt": "m\n" });
  for (const name of [[], [SESSION], ["user-auth"]])
    assert.deepEqual(
      diffOf(lab, ...name).files.map(({ path }) => path),
      ["a.txt", "b.txt"],
      name.join(),
    );
  lab.git("merge", "-q", "-m", "land", BRANCH);
  const { exit, out, err } = cox(lab.dir, ["diff"]);
  assert.deepEqual([exit, out], [0, ""]);
  assert.match(err, /changes nothing that the current branch does not have/);
});

test("of a task at work it is what lies in its worktree, and nothing there is touched", (t) => {
  const lab = coded(t, { "a.txt": "one\n", ".gitignore": "ignored\n" });
  const branch = `cox/${SESSION}/impl-1`;
  const tree = join(lab.dir, ".workflow/.run/worktrees", `${SESSION}.impl-1`);
  mkdirSync(join(tree, ".."), { recursive: true });
  lab.git("worktree", "add", "-q", "-b", branch, tree, BRANCH);
  write(lab.dir, `${SESSION}/.task/impl-1.json`, task("impl-1", { status: "active" }, { attempts: 1, branch }));
  writeFileSync(join(tree, "a.txt"), "one\nstaged\n");
  git(tree, "add", "a.txt");
  writeFileSync(join(tree, "a.txt"), "one\nstaged\nnot staged\n");
  writeFileSync(join(tree, "-new\nname"), "new\n");
  writeFileSync(join(tree, "ignored"), "");
  const before = git(tree, "status", "--porcelain");
  const diff = diffOf(lab, "impl-1");
  assert.deepEqual(
    [diff.uncommitted, diff.files.map(({ path, added }) => [path, added])],
    [
      true,
      [
        ["-new\nname", 1],
        ["a.txt", 2],
      ],
    ],
  );
  assert.equal(git(tree, "status", "--porcelain"), before);
  // What the agent makes of its .git is not believed.
  writeFileSync(join(tree, ".git"), `gitdir: ${join(lab.dir, ".git")}\n`);
  assert.equal(diffOf(lab, "impl-1").files.length, 2);
});

test("what shows it runs no program of the repository's", (t) => {
  const lab = coded(t, { "a.txt": "one\n" });
  lab.work({ id: "impl-1", files: { "a.txt": "two\n", ".gitattributes": "*.txt diff=evil filter=evil\n" } });
  const ran = join(lab.dir, "../ran");
  for (const key of ["diff.external", "diff.evil.command", "diff.evil.textconv", "filter.evil.clean", "core.pager"])
    lab.git("config", key, `touch ${ran}; cat`);
  for (const args of [
    ["diff", "impl-1"],
    ["diff", "impl-1", "--stat"],
    ["diff", "--json"],
    ["show", "impl-1", "--diff"],
  ])
    assert.equal(cox(lab.dir, args).exit, 0);
  assert.ok(!existsSync(ran));
});

test("what has no branch, and no name, is said", (t) => {
  const lab = coded(t, { "a.txt": "one\n" });
  write(lab.dir, `${SESSION}/.task/impl-1.json`, task("impl-1"));
  lab.git("branch", "-q", "-D", BRANCH);
  for (const [args, exit, says] of [
    [["impl-1"], 4, /impl-1 has no branch/],
    [[], 4, /none of its tasks has worked in a worktree/],
    [["impl-9"], 1, /no task impl-9/],
    [["nobody"], 1, /no session "nobody"/],
    [["--stat", "--name-only"], 4, /has no branch/],
  ] as const) {
    const answer = cox(lab.dir, ["diff", ...args]);
    assert.deepEqual([answer.exit, says.test(answer.err)], [exit, true], `${args.join()}: ${answer.err}`);
  }
});

test("cox show --diff adds it to all that is known of a task", (t) => {
  const lab = coded(t, { "a.txt": "one\n" });
  lab.work({ id: "impl-1", files: { "a.txt": "one\n\u001b[2Jtwo\n" } });
  const { out } = cox(lab.dir, ["show", "impl-1", "--diff"]);
  assert.match(out, /Task impl-1[\s\S]*Changes\n a\.txt \| 1 \+[\s\S]*\n\+two\n/);
  const { diff } = cox(lab.dir, ["show", "impl-1", "--diff", "--json"]).json<{ diff: { files: unknown[] } }>();
  assert.equal(diff.files.length, 1);
});

test("a patch is painted by what its lines are", () => {
  const marked = painted(
    "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n--- was\n+++ is\n same",
    (style, text) => `${style}:${text}`,
  );
  assert.deepEqual(marked.split("\n"), [
    "bold:diff --git a/x b/x",
    "bold:--- a/x",
    "bold:+++ b/x",
    "cyan:@@ -1 +1 @@",
    "red:--- was",
    "green:+++ is",
    " same",
  ]);
});
