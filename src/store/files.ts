/** Writing files so that nobody ever reads half of one, and none is lost that was acknowledged. RELIABILITY: atomic write. */
import { randomUUID } from "node:crypto";
import { constants, fstatSync, lstatSync, mkdirSync, renameSync, rmSync } from "node:fs";
import { mkdir, open, rm, type FileHandle } from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { RUN } from "./paths.ts";

export interface FileWrite {
  /** Relative to `.workflow/`. */
  path: string;
  content: string | Buffer;
  /** Asked before any is put in place, and again at this one's own moment: true leaves what is there as it is. */
  changed?: () => boolean;
  /** Told right before the last question, to keep what is about to be replaced; what it answers, if it is left. */
  keep?: () => () => void;
  /** Told in the moment in which it is in place, before anything else can see it. */
  placed?: () => void;
}

interface Staged extends Pick<FileWrite, "path" | "changed" | "keep" | "placed"> {
  from: string;
  to: string;
}

/** Few enough for the limit of open files, and for the loop to go on meanwhile. */
const TOGETHER = 64;

/**
 * Writes each file to a temporary name in `.run/tmp`, syncs what is `durable`, puts all in place in the order given, and
 * syncs the folders. A short write (a full
 * disk) is an error before it is renamed. Throws the file system's error; files renamed before it stay, nothing else
 * does. Never writes through a symbolic link: one at the target is replaced, one on the way to it is an error.
 * Answers with the paths that were left as they are because they, or others of them, had {@link FileWrite.changed}.
 */
export async function writeFiles(
  workspace: string,
  writes: readonly FileWrite[],
  durable: boolean | ((path: string) => boolean),
): Promise<string[]> {
  const lasts = typeof durable === "boolean" ? () => durable : durable;
  const left: string[] = [];
  for (let first = 0; first < writes.length; first += TOGETHER) {
    if (first > 0) await breathe();
    left.push(...(await writeTogether(workspace, writes.slice(first, first + TOGETHER), lasts)));
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

// Making a file may have to wait for a sync that is under way in the file system's journal: never in the main thread.
async function writeTogether(
  workspace: string,
  writes: readonly FileWrite[],
  lasts: (path: string) => boolean,
): Promise<string[]> {
  const staged: Staged[] = [];
  const left: string[] = [];
  const folders = new Set<string>();
  try {
    for (const folder of new Set(writes.map(({ path }) => dirname(join(workspace, path))))) {
      for (const changed of makeFolder(workspace, folder)) folders.add(changed);
    }
    await allOf(
      writes.map(({ content, ...write }) => {
        const { path } = write;
        const file = { ...write, from: join(workspace, RUN, "tmp", randomUUID()), to: join(workspace, path) };
        staged.push(file);
        return stage(file, content, lasts(path));
      }),
    );
    // All are asked before the first is put in place, and each once more at its own moment.
    if (staged.some((file) => file.changed?.())) {
      await allOf(staged.map(({ from }) => rm(from, { force: true })));
      return staged.map(({ path }) => path);
    }
    for (const { path, changed, keep, placed, from, to } of staged) {
      const forget = changed && keep?.();
      if (changed?.()) {
        forget?.();
        rmSync(from);
        left.push(path);
        continue;
      }
      renameSync(from, to); // between the look and this there is nothing
      placed?.();
      if (lasts(path)) folders.add(dirname(to));
    }
  } catch (error) {
    await Promise.all(staged.map(({ from }) => rm(from, { force: true })));
    throw error;
  }
  if (writes.some(({ path }) => lasts(path))) await Promise.all([...folders].map(syncFolder));
  return left;
}

async function stage({ from, to, path }: Staged, content: string | Buffer, durable: boolean): Promise<void> {
  const bytes = typeof content === "string" ? Buffer.from(content) : content;
  const file = await openNew(from);
  try {
    for (let offset = 0; offset < bytes.length;) offset += (await file.write(bytes, offset)).bytesWritten;
    await keepMode(file, to);
    if (durable) await file.sync();
    const { size } = fstatSync(file.fd);
    if (size !== bytes.length) throw new Error(`wrote ${size} of ${bytes.length} bytes of ${path}`);
  } finally {
    await file.close();
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

/** What a person keeps from the eyes of others stays so. */
async function keepMode(file: FileHandle, target: string): Promise<void> {
  const before = lstatSync(target, { throwIfNoEntry: false });
  if (before?.isFile() && (before.mode & 0o777) !== 0o644) await file.chmod(before.mode & 0o777);
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
