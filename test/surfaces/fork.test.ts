/** `cox fork` and `cox compare`: a session goes on from how it was, beside the one there is. */
import assert from "node:assert/strict";
import { readdirSync } from "node:fs";
import { test } from "node:test";
import { repository, type Lab } from "./lab.ts";

const FORK = "WFS-main-002";

/** Two tasks, one after the other, both done by the daemon; the ledger's commit in which the first one was completed. */
function halfway(lab: Lab): string {
  lab.write("a.txt", "a\n");
  lab.write(".gitignore", "");
  lab.git("add", "a.txt", ".gitignore");
  lab.git("commit", "-q", "-m", "begin");
  lab.cox("add", "One", "--agent", "command", "--command", "echo one > one.txt");
  lab.cox("add", "Two", "--agent", "command", "--command", "echo two > two.txt", "--depends", "impl-1");
  assert.equal(lab.cox("start", "--once").exit, 0);
  const subject = "--grep=^WFS-main impl-1: active -> completed$";
  return lab.git("log", "-1", "--format=%H", subject, "refs/cox/ledger").trim();
}

test("a fork has what was completed then, with the code of then, does the rest anew, and is compared", (t) => {
  const lab = repository(t, { init: true });
  const commit = halfway(lab);
  const answer = lab.cox("fork", "main", "--at", commit, "--set", "priority=7", "--set", "model=other");
  assert.equal(answer.exit, 0, answer.err);
  assert.match(answer.out, /^WFS-main-002 is WFS-main as of [0-9a-f]{12}: 1 of 2 tasks completed, 1 to be done\./);
  assert.deepEqual(
    ["impl-1", "impl-2"].map((id) => lab.task(id, FORK).status),
    ["completed", "pending"],
  );
  const { execution } = lab.task("impl-2", FORK);
  assert.deepEqual([execution["priority"], execution["model"]], [7, "other"]);
  assert.equal(lab.task("impl-2").status, "completed", "the first session is as it was");
  const filesIn = (session: string) => lab.git("ls-tree", "--name-only", `cox/${session}/session`).split("\n");
  assert.ok(filesIn(FORK).includes("one.txt") && !filesIn(FORK).includes("two.txt"));

  assert.equal(lab.cox("switch", FORK).exit, 0);
  assert.equal(lab.cox("start", "--once").exit, 0);
  assert.equal(lab.task("impl-2", FORK).status, "completed");
  assert.ok(filesIn(FORK).includes("two.txt"));
  assert.equal(lab.cox("verify").exit, 0);

  const compared = lab.json<{ sessions: Record<string, unknown>[]; differing: string[] }>("compare", "main", FORK);
  assert.deepEqual(
    compared.sessions.map(({ tasks, completed, attempts, diff }) => [tasks, completed, attempts, diff]),
    [
      [2, 2, 2, { files: 1, added: 1, deleted: 0 }],
      [2, 2, 1, { files: 1, added: 1, deleted: 0 }],
    ],
  );
  assert.deepEqual(compared.differing, []);
  assert.match(
    lab.cox("compare", "main", FORK).out,
    /tasks completed +2 of 2 +2 of 2\n[\s\S]*The code of both is the same\./,
  );
  assert.equal(lab.json<{ total: { attempts: number } }>("cost").total.attempts, 3, "no attempt is counted twice");
});

test("a fork of now begins at the session's branch; names and settings that make no sense are refused", (t) => {
  const lab = repository(t, { init: true });
  halfway(lab);
  for (const [args, exit, says] of [
    [["nobody"], 1, /no session "nobody"/],
    [["main", "--set", "title=x"], 2, /sets nothing/],
    [["main", "--set", "priority=much"], 2, /sets nothing/],
    [["main", "--as", "main"], 2, /not a session's id/],
    [["main", "--as", "WFS-main"], 4, /there already/],
    [["main", "--at", "2020-01-01"], 1, /Nothing was recorded/],
  ] as const) {
    const answer = lab.cox("fork", ...args);
    assert.deepEqual([answer.exit, says.test(answer.err)], [exit, true], `${args.join(" ")}: ${answer.err}`);
  }
  assert.deepEqual(
    readdirSync(lab.at(".workflow")).filter((name) => name.startsWith("WFS-")),
    ["WFS-main"],
  );
  const { code } = lab.json<{ code: string }>("fork", "main", "--as", "WFS-again");
  assert.equal(code, lab.git("rev-parse", "cox/WFS-main/session").trim());
  assert.equal(code, lab.git("rev-parse", "cox/WFS-again/session").trim());
  assert.equal(lab.cox("compare", "main", "main").exit, 2);
});
