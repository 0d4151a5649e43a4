/** `cox land`: a session's work into the user's branch, or nothing at all. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, lstatSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { BRANCH, coded, type Coded } from "./coded.ts";
import { cox, git, session, SESSION, task, write } from "./recorded.ts";

const FILE = "src/a.ts";
const [ONE, TWO] = [`${SESSION}/impl-1-a1`, `${SESSION}/impl-2-a1`];

/** Two tasks merged into the session's branch; the user's own branch has gone on meanwhile. */
function ready(t: TestContext): Coded {
  const lab = coded(t, { [FILE]: "begun\n", "other.txt": "other\n" });
  lab.work({ id: "impl-1", title: "Say the first thing", files: { [FILE]: "the first line\nbegun\n" } });
  lab.work({
    id: "impl-2",
    own: true,
    files: { [FILE]: "the first line\nbegun\nthe last line\n", "new.txt": "new\n" },
  });
  lab.commit("mine", { "mine.txt": "mine\n" });
  return lab;
}

/** All that a user would miss: commit, branch, index, working tree, untracked files, stash. */
function stateOf({ dir, git: run }: Coded) {
  const status = run("status", "--porcelain", "--branch", "--untracked-files=all");
  const files = [FILE, "mine.txt", "new.txt", "other.txt"].map((path) =>
    lstatSync(join(dir, path), { throwIfNoEntry: false })?.isFile() ? readFileSync(join(dir, path), "utf8") : null,
  );
  const state = ["MERGE_HEAD", "SQUASH_MSG", "MERGE_MSG"].filter((name) => existsSync(join(dir, ".git", name)));
  return {
    status,
    files,
    state,
    head: run("rev-parse", "HEAD"),
    index: run("ls-files", "--stage"),
    trees: run("worktree", "list"),
  };
}

interface Landing {
  landed: boolean;
  commit: string;
  files: string[];
  conflicts: string[];
  in_the_way: string[];
  tasks: { task: string; title: string }[];
  gates: { command: string; passed: boolean }[];
  next: string | null;
}

const landIn = ({ dir }: Coded, ...args: string[]) => {
  const { exit, out, err } = cox(dir, ["land", ...args, "--json"]);
  assert.equal(exit, 0, err);
  return JSON.parse(out) as Landing;
};

/** Refused, with a reason, and everything is as it was. */
function refuses(lab: Coded, args: readonly string[], says: RegExp, exit = 4): string {
  const before = stateOf(lab);
  const answer = cox(lab.dir, ["land", ...args]);
  assert.deepEqual([answer.exit, says.test(answer.err)], [exit, true], `${args.join(" ")}: ${answer.err}`);
  assert.deepEqual(stateOf(lab), before);
  return answer.err;
}

const whoWrote = ({ dir }: Coded) => {
  const { ranges } = cox(dir, ["why", FILE, "--json"]).json<{ ranges: { from: number; to: number; by: string }[] }>();
  return ranges.flatMap(({ from, to, by }) => Array<string>(to - from + 1).fill(by));
};

test("landing is a merge commit of the user's, and the working tree follows; --dry-run only tells", (t) => {
  const lab = ready(t);
  lab.git("remote", "add", "origin", "https://example.com/x.git");
  const before = stateOf(lab);
  const { out } = cox(lab.dir, ["land", "--dry-run"]);
  assert.match(out, /would be landed in main by a merge commit: 2 tasks, 2 files/);
  assert.match(out, /impl-1 {2}Say the first thing/);
  assert.deepEqual(stateOf(lab), before);

  const said = cox(lab.dir, ["land"]);
  assert.equal(said.exit, 0, said.err);
  assert.match(
    said.out,
    /WFS-user-auth is landed in main: [0-9a-f]{8}, 2 tasks, 2 files\.\nPush it: git push origin main\n/,
  );
  const parents = lab.git("rev-parse", "main@{1}", BRANCH).replace("\n", " ");
  assert.equal(lab.git("log", "-1", "--format=%an|%s|%P"), `Ada Lovelace|Land ${SESSION}: user auth|${parents}`);
  assert.equal(lab.git("status", "--porcelain"), "");
  assert.deepEqual(stateOf(lab).files, ["the first line\nbegun\nthe last line\n", "mine\n", "new\n", "other\n"]);
  assert.deepEqual(whoWrote(lab), [ONE, null, TWO]);
  assert.match(cox(lab.dir, ["land"]).out, /main has all of WFS-user-auth already/);
});

