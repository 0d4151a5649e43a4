/** What running attempts do, as the daemon writes it down for others to read. */
import { readFileSync } from "node:fs";
import type { Task } from "../../model/task.ts";
import { isInstant, toMs } from "../../model/time.ts";
import { RUN } from "../../store/paths.ts";
import { isObject, type TaskOnDisk } from "./tasks-on-disk.ts";

/** What is not known (yet) is null. */
export interface Running {
  session: string;
  task: string;
  title: string;
  agent: string;
  attempt: number;
  run_id: string | null;
  model: string | null;
  started_at: string | null;
  running_ms: number | null;
  turns: number | null;
  cost_usd: number | null;
  doing: string | null;
  limited_until: string | null;
}

export function runningOf(folder: string, task: TaskOnDisk, whole: Task, now: number): Running {
  const last = whole.execution.last_attempt;
  const runId = last?.run_id ?? null;
  const progress =
    runId && /^[\w-]+$/.test(runId) ? readObject(`${folder}/${RUN}/attempts/${runId}/progress.json`) : {};
  const text = (key: string) => (typeof progress[key] === "string" && progress[key] !== "" ? progress[key] : null);
  const number = (key: string) => (typeof progress[key] === "number" ? progress[key] : null);
  const { reviewing } = last ?? {};
  const since = reviewing?.started_at ?? last?.started_at;
  const started = since && isInstant(since) ? since : null;
  return {
    session: task.session,
    task: task.id,
    title: task.title,
    agent: reviewing?.role ?? whole.agent,
    attempt: last?.attempt ?? whole.execution.attempts,
    run_id: runId,
    model: text("model") ?? (reviewing ? null : (whole.execution.model ?? null)),
    started_at: started,
    running_ms: started ? Math.max(0, now - toMs(started)) : null,
    turns: number("turns"),
    cost_usd: number("costUsd") ?? estimate(progress["spent"]),
    doing: text("doing"),
    limited_until: text("limitedUntil"),
  };
}

/** What its messages have cost so far: it says so itself only when it has ended. */
function estimate(spent: unknown): number | null {
  const usd = isObject(spent) ? spent["usd"] : undefined;
  return typeof usd === "number" && usd > 0 ? usd : null;
}

/** An empty object when there is no such file, or it cannot be read. */
export function readObject(path: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isObject(value) ? value : {};
  } catch {
    return {};
  }
}
