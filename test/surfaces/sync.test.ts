/** `cox sync`: two clones through a bare remote, with real git. SPEC sections 7 and 13. */
import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { folder, labIn, type Lab } from "./lab.ts";

const LEDGER = "refs/cox/ledger";
const SHOP = "WFS-shop";

/** Two clones of a repository with a bare remote, each a workspace of its own. */
function machines(t: TestContext): { a: Lab; b: Lab; hub: Lab } {
  const dir = folder(t);
  const hub = at(dir, "hub.git");
  hub.git("init", "-q", "--bare", "-b", "main");
  const [a, b] = ["a", "b"].map((name) => at(dir, name)) as [Lab, Lab];
  for (const lab of [a, b]) {
    lab.git("init", "-q", "-b", "main");
    lab.git("remote", "add", "origin", hub.dir);
    assert.equal(lab.cox("init").exit, 0);
  }
  t.after(() => [a, b].forEach((lab) => lab.cox("stop", "--now")));
  return { a, b, hub };
}

function at(dir: string, name: string): Lab {
  mkdirSync(join(dir, name));
  return labIn(join(dir, name));
}

/** A session that is not active, so that both machines may have the same. */
function session(lab: Lab): void {
  mkdirSync(lab.at(`.workflow/${SHOP}/.task`), { recursive: true });
}

/** Drops a task; without an id it gets the next number. */
function add(lab: Lab, title: string, more: { command?: string; id?: string; dependencies?: string[] } = {}): void {
  session(lab);
  const { command = "true", id = title.toLowerCase().replaceAll(" ", "-"), dependencies = [] } = more;
  const task = { title, agent: "command", execution: { command }, relations: { dependencies } };
  lab.write(`.workflow/${SHOP}/.task/${id}.json`, JSON.stringify(task));
}

function sync(lab: Lab, ...args: string[]): Record<string, unknown> {
  const { exit, out, err } = lab.cox("sync", ...args, "--json");
  assert.equal(exit, 0, err);
  return JSON.parse(out) as Record<string, unknown>;
}

const tip = (lab: Lab) => lab.git("rev-parse", LEDGER).trim();
const tree = (lab: Lab) => lab.git("rev-parse", `${LEDGER}^{tree}`).trim();
const commits = (lab: Lab) => lab.git("rev-list", LEDGER).trim().split("\n");
const titles = (lab: Lab) =>
  readdirSync(lab.at(`.workflow/${SHOP}/.task`))
    .map((name) => lab.task(name.slice(0, -".json".length), SHOP))
    .sort((a, b) => a.id.localeCompare(b.id, "en", { numeric: true }))
    .map(({ id, title, status }) => `${id} ${title} ${status}`);

function edit(lab: Lab, id: string, change: (task: Record<string, unknown>) => void): void {
  const task = lab.task(id, SHOP);
  change(task);
  lab.write(`.workflow/${SHOP}/.task/${id}.json`, `${JSON.stringify(task, null, 2)}\n`);
}

/** The ledger's story is whole, git finds nothing wrong, and the disk is as recorded. */
function assertSound(...labs: Lab[]): void {
  for (const lab of labs) {
    const { exit, out } = lab.cox("verify", "--full");
    assert.equal(exit, 0, out);
    assert.doesNotMatch(out, /[✗!]/, out);
  }
}

