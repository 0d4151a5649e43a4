/** Gates: a task's `verify` commands, run one after another where the agent worked. All must succeed. SPEC sections 3.2 and 9. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { GateResult } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { MARKER } from "./proc-table.ts";
import { sweep } from "./stop-run.ts";

export interface GatesOf {
  commands: readonly string[];
  cwd: string;
  env: Record<string, string>;
  runId: string;
  /** Where the output goes. */
  runDir: string;
  /** For each gate, in milliseconds. */
  timeout: number;
  /** What a message calls such a command. */
  kind?: string;
}

const OUTPUT = "gate";
/** What the agent is shown of a gate's output: its end, in bytes. */
const LONGEST_OUTPUT = 8000;

/** The marker of a run's gates: not the run's own, since what the agent left behind is ended while they are at work. */
export function gatesMarker(runId: string): string {
  return `${runId}-gates`;
}

/** How each came out, up to the first that did not succeed; what that one said is for the agent to mend. */
export async function runGates(gates: GatesOf): Promise<{ results: GateResult[]; failure?: Failure }> {
  const runId = gatesMarker(gates.runId);
  // A daemon that was killed in the middle may have left some running.
  await sweep(runId);
  const results: GateResult[] = [];
  for (const command of gates.commands) {
    const { how, ...result } = await runOne(gates, { runId, command });
    results.push(result);
    if (result.passed) continue;
    const message = `${gates.kind ?? "The gate"} \`${command}\` ${how}\n${result.output}`.trimEnd();
    const hint = "Mend what it found, or correct execution.verify; then cox retry.";
    return { results, failure: { class: "verify", message, hint } };
  }
  return { results };
}

async function runOne(
  gates: GatesOf,
  { runId, command }: { runId: string; command: string },
): Promise<GateResult & { how: string }> {
  const output = join(gates.runDir, OUTPUT);
  const began = performance.now();
  const result = await execa("/bin/sh", ["-c", 'exec >"$1" 2>&1 && eval "$2"', "sh", output, command], {
    cwd: gates.cwd,
    env: { ...gates.env, [MARKER]: runId },
    extendEnv: false,
    stdio: "ignore",
    detached: true,
    cleanup: false,
    reject: false,
    timeout: gates.timeout,
  });
  const { killed } = await sweep(runId);
  const how = result.timedOut
    ? `did not end within ${Math.round(gates.timeout / 1000)} s`
    : result.exitCode === undefined
      ? `was ended by ${result.signal ?? "a signal"}`
      : `ended with exit code ${result.exitCode}`;
  const left = killed > 0 ? ` It left ${killed} processes, which were ended.` : "";
  return {
    command,
    passed: result.exitCode === 0,
    exit_code: result.exitCode ?? null,
    duration_ms: Math.round(performance.now() - began),
    output: endOf(output),
    how: `${how}.${left}`,
  };
}

function endOf(path: string): string {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  if (size === 0) return "";
  const buffer = Buffer.alloc(Math.min(size, LONGEST_OUTPUT));
  const file = openSync(path, "r");
  try {
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(file);
  }
  return buffer.toString("utf8");
}
