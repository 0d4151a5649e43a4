/** Writing files so that nobody ever reads half of one, and none is lost that was acknowledged. RELIABILITY: atomic write. */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { mkdir, open, rename, rm, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { RUN } from "./paths.ts";

export interface FileWrite {
  /** Relative to `.workflow/`. */
  path: string;
  content: string | Buffer;
}

/**
 * Writes each file to a temporary name in `.run/tmp`, syncs, renames, and syncs the folders. A short write (a full
 * disk) is an error before anything is renamed. Throws the file system's error; files renamed before it stay.
 */
export async function writeFiles(workspace: string, writes: readonly FileWrite[], durable: boolean): Promise<void> {
  const staged: { from: string; to: string }[] = [];
  const folders = new Set<string>();
  try {
    await Promise.all(
      writes.map(async (write) => {
        const to = join(workspace, write.path);
        const from = join(workspace, RUN, "tmp", randomUUID());
        staged.push({ from, to });
        await stage(from, write.content, durable);
      }),
    );
    for (const write of writes) {
      const to = join(workspace, write.path);
      const from = staged.find((file) => file.to === to)?.from;
      if (from === undefined) continue;
      await renameInto(from, to);
      folders.add(dirname(to));
    }
  } catch (error) {
    await Promise.all(staged.map(({ from }) => rm(from, { force: true })));
    throw error;
  }
  if (durable) await Promise.all([...folders].map(syncFolder));
}

/** Makes a rename or removal in the folder survive a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function stage(path: string, content: string | Buffer, durable: boolean): Promise<void> {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const handle = await openNew(path);
  try {
    for (let offset = 0; offset < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, offset);
      offset += bytesWritten;
    }
    if (durable) await handle.sync();
    const { size } = await handle.stat();
    if (size !== bytes.length) throw new Error(`wrote ${size} of ${bytes.length} bytes of ${path}`);
  } finally {
    await handle.close();
  }
}

async function openNew(path: string): Promise<FileHandle> {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  try {
    return await open(path, flags, 0o644);
  } catch (error) {
    if (!missing(error)) throw error;
    await mkdir(dirname(path), { recursive: true });
    return open(path, flags, 0o644);
  }
}

async function renameInto(from: string, to: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (error) {
    if (!missing(error)) throw error;
    await mkdir(dirname(to), { recursive: true });
    await rename(from, to);
  }
}

export function missing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}
