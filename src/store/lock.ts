/**
 * One daemon for a workspace: a lock that the kernel releases when its holder dies, and that a sleeping holder keeps.
 * SQLite's exclusive file lock does that on every platform; nothing is stored in the file.
 */
import { readFileSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import writeFileAtomic from "write-file-atomic";
import { RUN } from "./paths.ts";

/** Who holds the lock, for people and for `cox stop`. */
export interface Holder {
  pid: number;
  /** Kernel start time of the process, so that a reused pid is not taken for it; null where it cannot be told. */
  start: string | null;
  host: string;
  since: string;
  version: string;
  /** What keeps it from recording, as it writes it there itself. */
  trouble?: { since: string; message: string };
  /** Why file events are lost. */
  unwatched?: { since: string; message: string };
}

export interface Lock {
  release(): void;
}

export async function takeLock(workspace: string, holder: Holder): Promise<{ ok: Lock } | { heldBy: Holder | null }> {
  await mkdir(join(workspace, RUN), { recursive: true });
  // Somebody who only asks whether it is held has it for a moment too: that is waited for.
  const database = new DatabaseSync(lockFile(workspace), { timeout: 250 });
  try {
    database.exec("PRAGMA journal_mode = OFF");
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!/locked|busy/i.test((error as Error).message)) throw error;
    return { heldBy: readHolder(workspace) };
  }
  await writeFileAtomic(holderFile(workspace), `${JSON.stringify(holder, null, 2)}\n`);
  return { ok: { release: () => database.close() } };
}

/** What the last holder wrote; whether it still lives is another question ({@link isHeld}). */
export function readHolder(workspace: string): Holder | null {
  try {
    return JSON.parse(readFileSync(holderFile(workspace), "utf8")) as Holder;
  } catch {
    return null;
  }
}

/** Whether a daemon holds the workspace: asked of the kernel, never in the holder's own process. */
export function isHeld(workspace: string): boolean {
  try {
    if (statSync(lockFile(workspace), { throwIfNoEntry: false }) === undefined) return false;
    const database = new DatabaseSync(lockFile(workspace), { timeout: 0, readOnly: true });
    try {
      database.prepare("SELECT 1 FROM sqlite_master").all();
      return false;
    } finally {
      database.close();
    }
  } catch (error) {
    return /locked|busy/i.test((error as Error).message);
  }
}

const lockFile = (workspace: string) => join(workspace, RUN, "daemon.lock");
const holderFile = (workspace: string) => join(workspace, RUN, "daemon.json");
