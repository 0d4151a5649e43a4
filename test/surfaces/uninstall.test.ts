import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { takeLock } from "../../src/store/lock.ts";
import { cox, COX, environment, git, repository, SESSION, workspace, write } from "./recorded.ts";

const EXCLUDE = ".git/info/exclude";
const ATTRIBUTES = ".git/info/attributes";

interface Uninstalled {
  changed: boolean;
  removed: { lines: unknown[]; refs: { name: string }[]; workspace: string | null; worktrees: string[] };
  left: { refs: string[]; workspace: string | null; worktrees: string[] };
}

/** The workspace as it is when no agent is at work, and what its repository had before. */
async function quiet(t: TestContext): Promise<string> {
  const { dir } = await workspace(t);
  mkdirSync(join(dir, ".workflow/.run"), { recursive: true });
  return dir;
}

function worktree(dir: string): string {
  const path = join(dir, ".workflow/.run/worktrees/one");
  git(dir, "worktree", "add", "-q", "-b", `cox/${SESSION}/impl-1`, path);
  return path;
}

test("init and uninstall leave git's own files as they were, byte for byte, and show the lines", (t) => {
  const dir = repository(t);
  writeFileSync(join(dir, EXCLUDE), "# mine\r\n*.log\r\n");
  const made = cox(dir, ["init"]);
  assert.match(made.out, /added {5}\/\.workflow\/ {2}to .*\.git\/info\/exclude\n/);
  assert.match(made.out, /added {5}\/\.workflow\/\*\* -text .* to .*\.git\/info\/attributes\n/);
  const unasked = cox(dir, ["uninstall"]);
  assert.equal(unasked.exit, 4);
  assert.match(unasked.err, /Nothing was removed[^]*\/\.workflow\/ from .*exclude[^]*cox uninstall --yes/);
  assert.equal(readFileSync(join(dir, EXCLUDE), "utf8"), "# mine\r\n*.log\r\n/.workflow/\n");
  const { exit, out, err } = cox(dir, ["uninstall", "--yes"]);
  assert.equal(exit, 0, err);
  assert.match(out, /removed {2}\/\.workflow\/ {2}from .*exclude\nremoved {2}\/\.workflow\/\*\* -text/);
  assert.match(out, /left: .*\.workflow \(--workspace/);
  assert.equal(readFileSync(join(dir, EXCLUDE), "utf8"), "# mine\r\n*.log\r\n");
  assert.ok(!existsSync(join(dir, ATTRIBUTES)));
  assert.ok(existsSync(join(dir, ".workflow/config.yaml")));
  const again = cox(dir, ["uninstall"]);
  assert.deepEqual([again.exit, again.out.split("\n")[0]], [0, "Nothing to do."]);
});

/** On a terminal of its own (util-linux `script`), each question answered when it is there. */
async function onTerminal(dir: string, args: string[], answers: string[]): Promise<string> {
  const command = [process.execPath, COX, ...args].map((word) => `'${word}'`).join(" ");
  const child = spawn("script", ["-qec", command, "/dev/null"], {
    cwd: dir,
    env: { ...environment(join(dir, "..")), TERM: "dumb", NO_COLOR: "1" },
    stdio: ["pipe", "pipe", "inherit"],
  });
  let heard = "";
  let answered = 0;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    heard += text;
    for (; answered < heard.split("[y/N]").length - 1; answered++) child.stdin.write(`${answers[answered] ?? "n"}\n`);
  });
  await new Promise((done) => child.on("close", done));
  return heard.replaceAll("\r", "");
}

const hasScript = spawnSync("script", ["--version"]).stdout?.toString().includes("util-linux") ?? false;

