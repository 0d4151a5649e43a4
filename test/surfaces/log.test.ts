import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { chainBreaks } from "../../src/surfaces/cli/chain.ts";
import { cox, coxRunning, git, record, repository, SESSION, until, workspace } from "./recorded.ts";

test("the ledger reads newest first, with attempt, model, cost and who did it", async (t) => {
  const { dir, commits } = await workspace(t);
  const { exit, out, err } = cox(dir, ["log"]);
  assert.equal(exit, 0, err);
  const lines = out.trimEnd().split("\n");
  assert.equal(lines.length, 7);
  assert.equal(
    lines[0],
    `2026-11-21 09:36:00  ${commits[6]?.slice(0, 8)}  WFS-user-auth impl-2: pending -> active  attempt 1`,
  );
  assert.match(lines[3] ?? "", /impl-1: active -> completed  attempt 1 · claude-opus-5-5 · \$0\.0123$/);
  assert.match(lines[5] ?? "", /impl-1: new -> pending  by Ada Lovelace$/);
});

test("the ledger is asked by task, session, actor, reason, time and number", async (t) => {
  const { dir } = await workspace(t);
  const subjects = (...args: string[]) => {
    const answer = cox(dir, ["log", "--json", ...args]);
    assert.equal(answer.exit, 0, answer.err);
    return answer
      .json<{ entries: { subject: string }[] }>()
      .entries.map(({ subject }) => subject.replace(`${SESSION} `, ""));
  };
  assert.deepEqual(subjects("--task", "impl-2"), ["impl-2: pending -> active", "impl-2: new -> pending"]);
  assert.deepEqual(subjects("--task", `${SESSION}/impl-3`), ["impl-3: new -> pending"]);
  assert.equal(subjects("--actor", "person").length, 3);
  assert.equal(subjects("--session", SESSION, "-n", "2").length, 2);
  assert.equal(subjects("--since", "2026-11-21T09:35:00Z").length, 2);
  assert.deepEqual(subjects("--reason", "failed"), []);
});

test("when there is more than is shown, it says so", async (t) => {
  const { dir } = await workspace(t);
  assert.match(cox(dir, ["log", "--limit", "2"]).out, /Older entries are not shown/);
  assert.doesNotMatch(cox(dir, ["log", "--limit", "0"]).out, /Older/);
  assert.equal(cox(dir, ["log", "--limit", "2", "--json"]).json()["more"], true);
});

test("the ledger reads without a workspace, and an empty one says so", async (t) => {
  const dir = repository(t);
  assert.match(cox(dir, ["log"]).out, /Nothing is recorded in refs\/cox\/ledger/);
  await record(dir, [{ subject: "workspace: begun", trailers: [] }]);
  assert.match(cox(dir, ["log"]).out, /workspace: begun/);
});

test("what cannot be asked is wrong use", async (t) => {
  const dir = repository(t);
  for (const args of [
    ["--task", "one"],
    ["--since", "yesterday-ish"],
    ["--limit", "x"],
    ["--actor", "me"],
    ["--session", "a b"],
  ]) {
    const { exit, err } = cox(dir, ["log", ...args]);
    assert.equal(exit, 2, args.join(" "));
    assert.match(err, /^cox: /);
  }
  assert.equal(cox("/", ["log"]).exit, 3);
});

test("a gap, a repetition and a file that says otherwise are breaks in the story", () => {
  const entry = (id: string, from: string, to: string) => ({ session: "WFS-a", task: id, from, to, commit: "abc" });
  const whole = [
    entry("impl-1", "active", "completed"),
    entry("impl-1", "pending", "active"),
    entry("impl-1", "new", "pending"),
  ];
  assert.deepEqual(
    chainBreaks(whole, () => "completed"),
    [],
  );
  assert.match(chainBreaks(whole, () => "active").join(), /is active in its file, but completed in the ledger/);
  assert.match(
    chainBreaks(whole.toSpliced(1, 1), () => "completed").join(),
    /was pending, but abc says active -> completed/,
  );
  const deleted = [entry("impl-1", "pending", "deleted"), entry("impl-1", "new", "pending")];
  assert.deepEqual(
    chainBreaks(deleted, () => null),
    [],
  );
});

