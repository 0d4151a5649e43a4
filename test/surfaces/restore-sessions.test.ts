import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { labIn, repository, type Lab } from "./lab.ts";

const SESSION = "WFS-main";

/** A workspace whose daemon has done one task, and left one for a person. */
function worked(t: TestContext): Lab {
  const lab = repository(t);
  lab.git("commit", "-q", "--allow-empty", "-m", "begin");
  lab.cox("init");
  lab.write(".workflow/config.yaml", "concurrency: 2\n");
  lab.write(".workflow/errors/patterns.json", '{"patterns": []}\n');
  lab.write(".workflow/inbox/one.json", '{"title": "Say it", "agent": "command", "execution": {"command": "echo hi"}}');
  const { exit, err } = lab.cox("start", "--once");
  assert.equal(exit, 0, err);
  assert.equal(lab.task("impl-1").status, "completed");
  return lab;
}

/** Path → content of all that is recorded. */
function files(lab: Lab): Record<string, string> {
  const names = readdirSync(lab.at(".workflow"), { recursive: true, encoding: "utf8" }).sort();
  const kept = names.filter((name) => !/^\.(run|active)|^metrics/.test(name));
  const isFile = (name: string) => statSync(lab.at(`.workflow/${name}`)).isFile();
  return Object.fromEntries(kept.filter(isFile).map((name) => [name, lab.read(`.workflow/${name}`)]));
}

/** The session's file, and the view that tells of it. */
function paused(before: Record<string, string>): Record<string, string> {
  const [file, plan] = [`${SESSION}/workflow-session.json`, `${SESSION}/IMPL_PLAN.md`] as const;
  return {
    ...before,
    [file]: (before[file] ?? "").replace('"status": "active"', '"status": "paused"'),
    [plan]: (before[plan] ?? "").replace("`WFS-main` (active)", "`WFS-main` (paused)"),
  };
}

test("all that a daemon recorded comes back byte for byte, but for the pause, and a start records no loss", (t) => {
  const lab = worked(t);
  const before = files(lab);
  assert.ok(before[`${SESSION}/responses/impl-1-a1.json`] && before[`${SESSION}/prompts/impl-1-a1.md`]);
  const away = [() => rmSync(lab.at(".workflow"), { recursive: true }), () => lab.git("clean", "-q", "-fdx")];
  for (const lose of away) {
    lose();
    assert.ok(!lab.has(".workflow"));
    const { exit, err } = lab.cox("restore");
    assert.equal(exit, 0, err);
    assert.deepEqual(files(lab), paused(before));
  }
  assert.equal(lab.cox("start", "--once").exit, 0);
  assert.doesNotMatch(lab.git("log", "--format=%s", "refs/cox/ledger"), /deleted|removed|steered/);
  const views = ["TODO_LIST.md", "IMPL_PLAN.md"].map((name) => `${SESSION}/${name}`);
  for (const view of views) assert.equal(files(lab)[view], paused(before)[view]);
});

test("a fresh clone with the fetched ledger has all of it", (t) => {
  const lab = worked(t);
  const before = files(lab);
  lab.git("clone", "-q", lab.dir, "../clone");
  const clone = labIn(join(lab.dir, "../clone"));
  clone.git("fetch", "-q", "origin", "refs/cox/ledger:refs/cox/ledger");
  const { exit, err } = clone.cox("restore");
  assert.equal(exit, 0, err);
  assert.deepEqual(files(clone), paused(before));
  assert.equal(clone.git("status", "--porcelain"), "");
});

test("views that were never recorded, or tell of a running task, are right before the next start", (t) => {
  const lab = worked(t);
  const tip = lab.git("log", "--format=%H %s", "refs/cox/ledger").split("\n");
  const running = tip.find((line) => line.includes("pending -> active"))?.slice(0, 40) ?? "";
  rmSync(lab.at(".workflow"), { recursive: true });
  assert.equal(lab.cox("restore", "--at", running).exit, 0);
  assert.equal(lab.task("impl-1").status, "pending");
  assert.match(lab.read(`.workflow/${SESSION}/TODO_LIST.md`), /- \[ \] \*\*IMPL-001\*\*: Say it/);
  assert.match(lab.read(`.workflow/${SESSION}/IMPL_PLAN.md`), /Say it/);
  const checkpoint = JSON.parse(lab.read(`.workflow/${SESSION}/state/checkpoint.json`)) as { runs: unknown[] };
  assert.deepEqual(checkpoint.runs, []);
});