test("on a terminal everything is asked about, the lines too, and a no leaves it", { skip: !hasScript }, async (t) => {
  const dir = await quiet(t);
  const before = readFileSync(join(dir, EXCLUDE), "utf8");
  const none = await onTerminal(dir, ["uninstall"], []);
  assert.match(none, /Delete .*\.workflow\? \[y\/N\][^]*Delete what was recorded \(refs\/cox\/ledger\)\?/);
  assert.match(
    none,
    /\/\.workflow\/ {2}in .*exclude\n[^]*git status shows .*Take them out\? \[y\/N\][^]*Nothing to do\./,
  );
  assert.equal(readFileSync(join(dir, EXCLUDE), "utf8"), before);
  await onTerminal(dir, ["uninstall"], ["y", "n", "y"]);
  assert.doesNotMatch(readFileSync(join(dir, EXCLUDE), "utf8"), /\.workflow/);
  assert.ok(!existsSync(join(dir, ".workflow")));
  assert.equal(git(dir, "rev-parse", "--verify", "-q", "refs/cox/ledger").length, 40);
});

test("what others wrote into the same files stays", async (t) => {
  const dir = await quiet(t);
  const before = readFileSync(join(dir, ATTRIBUTES), "utf8");
  writeFileSync(join(dir, ATTRIBUTES), `*.a binary\n${before}*.b text`);
  cox(dir, ["uninstall", "--yes"]);
  assert.equal(readFileSync(join(dir, ATTRIBUTES), "utf8"), "*.a binary\n*.b text");
});

test("a dry run lists and removes nothing", async (t) => {
  const dir = await quiet(t);
  const before = [git(dir, "for-each-ref"), readFileSync(join(dir, EXCLUDE), "utf8")];
  const { exit, out } = cox(dir, ["uninstall", "--all", "--dry-run"]);
  assert.equal(exit, 0);
  assert.match(out, /would remove {2}\/\.workflow\/ .*\n(.*\n)*would remove {2}refs\/cox\/ledger \(was [0-9a-f]{40}\)/);
  assert.match(out, /would remove {2}.*\/\.workflow\n/);
  assert.deepEqual([git(dir, "for-each-ref"), readFileSync(join(dir, EXCLUDE), "utf8")], before);
  assert.ok(existsSync(join(dir, `.workflow/${SESSION}`)));
});

test("with --all everything of ours goes and nothing else does; twice, there is nothing to do", async (t) => {
  const dir = await quiet(t);
  git(dir, "branch", "mine");
  worktree(dir);
  const branches = git(dir, "for-each-ref", "refs/heads");
  const first = cox(dir, ["uninstall", "--all", "--json"]);
  assert.equal(first.exit, 0, first.err);
  const { removed, left } = first.json<Uninstalled>();
  assert.deepEqual(
    removed.refs.map(({ name }) => name),
    ["refs/cox/ledger"],
  );
  assert.deepEqual([removed.lines.length, removed.worktrees.length], [2, 1]);
  assert.deepEqual(left, { refs: [], workspace: null, worktrees: [] });
  assert.equal(git(dir, "for-each-ref", "refs/cox"), "");
  assert.equal(git(dir, "for-each-ref", "refs/heads"), branches);
  assert.equal(git(dir, "worktree", "list", "--porcelain").match(/^worktree /gm)?.length, 1);
  assert.ok(!existsSync(join(dir, ".workflow")));
  assert.equal(git(dir, "status", "--porcelain"), "");
  const second = cox(dir, ["uninstall", "--all"]);
  assert.deepEqual([second.exit, second.out], [0, "Nothing to do.\n"]);
});

