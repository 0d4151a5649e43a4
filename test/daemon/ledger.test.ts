/** What the ledger says of the daemon's and of people's doings, and what recording never touches. SPEC sections 7 and 13. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { LEDGER, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const TASK = `${SESSION}/.task/impl-1.json`;

const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");

/** As `cox trust` does: by content. */
const trust = (shop: Workshop, path: string) => shop.drop(".run/trust.json", { [path]: sha256(shop.read(path)) });

/** Commits files of `.workflow/` to the code's branch. */
function track(shop: Workshop, ...paths: string[]): void {
  shop.git("add", "-f", ...paths.map((path) => `.workflow/${path}`));
  shop.git("commit", "-q", "-m", "tasks in the branch");
}

test("each transition is one commit, with its subject, its trailers and its author", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const head = shop.git("rev-parse", "HEAD");
  const commits = shop.ledger().filter(({ subject }) => subject.includes("impl-1"));
  assert.deepEqual(
    commits.map(({ subject, author, trailers }) => [subject, author, trailers]),
    [
      [
        `${SESSION} impl-1: new -> pending`,
        "Ada Lovelace",
        { "Cox-Session": SESSION, "Cox-Task": "impl-1", "Cox-From": "new", "Cox-To": "pending", "Cox-Actor": "person" },
      ],
      [
        `${SESSION} impl-1: pending -> active`,
        "Coxswain",
        {
          "Cox-Session": SESSION,
          "Cox-Task": "impl-1",
          "Cox-From": "pending",
          "Cox-To": "active",
          "Cox-Attempt": "1",
          "Cox-Actor": "daemon",
          "Cox-Code-Commit": head,
        },
      ],
      [
        `${SESSION} impl-1: active -> completed`,
        "Coxswain",
        {
          "Cox-Session": SESSION,
          "Cox-Task": "impl-1",
          "Cox-From": "active",
          "Cox-To": "completed",
          "Cox-Attempt": "1",
          "Cox-Actor": "daemon",
          "Cox-Code-Commit": head,
        },
      ],
    ],
  );
  const printed = shop.git(
    "log",
    "--reverse",
    "--format=%(trailers:key=Cox-To,valueonly,separator=%x2C)",
    LEDGER,
    "--",
    `.workflow/${TASK}`,
  );
  assert.deepEqual(printed.split("\n").filter(Boolean), ["pending", "active", "completed"]);
});

test("the tree is the content of .workflow/, less .run/, and its tip is what is on disk", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "echo hello");
  shop.drop("config.yaml", "concurrency: 3\n");
  shop.drop(`${SESSION}/notes.txt`, "mine\n");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.until(
    "all is recorded",
    () => shop.recordedFile("config.yaml") && shop.recordedFile(`${SESSION}/notes.txt`),
  );
  await shop.stop();
  for (const path of shop.recordedPaths()) {
    assert.ok(!path.startsWith(".run/"), path);
    if (path.endsWith("checkpoint.json")) continue;
    assert.equal(shop.recordedFile(path), shop.read(path).trimEnd(), path);
  }
  for (const name of [
    TASK,
    `${SESSION}/prompts/impl-1-a1.md`,
    `${SESSION}/responses/impl-1-a1.json`,
    `${SESSION}/TODO_LIST.md`,
    `${SESSION}/IMPL_PLAN.md`,
    `${SESSION}/.summaries/IMPL-1-summary.md`,
    `${SESSION}/state/checkpoint.json`,
  ]) {
    assert.ok(shop.recordedPaths().includes(name), name);
  }
});

test("the ledger has no common history with the code, and is in nobody's list of branches", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  assert.equal(shop.git("rev-list", "--max-parents=0", LEDGER).split("\n").length, 1);
  assert.equal(shop.git("branch", "--all", "--format=%(refname)"), "refs/heads/main");
  assert.equal(shop.git("rev-parse", "cox/ledger"), shop.git("rev-parse", LEDGER));
});

