/**
 * What is on disk, compared with what was last seen: events of the watcher only say where to look first. A full scan
 * finds everything, whatever the watcher missed. Only regular files are opened, links are never followed.
 */
import { hash as digest } from "node:crypto";
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { MAX_BYTES } from "./json-file.ts";
import { isSessionId } from "../model/ids.ts";
import { missing } from "./files.ts";
import { placeOf, RUN, type Place } from "./paths.ts";

/**
 * A file as last seen. `hash` is the SHA-256 of its content; null where the content is not looked at. Where the signature
 * ends in {@link YOUNG} it proves nothing yet, and the content counts.
 */
export interface Seen {
  signature: string;
  hash: string | null;
}

export type Found =
  | { path: string; place: Place; is: "file"; content: Buffer; hash: string; signature: string }
  /** Too large to read: the size is all that is known. */
  | { path: string; place: Place; is: "oversized"; size: number; signature: string }
  | { path: string; place: Place; is: "gone" }
  /** A FIFO, device, link or folder where a file should be: never opened. */
  | { path: string; place: Place; is: "irregular"; what: string };

export class Scanner {
  private readonly workspace: string;
  readonly seen = new Map<string, Seen>();

  constructor(workspace: string) {
    this.workspace = workspace;
  }

  /**
   * Everything that differs from what was seen, without marking it as seen: the caller does, with {@link accept}. With
   * `unread` only what was never read, and what is gone: to be asked for right after all else was.
   */
  async full(which: "all" | "unread" = "all"): Promise<Found[]> {
    const found: Found[] = [];
    const present = new Set<string>();
    const closed: string[] = [];
    let looked = 0;
    for (const path of this.walk("", closed)) {
      present.add(path);
      const difference = which === "unread" && this.seen.get(path)?.hash ? undefined : this.look(path);
      if (difference) found.push(difference);
      if (++looked % 256 === 0) await breathe();
    }
    for (const path of this.seen.keys()) {
      // What is in a folder that may not be read is not gone.
      if (present.has(path) || closed.some((folder) => path.startsWith(`${folder}/`))) continue;
      found.push({ path, place: placeOf(path), is: "gone" });
    }
    return found;
  }

  /** The same for single paths; a folder stands for what is in it. */
  some(paths: Iterable<string>): Found[] {
    const found: Found[] = [];
    for (const path of paths) {
      const difference = this.look(path);
      if (difference?.is === "irregular" && difference.what === "a folder" && placeOf(path).kind !== "task") {
        for (const inner of this.walk(path)) {
          const deeper = this.look(inner);
          if (deeper) found.push(deeper);
        }
        // Until now something else was in its place.
        if (this.seen.has(path)) found.push(difference);
      } else if (difference) found.push(difference);
    }
    return found;
  }

  accept(found: Found): void {
    if (found.is === "gone") this.seen.delete(found.path);
    else if (found.is === "file") this.seen.set(found.path, { signature: found.signature, hash: found.hash });
    else if (found.is === "oversized") this.seen.set(found.path, { signature: found.signature, hash: null });
    else this.seen.set(found.path, { signature: found.what, hash: null });
  }

  /** Notes what the daemon itself has just written. Somebody may have saved since: the next look compares the content. */
  wrote(path: string, content: string | Buffer): void {
    const stat = statOf(join(this.workspace, path));
    if (stat) this.seen.set(path, { signature: sign(stat) + YOUNG, hash: sha256(content) });
  }

  /**
   * A question that is asked twice: first, whether the file is another than was last seen, which may take a look into it;
   * then, at the last moment and quickly, whether it has changed since. That it got a second name in between is no change.
   */
  watchful(path: string): () => boolean {
    const stamp = () => {
      const stat = statOf(join(this.workspace, path));
      return stat ? `${stat.ino} ${stat.size} ${stat.mtimeMs}` : "";
    };
    let first: string | undefined;
    return () => {
      const now = stamp();
      if (first !== undefined) return now !== first;
      first = now;
      return !this.unchanged(path);
    };
  }

  /** Whether the file still is what was last seen (or still is not there). */
  unchanged(path: string): boolean {
    const before = this.seen.get(path);
    const full = join(this.workspace, path);
    const stat = statOf(full);
    if (!stat || !before) return !stat && !before;
    if (!stat.isFile()) return before.signature === kindOf(stat);
    if (before.signature === sign(stat)) return true;
    const read = before.signature === sign(stat) + YOUNG ? readRegular(full) : undefined;
    return read !== undefined && sha256(read.content) === before.hash;
  }

  /** Markers that exist, newest first. */
  markers(): { session: string; changedAt: number }[] {
    const markers: { session: string; changedAt: number }[] = [];
    for (const name of namesIn(this.workspace)) {
      const place = placeOf(name);
      if (place.kind !== "marker") continue;
      const stat = statOf(join(this.workspace, name));
      if (stat) markers.push({ session: place.session, changedAt: stat.mtimeMs });
    }
    return markers.sort((a, b) => b.changedAt - a.changedAt || a.session.localeCompare(b.session));
  }

  isThere(path: string): boolean {
    return statOf(join(this.workspace, path)) !== undefined;
  }

