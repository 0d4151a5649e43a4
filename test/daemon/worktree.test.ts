/** Worktrees: an attempt in one of its own, its commits, its gates, and the merge into the session's branch. */
import assert from "node:assert/strict";
import { chmodSync, existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { WORKTREE_FAILPOINTS } from "../../src/daemon/failpoint.ts";
import { SESSION, workshop, type Workshop, type WorkshopOptions } from "../support/workshop.ts";
import { some } from "../support/points.ts";

const BRANCH = `cox/${SESSION}/session`;

function shopWith(t: TestContext, { env, ...more }: WorkshopOptions = {}): Promise<Workshop> {
  return workshop(t, { ...more, env: { COX_ISOLATION: "worktree", ...env } });
}

const folder = (shop: Workshop, id: string) => shop.at(".run/worktrees", `${SESSION}.${id}`);
const subjects = (shop: Workshop, ref: string) => shop.git("log", "--topo-order", "--format=%s", ref).split("\n");
const trailer = (shop: Workshop, ref: string, key: string) =>
  shop.git("log", "-1", `--format=%(trailers:key=${key},valueonly)`, ref).trim();

describe("an attempt in a worktree", () => {
  test("works there, its work is merged into the session's branch, and the worktree goes", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", 'echo new > made.txt; echo more >> README.md; rm -f nothing; pwd > "$HOME/where"');
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("where")?.trim(), folder(shop, "impl-1"));
    assert.equal(shop.git("show", `${BRANCH}:made.txt`), "new");
    assert.equal(shop.git("show", `${BRANCH}:README.md`), "# A project\nmore");
    assert.deepEqual(subjects(shop, BRANCH), ["Task impl-1", "begin"]);
    assert.equal(task.execution.branch, `cox/${SESSION}/impl-1`);
    assert.equal(task.execution.commit, shop.git("rev-parse", BRANCH));
    assert.equal(shop.git("log", "-1", "--format=%an", BRANCH), "Coxswain");
    for (const [key, value] of [
      ["Cox-Session", SESSION],
      ["Cox-Task", "impl-1"],
      ["Cox-Attempt", "1"],
      ["Cox-Role", "command"],
    ] as const)
      assert.equal(trailer(shop, BRANCH, key), value);
    const begun = shop.ledger().find(({ subject }) => subject === `${SESSION} impl-1: pending -> active`);
    assert.equal(trailer(shop, BRANCH, "Cox-Ledger"), begun?.hash);
    const ended = shop.ledger().find(({ subject }) => subject === `${SESSION} impl-1: active -> completed`);
    assert.equal(ended?.trailers["Cox-Code-Commit"], task.execution.commit);
    await shop.until("its worktree is gone", () => !existsSync(folder(shop, "impl-1")));
    await shop.until("git knows of none", () => shop.git("worktree", "list").split("\n").length === 1);
    assert.ok(!existsSync(join(shop.dir, "made.txt")), "nothing of it is in the user's checkout");
    const { work } = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as { work: { files: unknown[] } };
    assert.equal(work.files.length, 2);
  });

  test("that changes nothing leaves no branch behind", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "true");
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.commit, undefined);
    await shop.until("its branch is gone", () => shop.git("for-each-ref", "refs/heads/cox").endsWith(BRANCH));
  });

  test("keeps the agent's own commits, and adds the rest as one more, told apart by a merge", async (t) => {
    const shop = await shopWith(t);
    const commit = "git -c user.name=A -c user.email=a@b commit -q -a -m";
    shop.command("impl-1", `echo a > a; git add a; ${commit} "its own"; echo b > b`);
    await shop.becomes("impl-1", "completed");
    assert.deepEqual(subjects(shop, BRANCH).slice(0, 3), [
      `Merge ${SESSION} impl-1: Task impl-1`,
      "Task impl-1",
      "its own",
    ]);
    shop.command("impl-2", `echo c > c; git add c; ${commit} "all its own"`);
    await shop.becomes("impl-2", "completed");
    assert.deepEqual(subjects(shop, BRANCH).slice(0, 2), [`Merge ${SESSION} impl-2: Task impl-2`, "all its own"]);
    assert.equal(trailer(shop, BRANCH, "Cox-Task"), "impl-2");
  });

  test("may have taken files out of the index, and moved them there", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "echo gone > gone; echo stays > stays");
    await shop.becomes("impl-1", "completed");
    shop.command("impl-2", `git mv README.md read.me; git rm -q gone`);
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "read.me\nstays");
  });

  test("may have committed nothing but an empty commit", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", 'git -c user.name=A -c user.email=a@b commit -q --allow-empty -m "nothing"');
    await shop.becomes("impl-1", "completed");
    assert.deepEqual(subjects(shop, BRANCH).slice(0, 2), [`Merge ${SESSION} impl-1: Task impl-1`, "nothing"]);
  });

  test("sees the work of the tasks it depends on", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "echo one > one");
    shop.command("impl-2", "cat one > two", { relations: { dependencies: ["impl-1"] } });
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.git("show", `${BRANCH}:two`), "one");
  });

  test("is beside others that write the same place, and both come together", async (t) => {
    const shop = await shopWith(t);
    for (const id of ["impl-1", "impl-2", "impl-3", "impl-4"])
      shop.command(id, `echo ${id} > ${id}.txt; touch "$HOME/${id}"; ${shop.waits()}`);
    await shop.until("all four work at once", () => readdirSync(shop.home).length === 4);
    shop.release();
    for (const id of ["impl-1", "impl-2", "impl-3", "impl-4"]) await shop.becomes(id, "completed");
    assert.equal(
      shop.git("ls-tree", "--name-only", BRANCH),
      ["README.md", "impl-1.txt", "impl-2.txt", "impl-3.txt", "impl-4.txt"].join("\n"),
    );
  });

  test("starts from the branch that was checked out when its session began", async (t) => {
    const shop = await shopWith(t);
    await shop.recorded(/WFS-main: new -> /);
    shop.git("switch", "-q", "-c", "other");
    shop.git("commit", "-q", "--allow-empty", "-m", "on another branch");
    shop.command("impl-1", "echo x > x");
    await shop.becomes("impl-1", "completed");
    assert.deepEqual(subjects(shop, BRANCH), ["Task impl-1", "begin"]);
    shop.git("switch", "-q", "main");
    shop.git("branch", "-q", "-D", "other");
  });
});

