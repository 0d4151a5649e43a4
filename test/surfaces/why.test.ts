/** `cox why`: each line's task, whatever became of the commits. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BRANCH, coded, recordAll, trailers, type Coded } from "./coded.ts";
import { cox, git, record, SESSION, task, write } from "./recorded.ts";

interface Why {
  file: string;
  binary: boolean;
  hint: string | null;
  ranges: { from: number; to: number; commit: string | null; by: string | null; how: string; candidates?: string[] }[];
  attempts: { name: string; lines: number; cost_usd: number; turns: number | null; prompt: string | null }[];
}

const FILE = "src/a.ts";
const BEGUN = "const begun = 1;\nconst middle = 2;\nconst end = 3;\n";

/** impl-1 with trailers on its commit, impl-2 with a commit of its own; both in the session's branch. */
function twoTasks(t: TestContext): Coded {
  const lab = coded(t, { [FILE]: BEGUN });
  lab.work({ id: "impl-1", files: { [FILE]: `const first = true;\n${BEGUN}` } });
  lab.work({
    id: "impl-2",
    own: true,
    cost: 0.5,
    files: { [FILE]: `const first = true;\n${BEGUN}const last = [\n];\n` },
  });
  return lab;
}

const whyIn = (dir: string, what = FILE) => {
  const { exit, out, err } = cox(dir, ["why", what, "--json"]);
  assert.equal(exit, 0, err);
  return JSON.parse(out) as Why;
};
/** Who wrote each line. */
const byLine = ({ ranges }: Why) => ranges.flatMap(({ from, to, by }) => Array<string | null>(to - from + 1).fill(by));
const [ONE, TWO] = [`${SESSION}/impl-1-a1`, `${SESSION}/impl-2-a1`];
const EACH = [ONE, null, null, null, TWO, TWO];

test("each line is its task's, by the commit's trailers or by the merge that brought it", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  const why = whyIn(dir);
  assert.deepEqual(byLine(why), EACH);
  assert.deepEqual([...new Set(why.ranges.map(({ how }) => how))], ["trailers", null, "merge"]);
  const { out } = cox(dir, ["why", `${FILE}:5-6`]);
  for (const said of [
    /lines 5-6 +WFS-user-auth\/impl-2-a1 +Task impl-2/,
    /role code-developer/,
    /claude-opus-5-5/,
    /7 turns/,
    /\$0\.50/,
  ])
    assert.match(out, said);
  assert.match(out, /prompt +\.workflow\/WFS-user-auth\/prompts\/impl-2-a1\.md/);
  assert.match(out, /accepted if +it works as impl-2 says/);
  assert.ok(!out.includes("impl-1"), out);
});

test("uncommitted lines are said to be so, and lines of people are theirs", (t) => {
  const { dir, git: run, put } = twoTasks(t);
  run("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  put(FILE, `// mine, as yet\nconst first = true;\n${BEGUN}`);
  const { out } = cox(dir, ["why", FILE]);
  assert.match(out, /line 1 +not committed yet/);
  assert.match(out, /lines 3-5 +no task that is known here\n +[0-9a-f]{8} Ada Lovelace, .*: files/);
});

test("after a squash without a word, and after a rebase, the records tell", async (t) => {
  for (const way of ["squash", "rebase"] as const) {
    await t.test(way, async (inner) => {
      const lab = twoTasks(inner);
      const { dir, git: run } = lab;
      lab.commit("elsewhere", { "other.txt": "so that the base is another\n" });
      if (way === "squash") {
        run("merge", "-q", "--squash", BRANCH);
        run("commit", "-q", "-m", "all of it in one");
      } else {
        run("switch", "-q", "-c", "rebased", BRANCH);
        run("rebase", "-q", "main");
      }
      assert.deepEqual(byLine(whyIn(dir)), EACH);
      // The record is the ledger's too.
      await recordAll(dir);
      rmSync(join(dir, ".workflow"), { recursive: true });
      const why = whyIn(dir);
      assert.deepEqual(byLine(why), EACH);
      assert.ok(
        why.attempts.every(({ turns, prompt }) => turns === 7 && prompt !== null),
        JSON.stringify(why.attempts),
      );
    });
  }
});

test("a clone that has only the branches tells what the commits say, and how to get the rest", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  const clone = join(dir, "../clone");
  git(join(dir, ".."), "clone", "-q", "--single-branch", dir, clone);
  const why = whyIn(clone);
  assert.deepEqual(byLine(why), EACH);
  assert.equal(why.hint, "git fetch origin refs/cox/ledger:refs/cox/ledger");
  assert.deepEqual(
    why.attempts.map(({ cost_usd, turns }) => [cost_usd, turns]),
    [
      [0.25, null],
      [0.5, null],
    ],
  );
});

