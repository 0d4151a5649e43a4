/** `cox cost`: figures that add up, each attempt once. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { shared } from "../../src/surfaces/cli/cost.ts";
import { coded, recordAll } from "./coded.ts";
import { cox, SESSION, write } from "./recorded.ts";

interface Row {
  attempts: number;
  unpriced: number;
  cost_usd: number;
  tokens: { input: number; output: number };
  turns: number;
  [by: string]: unknown;
}

const costIn = (dir: string, ...args: string[]) => {
  const { exit, out, err } = cox(dir, ["cost", ...args, "--json"]);
  assert.equal(exit, 0, err);
  return JSON.parse(out) as { rows: Row[]; total: Row; faulty: number };
};

const line = (task: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({
    timestamp: "2026-11-20T10:00:00.000Z",
    session: SESSION,
    task,
    attempt: 1,
    run_id: `run-${task}-${(more["attempt"] as number | undefined) ?? 1}`,
    role: "code-developer",
    model: "claude-opus-5-5",
    outcome: "success",
    duration_ms: 1000,
    cost_usd: 0.1,
    tokens: { input: 10, output: 5, cache_read: 100, cache_write: 0 },
    turns: 3,
    ...more,
  });

/** impl-1 twice, impl-2 by another model and role on another day, impl-3 without a metrics line. */
function spent(t: TestContext): string {
  const lab = coded(t, { "a.txt": "a\n" });
  lab.work({ id: "impl-1", files: { "a.txt": "a\nb\nc\n", "b.txt": "b\n" }, attempt: 2, cost: 0.3 });
  lab.work({ id: "impl-2", files: { "a.txt": "a\nb\nc\nd\n" }, cost: 0.1 });
  lab.work({ id: "impl-3", files: { "c.txt": "c\n" }, cost: 0.7 });
  const second = line("impl-1", { attempt: 2, cost_usd: 0.3, run_id: "run-impl-1-2" });
  const other = {
    cost_usd: null,
    role: "review-agent",
    model: "claude-sonnet-5",
    timestamp: "2026-11-21T10:00:00.000Z",
  };
  write(
    lab.dir,
    "metrics/2026-11.jsonl",
    `${line("impl-1")}\n${second}\n${line("impl-2", other)}\n${second}\nnonsense\n`,
  );
  return lab.dir;
}

const by = (rows: Row[], key: string) => rows.map((row) => [row[key], row.attempts, row.cost_usd]);

test("each attempt counts once, from its metrics line or else from its response", (t) => {
  const dir = spent(t);
  const { rows, total, faulty } = costIn(dir);
  assert.deepEqual(by(rows, "task"), [
    [`${SESSION}/impl-3`, 1, 0.7],
    [`${SESSION}/impl-1`, 2, 0.4],
    [`${SESSION}/impl-2`, 1, 0],
  ]);
  assert.deepEqual([total.attempts, total.unpriced, total.cost_usd, faulty], [4, 1, 1.1, 1]);
  assert.deepEqual(total.tokens, { input: 430, output: 35 });
  const { out } = cox(dir, ["cost"]);
  assert.match(out, /^task +attempts +cost/);
  assert.match(out, /total +4 +\$1\.10 +430 +35/);
  assert.match(out, /1 of 4 attempts have no price/);
});

test("whatever it is by, the parts add up to the total", (t) => {
  const dir = spent(t);
  for (const each of ["task", "session", "role", "model", "day", "file"]) {
    const { rows, total } = costIn(dir, "--by", each);
    const sum = (of: (row: Row) => number) => rows.reduce((all, row) => all + of(row), 0);
    assert.equal(Math.round(sum((row) => row.cost_usd * 1e6)), Math.round(total.cost_usd * 1e6), each);
    assert.equal(
      sum((row) => row.tokens.input),
      total.tokens.input,
      each,
    );
    assert.equal(
      sum((row) => row.turns),
      total.turns,
      each,
    );
  }
  assert.deepEqual(by(costIn(dir, "--by", "model").rows, "model"), [
    ["claude-opus-5-5", 3, 1.1],
    ["claude-sonnet-5", 1, 0],
  ]);
  assert.deepEqual(by(costIn(dir, "--by", "day").rows, "day").slice(0, 2), [
    ["2026-11-20", 2, 0.4],
    ["2026-11-21", 1, 0],
  ]);
  // impl-1-a2: two lines of a.txt, one of b.txt; of impl-1-a1 nobody knows.
  assert.deepEqual(by(costIn(dir, "--by", "file").rows, "file"), [
    ["c.txt", 1, 0.7],
    ["a.txt", 2, 0.2],
    [null, 1, 0.1],
    ["b.txt", 1, 0.1],
  ]);
});

test("what is gone from disk is counted from the ledger", async (t) => {
  const dir = spent(t);
  await recordAll(dir);
  rmSync(join(dir, ".workflow/metrics"), { recursive: true });
  rmSync(join(dir, ".workflow", SESSION), { recursive: true });
  const { total } = costIn(dir);
  assert.deepEqual([total.attempts, total.cost_usd], [3, 1.1]);
});

test("--since and --session leave out the rest", (t) => {
  const dir = spent(t);
  assert.equal(
    costIn(dir, "--since", "2026-11-21T00:00Z", "--by", "model").rows.some((row) => row["attempts"] === 2),
    false,
  );
  assert.equal(costIn(dir, "--session", "user-auth").total.attempts, 4);
  for (const args of [
    ["--by", "nothing"],
    ["--since", "nothing"],
  ])
    assert.equal(cox(dir, ["cost", ...args]).exit, 2);
  assert.equal(cox(dir, ["cost", "--session", "nobody"]).exit, 1);
});

test("a whole number is shared out in whole parts, and nothing is lost", () => {
  assert.deepEqual(shared(10, [1, 1, 1]), [4, 3, 3]);
  assert.deepEqual(shared(7, [2, 1]), [5, 2]);
  assert.deepEqual(shared(0, [3]), [0]);
});