describe("cox sync", () => {
  test("brings the tasks of each machine to the other, and both come to the same commit", (t) => {
    const { a, b, hub } = machines(t);
    session(a);
    add(a, "First");
    assert.deepEqual(sync(a)["pushed"], true);
    assert.deepEqual(sync(b)["arrived"], [`${SHOP}/impl-1`]);
    assert.match(b.read(`.workflow/${SHOP}/TODO_LIST.md`), /First/);
    add(b, "Second");
    sync(b);
    assert.deepEqual(sync(a)["arrived"], [`${SHOP}/impl-2`]);
    sync(b);
    assert.deepEqual(titles(a), ["impl-1 First pending", "impl-2 Second pending"]);
    assert.deepEqual(titles(b), titles(a));
    assert.equal(tip(b), tip(a));
    assert.equal(tip(hub), tip(a));
    assert.deepEqual([sync(a)["pushed"], sync(b)["pushed"]], [false, false]);
    assertSound(a, b);
  });

  test("of a field that both changed: the task is blocked, and both versions are named", (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "First");
    sync(a);
    sync(b);
    edit(a, "impl-1", (task) => (task["title"] = "From a"));
    edit(b, "impl-1", (task) => Object.assign(task, { title: "From b", paths: "src/b" }));
    sync(a);
    const told = b.cox("sync");
    assert.match(told.out, /WFS-shop\/impl-1 is blocked: both sides changed title\. cox show WFS-shop\/impl-1/);
    const { status, execution } = b.task("impl-1", SHOP);
    const conflict = execution["conflict"] as { versions: string[]; message: string; fields: string[] };
    assert.deepEqual([status, execution["reason"], conflict.fields], ["blocked", "conflict", ["title"]]);
    assert.equal(conflict.versions.length, 2);
    const versions = conflict.versions.map((commit) => {
      assert.match(conflict.message, new RegExp(commit.slice(0, 12)));
      return JSON.parse(b.git("show", `${commit}:.workflow/${SHOP}/.task/impl-1.json`)) as { title: string };
    });
    assert.deepEqual(versions.map(({ title }) => title).sort(), ["From a", "From b"]);
    assert.match(b.cox("show", `${SHOP}/impl-1`).out, /changed on two machines/);
    sync(a);
    assert.equal(tip(a), tip(b));
    // A person decides, and that goes for both.
    edit(a, "impl-1", (task) => (task["title"] = "Decided"));
    assert.equal(a.cox("retry", `${SHOP}/impl-1`).exit, 0);
    sync(a);
    sync(b);
    assert.deepEqual(titles(b), ["impl-1 Decided pending"]);
    assert.equal(b.task("impl-1", SHOP).execution["conflict"], undefined);
    assertSound(a, b);
  });

  test("of two tasks with one number: the later one gets another, and what waits for it follows", (t) => {
    const { a, b } = machines(t);
    session(a);
    sync(a);
    sync(b);
    add(a, "Of a");
    sync(a);
    add(b, "Of b", { id: "impl-1" });
    add(b, "After that of b", { id: "impl-2", dependencies: ["impl-1"] });
    const { renumbered } = sync(b) as { renumbered: { side: string; from: string; to: string }[] };
    assert.deepEqual(
      renumbered.map(({ from, to }) => [from, to]),
      [["impl-1", "impl-3"]],
    );
    sync(a);
    assert.deepEqual(titles(a), titles(b));
    const ids = new Map(titles(a).map((line) => [line.slice(7, -8), line.slice(0, 6)]));
    assert.deepEqual(b.task("impl-2", SHOP).relations.dependencies, [ids.get("Of b")]);
    assertSound(a, b);
  });

  test("in turn, five times over: both have the same tree, and nothing of either history is dropped", (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "Begin");
    sync(a);
    sync(b);
    const seen = new Set<string>();
    for (let round = 1; round <= 5; round++) {
      for (const [lab, name] of [
        [a, "a"],
        [b, "b"],
      ] as const) {
        add(lab, `Task ${round} of ${name}`);
        edit(lab, "impl-1", (task) => (task[name === "a" ? "title" : "paths"] = `src/${round}`));
        sync(lab);
        for (const commit of commits(lab)) seen.add(commit);
      }
    }
    sync(a);
    assert.equal(tree(a), tree(b));
    assert.equal(titles(a).length, 11);
    const reached = new Set([...commits(a), ...commits(b)]);
    assert.deepEqual(
      [...seen].filter((commit) => !reached.has(commit)),
      [],
    );
    assert.ok(
      [...seen].every((commit) => new Set(commits(a)).has(commit)),
      "one tip reaches all",
    );
    assertSound(a, b);
  });

  test("of both at the same moment: each push is kept, whoever was faster", async (t) => {
    const { a, b, hub } = machines(t);
    session(a);
    sync(a);
    sync(b);
    for (let round = 1; round <= 2; round++) {
      add(a, `a${round}`);
      add(b, `b${round}`);
      const ends = await Promise.all([a.together("sync"), b.together("sync")]);
      assert.deepEqual(
        ends.map(({ exit }) => exit),
        [0, 0],
        ends.map(({ err }) => err).join(),
      );
    }
    sync(a);
    sync(b);
    sync(a);
    assert.equal(titles(a).length, 4);
    assert.deepEqual(titles(a), titles(b));
    for (const lab of [a, b]) hub.git("merge-base", "--is-ancestor", tip(lab), LEDGER);
    assertSound(a, b);
  });

  test("starts nothing: a session that arrives is paused, and so is an active one that gets work", (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "Dangerous", { command: 'touch "$HOME/ran"' });
    assert.equal(a.cox("switch", SHOP).exit, 0);
    sync(a);
    assert.deepEqual(sync(b)["sessions"], [SHOP]);
    assert.match(b.read(`.workflow/${SHOP}/workflow-session.json`), /"status": "paused"/);
    assert.equal(b.cox("start", "--once").exit, 0);
    assert.deepEqual(titles(b), ["impl-1 Dangerous pending"]);
    // Where it was active it still is.
    sync(b);
    sync(a);
    assert.match(a.read(`.workflow/${SHOP}/workflow-session.json`), /"status": "active"/);

    add(b, "More");
    sync(b);
    const told = a.cox("sync");
    assert.match(told.out, /WFS-shop is paused: work for it arrived/);
    assert.equal(a.has(`.workflow/.active-${SHOP}`), false);
    assert.equal(a.cox("start", "--once").exit, 0);
    assert.deepEqual(titles(a), ["impl-1 Dangerous pending", "impl-2 More pending"]);

    assert.equal(a.cox("switch", SHOP).exit, 0);
    add(b, "Trusted");
    sync(b);
    assert.deepEqual(sync(a, "--trust")["paused"], []);
    assert.match(a.read(`.workflow/${SHOP}/workflow-session.json`), /"status": "active"/);
    assertSound(a, b);
  });

  test("takes over no settings and no roles", (t) => {
    const { a, b } = machines(t);
    session(a);
    a.write(".workflow/agents/evil.md", "---\nname: evil\nrunner: command\n---\ntouch ran\n");
    a.write(".workflow/config.yaml", "concurrency: 7\n");
    sync(a);
    const before = b.read(".workflow/config.yaml");
    assert.deepEqual(sync(b)["kept"], ["agents/evil.md", "config.yaml"]);
    assert.equal(b.read(".workflow/config.yaml"), before);
    assert.equal(b.has(".workflow/agents/evil.md"), false);
    sync(a);
    assert.equal(a.read(".workflow/config.yaml"), "concurrency: 7\n");
    assert.deepEqual([sync(a)["pushed"], sync(b)["pushed"], sync(a)["pushed"]], [false, false, false]);
    assertSound(a, b);
  });

  test("of what only one side deleted, and of what the other has changed since", (t) => {
    const { a, b } = machines(t);
    session(a);
    for (const title of ["One", "Two"]) add(a, title);
    sync(a);
    sync(b);
    for (const id of ["impl-1", "impl-2"]) rmSync(a.at(`.workflow/${SHOP}/.task/${id}.json`));
    edit(b, "impl-2", (task) => (task["title"] = "Two, changed"));
    sync(a);
    sync(b);
    sync(a);
    assert.deepEqual(titles(b), ["impl-2 Two, changed pending"]);
    assert.deepEqual(titles(a), titles(b));
    assertSound(a, b);
  });

  test("keeps both of a file that both have otherwise", (t) => {
    const { a, b } = machines(t);
    session(a);
    a.write(`.workflow/${SHOP}/notes.txt`, "of a\n");
    sync(a);
    b.write(`.workflow/${SHOP}/notes.txt`, "of b\n");
    sync(b);
    const beside = `.workflow/${SHOP}/notes.txt.from-${tip(a).slice(0, 8)}`;
    assert.equal(b.read(`.workflow/${SHOP}/notes.txt`), "of b\n");
    assert.equal(b.read(beside), "of a\n");
    sync(a);
    assert.equal(a.read(beside), "of a\n");
    assertSound(a, b);
  });

  test("works beside daemons that are up: what one runs, the other sees, and never starts", async (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "Long", { command: 'while [ ! -e "$HOME/go" ]; do sleep 0.05; done; echo done' });
    assert.equal(a.cox("switch", SHOP).exit, 0);
    for (const lab of [a, b])
      assert.equal(lab.coxWith({ env: { COX_ISOLATION: "none" } }, "start", "--detach").exit, 0);
    await until("it runs", () => a.task("impl-1", SHOP).status === "active");
    sync(a);
    sync(b);
    const there = b.task("impl-1", SHOP);
    assert.deepEqual([there.status, there.execution["reason"]], ["blocked", "elsewhere"]);
    assert.match(b.cox("show", `${SHOP}/impl-1`).out, /another machine/);
    assert.equal(b.cox("switch", SHOP).exit, 0);
    sync(b);
    sync(a);
    assert.equal(a.task("impl-1", SHOP).status, "active");
    writeFileSync(join(a.dir, "..", "go"), "");
    await until("it is done", () => a.task("impl-1", SHOP).status === "completed");
    await until("that is recorded", () => /completed/.test(a.git("log", "-3", "--format=%s", LEDGER)));
    sync(a);
    sync(b);
    assert.equal(b.task("impl-1", SHOP).status, "completed");
    assert.equal(b.task("impl-1", SHOP).execution["attempts"], 1);
    for (const lab of [a, b]) assert.equal(lab.cox("stop").exit, 0);
    assertSound(a, b);
  });

  test("of linked working trees keeps to the ledger of each, and cox doctor names them", (t) => {
    const { a, hub } = machines(t);
    session(a);
    a.git("commit", "-q", "--allow-empty", "-m", "begin");
    a.git("worktree", "add", "-q", "../linked");
    const linked = labIn(join(a.dir, "..", "linked"));
    assert.equal(linked.cox("init").exit, 0);
    assert.equal(linked.cox("session", "new", "linked").exit, 0);
    sync(a);
    sync(linked);
    const own = "refs/cox/worktrees/linked/ledger";
    assert.deepEqual(hub.git("for-each-ref", "--format=%(refname)").trim().split("\n"), [LEDGER, own]);
    assert.match(linked.cox("doctor").out, new RegExp(`${own} at .*each working tree has its own, others: ${LEDGER}`));
    assert.match(a.cox("doctor").out, new RegExp(`${LEDGER} at .*others: ${own}`));
    assert.equal(a.has(".workflow/WFS-linked"), false);
    const { removed } = a.json<{ removed: { refs: { name: string }[] } }>("uninstall", "--ledger");
    assert.deepEqual(removed.refs.map(({ name }) => name).sort(), ["refs/cox-remotes/origin/ledger", LEDGER]);
  });

  test("says which remote it needs", (t) => {
    const { a } = machines(t);
    assert.deepEqual(refusal(a, "sync", "elsewhere"), [2, "cox: elsewhere is no remote of this repository."]);
    a.git("remote", "rename", "origin", "first");
    a.git("remote", "add", "second", a.dir);
    assert.deepEqual(refusal(a, "sync"), [2, "cox: Which remote?"]);
    a.git("remote", "remove", "second");
    assert.equal(a.cox("sync").exit, 0);
    a.git("remote", "set-url", "first", join(a.dir, "nowhere"));
    assert.deepEqual(refusal(a, "sync"), [1, "cox: The ledger of first could not be fetched."]);
    a.git("remote", "remove", "first");
    assert.deepEqual(refusal(a, "sync"), [4, "cox: This repository has no remote to sync with."]);
  });

  test("leaves the person's own git alone", (t) => {
    const { a, b } = machines(t);
    session(a);
    sync(a);
    sync(b);
    assert.equal(b.git("for-each-ref", "refs/heads", "refs/remotes", "refs/tags"), "");
    assert.equal(b.git("status", "--porcelain"), "");
    assert.equal(b.has(".git/FETCH_HEAD"), false);
    assert.deepEqual(b.git("for-each-ref", "--format=%(refname)").trim().split("\n"), [
      "refs/cox-remotes/origin/ledger",
      LEDGER,
    ]);
  });
});

