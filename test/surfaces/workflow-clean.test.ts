/** Runs that are over leave the disk, whole and without anything starting by it; nothing else does. */
import assert from "node:assert/strict";
import { readdirSync, utimesSync } from "node:fs";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { repository, type Lab } from "./lab.ts";

const SESSION = ".workflow/WFS-main";

interface Cleaned {
  dry_run: boolean;
  bytes: number;
  removed: { run: string; task: string; status: string; files: string[] }[];
  kept: { run: string; why: string }[];
}

/** `fine-1` is completed, of its items and of another workflow; `wrong-2` cannot go on. A task of no run is completed beside them. */
function lab(t: TestContext): Lab {
  const made = repository(t, { init: true });
  made.write(".workflow/config.yaml", "isolation: none\n");
  made.write(".workflow/workflows/inner.yaml", "name: Inner\nsteps:\n  - { id: x, run: echo x }\n");
  made.write(
    ".workflow/workflows/fine.yaml",
    `name: Fine\nsteps:
  - { id: each, for_each: [1, 2], run: "echo {item}" }
  - { id: inner, workflow: inner }\n`,
  );
  made.write(
    ".workflow/workflows/wrong.yaml",
    `name: Wrong\nsteps:
  - { id: a, run: echo a }
  - { id: b, run: "exit 3", max_attempts: 1 }
  - { id: c, run: "echo never >> $HOME/ran" }
  - { id: each, for_each: [1, 2], run: "echo never >> $HOME/ran" }\n`,
  );
  for (const flow of ["fine", "wrong"]) {
    made.cox("run", flow);
    made.cox("start", "--once");
  }
  made.cox("add", "Alone", "--agent", "command", "--command", "true");
  made.cox("start", "--once");
  return made;
}

function filesOf(made: Lab): string[] {
  return readdirSync(made.at(SESSION), { recursive: true, encoding: "utf8" })
    .filter((name) => /impl-|IMPL-|-\d\.[\w.]*yaml$/.test(name) && !name.endsWith("IMPL_PLAN.md"))
    .sort();
}

function story(made: Lab): string[] {
  return made.git("log", "--reverse", "--format=%s", "refs/cox/ledger").trim().split("\n");
}

test("runs that are over leave with all their files, beside a daemon, and nothing starts by it", async (t) => {
  const made = lab(t);
  assert.equal(made.cox("start", "--detach").exit, 0);
  const before = filesOf(made);
  const dry = made.json<Cleaned>("workflows", "clean", "--all", "--dry-run");
  assert.deepEqual(dry.removed.map(({ run, status }) => `${run} ${status}`).sort(), [
    "fine-1 completed",
    "wrong-2 container",
  ]);
  assert.deepEqual(filesOf(made), before, "a dry run removes nothing");
  assert.deepEqual(made.json<Cleaned>("workflows", "clean").removed, [], "they have been over for a moment only");

  const said = made.cox("workflows", "clean", "--all");
  assert.match(said.out, /wrong-2 \(WFS-main\/impl-2\) left: \d+ files/);
  for (const gone of ["impl-1: completed", "impl-2: container"])
    while (!story(made).includes(`WFS-main ${gone} -> deleted`)) await pause(50);
  assert.equal(made.cox("stop").exit, 0);
  assert.deepEqual(filesOf(made), [
    ".summaries/IMPL-3-summary.md",
    ".task/impl-3.json",
    "prompts/impl-3-a1.md",
    "responses/impl-3-a1.json",
  ]);
  const moves = story(made);
  const since = moves.slice(moves.findIndex((move) => move.endsWith("-> deleted")));
  assert.deepEqual(
    since.filter((move) => !/-> deleted$|^workspace: removed /.test(move)),
    [],
  );
  assert.equal(since.includes("WFS-main impl-2: container -> deleted"), true);
  assert.equal(made.has("../ran"), false, "what waited for a failed step has not begun");
  assert.equal(made.cox("verify").exit, 0);

  made.cox("run", "fine");
  made.cox("start", "--once");
  const { runs } = made.json<{ runs: { run: string; status: string }[] }>("workflows", "list");
  assert.deepEqual(
    runs.map(({ run, status }) => [run, status]),
    [["fine-4", "completed"]],
    "no number is given twice",
  );
});

test("what was removed while no daemon was up is recorded by the next, and the story of it stays", (t) => {
  const made = lab(t);
  assert.equal(made.cox("workflows", "clean", "wrong-2", "impl-1").exit, 0);
  assert.equal(made.cox("start", "--once").exit, 0);
  assert.deepEqual(made.json<{ runs: unknown[] }>("workflows", "list").runs, []);
  assert.equal(
    story(made).some((move) => /impl-2\.[34]: pending -> active/.test(move)),
    false,
  );
  assert.match(made.cox("log", "--task", "impl-2.2").out, /deleted[\s\S]*blocked/);
});

test("completed runs and others leave by themselves after the time that is set for each", (t) => {
  const made = lab(t);
  const days = (count: number) => Date.now() / 1000 - count * 86_400;
  for (const name of readdirSync(made.at(`${SESSION}/.task`)))
    utimesSync(made.at(`${SESSION}/.task/${name}`), days(8), days(8));
  const { removed } = made.json<Cleaned>("workflows", "clean", "--dry-run");
  assert.deepEqual(
    removed.map(({ run }) => run),
    ["fine-1"],
  );
  made.write(".workflow/config.yaml", "isolation: none\nretention: { failed: 7d, completed: 9d }\n");
  const others = made.json<Cleaned>("workflows", "clean", "--dry-run");
  assert.deepEqual(
    others.removed.map(({ run }) => run),
    ["wrong-2"],
  );
});

test("a run that goes on is refused by name, and nothing leaves with it", (t) => {
  const made = lab(t);
  made.cox("run", "fine");
  made.cox("start", "--once");
  made.cox("retry", "impl-2.2");
  const refused = made.cox("workflows", "clean", "fine-1", "wrong-2");
  assert.equal(refused.exit, 4);
  assert.match(refused.err, /wrong-2 is not over: 1 of \d+ steps completed\.[\s\S]*cox workflows cancel wrong-2/);
  assert.equal(made.has(`${SESSION}/.task/impl-1.json`), true);
  assert.equal(made.cox("workflows", "clean", "nothing-7").exit, 1);
  assert.equal(made.cox("workflows", "clean", "fine-1", "--all").exit, 2);
});

test("what is not in the ledger as it is stays, and so does what another task waits for", (t) => {
  const made = lab(t);
  const path = `${SESSION}/.task/impl-1.2.json`;
  made.write(path, made.read(path).replace('"title": "', '"title": "Edited just now: '));
  const edited = made.json<Cleaned>("workflows", "clean", "--all");
  assert.deepEqual(
    edited.removed.map(({ run }) => run),
    ["wrong-2"],
  );
  assert.match(edited.kept[0]?.why ?? "", /not in the ledger as it is: WFS-main\/\.task\/impl-1\.2\.json/);
  made.cox("start", "--once");
  made.cox("add", "Later", "--agent", "command", "--command", "true", "--depends", "impl-1.1");
  const needed = made.json<Cleaned>("workflows", "clean", "fine-1");
  assert.deepEqual(needed.removed, []);
  assert.match(needed.kept[0]?.why ?? "", /WFS-main\/impl-\d+ waits for a step of it/);
});
