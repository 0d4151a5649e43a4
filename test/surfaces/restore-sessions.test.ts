import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test, type TestContext } from "node:test";
import { command } from "../../src/surfaces/cli/restore.ts";
import { folder, labIn, type Lab } from "./lab.ts";

const SESSION = "WFS-main";

let home = "";

/** A workspace whose daemon has done one task: each test has a copy of it. */
before(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), "cox-worked-")));
  mkdirSync(join(home, "repository"));
  const lab = labIn(join(home, "repository"));
  lab.git("init", "-q", "-b", "main");
  lab.git("commit", "-q", "--allow-empty", "-m", "begin");
  lab.cox("init");
  lab.write(".workflow/config.yaml", "concurrency: 2\n");
  lab.write(".workflow/errors/patterns.json", '{"patterns": []}\n');
  lab.write(".workflow/inbox/one.json", '{"title": "Say it", "agent": "command", "execution": {"command": "echo hi"}}');
  const { exit, err } = lab.cox("start", "--once");
  assert.equal(exit, 0, err);
  assert.equal(lab.task("impl-1").status, "completed");
});

after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));

function worked(t: TestContext): Lab {
  const own = folder(t);
  cpSync(home, own, { recursive: true, preserveTimestamps: true });
  return labIn(join(own, "repository"));
}

/** As on the command line, without a process of its own: for what is refused before anything is done. */
async function refusal(lab: Lab, options: Record<string, string>): Promise<{ exit: number; what: string }> {
  assert.ok("run" in command && command.where === "anywhere");
  const input = { text: (name: string) => options[name], list: () => [], flag: () => false };
  const environment = {};
  const context = { dir: lab.dir, workspace: null, json: false, interactive: false, environment, version: "0" };
  const silent = { paint: (_: string, text: string) => text, write: () => {}, tell: () => {} };
  const { exit, trouble } = await command.run(input, { ...context, ...silent });
  return { exit, what: trouble?.what ?? "" };
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
  // What the daemon writes at its next start is the same.
  const written = files(lab);
  assert.equal(lab.cox("start", "--once").exit, 0);
  const views = Object.keys(written).filter((path) => path.endsWith(".md"));
  assert.ok(views.length > 2);
  for (const view of views) assert.equal(files(lab)[view], written[view], view);
  const file = `${SESSION}/workflow-session.json`;
  assert.equal(lab.task("impl-1").status, "pending");
  assert.match(lab.git("log", "-9", "--format=%s", "refs/cox/ledger"), /^WFS-main impl-1: completed -> pending$/m);
  assert.deepEqual(facts(files(lab)[file]), facts(written[file]));
});

/** All of a session's file but the time of its last change. */
function facts(text = "{}"): Record<string, unknown> {
  return { ...(JSON.parse(text) as Record<string, unknown>), updated_at: null };
}

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

test("--as names the copy; taken or wrong names, and --as without a session, change nothing", async (t) => {
  const lab = worked(t);
  const before = files(lab);
  for (const [code, says, options] of [
    [4, /is there already/, { session: SESSION, as: SESSION }],
    [2, /is not a session's id/, { session: SESSION, as: "../x" }],
    [2, /--as needs --session/, { as: "WFS-x" }],
    [2, /exclude each other/, { session: SESSION, as: "WFS-x", to: "../out" }],
    [1, /There is no WFS-none/, { session: "WFS-none" }],
    [1, /Nothing was recorded by/, { at: "9999d" }],
    [2, /neither a commit nor a time/, { at: "soon" }],
  ] as [number, RegExp, Record<string, string>][]) {
    const { exit, what } = await refusal(lab, options);
    assert.equal(exit, code, what);
    assert.match(what, says);
  }
  assert.deepEqual(files(lab), before);
  assert.match(lab.cox("restore", "--session", SESSION, "--as", "WFS-again").out, /WFS-again {2}1 task {2}paused/);
  assert.equal(lab.task("impl-1", "WFS-again").status, "completed");
  const [second, third] = [0, 1].map(() => lab.json<{ copies: object }>("restore", "--session", SESSION).copies);
  assert.deepEqual([second, third], [{ [SESSION]: "WFS-main-002" }, { [SESSION]: "WFS-main-003" }]);
});

test("a time is the last commit by then", async (t) => {
  const lab = worked(t);
  const next = new Date(Date.now() + 60_000).toISOString();
  const { commit } = lab.json<{ commit: string }>("restore", "--at", next, "--to", "../later");
  assert.equal(commit, lab.git("rev-parse", "refs/cox/ledger").trim());
  const early = await refusal(lab, { at: "2h", to: join(lab.dir, "../early") });
  assert.equal(early.exit, 1);
  assert.match(early.what, /Nothing was recorded by 20/);
  assert.ok(!lab.has("../early"));
});

test("--to writes what was recorded as plain files into an empty folder, beside a workspace in use", async (t) => {
  const lab = worked(t);
  const before = files(lab);
  assert.equal(lab.cox("restore", "--to", "../out").exit, 0);
  for (const [path, content] of Object.entries(before)) assert.equal(lab.read(`../out/${path}`), content, path);
  assert.ok(!lab.has("../out/.run"));
  const again = await refusal(lab, { to: join(lab.dir, "../out") });
  assert.equal(again.exit, 4);
  assert.match(again.what, /out is not empty/);
  assert.equal(lab.cox("restore", "--to", "../out", "--force").exit, 0);
  assert.equal((await refusal(lab, { to: lab.at(".workflow/out") })).exit, 2);
  mkdirSync(lab.at("../one"));
  lab.cox("restore", "--session", SESSION, "--to", "../one");
  assert.deepEqual(readdirSync(lab.at("../one")), [SESSION]);
  assert.equal(
    readFileSync(lab.at(`.workflow/${SESSION}/.task/impl-1.json`), "utf8"),
    before[`${SESSION}/.task/impl-1.json`],
  );
});
