/** In a run's folder: why it is being stopped. If this daemon dies meanwhile, the next one knows why the agent ended. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { StopReason } from "../model/transition.ts";

const STOP_FILE = "stop";
const STOP_REASONS: readonly StopReason[] = [
  "cancelled",
  "requeued",
  "deleted",
  "timeout",
  "stalled",
  "budget",
  "shutdown",
];

export async function noteStop(runDir: string, why: StopReason): Promise<void> {
  await writeFileAtomic(join(runDir, STOP_FILE), why, { fsync: false }).catch(() => {});
}

export async function stopReason(runDir: string): Promise<StopReason | undefined> {
  const text = await readFile(join(runDir, STOP_FILE), "utf8").catch(() => "");
  return STOP_REASONS.find((reason) => reason === text);
}
