/** Git syncs files but never the folders that name them: after a power cut a synced pack or ref could have no name. */
import { open, readdir } from "node:fs/promises";
import { dirname, join } from "node:path";

/** Syncs the folders of packs and of a ref, from the ref's up to `refs`. */
export async function syncFolders(commonDir: string, ref: string): Promise<void> {
  const folders = [join(commonDir, "objects/pack"), join(commonDir, "reftable")];
  for (let folder = dirname(ref); folder !== "."; folder = dirname(folder)) folders.push(join(commonDir, folder));
  await Promise.all(folders.map(syncFolder));
}

async function syncFolder(folder: string): Promise<void> {
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

/** How many packs a repack may take: those without `.keep`. */
export async function loosePacks(commonDir: string): Promise<number> {
  const names = new Set(await readdir(join(commonDir, "objects/pack")).catch(() => []));
  return [...names].filter((name) => name.endsWith(".pack") && !names.has(name.replace(/pack$/, "keep"))).length;
}