test("--squash is one commit that names each task, and cox why still knows each line", (t) => {
  const lab = ready(t);
  lab.git("config", "merge.ff", "false");
  const { commit, tasks } = landIn(lab, SESSION, "--squash");
  assert.deepEqual(
    tasks.map((each) => [each.task, each.title]),
    [
      ["impl-1", "Say the first thing"],
      ["impl-2", "Task impl-2"],
    ],
  );
  assert.equal(lab.git("rev-list", "--parents", "-1", commit).split(" ").length, 2);
  assert.equal(lab.git("log", "-1", "--format=%(trailers:key=Cox-Task,valueonly)").trim(), "impl-1\nimpl-2");
  assert.deepEqual(whoWrote(lab), [ONE, null, TWO]);
  // What comes later is landed without what has been.
  lab.work({ id: "impl-3", files: { "third.txt": "third\n" } });
  assert.deepEqual(
    landIn(lab, "--squash").tasks.map((each) => each.task),
    ["impl-3"],
  );
  assert.match(cox(lab.dir, ["land", "--squash"]).out, /already/);
});

test("--ff moves the branch forward, or says that it cannot", (t) => {
  const lab = ready(t);
  refuses(lab, ["--ff"], /main has commits that cox\/WFS-user-auth\/session has not/);
  lab.git("reset", "-q", "--hard", "HEAD~1");
  lab.put("other.txt", "staged, and in nobody's way\n");
  lab.git("add", "other.txt");
  assert.equal(landIn(lab, "--ff").commit, lab.git("rev-parse", BRANCH));
  assert.equal(lab.git("status", "--porcelain").trim(), "M  other.txt");
});

test("uncommitted changes that matter keep it from landing, others do not", (t) => {
  const lab = ready(t);
  lab.put(FILE, "mine, not committed\n");
  refuses(lab, [], /uncommitted changes are in the way: src\/a\.ts/);
  lab.git("checkout", "-q", FILE);
  lab.put("new.txt", "mine, not even added\n");
  refuses(lab, [], /in the way: new\.txt/);
  writeFileSync(join(lab.dir, ".git/info/exclude"), "/.workflow/\nnew.txt\n");
  refuses(lab, [], /in the way: new\.txt/);
  lab.put("new.txt", null);
  lab.put("new.txt/below", "a folder of mine\n");
  refuses(lab, [], /in the way: new\.txt/);
  lab.put("new.txt/below", null);
  lab.git("clean", "-fdxq", "new.txt");
  lab.put("other.txt", "mine, staged\n");
  lab.git("add", "other.txt");
  refuses(lab, [], /in the way: other\.txt/);
  lab.git("reset", "-q");
  lab.put("untracked.txt", "mine\n");
  landIn(lab);
  assert.equal(lab.git("status", "--porcelain"), " M other.txt\n?? untracked.txt");
});

test("a merge or rebase under way, a detached HEAD, a branch without commits: refused", (t) => {
  const lab = ready(t);
  lab.git("switch", "-q", "-c", "side", "HEAD~1");
  lab.commit("otherwise", { "mine.txt": "otherwise\n" });
  lab.git("switch", "-q", "main");
  assert.throws(() => lab.git("merge", "side"));
  refuses(lab, [], /A merge is under way/);
  lab.git("merge", "--abort");
  assert.throws(() => lab.git("rebase", "side"));
  refuses(lab, ["--into", "main"], /main is checked out at/);
  lab.git("rebase", "--abort");
  lab.git("switch", "-q", "--detach");
  refuses(lab, [], /HEAD is detached/);
  lab.git("switch", "-q", "--orphan", "nothing");
  assert.match(cox(lab.dir, ["land"]).err, /nothing has no commit yet/);
});

