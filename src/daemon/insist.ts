/** What cannot be read now (too many open files, an I/O error) is no deletion: it is looked at again. */
import { setTimeout as pause } from "node:timers/promises";
import type { Log } from "./log.ts";
import { RETRY_RECORD_MS } from "./recording.ts";

/** Throws only when the daemon is told to stop. */
export async function insist<T>(
  look: () => T | Promise<T>,
  { log, isToldToStop }: { log: Log; isToldToStop: () => boolean },
): Promise<T> {
  for (let failures = 0; ; failures++) {
    try {
      return await look();
    } catch (error) {
      if (isToldToStop()) throw error;
      if (failures === 0)
        log.say("error", `the workspace cannot be read: ${(error as Error).message}. Trying again every 2 s.`);
      await pause(RETRY_RECORD_MS);
    }
  }
}