test("a worktree with work that is nowhere else keeps everything", async (t) => {
  const dir = await quiet(t);
  const path = worktree(dir);
  writeFileSync(join(path, "new.txt"), "work");
  const dirty = cox(dir, ["uninstall", "--workspace"]);
  assert.equal(dirty.exit, 4);
  assert.match(dirty.err, /worktrees\/one: it has changes that are not committed/);
  git(path, "add", "new.txt");
  git(path, "-c", "user.name=A", "-c", "user.email=a@example.com", "commit", "-q", "-m", "work");
  const unmerged = cox(dir, ["uninstall", "--all"]);
  assert.equal(unmerged.exit, 4);
  assert.match(unmerged.err, /merged into no other branch/);
  assert.ok(existsSync(join(path, "new.txt")));
  assert.match(readFileSync(join(dir, EXCLUDE), "utf8"), /\.workflow/);
  git(dir, "merge", "-q", `cox/${SESSION}/impl-1`);
  assert.equal(cox(dir, ["uninstall", "--worktrees"]).exit, 0);
  assert.ok(!existsSync(path));
  assert.equal(git(dir, "rev-parse", "--verify", "-q", "refs/cox/ledger").length, 40);
});

test("rescued work that no branch has stays, and is named", async (t) => {
  const dir = await quiet(t);
  const rescue = "refs/cox/rescue/impl-9";
  const work = git(dir, "commit-tree", "-p", "main", "-m", "work", "main^{tree}");
  git(dir, "update-ref", rescue, work);
  git(dir, "update-ref", "refs/cox/worktrees/other/ledger", "refs/cox/ledger");
  const { out } = cox(dir, ["uninstall", "--ledger"]);
  assert.match(out, /left: refs\/cox\/rescue\/impl-9, work that no branch has/);
  const names = git(dir, "for-each-ref", "--format=%(refname)", "refs/cox").split("\n");
  assert.deepEqual(names, [rescue, "refs/cox/worktrees/other/ledger"]);
});

test("a linked working tree that is a workspace too keeps the lines, which both share", async (t) => {
  const dir = await quiet(t);
  const linked = join(dir, "..", "linked");
  git(dir, "worktree", "add", "-q", linked);
  cox(linked, ["init"]);
  assert.match(cox(dir, ["uninstall", "--all"]).out, /lines in \.git\/info stay: .*linked is a workspace too/);
  assert.match(readFileSync(join(dir, EXCLUDE), "utf8"), /\/\.workflow\//);
  assert.ok(existsSync(join(linked, ".workflow/config.yaml")));
  cox(linked, ["uninstall", "--all"]);
  assert.doesNotMatch(readFileSync(join(dir, EXCLUDE), "utf8"), /\/\.workflow\//);
});

test("it is refused while a daemon holds the workspace, or an agent may be at work", async (t) => {
  const dir = await quiet(t);
  mkdirSync(join(dir, ".workflow/.run/attempts/run-2"), { recursive: true });
  const running = cox(dir, ["uninstall", "--workspace"]);
  assert.equal(running.exit, 4);
  assert.match(running.err, /agents of WFS-user-auth\/impl-2 may still be at work/);
  rmSync(join(dir, ".workflow/.run/attempts"), { recursive: true });
  const holder = { pid: process.pid, start: null, host: "here", since: "2026-11-21T09:00:00.000Z", version: "0" };
  const lock = await takeLock(join(dir, ".workflow"), holder);
  assert.ok("ok" in lock);
  t.after(() => lock.ok.release());
  for (const flags of [["--yes"], ["--all"], ["--dry-run"]]) {
    const { exit, err } = cox(dir, ["uninstall", ...flags]);
    assert.equal(exit, 4);
    assert.match(err, /A daemon is at work here \(process \d+/);
  }
  assert.match(readFileSync(join(dir, EXCLUDE), "utf8"), /\/\.workflow\//);
});

test("files that the code's branch tracks are not deleted", async (t) => {
  const dir = await quiet(t);
  write(dir, "mine.md", "mine");
  git(dir, "add", "-f", ".workflow/mine.md");
  const { exit, err } = cox(dir, ["uninstall", "--all"]);
  assert.equal(exit, 4);
  assert.match(err, /your branch tracks \.workflow\/mine\.md/);
  assert.ok(existsSync(join(dir, ".workflow/mine.md")));
});
