/** Git syncs files but never the folders that name them: after a power cut a synced pack or ref could have no name. */
import { open } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Syncs the folders of a ref, up to `refs`, or those that stand for them (reftable). */
export async function syncRef(commonDir: string, ref: string): Promise<void> {
  const folders = [join(commonDir, "reftable")];
  for (let folder = dirname(ref); folder !== "."; folder = dirname(folder)) folders.push(join(commonDir, folder));
  await Promise.all(folders.map(syncFolder));
}

export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "EISDIR" || error.code === "EPERM") return null; // none, or Windows
    throw error;
  });
  try {
    await handle?.sync();
  } finally {
    await handle?.close();
  }
}