test("where a shallow clone ends nobody is named for what is older", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--ff-only", BRANCH);
  const clone = join(dir, "../clone");
  git(join(dir, ".."), "clone", "-q", "--single-branch", "--depth=1", `file://${dir}`, clone);
  assert.deepEqual([...new Set(byLine(whyIn(clone)))], [null]);
  assert.match(cox(clone, ["why", FILE]).out, /lines 1-6 +older than what this clone has: git fetch --unshallow/);
});

test("a squash that names its tasks tells of them where nothing else is left", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--squash", BRANCH);
  const parts = [trailers({ id: "impl-1", files: {} }), trailers({ id: "impl-2", files: {} })];
  run("commit", "-q", "-m", `two tasks\n\n* one\n\n${parts[0]}\n\n* two\n\n${parts[1]}`);
  // With the records: which of them.
  assert.deepEqual(byLine(whyIn(dir)), EACH);
  const clone = join(dir, "../clone");
  git(join(dir, ".."), "clone", "-q", "--single-branch", dir, clone);
  const [range] = whyIn(clone, `${FILE}:1`).ranges;
  assert.deepEqual([range?.by, range?.candidates], [null, [ONE, TWO]]);
  assert.match(cox(clone, ["why", `${FILE}:1`]).out, /one of WFS-user-auth\/impl-1-a1, WFS-user-auth\/impl-2-a1/);
});

