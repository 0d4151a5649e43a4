/** The daemon's right to act: the lock that it took is still the workspace's. SPEC section 2. */
import { closeSync, ftruncateSync, lstatSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { Holder } from "../store/lock.ts";
import { RUN } from "../store/paths.ts";

/** What keeps the daemon from recording, in `daemon.json`. */
export interface Trouble {
  /** Instant. */
  since: string;
  message: string;
}

export interface Tenure {
  /** One look at the lock's file. False for good once it is another file, or none: another daemon may be at work. */
  holds(): boolean;
  /** Writes `daemon.json`: who is at work, that it is ready, and its trouble. Never throws; whether it was written. */
  tell(trouble: Trouble | null): Promise<boolean>;
}

/** To be called as soon as the lock is taken: the lock's file is kept open, so that its inode is nobody else's. */
export function tenure(folder: string, holder: Holder): Tenure {
  const lock = join(folder, RUN, "daemon.lock");
  const taken = inodeOf(lock);
  let held = taken !== undefined;
  const holds = () => (held &&= inodeOf(lock) === taken);
  return {
    holds,
    async tell(trouble) {
      if (!holds()) return false;
      const file = join(folder, RUN, "daemon.json");
      const text = `${JSON.stringify({ ...holder, ready: true, ...(trouble ? { trouble } : {}) }, null, 2)}\n`;
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

function inodeOf(path: string): string | undefined {
  const stat = lstatSync(path, { throwIfNoEntry: false, bigint: true });
  return stat && `${stat.dev} ${stat.ino}`;
}
