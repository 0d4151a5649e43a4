/** The lock that a killed git leaves on the ledger's ref, and its removal. */
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const STALE_MS = 1000;
const LOOK_MS = 50;

/**
 * Git holds the lock of a ref for milliseconds (a `git gc` of the user's packs the ref under it). A lock that stands
 * for a second is a dead writer's: the only program that holds this one longer would be another daemon, which the
 * workspace's lock excludes, or one of a linked working tree, whose writer then reports a failed update and tries again.
 */
export async function clearRefLock({ gitDir, ref }: { gitDir: string; ref: string }): Promise<void> {
  const file = join(gitDir, `${ref}.lock`);
  const identity = () =>
    stat(file).then(
      (s) => `${s.ino} ${s.ctimeMs}`,
      () => null,
    );
  const first = await identity();
  for (let waited = 0; first !== null && waited < STALE_MS; waited += LOOK_MS) {
    await sleep(LOOK_MS);
    if ((await identity()) !== first) return;
  }
  if (first !== null) await rm(file, { force: true }).catch(() => {}); // a folder: the update says why it fails
}