test("lines that moved to a renamed file are still their task's", (t) => {
  const lab = twoTasks(t);
  lab.git("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  lab.git("mv", FILE, "moved.ts");
  lab.commit("moved", {});
  assert.deepEqual(byLine(whyIn(lab.dir, "moved.ts")), EACH);
});

test("the reviewer is named, and who approved it", async (t) => {
  const lab = coded(t, { [FILE]: BEGUN });
  lab.work({
    id: "impl-1",
    files: { [FILE]: `${BEGUN}const more = 4;\n` },
    execution: { approve: "after", approved: true },
  });
  const review = { agent: "review-agent", status: "completed", title: "Look it over" };
  const relations = { parent: null, subtasks: [], dependencies: ["impl-1"] };
  write(lab.dir, `${SESSION}/.task/impl-2.json`, task("impl-2", { ...review, relations }));
  lab.git("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  const named: [string, string][] = [
    ["Cox-Session", SESSION],
    ["Cox-Task", "impl-1"],
  ];
  const subject = `${SESSION} impl-1: steered (execution.approved)`;
  await record(lab.dir, [{ subject, trailers: named, actor: "person" }]);
  const { out } = cox(lab.dir, ["why", `${FILE}:4`]);
  assert.match(out, /review +WFS-user-auth\/impl-2 \(review-agent\), approved by Ada Lovelace/);
});

test("names that git or a terminal would take for something else are just names", (t) => {
  const odd = ["-n", "a:3", "new\nline.txt", 'ä "quoted".txt', "sp ace/*.ts", "\u001b[31mred"];
  const lab = coded(t, { "plain.txt": "x\n" });
  lab.work({ id: "impl-1", files: Object.fromEntries(odd.map((name) => [name, `content of ${odd.indexOf(name)}\n`])) });
  lab.git("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  for (const name of odd) {
    const args = name.startsWith("-") ? ["why", "--json", "--", name] : ["why", "--json", name];
    const { exit, out, err } = cox(lab.dir, args);
    assert.equal(exit, 0, `${JSON.stringify(name)}: ${err}`);
    assert.deepEqual(byLine(JSON.parse(out) as Why), [ONE], name);
    assert.equal((JSON.parse(out) as Why).file, name);
    const shown = cox(lab.dir, name.startsWith("-") ? ["why", "--", name] : ["why", name]).out;
    assert.ok(!shown.includes("\u001b"), "a control character reached the terminal");
  }
  assert.deepEqual(byLine(whyIn(lab.dir, "a:3:1")), [ONE]);
});

test("a binary file is one whole, and a submodule, a folder, an untracked file and no commit are said", (t) => {
  const lab = coded(t, { "plain.txt": "x\n" });
  lab.work({ id: "impl-1", own: true, files: { "image.bin": Buffer.from([0, 1, 2, 0]) } });
  lab.git("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  const why = whyIn(lab.dir, "image.bin");
  assert.deepEqual([why.binary, byLine(why)], [true, [ONE]]);

  lab.put("new.txt", "not added\n");
  lab.git("update-index", "--add", "--cacheinfo", `160000,${lab.git("rev-parse", "HEAD")},sub`);
  lab.git("commit", "-q", "-m", "a submodule");
  mkdirSync(join(lab.dir, "sub"));
  writeFileSync(join(lab.dir, "..", "outside.txt"), "");
  for (const [name, exit, says] of [
    ["sub", 1, /is a submodule/],
    ["", 2, /not a file of this repository/],
    ["../outside.txt", 2, /not a file of this repository/],
    ["new.txt", 1, /not in the last commit/],
    ["nowhere.txt", 1, /no file "nowhere\.txt"/],
    ["plain.txt:7", 1, /has only 1 line\b/],
    ["plain.txt:3-2", 2, /names no lines/],
  ] as const) {
    const answer = cox(lab.dir, ["why", name]);
    assert.deepEqual([answer.exit, says.test(answer.err)], [exit, true], `${name}: ${answer.err}`);
  }
  const empty = join(lab.dir, "../empty");
  mkdirSync(empty);
  git(empty, "init", "-q");
  assert.equal(cox(empty, ["why", "x"]).exit, 4);
});

test("a detached HEAD, a linked working tree and a folder below are as good as any", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  run("switch", "-q", "--detach");
  assert.deepEqual(byLine(whyIn(dir)), EACH);
  const linked = join(dir, "../linked");
  run("worktree", "add", "-q", linked);
  assert.deepEqual(byLine(whyIn(linked)), EACH);
  assert.deepEqual(byLine(whyIn(join(dir, "src"), "a.ts")), EACH);
  rmSync(join(dir, FILE));
  assert.deepEqual(byLine(whyIn(dir)), EACH, "a file that is only in the last commit");
});

test("no program that the repository's configuration names is run", (t) => {
  const { dir, git: run } = twoTasks(t);
  run("merge", "-q", "--no-ff", "-m", "land", BRANCH);
  const ran = join(dir, "../ran");
  const program = `touch ${ran}; cat`;
  writeFileSync(join(dir, ".git/info/attributes"), "*.ts filter=evil diff=evil\n");
  for (const key of [
    "filter.evil.clean",
    "filter.evil.smudge",
    "diff.evil.textconv",
    "diff.evil.command",
    "core.fsmonitor",
  ])
    run("config", key, program);
  writeFileSync(join(dir, FILE), `${BEGUN}// changed\n`);
  git(dir, "blame", FILE);
  assert.ok(existsSync(ran), "git itself runs it");
  rmSync(ran);
  assert.equal(cox(dir, ["why", FILE]).exit, 0);
  assert.ok(!existsSync(ran), "a program of the repository's configuration was run");
});
