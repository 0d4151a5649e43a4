/** `cox sync`: two clones through a bare remote, with real git. SPEC sections 7 and 13. */
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import {
  LEDGER,
  SHOP,
  machines,
  alike,
  session,
  add,
  sync,
  tip,
  titles,
  edit,
  assertSound,
  refusal,
  until,
} from "../support/machines.ts";

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
    const { a, b } = alike(t, "First");
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
    const { b } = alike(t);
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
    const { a, b } = alike(t, "First");
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
