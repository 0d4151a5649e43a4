/** What of `cox sync` takes long: `npm run test:long`. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
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
  tree,
  commits,
  titles,
  edit,
  assertSound,
} from "../support/machines.ts";
import { labIn } from "../surfaces/lab.ts";

describe("cox sync", () => {
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

  test("of two tasks with one number: the later one gets another, and what waits for it follows", (t) => {
    const { a, b } = alike(t);
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
    const { a, b } = alike(t, "Begin");
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
    const { a, b, hub } = alike(t);
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
});

describe("a ledger that somebody moved while no daemon was there", () => {
  test("by a fetch of what only came later: nothing is taken for deleted", (t) => {
    const { a, b } = alike(t, "First");
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
});
