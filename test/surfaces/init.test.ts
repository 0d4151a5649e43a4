/** `cox init`: what it makes, what it leaves alone, and where it refuses. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { parse } from "yaml";
import { folder, labIn, repository } from "./lab.ts";

describe("in a repository, cox init", () => {
  test("makes the folder, the settings and the exclude line, and git status stays as it was", (t) => {
    const lab = repository(t);
    lab.write("mine.txt", "mine");
    const before = lab.git("status", "--porcelain");
    const answer = lab.cox("init");
    assert.equal(answer.exit, 0, answer.err);
    assert.deepEqual(readdirSync(lab.at(".workflow")).sort(), [".run", "agents", "config.yaml", "inbox"]);
    assert.equal(lab.git("status", "--porcelain"), before);
    assert.match(lab.read(".git/info/exclude"), /^\/\.workflow\/$/m);
    assert.match(lab.read(".git/info/attributes"), /^\/\.workflow\/\*\* -text/m);
    assert.match(answer.out, /cox add/);
  });

  test("a second time changes nothing and says so", (t) => {
    const lab = repository(t, { init: true });
    const before = [lab.read(".git/info/exclude"), lab.read(".workflow/config.yaml")];
    assert.match(lab.cox("init").out, /already: nothing was changed/);
    assert.deepEqual([lab.read(".git/info/exclude"), lab.read(".workflow/config.yaml")], before);
    const { changed, created } = lab.json("init");
    assert.deepEqual([changed, created], [false, []]);
  });

  test("writes settings that are all comments, name their schema, and are right when uncommented", (t) => {
    const lab = repository(t, { init: true });
    const config = lab.read(".workflow/config.yaml");
    assert.equal(parse(config), null);
    const schema = /^# yaml-language-server: \$schema=(\S+)$/m.exec(config)?.[1] ?? "";
    assert.equal((JSON.parse(lab.read(`.workflow/${schema}`)) as { title: string }).title, "Coxswain settings");
    lab.write(".workflow/config.yaml", config.replace(/^#(?=[a-z ])(?! )/gm, "").replace(/^#(?= {2}[a-z])/gm, ""));
    assert.equal(lab.cox("validate").exit, 0, lab.cox("validate").out);
    assert.equal(lab.cox("config", "get", "retry.attempts").out, "4\n");
  });

  test("keeps what is there already", (t) => {
    const lab = repository(t);
    lab.write(".workflow/config.yaml", "concurrency: 2\n");
    lab.write(".git/info/exclude", "# mine, without an end of line\n*.log");
    assert.equal(lab.cox("init").exit, 0);
    assert.equal(lab.read(".workflow/config.yaml"), "concurrency: 2\n");
    assert.equal(lab.read(".git/info/exclude"), "# mine, without an end of line\n*.log\n/.workflow/\n");
  });

  test("goes to the top of the repository from a folder inside it", (t) => {
    const lab = repository(t);
    mkdirSync(lab.at("src/deep"), { recursive: true });
    assert.equal(lab.cox("-C", "src/deep", "init").exit, 0);
    assert.ok(lab.has(".workflow") && !lab.has("src/deep/.workflow"));
  });

  test("works in a linked worktree", (t) => {
    const lab = repository(t);
    lab.git("commit", "-q", "--allow-empty", "-m", "first");
    lab.git("worktree", "add", "-q", "../linked");
    const linked = labIn(join(lab.dir, "../linked"));
    assert.equal(linked.cox("init").exit, 0);
    assert.equal(linked.cox("add", "a task").exit, 0);
    assert.equal(linked.git("status", "--porcelain"), "");
  });
});

describe("elsewhere, cox init", () => {
  test("says which command makes a repository, and does it with --git", (t) => {
    const lab = labIn(folder(t));
    const refused = lab.cox("init");
    assert.equal(refused.exit, 1);
    assert.match(refused.err, /cox init --git/);
    assert.ok(!lab.has(".git"));
    assert.equal(lab.cox("init", "--git").exit, 0);
    assert.ok(lab.has(".git") && lab.has(".workflow/config.yaml"));
  });

  test("refuses a bare repository", (t) => {
    const dir = folder(t);
    execFileSync("git", ["init", "-q", "--bare", dir]);
    const answer = labIn(dir).cox("init");
    assert.equal(answer.exit, 4);
    assert.match(answer.err, /bare repository/);
  });

  test("refuses the inside of .git", (t) => {
    const answer = repository(t).cox("-C", ".git", "init", "--git");
    assert.equal(answer.exit, 1);
  });

  test("refuses a .workflow that is a link or a file, and touches neither", (t) => {
    const linked = repository(t);
    const outside = folder(t);
    symlinkSync(outside, linked.at(".workflow"));
    assert.match(linked.cox("init").err, /symbolic link/);
    assert.equal(linked.cox("status").exit, 3);
    assert.deepEqual(readdirSync(outside), []);
    const file = repository(t);
    writeFileSync(file.at(".workflow"), "mine");
    assert.equal(file.cox("init").exit, 4);
    assert.equal(file.read(".workflow"), "mine");
  });

  test(
    "says that a folder is read-only",
    { skip: process.getuid?.() === 0 ? "root may write everywhere" : false },
    (t) => {
      const lab = repository(t);
      chmodSync(lab.dir, 0o555);
      t.after(() => chmodSync(lab.dir, 0o755));
      const answer = lab.cox("init");
      assert.equal(answer.exit, 1);
      assert.match(answer.err, /file system refuses/);
    },
  );
});