test("a user's unfinished work, hooks, locks and odd states of HEAD are neither touched nor in the way", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  writeFileSync(join(shop.dir, "README.md"), "# A project\nchanged\n");
  writeFileSync(join(shop.dir, "staged.txt"), "staged\n");
  shop.git("add", "staged.txt");
  shop.git("checkout", "-q", "--detach");
  mkdirSync(join(shop.dir, ".git/hooks"), { recursive: true });
  for (const name of ["pre-commit", "commit-msg", "post-commit", "reference-transaction", "post-index-change"]) {
    writeFileSync(join(shop.dir, ".git/hooks", name), '#!/bin/sh\ntouch "$HOME/hook-ran"\nexit 1\n');
    chmodSync(join(shop.dir, ".git/hooks", name), 0o755);
  }
  shop.git("config", "commit.gpgsign", "true");
  shop.git("config", "core.autocrlf", "true");
  const before = shop.userGit();
  const index = readFileSync(join(shop.dir, ".git/index"));
  shop.command("impl-1", "true");
  await shop.start();
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.stop();
  assert.ok(readFileSync(join(shop.dir, ".git/index")).equals(index), "the index");
  assert.deepEqual(shop.userGit(), before);
  assert.equal(shop.left("hook-ran"), undefined);
  assert.equal(shop.git("cat-file", "commit", LEDGER).includes("gpgsig"), false);
  shop.checkChains();
});

test("an unborn branch and no user.name are enough", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  shop.git("config", "--unset", "user.name");
  shop.git("config", "--unset", "user.email");
  shop.git("checkout", "-q", "--orphan", "unborn");
  shop.command("impl-1", "true");
  await shop.start();
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const dropped = shop.ledger().find(({ subject }) => subject.endsWith("impl-1: new -> pending"));
  assert.notEqual(dropped?.author, "");
  assert.equal(dropped?.trailers["Cox-Code-Commit"], undefined);
  shop.checkChains();
});

test("a person's own files, settings and roles are recorded as theirs", async (t) => {
  const shop = await workshop(t);
  shop.drop("config.yaml", "concurrency: 3\n");
  const commit = await shop.recorded(/^workspace: changed config\.yaml/);
  assert.deepEqual([commit.author, commit.trailers["Cox-Actor"]], ["Ada Lovelace", "person"]);
  shop.remove("config.yaml");
  await shop.recorded(/^workspace: removed config\.yaml/);
});

test("what looks like a secret never becomes a git object", async (t) => {
  const shop = await workshop(t);
  const secret = ["ghp", "0123456789abcdefghijABCDEFGHIJ012345"].join("_");
  shop.command("impl-1", `echo 'token ${secret}'`);
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.stop();
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), new RegExp(secret));
  const all = shop.git("log", "-p", "--all", "--format=%B");
  assert.ok(!all.includes(secret));
});

test("a tracked task is blocked as untrusted and not run, until its content is trusted; a changed byte takes that away", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  shop.command("impl-1", 'echo ran >> "$HOME/ran"');
  shop.command("impl-2", "true");
  track(shop, TASK);
  await shop.start();
  await shop.until("it is untrusted", () => shop.reason("impl-1") === "untrusted");
  await shop.becomes("impl-2", "completed");
  assert.equal(shop.status("impl-1"), "blocked");
  assert.equal(shop.left("ran"), undefined);
  trust(shop, TASK);
  await shop.becomes("impl-1", "completed");
  assert.equal(shop.left("ran"), "ran\n");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  shop.edit("impl-1", (task) => {
    task.status = "pending";
    task.execution.command = 'echo evil >> "$HOME/ran"';
  });
  await shop.until("it is untrusted again", () => shop.reason("impl-1") === "untrusted");
  assert.equal(shop.left("ran"), "ran\n");
  await shop.stop();
  shop.checkChains();
});

test("trust that is given while no daemon runs counts at its start", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  shop.command("impl-1", "true");
  track(shop, TASK);
  await shop.start();
  await shop.until("it is untrusted", () => shop.reason("impl-1") === "untrusted");
  await shop.stop();
  trust(shop, TASK);
  await shop.start();
  await shop.becomes("impl-1", "completed");
});

test("tracked settings, roles, markers and responses are not obeyed", async (t) => {
  const shop = await workshop(t, { session: null, started: false, checked: false });
  mkdirSync(shop.at("WFS-evil/.task"), { recursive: true });
  shop.touch(".active-WFS-evil");
  shop.drop("config.yaml", "concurrency: 99\nlog_level: error\n");
  shop.drop(
    "agents/code-developer.md",
    '---\nname: code-developer\nrunner: command\ncommand: touch "$HOME/evil"\n---\n',
  );
  shop.drop("WFS-evil/workflow-session.json", { session_id: "WFS-evil", status: "active", project: "evil" });
  shop.drop("WFS-evil/responses/impl-1-a1.json", { result: "evil" });
  track(
    shop,
    ".active-WFS-evil",
    "config.yaml",
    "agents/code-developer.md",
    "WFS-evil/workflow-session.json",
    "WFS-evil/responses/impl-1-a1.json",
  );
  shop.drop("WFS-main/.task/impl-1.json", { title: "Sign it", agent: "human" });
  shop.touch(".active-WFS-main");
  await shop.start();
  await shop.until("it waits for a person", () => shop.reason("impl-1") === "awaiting-person");
  await pause(300);
  assert.ok(!shop.subjects().includes("WFS-evil: paused -> active"));
  assert.equal(shop.left("evil"), undefined);
});

