/** Gates: a task's `verify` commands, run one after another where the agent worked. All must succeed. SPEC sections 3.2 and 9. */
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
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
}

const OUTPUT = "gate";
/** What the agent is shown of a gate's output: its end, in bytes. */
const LONGEST_OUTPUT = 8000;

/** The marker of a run's gates: not the run's own, since what the agent left behind is ended while they are at work. */
export function gatesMarker(runId: string): string {
  return `${runId}-gates`;
}

/** Undefined when all succeed; else what the first one that did not said, for the agent to mend. */
export async function runGates(gates: GatesOf): Promise<Failure | undefined> {
  const runId = gatesMarker(gates.runId);
  // A daemon that was killed in the middle may have left some running.
  await sweep(runId);
  const output = join(gates.runDir, OUTPUT);
  for (const command of gates.commands) {
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
    if (result.exitCode === 0) continue;
    const how = result.timedOut
      ? `did not end within ${Math.round(gates.timeout / 1000)} s`
      : result.exitCode === undefined
        ? `was ended by ${result.signal ?? "a signal"}`
        : `ended with exit code ${result.exitCode}`;
    const left = killed > 0 ? ` It left ${killed} processes, which were ended.` : "";
    return {
      class: "verify",
      message: `The gate \`${command}\` ${how}.${left}\n${endOf(output)}`.trimEnd(),
      hint: "Mend what it found, or correct execution.verify; then cox retry.",
    };
  }
  return undefined;
}

function endOf(path: string): string {
  const size = statSync(path).size;
  const buffer = Buffer.alloc(Math.min(size, LONGEST_OUTPUT));
  const file = openSync(path, "r");
  try {
    readSync(file, buffer, 0, buffer.length, size - buffer.length);
  } finally {
    closeSync(file);
  }
  return buffer.toString("utf8");
}