test("a branch of the user's that has the name cox blocks the task, which says what to do", async (t) => {
  const shop = await shopWith(t, { before: (begun) => void begun.git("branch", "cox") });
  shop.command("impl-1", "true");
  const task = await shop.becomes("impl-1", "blocked");
  assert.equal(task.execution.reason, "invalid");
  assert.match(JSON.stringify(task.execution.last_attempt?.error), /git branch -m cox /);
  shop.git("branch", "-m", "cox", "mine");
  shop.edit("impl-1", (found) => (found.status = "pending"));
  await shop.becomes("impl-1", "completed");
  shop.git("branch", "-D", "mine");
});

describe("gates", () => {
  test("of workspace, session and task all run in the worktree, and what failed goes back to the agent", async (t) => {
    const shop = await shopWith(t, { env: { COX_VERIFY: "test -f a" } });
    shop.command("impl-1", 'if [ "$COX_ATTEMPT" = 1 ]; then echo a > a; else echo b > b; fi', {
      execution: { verify: ["test -f b"] },
    });
    const task = await shop.becomes("impl-1", "completed");
    assert.equal(task.execution.attempts, 2);
    const first = JSON.parse(shop.read(`${SESSION}/responses/impl-1-a1.json`)) as {
      gates: { command: string; passed: boolean }[];
    };
    assert.deepEqual(
      first.gates.map(({ command, passed }) => [command, passed]),
      [
        ["test -f a", true],
        ["test -f b", false],
      ],
    );
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md\na\nb");
  });

  test("run again on what a merge makes of two changes that are good alone", async (t) => {
    const shop = await shopWith(t, { env: { COX_RETRY_VERIFY_ROUNDS: "1" } });
    const gate = { execution: { verify: ["! { [ -f a ] && [ -f b ]; }"] } };
    shop.command("impl-1", `echo a > a; touch "$HOME/1"; ${shop.waits()}`, gate);
    shop.command("impl-2", `echo b > b; touch "$HOME/2"; ${shop.waits()}`, gate);
    await shop.until("both are at work", () => readdirSync(shop.home).length === 2);
    shop.release();
    await shop.until("one is blocked", () => ["impl-1", "impl-2"].some((id) => shop.status(id) === "blocked"));
    await shop.until("one is completed", () => ["impl-1", "impl-2"].some((id) => shop.status(id) === "completed"));
    const blocked = shop.status("impl-1") === "blocked" ? "impl-1" : "impl-2";
    assert.equal(shop.reason(blocked), "verify");
    const first = JSON.parse(shop.read(`${SESSION}/responses/${blocked}-a1.json`)) as { error: { message: string } };
    assert.match(first.error.message, /^Merged with what cox\/WFS-main\/session has by now: The gate/);
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH).split("\n").length, 2);
  });

  test("after such a merge, what is recorded of each is its own work alone", async (t) => {
    const shop = await shopWith(t, { env: { COX_VERIFY: "true" } });
    for (const id of ["impl-1", "impl-2"]) shop.command(id, `echo x > ${id}.txt; touch "$HOME/${id}"; ${shop.waits()}`);
    await shop.until("both are at work", () => readdirSync(shop.home).length === 2);
    shop.release();
    for (const id of ["impl-1", "impl-2"]) {
      await shop.becomes(id, "completed");
      const { work } = JSON.parse(shop.read(`${SESSION}/responses/${id}-a1.json`)) as {
        work: { commits: unknown[]; files: { path: string }[] };
      };
      assert.deepEqual(
        work.files.map(({ path }) => path),
        [`${id}.txt`],
      );
      assert.equal(work.commits.length, 1);
    }
  });

  test("run on what a person made of a conflict, which has passed nothing yet", async (t) => {
    const shop = await shopWith(t, { env: { COX_VERIFY: "! grep -q bad README.md" } });
    for (const id of ["impl-1", "impl-2"])
      shop.command(id, `echo ${id} > README.md; touch "$HOME/at-${id}"; ${shop.waits(id)}`);
    await shop.until("both are at work", () => readdirSync(shop.home).length === 2);
    shop.release("impl-1");
    await shop.becomes("impl-1", "completed");
    shop.release("impl-2");
    await shop.becomes("impl-2", "blocked");
    const response = () =>
      JSON.parse(shop.read(`${SESSION}/responses/impl-2-a1.json`)) as { outcome: string; error?: { class: string } };
    assert.equal(response().error?.class, "conflict");
    shop.edit("impl-2", (task) => {
      writeFileSync(join(folder(shop, "impl-2"), "README.md"), "bad\n");
      task.execution.max_attempts = 1;
      task.status = "pending";
    });
    await shop.until("the gate refuses it", () => shop.reason("impl-2") === "verify");
    assert.equal(response().error?.class, "verify");
    assert.equal(shop.git("show", `${BRANCH}:README.md`), "impl-1");
  });

  test("require_changes: a task that changed nothing has failed", async (t) => {
    const shop = await shopWith(t, { env: { COX_RETRY_VERIFY_ROUNDS: "1" } });
    shop.command("impl-1", "true", { execution: { require_changes: true } });
    await shop.becomes("impl-1", "blocked");
    assert.equal(shop.reason("impl-1"), "verify");
  });
});