test("a task that a git operation puts there while the daemon runs is not run", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  shop.git("checkout", "-q", "-b", "theirs");
  shop.command("impl-1", 'touch "$HOME/evil"');
  track(shop, TASK);
  shop.git("checkout", "-q", "main");
  mkdirSync(shop.at(SESSION, ".task"), { recursive: true });
  await shop.start();
  shop.git("merge", "-q", "--ff-only", "theirs");
  await shop.until("it is untrusted", () => shop.reason("impl-1") === "untrusted");
  assert.equal(shop.left("evil"), undefined);
});

test("symbolic links in the workspace are never followed out of it", async (t) => {
  const shop = await workshop(t, { started: false });
  const outside = join(shop.root, "outside");
  mkdirSync(join(outside, ".task"), { recursive: true });
  writeFileSync(
    join(outside, ".task", "impl-1.json"),
    '{"title":"outside","agent":"command","execution":{"command":"touch \\"$HOME/evil\\""}}',
  );
  symlinkSync(outside, shop.at("WFS-linked"));
  symlinkSync(outside, shop.at(SESSION, ".summaries"));
  shop.touch(".active-WFS-linked");
  shop.touch(`.active-${SESSION}`);
  shop.command("impl-1", "true");
  await shop.start();
  await shop.until("the link is told of", () => shop.output.includes(`rm .workflow/${SESSION}/.summaries`));
  assert.deepEqual(readdirSync(outside), [".task"], "nothing is written through it");
  rmSync(shop.at(SESSION, ".summaries"));
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  assert.equal(shop.left("evil"), undefined);
  assert.deepEqual(readFileSync(join(outside, ".task", "impl-1.json"), "utf8").slice(0, 10), '{"title":"');
  assert.ok(!shop.recordedPaths().some((path) => path.startsWith("WFS-linked")));
});

test("a second daemon is refused, and the first goes on", async (t) => {
  const shop = await workshop(t);
  const before = shop.output.length;
  const first = shop.detach();
  assert.equal(await shop.once(), 4);
  assert.match(shop.output.slice(before), /at work here already/);
  shop.attach(first);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
});

test("--once ends when nothing is left to do: 0 if all is done, 1 if something is blocked or was not taken", async (t) => {
  const shop = await workshop(t, { started: false });
  shop.command("impl-1", "true");
  shop.command("impl-2", "true", { relations: { dependencies: ["impl-1"] } });
  assert.equal(await shop.once(), 0);
  assert.equal(shop.status("impl-2"), "completed");
  assert.equal(await shop.once(), 0);
  shop.drop(`${SESSION}/.task/bad.json`, "[]");
  assert.equal(await shop.once(), 1);
  assert.ok(shop.has(`${SESSION}/.task/bad.json.error.md`));
});

test("a daemon that is killed and started again has nothing to record anew", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await pause(200);
  await shop.stop("SIGKILL");
  const before = shop.subjects();
  await shop.start();
  shop.command("impl-2", "true");
  await shop.recorded(`${SESSION} impl-2: active -> completed`);
  assert.deepEqual(
    shop.subjects().filter((subject) => !subject.includes("impl-2")),
    before,
  );
});

/** A task of the branch's inbox, filed and blocked; its drop is gone. */
async function filedFromTheirs(shop: Workshop): Promise<string> {
  const drop = JSON.stringify({ title: "Theirs", agent: "command", execution: { command: 'echo ran >> "$HOME/ran"' } });
  shop.drop("inbox/theirs.json", drop);
  track(shop, "inbox/theirs.json");
  await shop.start();
  await shop.until("it is untrusted", () => shop.reason("impl-1") === "untrusted");
  await shop.recorded(`${SESSION} impl-1: pending -> blocked`);
  return drop;
}

