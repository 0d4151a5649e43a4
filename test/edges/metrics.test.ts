import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { appendMetrics, type MetricsLine } from "../../src/history/metrics.ts";

const line = (timestamp: string, attempt: number): MetricsLine => ({
  timestamp,
  session: "WFS-a",
  task: "impl-1",
  attempt,
  run_id: "r",
  role: "command",
  type: "feature",
  model: null,
  outcome: "success",
  error_class: null,
  duration_ms: 12,
  cost_usd: null,
  tokens: null,
  turns: null,
});

test("each finished attempt is one line in its month's file", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "cox-metrics-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  await appendMetrics(folder, [line("2026-10-31T23:59:59.999Z", 1), line("2026-11-01T00:00:00.000Z", 2)]);
  await appendMetrics(folder, [line("2026-11-02T00:00:00.000Z", 3)]);
  assert.deepEqual(readdirSync(join(folder, "metrics")), ["2026-10.jsonl", "2026-11.jsonl"]);
  const november = readFileSync(join(folder, "metrics", "2026-11.jsonl"), "utf8")
    .trimEnd()
    .split("\n");
  assert.deepEqual(
    november.map((text) => (JSON.parse(text) as MetricsLine).attempt),
    [2, 3],
  );
});