describe("a conflict", () => {
  async function conflicting(t: TestContext, more: WorkshopOptions = {}): Promise<Workshop> {
    const shop = await shopWith(t, more);
    shop.command("impl-1", `echo one > README.md; touch "$HOME/1"; ${shop.waits()}`);
    shop.command(
      "impl-2",
      `if grep -q "<<<<" README.md; then echo both > README.md; else echo two > README.md; fi; touch "$HOME/2"; ${shop.waits("then")}`,
    );
    await shop.until("both are at work", () => readdirSync(shop.home).length === 2);
    shop.release();
    await shop.becomes("impl-1", "completed");
    shop.release("then");
    return shop;
  }

  test("blocks the task with the files named, and cox retry goes on once a person has resolved it", async (t) => {
    const shop = await conflicting(t);
    const task = await shop.becomes("impl-2", "blocked");
    assert.equal(shop.reason("impl-2"), "conflict");
    assert.match(task.execution.last_attempt?.error?.message ?? "", /conflicts in README\.md/);
    assert.match(readFileSync(join(folder(shop, "impl-2"), "README.md"), "utf8"), /<<<<<<<[^]*two[^]*one/);
    shop.edit("impl-2", (found) => (found.status = "pending"));
    await shop.until("it is blocked again", () => shop.moves("impl-2").length === 6);
    assert.match(shop.task("impl-2")?.execution.last_attempt?.error?.message ?? "", /README\.md/);
    writeFileSync(join(folder(shop, "impl-2"), "README.md"), "one and two\n");
    shop.edit("impl-2", (found) => (found.status = "pending"));
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.task("impl-2")?.execution.attempts, 1, "no agent was asked again");
    assert.equal(shop.git("show", `${BRANCH}:README.md`), "one and two");
    const response = JSON.parse(shop.read(`${SESSION}/responses/impl-2-a1.json`)) as Record<string, unknown>;
    assert.deepEqual([response["outcome"], response["error"]], ["success", undefined]);
  });

  test("is given to the agent first where the settings say so", async (t) => {
    const shop = await conflicting(t, { env: { COX_ON_CONFLICT: "agent" } });
    const task = await shop.becomes("impl-2", "completed");
    assert.equal(task.execution.attempts, 2);
    assert.equal(shop.git("show", `${BRANCH}:README.md`), "both");
  });
});