test("work that goes on or is not merged is named; --partial lands the rest", (t) => {
  const lab = ready(t);
  lab.work({ id: "impl-3", unmerged: true, files: { "third.txt": "third\n" } });
  refuses(lab, [], /has work that is not merged: impl-3/);
  write(lab.dir, `${SESSION}/.task/impl-4.json`, task("impl-4", { status: "active" }, { attempts: 1 }));
  refuses(lab, [], /still has tasks at work: impl-4/);
  assert.equal(cox(lab.dir, ["land", "--dry-run"]).exit, 4);
  landIn(lab, "--partial");
  assert.ok(!existsSync(join(lab.dir, "third.txt")));
});

test("a conflict is refused, with the files and the way to do it by hand", (t) => {
  const lab = ready(t);
  lab.commit("mine too", { [FILE]: "something else\n", "new.txt": "something else\n" });
  const err = refuses(lab, [], /conflicts in new\.txt, src\/a\.ts/);
  assert.match(err, /git merge cox\/WFS-user-auth\/session/);
  const dry = cox(lab.dir, ["land", "--dry-run", "--json"]);
  assert.deepEqual([dry.exit, dry.json<Landing>().conflicts], [4, ["new.txt", "src/a.ts"]]);
});

test("the gates look at what would be landed, apart from the working tree; one that fails keeps it from landing", (t) => {
  const lab = ready(t);
  const gate = "test -f new.txt && test -f mine.txt && pwd > $HOME/where";
  write(lab.dir, "config.yaml", "");
  write(
    lab.dir,
    `${SESSION}/workflow-session.json`,
    session({ verify: [gate, "echo said by the gate; test -f nothing"] }),
  );
  const err = refuses(lab, [], /The gate `echo said by the gate; test -f nothing` ended with exit code 1/, 1);
  assert.match(err, /said by the gate/);
  assert.match(readFileSync(join(lab.dir, "../where"), "utf8"), /\.workflow\/\.run\/landing\/\d+\n$/);
  assert.deepEqual(cox(lab.dir, ["land", "--dry-run", "--json"]).json<Landing>().gates.length, 2);
  write(lab.dir, `${SESSION}/workflow-session.json`, session({ verify: [gate] }));
  assert.deepEqual(
    landIn(lab).gates.map(({ passed }) => passed),
    [true],
  );
});

test("gates find what worktree.setup and .worktreeinclude bring, and land.command comes after", (t) => {
  const lab = ready(t);
  lab.commit("ignored", { ".gitignore": ".env\n", ".worktreeinclude": ".env\n" });
  lab.put(".env", "SECRET=1\n");
  const settings = [
    "verify: ['test -f .env && test -f made']",
    "worktree: { setup: ['touch made'] }",
    'land: { command: \'echo "$COX_SESSION $COX_BRANCH $COX_COMMIT" > "$HOME/after"\' }',
  ];
  write(lab.dir, "config.yaml", `${settings.join("\n")}\n`);
  const { commit, gates } = landIn(lab);
  assert.deepEqual(
    gates.map(({ passed }) => passed),
    [true, true],
  );
  assert.equal(readFileSync(join(lab.dir, "../after"), "utf8"), `${SESSION} main ${commit}\n`);
  lab.work({ id: "impl-3", files: { "third.txt": "third\n" } });
  write(lab.dir, "config.yaml", "land: { command: exit 3 }\n");
  const answer = cox(lab.dir, ["land"]);
  assert.deepEqual([answer.exit, /It is landed, but land\.command failed/.test(answer.err)], [1, true], answer.err);
  assert.ok(existsSync(join(lab.dir, "third.txt")));
});

