/** `cox clean`, with the daemon stopped and running, and the way back. */
import assert from "node:assert/strict";
import { lstatSync, readdirSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

const DAY = 24 * 3_600_000;
const OLD = ".workflow/WFS-old";

function age(path: string, days: number): void {
  if (lstatSync(path).isDirectory()) for (const name of readdirSync(path)) age(join(path, name), days);
  const at = new Date(Date.now() - days * DAY);
  utimesSync(path, at, at);
}

/** A workspace whose session WFS-old was completed, on record, and not touched for eight days. */
function withOldSession(t: TestContext): Lab {
  const lab = repository(t, { init: true });
  lab.write(".workflow/config.yaml", "isolation: none\n");
  lab.cox("session", "new", "old", "--switch");
  lab.cox("add", "say hello", "--agent", "command", "--command", "echo hello");
  assert.equal(lab.cox("start", "--once").exit, 0);
  lab.cox("session", "complete", "old");
  lab.cox("session", "new", "now", "--switch");
  assert.equal(lab.cox("start", "--once").exit, 0);
  age(lab.at(OLD), 8);
  return lab;
}

interface Answer {
  dry_run: boolean;
  archived: { session: string; why: string }[];
  kept: { session: string; unrecorded: string[] }[];
  removed: { path: string }[];
}

const ways = (lab: Lab) => lab.git("log", "--reverse", "--format=%s", "refs/cox/ledger").split("\n");

describe("cox clean", () => {
  test("takes a session off the disk with the daemon stopped, on record, and restore brings it back", (t) => {
    const lab = withOldSession(t);
    const dry = lab.json<Answer>("clean", "--dry-run");
    assert.deepEqual([dry.dry_run, dry.archived.map(({ session }) => session)], [true, ["WFS-old"]]);
    assert.match(lab.cox("clean", "--dry-run").out, /WFS-old would leave \(completed, idle since .*\): cox restore/);
    assert.ok(lab.has(OLD));
    const before = lab.read(`${OLD}/.task/impl-1.json`);
    const { exit, out, err } = lab.cox("clean");
    assert.equal(exit, 0, err);
    assert.match(out, /^WFS-old left \(completed/);
    assert.ok(!lab.has(OLD));
    assert.deepEqual(ways(lab).slice(-3, -1), [
      "WFS-old impl-1: completed -> deleted",
      "WFS-old: completed -> archived",
    ]);
    const trailers = lab.git("log", "-1", "--format=%an %(trailers:only,unfold,separator=%x2C)", "refs/cox/ledger");
    assert.match(
      trailers,
      /^Coxswain Cox-Session: WFS-old,Cox-From: completed,Cox-To: archived,Cox-Reason: retention,Cox-Actor: daemon/,
    );
    assert.equal(lab.cox("verify").exit, 0);
    assert.equal(lab.cox("clean").out, "There is nothing to clean.\n");
    assert.equal(lab.cox("start", "--once").exit, 0);

    const restored = lab.cox("restore", "--session", "old");
    assert.equal(restored.exit, 0, restored.err);
    assert.equal(lab.read(`${OLD}/.task/impl-1.json`), before);
    assert.equal(lab.cox("start", "--once").exit, 0);
    assert.equal(lab.cox("verify").exit, 0);
    assert.deepEqual(
      ways(lab)
        .filter((line) => line.startsWith("WFS-old impl-1: "))
        .slice(-3),
      [
        "WFS-old impl-1: completed -> deleted",
        "WFS-old impl-1: new -> pending",
        "WFS-old impl-1: pending -> completed",
      ],
    );
    assert.equal((JSON.parse(lab.read(`${OLD}/workflow-session.json`)) as { status: string }).status, "completed");
  });

  test("asks the daemon that is up", (t) => {
    const lab = withOldSession(t);
    assert.equal(lab.cox("start", "--detach").exit, 0);
    // It may have done so by itself already.
    const { exit, err } = lab.cox("clean");
    assert.equal(exit, 0, err);
    assert.ok(!lab.has(OLD));
    assert.ok(ways(lab).includes("WFS-old: completed -> archived"));
    assert.equal(lab.cox("stop").exit, 0);
    assert.equal(lab.cox("verify").exit, 0);
    assert.equal(lab.cox("restore", "--session", "old").exit, 0);
    assert.ok(lab.has(`${OLD}/.task/impl-1.json`));
  });

  test("removes nothing that is not in the ledger, and says what", (t) => {
    const lab = withOldSession(t);
    const task = JSON.parse(lab.read(`${OLD}/.task/impl-1.json`)) as object;
    lab.write(`${OLD}/.task/impl-1.json`, JSON.stringify({ ...task, title: "mine" }));
    lab.write(`${OLD}/plan.txt`, "mine too");
    age(lab.at(OLD), 8);
    const { archived, kept } = lab.json<Answer>("clean");
    assert.deepEqual(archived, []);
    assert.deepEqual(kept[0]?.unrecorded.toSorted(), ["WFS-old/.task/impl-1.json", "WFS-old/plan.txt"]);
    assert.match(lab.cox("clean").out, /WFS-old stays: not in the ledger as it is: WFS-old\//);
    assert.equal(lab.read(`${OLD}/plan.txt`), "mine too");
  });

  test("goes by the settings, and not at all by some that cannot be used", (t) => {
    const lab = withOldSession(t);
    lab.write(".workflow/config.yaml", "retention:\n  completed: 9d\n");
    assert.deepEqual(lab.json<Answer>("clean").archived, []);
    lab.write(".workflow/config.yaml", "retention:\n  completed: soon\n");
    assert.equal(lab.cox("clean").exit, 1);
    assert.ok(lab.has(OLD));
  });
});

test("status and doctor warn when .run or metrics are too large", (t) => {
  const lab = repository(t, { init: true });
  lab.write(".workflow/config.yaml", "retention:\n  warn_mb: 1\n");
  lab.write(".workflow/.run/attempts/x/stdout", "x".repeat(2_500_000));
  const fix = /size {2}\.workflow\/\.run has 2\.\d MB, more than 1\.0 MB \(retention\.warn_mb\)/;
  assert.match(lab.cox("doctor").out, fix);
  assert.match(lab.cox("clean").out, /\.run has 2\.\d MB/);
  assert.match(lab.cox("status").out, /\.workflow\/\.run has 2\.\d MB, more than 1\.0 MB\n.*cox clean --dry-run/);
});