describe("approve: after", () => {
  test("waits with the work committed, and merges it when it is approved", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "echo x > x", { execution: { approve: "after" } });
    const waiting = await shop.becomes("impl-1", "blocked");
    assert.equal(shop.reason("impl-1"), "awaiting-approval");
    assert.equal(shop.git("show", `${waiting.execution.branch}:x`), "x");
    assert.deepEqual(subjects(shop, BRANCH), ["begin"]);
    shop.edit("impl-1", (task) => (task.execution.approved = true));
    const done = await shop.becomes("impl-1", "completed");
    assert.equal(done.execution.attempts, 1);
    assert.equal(done.execution.last_attempt?.outcome, "success");
    assert.deepEqual(subjects(shop, BRANCH), ["Task impl-1", "begin"]);
    assert.deepEqual(shop.moves("impl-1").slice(3), ["blocked -> pending", "pending -> active", "active -> completed"]);
  });
});

describe("no work is lost", () => {
  test("when a task is cancelled, its worktree stays; when its file is deleted, it is kept for cox rescue", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", `echo work > work; ${shop.waits("never")}`);
    await shop.until("it has worked", () => existsSync(join(folder(shop, "impl-1"), "work")));
    shop.edit("impl-1", (task) => (task.status = "blocked"));
    await shop.becomes("impl-1", "blocked");
    await shop.until("its agent is gone", async () => (await shop.agents()).length === 0);
    assert.equal(readFileSync(join(folder(shop, "impl-1"), "work"), "utf8"), "work\n");
    shop.remove(`${SESSION}/.task/impl-1.json`);
    const kept = () => shop.git("for-each-ref", "--format=%(refname)", "refs/cox/rescue");
    const ref = await shop.until("it is kept", () => (kept() === "" ? undefined : kept()));
    assert.match(ref, /^refs\/cox\/rescue\/WFS-main\/impl-1\/\d{8}T\d{6}Z$/);
    assert.equal(shop.git("show", `${ref}:work`), "work");
    await shop.until("its worktree is gone", () => !existsSync(folder(shop, "impl-1")));
  });

  test("what a person puts into a worktree that waits for approval is kept, though its agent changed nothing", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "true", { execution: { approve: "after" } });
    await shop.becomes("impl-1", "blocked");
    writeFileSync(join(folder(shop, "impl-1"), "mine"), "by hand\n");
    shop.remove(`${SESSION}/.task/impl-1.json`);
    await shop.until("its worktree is gone", () => !existsSync(folder(shop, "impl-1")));
    const ref = shop.git("for-each-ref", "--format=%(refname)", "refs/cox/rescue");
    assert.equal(shop.git("show", `${ref}:mine`), "by hand");
  });

  test("a further attempt after a crash begins clean, with what was left kept", async (t) => {
    const shop = await shopWith(t);
    shop.command(
      "impl-1",
      'if [ "$COX_ATTEMPT" = 1 ]; then echo half > half; kill -9 $$; fi; ls > "$HOME/found"; echo x > x',
    );
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("found"), "README.md\n");
    const ref = shop.git("for-each-ref", "--format=%(refname)", "refs/cox/rescue");
    assert.equal(shop.git("show", `${ref}:half`), "half");
  });
});

