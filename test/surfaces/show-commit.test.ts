/** `cox show <commit>`: one commit of the ledger. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { join } from "node:path";
import { test } from "node:test";
import { fieldChanges } from "../../src/surfaces/cli/show-commit.ts";
import { cox, git, record, SESSION, task, workspace, write } from "./recorded.ts";

test("a commit tells who did what, and each field that changed in the task's file", async (t) => {
  const { dir } = await workspace(t);
  const path = `${SESSION}/.task/impl-2.json`;
  write(dir, path, task("impl-2", { status: "pending", title: "Another \u001b[31mtitle" }));
  const trailers: [string, string][] = [
    ["Cox-Session", SESSION],
    ["Cox-Task", "impl-2"],
  ];
  await record(dir, [
    { subject: `${SESSION} impl-2: steered (title)`, trailers, files: [path], actor: "person" },
    { subject: "workspace: nothing else", trailers: [] },
  ]);
  const commit = git(dir, "rev-parse", "cox/ledger~1");
  const { exit, out, err } = cox(dir, ["show", commit.slice(0, 8)]);
  assert.equal(exit, 0, err);
  assert.match(out, new RegExp(`^${commit.slice(0, 12)}  ${SESSION} impl-2: steered \\(title\\)`));
  assert.match(out, /who +Ada Lovelace/);
  assert.match(out, /title {2}Task impl-2 → Another .*title/);
  assert.ok(!out.includes("\u001b"), "a control character of somebody else's reached the terminal");
  const json = cox(dir, ["show", "cox/ledger~1", "--json"]).json<{ commit: string; files: { fields: unknown[] }[] }>();
  assert.equal(json.commit, commit);
  assert.ok(
    json.files[0]?.fields.some((field) => (field as { field: string }).field === "/title"),
    JSON.stringify(json.files),
  );
});

test("a task's name always means the task, and what is no commit of the ledger is said", async (t) => {
  const { dir } = await workspace(t);
  assert.match(cox(dir, ["show", "impl-1"]).out, /impl-1/);
  for (const [name, says] of [
    [git(dir, "rev-parse", "HEAD"), /does not belong to the ledger refs\/cox\/ledger/],
    ["abcdef12", /abcdef12 is no commit/],
    ["cox/ledger~999", /is no commit/],
  ] as const) {
    const { exit, err } = cox(dir, ["show", name]);
    assert.equal(exit, 1);
    assert.match(err, says);
  }
  assert.equal(cox(dir, ["show", "impl-99"]).exit, 1);
});

test("fields are compared deep in objects, lists as a whole, and named by pointer", () => {
  const before = { a: { b: 1, "c/d": [1], gone: true }, same: { x: [] } };
  const after = { a: { b: 2, "c/d": [1, 2] }, same: { x: [] }, added: "x" };
  assert.deepEqual(fieldChanges(before, after), [
    { field: "/a/b", before: 1, after: 2 },
    { field: "/a/c~1d", before: [1], after: [1, 2] },
    { field: "/a/gone", before: true },
    { field: "/added", after: "x" },
  ]);
});

/** Two commits whose ids begin alike, each an object of the repository. */
function alike(dir: string, parent: string, tree: string): [string, string] {
  const seen = new Map<string, string>();
  for (let n = 0; ; n++) {
    const date = `${1_800_000_000 + n} +0000`;
    const body = `tree ${tree}\nparent ${parent}\nauthor A <a@b> ${date}\ncommitter A <a@b> ${date}\n\nworkspace: ${n}\n`;
    const id = createHash("sha1").update(`commit ${body.length}\0${body}`).digest("hex");
    const other = seen.get(id.slice(0, 6));
    seen.set(id.slice(0, 6), body);
    if (other === undefined) continue;
    return [other, body].map((text) => {
      const args = ["hash-object", "-t", "commit", "-w", "--stdin"];
      return execFileSync("git", args, { cwd: dir, input: text, encoding: "utf8" }).trim();
    }) as [string, string];
  }
}

test("an id cut short means the ledger's commit, whatever else begins so; if two do, they are listed", async (t) => {
  const { dir } = await workspace(t);
  const tree = git(dir, "rev-parse", "cox/ledger^{tree}");
  const [ours, other] = alike(dir, git(dir, "rev-parse", "cox/ledger"), tree);
  const short = ours.slice(0, 6);
  git(dir, "update-ref", "refs/cox/ledger", ours);
  assert.equal(cox(dir, ["show", short, "--json"]).json()["commit"], ours);
  // In two packs as well, it is one commit.
  for (const ids of [`${ours}\n`, `${ours}\n${other}\n`])
    execFileSync("git", ["pack-objects", "-q", join(dir, ".git/objects/pack/pack")], { cwd: dir, input: ids });
  assert.equal(cox(dir, ["show", short, "--json"]).json()["commit"], ours);
  assert.equal(cox(dir, ["show", `${short}~1`, "--json"]).json()["commit"], git(dir, "rev-parse", `${ours}~1`));
  assert.equal(cox(dir, ["restore", "--at", short, "--to", join(dir, "../out"), "--json"]).json()["commit"], ours);

  const joined = git(dir, "commit-tree", tree, "-p", ours, "-p", other, "-m", "workspace: joined");
  git(dir, "update-ref", "refs/cox/ledger", joined);
  const { exit, err } = cox(dir, ["show", short]);
  assert.equal(exit, 1);
  assert.match(err, new RegExp(`${short} may be any of 2 commits`));
  for (const id of [ours, other]) assert.match(err, new RegExp(`${id.slice(0, 16)} \\(.*workspace: \\d+\\)`));
});

test("in a linked working tree cox/ledger is the ledger of that one", async (t) => {
  const { dir } = await workspace(t);
  const tree = join(dir, "../linked");
  git(dir, "worktree", "add", "-q", "--detach", tree);
  assert.equal(cox(tree, ["init"]).exit, 0);
  const begun = git(dir, "commit-tree", git(dir, "rev-parse", "cox/ledger^{tree}"), "-m", "workspace: linked");
  git(dir, "update-ref", "refs/cox/worktrees/linked/ledger", begun);
  for (const name of ["cox/ledger", "refs/cox/ledger", "cox/worktrees/linked/ledger"])
    assert.equal(cox(tree, ["show", name, "--json"]).json()["commit"], begun, name);
  assert.notEqual(cox(dir, ["show", "cox/ledger", "--json"]).json()["commit"], begun);
  assert.match(cox(tree, ["show", "cox/ledger~1"]).err, /is no commit/);
});
