/** `metrics/2026-11.jsonl`: one line for each finished attempt, a file a month. Can be rebuilt from `responses/`. */
import { appendFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Tokens } from "../model/attempt.ts";
import type { FailureClass } from "../model/failure.ts";
import type { RunId, SessionId, TaskId } from "../model/ids.ts";
import type { TaskType } from "../model/task.ts";
import type { Instant } from "../model/time.ts";

/** Durations in milliseconds, cost in US dollars at list prices. */
export interface MetricsLine {
  timestamp: Instant;
  session: SessionId;
  task: TaskId;
  attempt: number;
  run_id: RunId;
  role: string;
  type: TaskType | null;
  model: string | null;
  outcome: "success" | "failure" | "stopped";
  error_class: FailureClass | null;
  duration_ms: number;
  cost_usd: number | null;
  tokens: Tokens | null;
  turns: number | null;
}

/** Appends whole lines in one write each month's file, so that no reader sees half of one. */
export async function appendMetrics(workspace: string, lines: readonly MetricsLine[]): Promise<void> {
  const byMonth = Map.groupBy(lines, (line) => line.timestamp.slice(0, 7));
  for (const [month, group] of byMonth) {
    await mkdir(join(workspace, "metrics"), { recursive: true });
    const text = group.map((line) => `${JSON.stringify(line)}\n`).join("");
    await appendFile(join(workspace, "metrics", `${month}.jsonl`), text);
  }
}