describe("what is never committed", () => {
  test("a deletion outside the task's paths, also one that the agent committed; a secret may be deleted", async (t) => {
    const shop = await shopWith(t, { env: { COX_PATHS: "enforce" } });
    for (const path of ["src/.env", "src/code"]) shop.put(`../${path}`, "x\n");
    shop.git("add", "-f", "src");
    shop.git("commit", "-q", "-m", "code");
    const commit = "git -c user.name=A -c user.email=a@b commit -q -m gone";
    shop.command("impl-1", `git rm -q README.md; ${commit}`, { paths: "src" });
    const task = await shop.becomes("impl-1", "blocked");
    const said = /README\.md \(it is not in the task's paths; the agent has committed it\)/;
    assert.match(task.execution.last_attempt?.error?.message ?? "", said);
    shop.command("impl-2", `git rm -q src/.env`, { paths: "src" });
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.git("ls-tree", "-r", "--name-only", BRANCH), "README.md\nsrc/code");
    shop.git("reset", "-q", "--hard", "HEAD~1");
  });

  const cases: [string, string, Record<string, string>, RegExp][] = [
    ["a secret's name", "echo x > .env", {}, /\.env \(its name is that of a secret\)/],
    ["a large file", "truncate -s 3M big", { COX_WORKTREE_MAX_FILE_MB: "2" }, /big \(it has 3 MB/],
    ["a repository in it", "git init -q inner; echo x > inner/x", {}, /inner\/? \(it is a repository of its own\)/],
    [
      "a path outside the task's",
      "mkdir -p a; echo x > a/x; echo y > y",
      { COX_PATHS: "enforce" },
      /: y \(it is not in the task's paths\)/,
    ],
  ];
  for (const [what, command, env, said] of cases) {
    test(`${what}: the task is blocked and says which`, async (t) => {
      const shop = await shopWith(t, { env });
      shop.command("impl-1", `${command}; echo fine > fine`, what.startsWith("a path") ? { paths: "a;fine" } : {});
      const task = await shop.becomes("impl-1", "blocked");
      assert.match(task.execution.last_attempt?.error?.message ?? "", said);
      assert.deepEqual(subjects(shop, BRANCH), ["begin"]);
    });
  }
});

describe("the worktree", () => {
  test("gets the ignored files that .worktreeinclude names, and its set-up, once", async (t) => {
    const shop = await shopWith(t, {
      env: { COX_WORKTREE_SETUP: "echo set >> set-up" },
      started: false,
    });
    writeFileSync(join(shop.dir, ".git/info/exclude"), "/.workflow/\n.env*\nset-up\n.worktreeinclude\n");
    writeFileSync(join(shop.dir, ".env"), "KEY=1\n");
    writeFileSync(join(shop.dir, ".env.other"), "KEY=2\n");
    writeFileSync(join(shop.dir, ".worktreeinclude"), ".env\n");
    await shop.start();
    shop.command(
      "impl-1",
      'ls -A | grep -v .git > "$HOME/found"; cat .env set-up >> "$HOME/found"; [ "$COX_ATTEMPT" = 2 ]',
      {
        execution: { verify: ["true"] },
      },
    );
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("found"), ".env\nREADME.md\nset-up\nKEY=1\nset\n");
  });

  test("what an agent puts in the place of git's files, or of the worktree, holds nobody up", async (t) => {
    const shop = await shopWith(t);
    const fifo = 'admin="$(git rev-parse --git-dir)"; rm -f "$admin/$1"; mkfifo "$admin/$1"';
    shop.command("impl-1", `echo x > x; set -- index; ${fifo}; set -- MERGE_HEAD; ${fifo}`);
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md\nx");
    shop.command("impl-2", 'echo mine > "$HOME/mine"; here="$(pwd)"; cd ..; rm -r "$here"; ln -s "$HOME" "$here"', {
      execution: { max_attempts: 1 },
    });
    await shop.becomes("impl-2", "blocked");
    assert.match(shop.task("impl-2")?.execution.last_attempt?.error?.message ?? "", /worktree was removed/);
    assert.equal(shop.left("mine"), "mine\n");
    shop.edit("impl-2", (task) => {
      task.execution.command = "echo y > y";
      task.status = "pending";
    });
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md\nx\ny");
  });

  test("a task whose branch was deleted under it is blocked, and the remedy that is said mends it", async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", 'echo x > x; git update-ref -d "$(git symbolic-ref HEAD)"');
    await shop.becomes("impl-1", "blocked");
    const [, commit = ""] = /reset --soft (\w+) /.exec(shop.read(`${SESSION}/responses/impl-1-a1.json`)) ?? [];
    assert.equal(commit, shop.git("rev-parse", "main"));
    shop.git("-C", folder(shop, "impl-1"), "reset", "-q", "--soft", commit);
    shop.edit("impl-1", (found) => {
      found.execution.command = "true";
      found.status = "pending";
    });
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.git("ls-tree", "--name-only", BRANCH), "README.md\nx");
  });

  const asRoot = process.getuid?.() === 0 && "root may read everything";
  test("what an agent has closed is named", { skip: asRoot }, async (t) => {
    const shop = await shopWith(t);
    shop.command("impl-1", "echo x > file; chmod 0 file; mkdir folder; echo y > folder/y; chmod 0 folder");
    await shop.becomes("impl-1", "blocked");
    const { message = "" } = shop.task("impl-1")?.execution.last_attempt?.error ?? {};
    assert.match(message, /file \(it may not be read\), folder\/ \(it may not be read\)/);
    for (const name of ["file", "folder"]) chmodSync(join(folder(shop, "impl-1"), name), 0o700);
    shop.edit("impl-1", (task) => {
      task.execution.command = "true";
      task.status = "pending";
    });
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.git("ls-tree", "-r", "--name-only", BRANCH), "README.md\nfile\nfolder/y");
  });

  test("nothing that an agent sets up in git is run, and the user is told", async (t) => {
    const shop = await shopWith(t, { checked: false });
    const evil = 'echo "$0 $*" >> "$HOME/EVIL"';
    shop.command(
      "impl-1",
      [
        `git config core.fsmonitor '${evil}; false'`,
        `git config core.hooksPath "$HOME"`,
        `for h in post-checkout pre-commit post-commit reference-transaction post-merge post-index-change; do printf '#!/bin/sh\\n%s\\n' '${evil}' > "$HOME/$h"; chmod +x "$HOME/$h"; done`,
        `git config filter.evil.clean '${evil}; cat'`,
        `git config filter.evil.smudge '${evil}; cat'`,
        `git config merge.evil.driver '${evil}; false'`,
        `git config diff.evil.textconv '${evil}; cat'`,
        `echo '* filter=evil merge=evil diff=evil' > .gitattributes`,
        `echo x > x`,
        `touch "$(git rev-parse --git-dir)/index.lock"`,
        `rm -f "$HOME/EVIL"`,
        `rm .git; mkdir .git; ln -s / root`,
      ].join("; "),
    );
    shop.command("impl-2", "echo y > y", { relations: { dependencies: ["impl-1"] } });
    await shop.becomes("impl-2", "completed");
    assert.equal(shop.left("EVIL"), undefined);
    assert.match(shop.output, /impl-1-a1: \.git\/config changed while it was at work/);
    assert.match(shop.output, /names programs that are not run for worktrees: filter\.evil\.clean/);
    assert.equal(shop.git("-c", "core.fsmonitor=false", "cat-file", "-p", `${BRANCH}:root`), "/");
    shop.git("config", "--unset", "core.hooksPath");
  });

  test("no program is run to look at an agent's signature", async (t) => {
    const shop = await shopWith(t, { checked: false, env: { COX_VERIFY: "true" } });
    const gpg = `echo gpg >> "$HOME/EVIL"; cat > /dev/null; printf '\\n[GNUPG:] SIG_CREATED D\\n' >&2; echo signature`;
    writeFileSync(join(shop.home, "gpg"), `#!/bin/sh\n${gpg}\n`, { mode: 0o755 });
    const commit = "git -c user.name=A -c user.email=a@b commit -q";
    shop.command("impl-1", `echo one > one; touch "$HOME/1"; ${shop.waits()}`);
    shop.command(
      "impl-2",
      [
        `git config gpg.program "$HOME/gpg"; git config log.showSignature true; git config merge.verifySignatures true`,
        `echo two > two; git add two; ${commit} -S -m signed; rm "$HOME/EVIL"`,
      ].join("; "),
    );
    await shop.becomes("impl-2", "completed");
    assert.match(shop.git("cat-file", "commit", `cox/${SESSION}/impl-2`), /^gpgsig signature/m);
    await shop.until("the other is at work", () => shop.left("1") !== undefined);
    shop.release();
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("EVIL"), undefined);
  });
});

