/** Runs for the tests of agent processes: each in a temporary folder, and gone when the test is over. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { withMarker } from "../../src/agent/proc-table.ts";
import { startProcess, sweep } from "../../src/agent/process.ts";
import type { RunningProcess } from "../../src/agent/process.ts";
import type { Launch } from "../../src/agent/runner.ts";

export interface Run {
  runDir: string;
  runId: string;
  /** Where the agent works: a folder of its own. */
  cwd: string;
}

export function newRun(t: TestContext): Run {
  const folder = mkdtempSync(join(tmpdir(), "cox-process-"));
  const run = { runDir: join(folder, "run"), runId: randomUUID(), cwd: folder };
  t.after(async () => {
    await sweep(run.runId);
    rmSync(folder, { recursive: true, force: true });
  });
  return run;
}

export function shell(run: Run, command: string, more: Partial<Launch> = {}): Launch {
  return {
    file: "/bin/sh",
    args: ["-c", command],
    env: { PATH: process.env.PATH ?? "" },
    cwd: run.cwd,
    stdin: "",
    ...more,
  };
}

export async function start(run: Run, launch: Launch): Promise<RunningProcess> {
  const started = await startProcess({ runDir: run.runDir, runId: run.runId, launch });
  assert.ok("ok" in started, JSON.stringify(started));
  return started.ok;
}

/** Waits for a condition; fails after 10 seconds. */
export async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `still not: ${what}`);
    await pause(5);
  }
}

/** A process's end does not keep this one alive, so the wait for it does. */
export async function within<T>(promise: Promise<T>, ms = 10_000): Promise<T> {
  const deadline = new AbortController();
  const late = pause(ms, undefined, { signal: deadline.signal }).then(
    () => assert.fail(`not within ${ms} ms`),
    () => undefined as never,
  );
  return Promise.race([promise, late]).finally(() => deadline.abort());
}

export async function survivors(run: Run): Promise<number> {
  return (await withMarker(run.runId)).length;
}

export function fileHas(path: string, text = ""): boolean {
  return existsSync(path) && readFileSync(path, "utf8").includes(text);
}