test("a task from a tracked inbox stays untrusted when the branch tracks its file no longer", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  await filedFromTheirs(shop);
  shop.git("rm", "-q", "--cached", ".workflow/inbox/theirs.json");
  shop.git("commit", "-q", "-m", "no longer");
  shop.command("impl-2", "true");
  await shop.becomes("impl-2", "completed");
  await shop.stays("it is blocked", () => shop.reason("impl-1") === "untrusted", 400);
  await shop.stop();
  await shop.start();
  await shop.stays("it is blocked after a start too", () => shop.reason("impl-1") === "untrusted", 400);
  assert.equal(shop.left("ran"), undefined);
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.becomes("impl-1", "completed");
  const release = await shop.recorded(`${SESSION} impl-1: blocked -> pending`);
  assert.equal(release.trailers["Cox-Actor"], "person");
  await shop.stop();
  shop.checkChains();
});

test("a task from a tracked inbox is released by trust in its source, or in its own file as it is", async (t) => {
  for (const own of [false, true]) {
    const shop = await workshop(t, { started: false, checked: false });
    const drop = await filedFromTheirs(shop);
    shop.drop(".run/trust.json", { "inbox/theirs.json": sha256("another content") });
    await shop.stays("another content is not trusted", () => shop.reason("impl-1") === "untrusted", 300);
    if (own) trust(shop, TASK);
    else shop.drop(".run/trust.json", { "inbox/theirs.json": sha256(drop) });
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.left("ran"), "ran\n");
    await shop.stop();
    shop.checkChains();
  }
});

test("a list of trust that the branch brought along counts for nothing", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  shop.command("impl-1", 'touch "$HOME/evil"');
  trust(shop, TASK);
  track(shop, TASK, ".run/trust.json");
  await shop.start();
  await shop.until("it is untrusted", () => shop.reason("impl-1") === "untrusted");
  assert.equal(shop.left("evil"), undefined);
});

test("a tracked marker is obeyed once it is trusted", async (t) => {
  const shop = await workshop(t, { started: false, checked: false });
  track(shop, `.active-${SESSION}`);
  shop.command("impl-1", "true");
  await shop.start();
  await shop.becomes("impl-1", "pending");
  await shop.stays("nothing runs", () => shop.status("impl-1") === "pending", 300);
  trust(shop, `.active-${SESSION}`);
  await shop.becomes("impl-1", "completed");
});

test("the values of variables that a task or a later role gets by name never become git objects", async (t) => {
  const [mine, roles] = ["correct-horse-battery", "staple-of-a-role"];
  const shop = await workshop(t, { env: { TASK_WORD: mine, ROLE_WORD: roles } });
  shop.command("impl-1", 'echo "it is $TASK_WORD"', { execution: { env: ["TASK_WORD"] } });
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  shop.drop(
    "agents/teller.md",
    '---\nname: teller\nrunner: command\ncommand: echo "it is $ROLE_WORD"\nenv: [ROLE_WORD]\n---\n',
  );
  await shop.recorded(/agents\/teller\.md/);
  shop.drop(`${SESSION}/.task/impl-2.json`, { title: "Tell", agent: "teller" });
  await shop.recorded(`${SESSION} impl-2: active -> completed`);
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), new RegExp(mine));
  assert.match(shop.read(`${SESSION}/responses/impl-2-a1.json`), new RegExp(roles));
  await shop.stop();
  const before = shop.subjects();
  await shop.start();
  shop.command("impl-3", "true");
  await shop.recorded(`${SESSION} impl-3: active -> completed`);
  // A daemon that never saw the task knows the name all the same.
  shop.remove(`${SESSION}/.task/impl-1.json`);
  await shop.recorded(/impl-1: completed -> deleted/);
  await shop.stop();
  await shop.start();
  shop.command("impl-4", `echo "again: ${mine}"`);
  await shop.recorded(`${SESSION} impl-4: active -> completed`);
  await shop.stop();
  assert.match(shop.read(".run/secret-names.json"), /TASK_WORD/);
  const all = shop.git("log", "-p", "--all", "--format=%B");
  assert.ok(!all.includes(mine) && !all.includes(roles));
  assert.match(all, /it is \[redacted:value\]/);
  const later = /impl-[34]:|impl-1: completed -> deleted/;
  assert.deepEqual(
    shop.subjects().filter((subject) => !later.test(subject)),
    before,
  );
});