describe("the daemon is killed", { concurrency: 2 }, () => {
  for (const point of some(WORKTREE_FAILPOINTS)) {
    test(`at ${point}, and each work is merged once, by one attempt`, async (t) => {
      const env: Record<string, string> = { COX_FAILPOINT: point, COX_RESCAN: "300ms" };
      const shop = await shopWith(t, { env, started: false });
      const shopEnv = shop.env;
      const work = (file: string) => `echo ran >> "$HOME/${file}"; echo ${file} > ${file}`;
      const gate = { execution: { verify: [`test "$(ls | wc -l)" -gt 1`] } };
      shop.command("impl-1", work("one"), gate);
      shop.command("impl-2", work("two"), { ...gate, relations: { dependencies: ["impl-1"] } });
      assert.equal(await shop.once(), null, `it is never ${point}`);
      delete shopEnv["COX_FAILPOINT"];
      assert.equal(await shop.once(), 0, shop.output);
      assert.deepEqual([shop.left("one"), shop.left("two")], ["ran\n", "ran\n"], shop.output);
      assert.deepEqual(subjects(shop, BRANCH), ["Task impl-2", "Task impl-1", "begin"]);
      assert.deepEqual([shop.task("impl-1")?.execution.attempts, shop.task("impl-2")?.execution.attempts], [1, 1]);
      assert.deepEqual(readdirSync(shop.at(".run/worktrees")), []);
      assert.equal(shop.git("worktree", "list").split("\n").length, 1);
      assert.equal(shop.git("for-each-ref", "refs/cox/rescue"), "");
      assert.equal(shop.git("fsck", "--strict", "--no-dangling"), "");
    });
  }
});
