/** What a cleaning came to, as it stands in `.run/cleaned.json`; and how a command asks a daemon for one. */
import { existsSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { SessionId } from "../model/ids.ts";
import type { Instant } from "../model/time.ts";
import { writeFiles } from "./files.ts";
import { RUN } from "./paths.ts";
import type { Outworn, Sizes } from "./outworn.ts";

export interface Cleaned extends Sizes {
  at: Instant;
  /** Sessions that left the disk; `since`: their last activity. */
  archived: { session: SessionId; why: "completed" | "failed"; since: Instant; bytes: number }[];
  /** Sessions that would have, but for files that are not in the ledger as they are. */
  kept: { session: SessionId; unrecorded: string[] }[];
  removed: Outworn[];
}

const CLEANED = `${RUN}/cleaned.json`;
/** While it is there, a daemon that is up is asked to clean at once. */
export const REQUEST = `${RUN}/clean`;

/** Undefined before the first one. */
export function lastCleaned(workspace: string): Cleaned | undefined {
  try {
    return JSON.parse(readFileSync(join(workspace, CLEANED), "utf8")) as Cleaned;
  } catch {
    return undefined;
  }
}

export async function writeCleaned(workspace: string, cleaned: Cleaned): Promise<void> {
  await writeFiles(workspace, [{ path: CLEANED, content: `${JSON.stringify(cleaned, null, 2)}\n` }], false);
}

export async function askToClean(workspace: string): Promise<void> {
  await writeFiles(workspace, [{ path: REQUEST, content: "" }], false);
}

export function isAskedToClean(workspace: string): boolean {
  return existsSync(join(workspace, REQUEST));
}

export async function noLongerAsked(workspace: string): Promise<void> {
  await rm(join(workspace, REQUEST), { force: true });
}