describe("a ledger that somebody moved while no daemon was there", () => {
  test("by a fetch into it: it is merged at the next start", (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "First");
    sync(a);
    sync(b);
    add(a, "Of a");
    sync(a);
    add(b, "Of b");
    assert.equal(b.cox("start", "--once").exit, 0);
    const ours = tip(b);
    b.git("fetch", "-q", "origin", `+${LEDGER}:${LEDGER}`);
    const theirs = tip(b);
    assert.equal(b.cox("start", "--once").exit, 0);
    assert.deepEqual(
      titles(b)
        .map((line) => line.slice(7))
        .sort(),
      ["First pending", "Of a pending", "Of b pending"],
    );
    for (const commit of [ours, theirs]) b.git("merge-base", "--is-ancestor", commit, LEDGER);
    assert.equal(b.git("for-each-ref", "refs/cox-moved"), "");
    assertSound(b);
  });

  test("by a fetch of what only came later: nothing is taken for deleted", (t) => {
    const { a, b } = machines(t);
    session(a);
    add(a, "First");
    sync(a);
    sync(b);
    sync(a);
    add(a, "Second");
    edit(a, "impl-1", (task) => (task["title"] = "First, changed"));
    sync(a);
    b.git("fetch", "-q", "origin", `${LEDGER}:${LEDGER}`);
    assert.equal(b.cox("start", "--once").exit, 0);
    assert.deepEqual(titles(b), ["impl-1 First, changed pending", "impl-2 Second pending"]);
    assert.deepEqual(titles(b), titles(a));
    assertSound(b);
  });

  test("back, by hand: it goes forward again", (t) => {
    const { a } = machines(t);
    session(a);
    add(a, "First");
    add(a, "Second");
    assert.equal(a.cox("start", "--once").exit, 0);
    const before = tip(a);
    a.git("update-ref", LEDGER, `${LEDGER}~2`);
    assert.equal(a.cox("start", "--once").exit, 0);
    assert.equal(tip(a), before);
    assertSound(a);
  });
});

function refusal(lab: Lab, ...args: string[]): [number | null, string] {
  const { exit, err } = lab.cox(...args);
  return [exit, err.split("\n")[0] ?? ""];
}

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 20_000; !holds(); await pause(30))
    assert.ok(Date.now() < deadline, `still not: ${what}`);
}
