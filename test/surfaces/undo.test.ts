/** `cox undo`: what a person did to a task is taken back, where nothing has come of it. */
import assert from "node:assert/strict";
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { cox, read, record, repository, session, SESSION, task, write } from "./recorded.ts";

const FILE = `${SESSION}/.task/impl-1.json`;
type Json = { status: string; title: string; execution: Record<string, unknown> };

/** A task as it was, as somebody made it, recorded as theirs; the ledger's commit of that. */
async function deed(
  t: TestContext,
  {
    before,
    after,
    actor = "person",
  }: { before: Record<string, unknown> | null; after: Record<string, unknown> | null; actor?: "person" | "daemon" },
): Promise<{ dir: string; commit: string; now: () => Json }> {
  const dir = repository(t);
  write(dir, `${SESSION}/workflow-session.json`, session());
  write(dir, `.active-${SESSION}`, "");
  const trailers: [string, string][] = [
    ["Cox-Session", SESSION],
    ["Cox-Task", "impl-1"],
  ];
  write(dir, FILE, before ?? "{}");
  if (before) await record(dir, [{ subject: `${SESSION} impl-1: before`, trailers, files: [FILE] }]);
  if (after) write(dir, FILE, after);
  const files = after ? [FILE] : [];
  const [commit = ""] = await record(dir, [{ subject: `${SESSION} impl-1: steered`, trailers, files, actor }]);
  return { dir, commit, now: () => JSON.parse(read(dir, FILE)) as Json };
}

test("an approval is taken back, as an edit of its file", async (t) => {
  const waits = { approve: "before", reason: "awaiting-approval" };
  const { dir, commit, now } = await deed(t, {
    before: task("impl-1", { status: "blocked", mine: "kept" }, waits),
    after: task("impl-1", { status: "pending", mine: "kept" }, { approve: "before", approved: true }),
  });
  const { exit, out, err } = cox(dir, ["undo", commit.slice(0, 10)]);
  assert.equal(exit, 0, err);
  assert.match(
    out,
    /Taken back: .*\. WFS-user-auth\/impl-1 is blocked again\.\n.*The same as: edit status, execution\.reason, execution\.approved in/,
  );
  assert.deepEqual(now(), task("impl-1", { status: "blocked", mine: "kept" }, waits));
  assert.equal(cox(dir, ["undo", commit]).exit, 4, "twice is once");
});

test("a cancel of a running task queues it again, and later edits of other fields stay", async (t) => {
  const { dir, commit, now } = await deed(t, {
    before: task("impl-1", { status: "active" }, { attempts: 1 }),
    after: task("impl-1", { status: "blocked" }, { attempts: 1, reason: "cancelled" }),
  });
  write(dir, FILE, task("impl-1", { status: "blocked", title: "Another" }, { attempts: 1, reason: "cancelled" }));
  const json = cox(dir, ["undo", commit, "--json"]).json();
  assert.deepEqual([json["status"], json["fields"]], ["pending", ["/status", "/execution/reason"]]);
  assert.deepEqual([now().status, now().title, now().execution["reason"]], ["pending", "Another", undefined]);
});

test("a deletion and a new task are taken back too", async (t) => {
  const { dir, now } = await deed(t, { before: null, after: task("impl-1") });
  const made = cox(dir, ["log", "--json"]).json<{ entries: { commit: string }[] }>().entries[0]?.commit ?? "";
  assert.equal(cox(dir, ["undo", made]).exit, 0);
  assert.ok(!existsSync(join(dir, ".workflow", FILE)));
  assert.match(cox(dir, ["undo", made]).err, /is no task|no task impl-1|is gone/);
  void now;
});

test("it is refused, and nothing changes, where something has come of it or it was the daemon's", async (t) => {
  const pending = task("impl-1", {}, { approve: "before", approved: true });
  const blocked = task("impl-1", { status: "blocked" }, { approve: "before", reason: "awaiting-approval" });
  for (const [name, more, says] of [
    [
      "begun",
      { now: task("impl-1", { status: "active" }, { attempts: 1, approved: true }) },
      /has begun attempt 1 since/,
    ],
    [
      "changed",
      { now: task("impl-1", {}, { approve: "before", approved: false }) },
      /was changed since: execution\.approved/,
    ],
    ["daemon", { actor: "daemon" as const }, /was the daemon's doing/],
    ["redacted", { before: task("impl-1", { title: "[redacted:key]" }), after: task("impl-1") }, /not known any more/],
  ] as const) {
    await t.test(name, async (inner) => {
      const { dir, commit, now } = await deed(inner, { before: blocked, after: pending, ...more });
      if ("now" in more) write(dir, FILE, more.now);
      const before = now();
      const { exit, err } = cox(dir, ["undo", commit]);
      assert.deepEqual([exit, says.test(err)], [4, true], err);
      assert.deepEqual(now(), before);
    });
  }
});

test("a task on which others have built stays completed", async (t) => {
  const { dir, commit } = await deed(t, {
    before: task("impl-1", { status: "blocked" }, { approve: "after", reason: "awaiting-approval" }),
    after: task("impl-1", { status: "completed" }, { approve: "after", approved: true }),
  });
  const relations = { parent: null, subtasks: [], dependencies: ["impl-1"] };
  const other = `${SESSION}/.task/impl-2.json`;
  write(dir, other, task("impl-2", { status: "active", relations }, { attempts: 1 }));
  assert.match(cox(dir, ["undo", commit]).err, /impl-2 built on impl-1 since/);
  rmSync(join(dir, ".workflow", other));
  assert.equal(cox(dir, ["undo", commit]).exit, 0);
});

test("what is no change of a task, and no commit, is said", async (t) => {
  const { dir } = await deed(t, { before: task("impl-1"), after: task("impl-1", { title: "x" }) });
  const [commit = ""] = await record(dir, [{ subject: "workspace: settings", trailers: [], actor: "person" }]);
  assert.match(cox(dir, ["undo", commit]).err, /is no change of a task/);
  assert.equal(cox(dir, ["undo", "abcdef01"]).exit, 1);
});