test("--follow tells what is recorded from now on, oldest first, also before there is a ledger, and after a gc", async (t) => {
  const dir = repository(t);
  const heard = coxRunning(t, dir, ["log", "--follow", "--json"]);
  const plainly = coxRunning(t, dir, ["log", "-f", "--task", "impl-2"]);
  await until("both wait", () => /waiting/.test(plainly.err));
  const of = (task: string, from: string, to: string) => ({
    subject: `${SESSION} ${task}: ${from} -> ${to}`,
    trailers: [
      ["Cox-Session", SESSION],
      ["Cox-Task", task],
      ["Cox-From", from],
      ["Cox-To", to],
    ] as [string, string][],
  });
  const told = () =>
    heard.out
      .split("\n")
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { subject: string }).subject.replace(`${SESSION} `, ""));
  await record(dir, [of("impl-1", "new", "pending"), of("impl-2", "new", "pending")]);
  await until("the first two are told", () => told().length === 2);
  git(dir, "gc", "-q", "--prune=now");
  await record(dir, [of("impl-1", "pending", "active")]);
  await until("the third is told", () => told().length === 3);
  assert.deepEqual(told(), ["impl-1: new -> pending", "impl-2: new -> pending", "impl-1: pending -> active"]);
  assert.deepEqual(plainly.out.match(/impl-\d: .*/g), ["impl-2: new -> pending"]);
});

test("--follow begins with the last entries, and misses none", async (t) => {
  const { dir } = await workspace(t);
  const heard = coxRunning(t, dir, ["log", "-f", "-n", "2"]);
  await until("the last two are told", () => heard.out.split("\n").length === 3);
  assert.match(heard.out, /^[^\n]*impl-3: new -> pending[^]*impl-2: pending -> active/);
});

/** A folder with a `git` in it that fails to log as long as there is a file `fail`, and notes it in `failed`. */
function failingGit(dir: string): { path: string; fail: string; failed: string } {
  const bin = join(dir, "../bin");
  const [fail, failed] = [join(bin, "fail"), join(bin, "failed")];
  mkdirSync(bin);
  const lines = [
    "#!/bin/sh",
    `case " $* " in *" log "*) if [ -e ${fail} ]; then touch ${failed}; echo "fatal: busy" >&2; exit 128; fi;; esac`,
    'PATH=/usr/local/bin:/usr/bin:/bin; exec git "$@"',
  ];
  writeFileSync(join(bin, "git"), `${lines.join("\n")}\n`, { mode: 0o755 });
  return { path: `${bin}:/usr/local/bin:/usr/bin:/bin`, fail, failed };
}

test("--follow passes over nothing when git cannot read for a moment, and ends with a word when that lasts", async (t) => {
  const { dir } = await workspace(t);
  const { path, fail, failed } = failingGit(dir);
  const heard = coxRunning(t, dir, ["log", "-f", "-n", "1"], { PATH: path });
  await until("the last one is told", () => heard.out.includes("\n"));
  writeFileSync(fail, "");
  await record(dir, [{ subject: "workspace: while git fails", trailers: [] }]);
  await until("git has failed", () => existsSync(failed));
  rmSync(fail);
  await until("it is told after all", () => heard.out.includes("while git fails"));
  writeFileSync(fail, "");
  await record(dir, [{ subject: "workspace: and for ever", trailers: [] }]);
  await until("it ends", () => heard.exit !== undefined);
  assert.equal(heard.exit, 1);
  assert.match(heard.err, /refs\/cox\/ledger cannot be read\.[^]*fatal: busy[^]*git fsck/);
});

test("a ledger that cannot be read is an error with what to do, for each command that reads it", async (t) => {
  const { dir } = await workspace(t);
  writeFileSync(join(dir, ".git/refs/cox/ledger"), "garbage\n");
  for (const args of [["log"], ["show", "cox/ledger~1"], ["restore"], ["restore", "--at", "2h"]]) {
    const { exit, err } = cox(dir, args);
    assert.equal(exit, 1, args.join(" "));
    assert.match(err, /refs\/cox\/ledger cannot be read\.[^]*broken[^]*see git fsck/, args.join(" "));
  }
});

test("what others wrote into a commit reaches no terminal as a control character", async (t) => {
  const { dir } = await workspace(t);
  const tree = git(dir, "rev-parse", "cox/ledger^{tree}");
  const message = "WFS-a impl-1: \u001b[31mred\u001b[0m\u0007\u009b2J\n\nCox-Reason: \u001b]0;title\u0007x\n";
  git(dir, "config", "user.name", "Mallory\u001b[2J");
  const commit = git(dir, "commit-tree", tree, "-p", "cox/ledger", "-m", message);
  git(dir, "update-ref", "refs/cox/ledger", commit);
  const heard = coxRunning(t, dir, ["log", "-f", "-n", "1"]);
  await until("it is told", () => heard.out.includes("\n"));
  const { out } = cox(dir, ["log"]);
  assert.match(out, /WFS-a impl-1: red {2}x/);
  for (const text of [out, heard.out]) assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/);
});