test("--no-verify lands without the gates", (t) => {
  const lab = ready(t);
  write(lab.dir, `${SESSION}/workflow-session.json`, session({ verify: ["false"] }));
  assert.deepEqual(landIn(lab, "--no-verify").gates, []);
});

test("hooks of the user's are run, and one that refuses leaves everything as it was", (t) => {
  const lab = ready(t);
  const hook = (name: string, text: string) => {
    mkdirSync(join(lab.dir, ".git/hooks"), { recursive: true });
    writeFileSync(join(lab.dir, ".git/hooks", name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(lab.dir, ".git/hooks", name), 0o755);
  };
  hook("commit-msg", "echo no such words here >&2; exit 1");
  refuses(lab, [], /no such words here/, 1);
  refuses(lab, ["--squash"], /no such words here/, 1);
  refuses(lab, ["--into", "aside"], /no branch "aside"/, 2);
  lab.git("branch", "aside");
  refuses(lab, ["--into", "aside"], /no such words here/, 1);
  hook("commit-msg", 'echo "Signed-off-by: somebody" >> "$1"');
  landIn(lab);
  assert.match(lab.git("log", "-1", "--format=%B"), /Signed-off-by: somebody/);
});

test("--into lands in a branch that is not checked out, and touches nothing of what is", (t) => {
  const lab = ready(t);
  lab.git("branch", "release", "main~1");
  lab.put(FILE, "mine, not committed\n");
  const before = stateOf(lab);
  const { commit } = landIn(lab, "--into", "release");
  assert.deepEqual(stateOf(lab), before);
  assert.equal(lab.git("rev-parse", "release"), commit);
  assert.equal(lab.git("show", `release:${FILE}`), "the first line\nbegun\nthe last line");
  assert.equal(lab.git("log", "-1", "--format=%an", "release"), "Ada Lovelace");
  assert.equal(lab.git("worktree", "list").split("\n").length, 1);
  lab.git("worktree", "add", "-q", join(lab.dir, "../linked"), "-b", "held");
  refuses(lab, ["--into", "held"], /held is checked out at .*linked/);
  refuses(lab, ["--into", "-x"], /no branch "-x"/, 2);
});

test("a linked working tree lands in its own branch", (t) => {
  const lab = ready(t);
  const linked = join(lab.dir, "../linked");
  lab.git("worktree", "add", "-q", "-b", "linked", linked);
  assert.equal(cox(linked, ["init"]).exit, 0);
  const { exit, err } = cox(linked, ["land", SESSION]);
  assert.equal(exit, 0, err);
  assert.equal(git(linked, "status", "--porcelain"), "");
  assert.ok(existsSync(join(linked, "new.txt")) && !existsSync(join(lab.dir, "new.txt")));
});

test("file names that git would take for something else are landed, or named, as they are", (t) => {
  const lab = coded(t, { "a.txt": "a\n" });
  const odd = ["-f", "new\nline", ":(top)x", "ä.txt"];
  lab.work({ id: "impl-1", files: Object.fromEntries(odd.map((name) => [name, "theirs\n"])) });
  lab.put("-f", "mine\n");
  lab.put("new\nline", "mine\n");
  const answer = cox(lab.dir, ["land", "--dry-run", "--json"]);
  assert.deepEqual([answer.exit, answer.json<Landing>().in_the_way], [4, ["-f", "new\nline"]]);
  lab.put("-f", null);
  lab.put("new\nline", null);
  landIn(lab);
  assert.deepEqual(
    odd.map((name) => readFileSync(join(lab.dir, name), "utf8")),
    odd.map(() => "theirs\n"),
  );
});

test("a session without a branch has nothing to land", (t) => {
  const lab = coded(t, { "a.txt": "a\n" });
  assert.match(cox(lab.dir, ["land"]).out, /main has all of WFS-user-auth already/);
  lab.git("branch", "-q", "-D", BRANCH);
  refuses(lab, [], /has nothing to land/);
  refuses(lab, ["--squash", "--ff"], /exclude each other/, 2);
});