test("a session that is on disk stays as it is, and an earlier moment comes back beside it and runs", (t) => {
  const lab = worked(t);
  const before = files(lab);
  const log = lab.git("log", "--format=%H %s", "refs/cox/ledger").split("\n");
  const running = log.find((line) => line.includes("pending -> active"))?.slice(0, 40) ?? "";
  const answer = lab.json<{ copies: Record<string, string>; requeued: string[]; kept: string[] }>(
    ...["restore", "--session", "main", "--at", running],
  );
  assert.deepEqual(
    [answer.copies, answer.requeued, answer.kept],
    [{ [SESSION]: "WFS-main-002" }, ["WFS-main-002/impl-1"], []],
  );
  const now = files(lab);
  for (const [path, content] of Object.entries(before)) assert.equal(now[path], content, path);
  const task = lab.task("impl-1", "WFS-main-002");
  assert.deepEqual(
    [task.status, task["context"]],
    ["pending", { ...(task["context"] as object), inherited_from: "WFS-main-002" }],
  );
  const file = JSON.parse(lab.read(".workflow/WFS-main-002/workflow-session.json")) as Record<string, string>;
  assert.deepEqual([file["session_id"], file["status"]], ["WFS-main-002", "paused"]);
  assert.doesNotMatch(lab.read(".workflow/WFS-main-002/state/checkpoint.json"), /WFS-main"/);
  assert.ok(!lab.has(".workflow/.active-WFS-main-002") && lab.has(`.workflow/.active-${SESSION}`));

  lab.cox("switch", "WFS-main-002");
  assert.equal(lab.cox("start", "--once").exit, 0);
  assert.equal(lab.task("impl-1", "WFS-main-002").status, "completed");
  const subjects = lab.git("log", "--format=%s", "refs/cox/ledger");
  assert.match(subjects, /^WFS-main-002 impl-1: active -> completed$/m);
  assert.doesNotMatch(subjects, /deleted|corrupt|repaired/);
});

test("--as names the copy; taken or wrong names, and --as without a session, change nothing", (t) => {
  const lab = worked(t);
  const before = files(lab);
  for (const [code, ...args] of [
    [4, "--session", SESSION, "--as", SESSION],
    [2, "--session", SESSION, "--as", "../x"],
    [2, "--as", "WFS-x"],
    [2, "--session", SESSION, "--as", "WFS-x", "--to", "../out"],
    [1, "--session", "WFS-none"],
    [1, "--at", "9999d"],
    [2, "--at", "soon"],
  ] as [number, ...string[]][]) {
    const { exit, err } = lab.cox("restore", ...args);
    assert.equal(exit, code, `${args.join(" ")}: ${err}`);
  }
  assert.deepEqual(files(lab), before);
  assert.match(lab.cox("restore", "--session", SESSION, "--as", "WFS-again").out, /WFS-again {2}1 task {2}paused/);
  assert.equal(lab.task("impl-1", "WFS-again").status, "completed");
  const [second, third] = [0, 1].map(() => lab.json<{ copies: object }>("restore", "--session", SESSION).copies);
  assert.deepEqual([second, third], [{ [SESSION]: "WFS-main-002" }, { [SESSION]: "WFS-main-003" }]);
});

test("a time is the last commit by then", (t) => {
  const lab = worked(t);
  const next = new Date(Date.now() + 60_000).toISOString();
  const { commit } = lab.json<{ commit: string }>("restore", "--at", next, "--to", "../later");
  assert.equal(commit, lab.git("rev-parse", "refs/cox/ledger").trim());
  assert.equal(lab.json<{ commit: string }>("restore", "--at", "0s", "--to", "../now").commit, commit);
  const early = lab.cox("restore", "--at", "2h", "--to", "../early");
  assert.equal(early.exit, 1);
  assert.match(early.err, /Nothing was recorded by 20/);
  assert.ok(!lab.has("../early"));
});

test("--to writes what was recorded as plain files into an empty folder, beside a workspace in use", (t) => {
  const lab = worked(t);
  const before = files(lab);
  assert.equal(lab.cox("restore", "--to", "../out").exit, 0);
  for (const [path, content] of Object.entries(before)) assert.equal(lab.read(`../out/${path}`), content, path);
  assert.ok(!lab.has("../out/.run"));
  const again = lab.cox("restore", "--to", "../out");
  assert.equal(again.exit, 4);
  assert.match(again.err, /out is not empty/);
  assert.equal(lab.cox("restore", "--to", "../out", "--force").exit, 0);
  assert.equal(lab.cox("restore", "--to", ".workflow/out").exit, 2);
  mkdirSync(lab.at("../one"));
  lab.cox("restore", "--session", SESSION, "--to", "../one");
  assert.deepEqual(readdirSync(lab.at("../one")), [SESSION]);
  assert.equal(
    readFileSync(lab.at(`.workflow/${SESSION}/.task/impl-1.json`), "utf8"),
    before[`${SESSION}/.task/impl-1.json`],
  );
});
