/** The daemon's right to act: the lock that it took is still the workspace's. SPEC section 2. */
import { closeSync, ftruncateSync, lstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { Holder } from "../store/lock.ts";
import { RUN } from "../store/paths.ts";

/** Something that does not work, in `daemon.json`. */
export interface Trouble {
  /** Instant. */
  since: string;
  message: string;
}

/** Null where it works (again). */
export interface Told {
  /** What keeps the daemon from recording. */
  trouble: Trouble | null;
  /** Why file events are lost: changes are found by looking alone. */
  unwatched: Trouble | null;
}

export interface Tenure {
  /** One look at the lock's file. False for good once it is another file, or none: another daemon may be at work. */
  holds(): boolean;
  /**
   * Writes `daemon.json`: who is at work, that it is ready, and its trouble; of what is not named, what was told last.
   * Never throws; whether it was written.
   */
  tell(news: Partial<Told>): Promise<boolean>;
}

/** To be called as soon as the lock is taken: the lock's file is kept open, so that its inode is nobody else's. */
export function tenure(folder: string, holder: Holder): Tenure {
  const lock = join(folder, RUN, "daemon.lock");
  const taken = inodeOf(lock);
  let held = taken !== undefined;
  const holds = () => (held &&= inodeOf(lock) === taken);
  let told: Told = { trouble: null, unwatched: null };
  return {
    holds,
    async tell(news) {
      told = { ...told, ...news };
      if (!holds()) return false;
      const file = join(folder, RUN, "daemon.json");
      const text = `${JSON.stringify({ ...holder, ready: true, ...withoutNulls(told) }, null, 2)}\n`;
      try {
        await writeFileAtomic(file, text);
      } catch {
        return overwritten(file, text);
      }
      return true;
    },
  };
}

/** In the file as it is: a disk that has no room for a new one has that of the old. */
function overwritten(file: string, text: string): boolean {
  try {
    const fd = openSync(file, "r+");
    try {
      ftruncateSync(fd, writeSync(fd, text));
    } finally {
      closeSync(fd);
    }
    return true;
  } catch {
    return false;
  }
}

function withoutNulls(told: Told): object {
  return Object.fromEntries(Object.entries(told).filter(([, trouble]) => trouble !== null));
}

function inodeOf(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.dev} ${stat.ino}`;
}