  private look(path: string): Found | undefined {
    const place = placeOf(path);
    if (place.kind === "ignored" || place.kind === "transcript" || place.kind === "output") return undefined;
    const before = this.seen.get(path);
    const full = join(this.workspace, path);
    const stat = mayLook(full);
    if (stat === "no")
      return before?.signature === UNREADABLE ? undefined : { path, place, is: "irregular", what: UNREADABLE };
    if (!stat) return before ? { path, place, is: "gone" } : undefined;
    if (!stat.isFile()) {
      const what = kindOf(stat);
      return before?.signature === what ? undefined : { path, place, is: "irregular", what };
    }
    const signature = sign(stat);
    if (before?.signature === signature) return undefined;
    if (stat.size > MAX_BYTES) return { path, place, is: "oversized", size: stat.size, signature };
    const read = readRegular(full);
    if (!read) {
      // Gone or replaced since the look above: the next look tells. What is there and may not be read is not gone.
      const still = statOf(full)?.ino === stat.ino;
      return still && before?.signature !== UNREADABLE ? { path, place, is: "irregular", what: UNREADABLE } : undefined;
    }
    const hash = sha256(read.content);
    if (before?.hash === hash) {
      this.seen.set(path, { signature: read.signature, hash });
      return undefined;
    }
    return { path, place, is: "file", content: read.content, hash, signature: read.signature };
  }

  /** `closed` takes the folders that may not be read. */
  private *walk(from = "", closed: string[] = []): Generator<string> {
    const entries = entriesIn(join(this.workspace, from));
    if (entries === "closed") {
      if (from === "") throw new Error(`${this.workspace} may not be read`);
      closed.push(from);
      return;
    }
    for (const entry of entries) {
      const path = from ? `${from}/${entry.name}` : entry.name;
      if (path === RUN || path === ".git") continue;
      const place = placeOf(path);
      if (entry.isDirectory() && place.kind !== "task" && place.kind !== "inbox") {
        if (place.kind === "transcript" || place.kind === "output") continue;
        if (placeOf(`${path}/x`).kind === "transcript") continue;
        if (isSessionId(path)) yield path;
        yield* this.walk(path, closed);
      } else {
        // What was in the folder that has to be here is not gone because something else has its name.
        if (place.kind === "session-part") closed.push(path);
        yield path;
      }
    }
  }
}

export function sha256(content: string | Buffer): string {
  return digest("sha256", content);
}

/** How a file's signature ends that changed so lately that another change would not show in it. */
const YOUNG = " young";
/** Kernels tell the time of a change to within a tick, 10 ms at most. */
const YOUNG_MS = 50;

/**
 * Reads a regular file without following a link and without hanging on a FIFO; undefined when it is none (any more), or
 * may not be read. Throws where that says nothing about the file: too many open files, an I/O error.
 */
export function readRegular(path: string): { content: Buffer; signature: string } | undefined {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    if (SHORT_OF.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
    return undefined;
  }
  try {
    const before = fstatSync(fd);
    if (!before.isFile() || before.size > MAX_BYTES) return undefined;
    const buffer = Buffer.alloc(before.size);
    let length = 0;
    for (let got = -1; got !== 0 && length < buffer.length; length += got)
      got = readSync(fd, buffer, length, buffer.length - length, length);
    // The state before reading: what is written meanwhile shows as a change at the next look.
    const signature = sign(before) + (Date.now() - before.ctimeMs < YOUNG_MS ? YOUNG : "");
    return { content: buffer.subarray(0, length), signature };
  } finally {
    closeSync(fd);
  }
}

const SHORT_OF = new Set(["EMFILE", "ENFILE", "ENOMEM", "EIO"]);
const UNREADABLE = "a file that may not be read";

type Stat = NonNullable<ReturnType<typeof statOf>>;

function statOf(path: string) {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch (error) {
    // A folder on the way to it is a file now: it is not there.
    if ((error as NodeJS.ErrnoException).code === "ENOTDIR") return undefined;
    throw error;
  }
}

function mayLook(path: string): Stat | undefined | "no" {
  try {
    return statOf(path);
  } catch (error) {
    if (CLOSED.has((error as NodeJS.ErrnoException).code ?? "")) return "no";
    throw error;
  }
}

const CLOSED = new Set(["EACCES", "EPERM"]);

function sign(stat: { ino: number; size: number; mtimeMs: number; ctimeMs: number }): string {
  return `${stat.ino} ${stat.size} ${stat.mtimeMs} ${stat.ctimeMs}`;
}

function kindOf(stat: Stat): string {
  if (stat.isDirectory()) return "a folder";
  if (stat.isSymbolicLink()) return "a symbolic link";
  if (stat.isFIFO()) return "a FIFO";
  if (stat.isSocket()) return "a socket";
  return "a device";
}

/** None where there is no such folder, or it may not be read. */
export function namesIn(folder: string): string[] {
  const entries = entriesIn(folder);
  return entries === "closed" ? [] : entries.map((entry) => entry.name);
}

function entriesIn(folder: string) {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (missing(error) || code === "ENOTDIR") return [];
    if (CLOSED.has(code ?? "")) return "closed";
    throw error;
  }
}
