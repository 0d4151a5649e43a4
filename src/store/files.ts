/** Writing files so that nobody ever reads half of one, and none is lost that was acknowledged. RELIABILITY: atomic write. */
import { randomUUID } from "node:crypto";
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  fsync,
  lstatSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { open } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { promisify } from "node:util";
import { RUN } from "./paths.ts";

export interface FileWrite {
  /** Relative to `.workflow/`. */
  path: string;
  content: string | Buffer;
  /** Asked before any is put in place, and again at this one's own moment: true leaves what is there as it is. */
  changed?: () => boolean;
}

interface Staged {
  path: string;
  changed: (() => boolean) | undefined;
  from: string;
  to: string;
  /** null once it is closed. */
  fd: number | null;
}

/** Few enough for the limit of open files, and for the loop to go on meanwhile. */
const TOGETHER = 64;
const sync = promisify(fsync);

/**
 * Writes each file to a temporary name in `.run/tmp`, syncs, renames, and syncs the folders. A short write (a full
 * disk) is an error before it is renamed. Throws the file system's error; files renamed before it stay, nothing else
 * does. Never writes through a symbolic link: one at the target is replaced, one on the way to it is an error.
 * Answers with the paths that were left as they are because they, or others of them, had {@link FileWrite.changed}.
 */
export async function writeFiles(workspace: string, writes: readonly FileWrite[], durable: boolean): Promise<string[]> {
  const left: string[] = [];
  for (let first = 0; first < writes.length; first += TOGETHER) {
    if (first > 0) await breathe();
    left.push(...(await writeTogether(workspace, writes.slice(first, first + TOGETHER), durable)));
  }
  return left;
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

export function missing(error: unknown): boolean {
  return (error as NodeJS.ErrnoException).code === "ENOENT";
}

// Small writes are done on the spot: a trip to the thread pool and back costs more than they do. Syncing is waited for.
async function writeTogether(workspace: string, writes: readonly FileWrite[], durable: boolean): Promise<string[]> {
  const staged: Staged[] = [];
  const left: string[] = [];
  const folders = new Set<string>();
  try {
    for (const folder of new Set(writes.map(({ path }) => dirname(join(workspace, path))))) {
      for (const changed of makeFolder(workspace, folder)) folders.add(changed);
    }
    for (const { path, content, changed } of writes) {
      const to = join(workspace, path);
      const from = join(workspace, RUN, "tmp", randomUUID());
      const fd = openNew(from);
      staged.push({ path, changed, from, to, fd });
      writeWhole(fd, content, path);
      keepMode(fd, to);
    }
    if (durable) await allOf(staged.flatMap(({ fd }) => (fd === null ? [] : [sync(fd)])));
    // All are asked before the first is put in place, and each once more at its own moment.
    const changed = staged.filter((file) => file.changed?.());
    if (changed.length > 0) {
      for (const file of staged) {
        close(file);
        rmSync(file.from, { force: true });
      }
      return staged.map(({ path }) => path);
    }
    for (const file of staged) {
      close(file);
      if (file.changed?.()) {
        rmSync(file.from);
        left.push(file.path);
        continue;
      }
      renameSync(file.from, file.to);
      folders.add(dirname(file.to));
    }
  } catch (error) {
    for (const file of staged) {
      close(file);
      rmSync(file.from, { force: true });
    }
    throw error;
  }
  if (durable) await Promise.all([...folders].map(syncFolder));
  return left;
}

function openNew(path: string): number {
  const flags = constants.O_CREAT | constants.O_EXCL | constants.O_WRONLY | constants.O_NOFOLLOW;
  try {
    return openSync(path, flags, 0o644);
  } catch (error) {
    if (!missing(error)) throw error;
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, flags, 0o644);
  }
}

function writeWhole(fd: number, content: string | Buffer, path: string): void {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  for (let offset = 0; offset < bytes.length;) offset += writeSync(fd, bytes, offset);
  const { size } = fstatSync(fd);
  if (size !== bytes.length) throw new Error(`wrote ${size} of ${bytes.length} bytes of ${path}`);
}

function close(file: Staged): void {
  if (file.fd === null) return;
  const { fd } = file;
  file.fd = null;
  closeSync(fd);
}

/** What a person keeps from the eyes of others stays so. */
function keepMode(fd: number, target: string): void {
  const before = lstatSync(target, { throwIfNoEntry: false });
  if (before?.isFile() && (before.mode & 0o777) !== 0o644) fchmodSync(fd, before.mode & 0o777);
}

/** Makes the folder inside the workspace, and those above it; answers in which folders something was made. */
function makeFolder(workspace: string, folder: string): string[] {
  const changed: string[] = [];
  let at = workspace;
  for (const part of relative(workspace, folder).split(sep).filter(Boolean)) {
    if (part === "..") throw new Error(`${folder} is outside ${workspace}`);
    const above = at;
    at = join(at, part);
    const there = lstatSync(at, { throwIfNoEntry: false });
    if (there?.isSymbolicLink()) throw new Error(`${at} is a symbolic link: nothing is written through it`);
    if (there) continue;
    mkdirSync(at, { recursive: true });
    changed.push(above);
  }
  return changed;
}

/** Waits for all, also when one fails: nothing may still be under way when its file is closed. */
async function allOf(works: readonly Promise<void>[]): Promise<void> {
  for (const end of await Promise.allSettled(works)) if (end.status === "rejected") throw end.reason;
}
