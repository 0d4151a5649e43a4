/**
 * A disk with a page cache. What a file holds survives a power cut from when the file is synced on; what a folder names,
 * from when the folder is synced on. Of the rest any part may be there afterwards: each rename, removal or new name is
 * there or not on its own (a rename wholly), and a file that was not synced is as before, empty, cut short or whole.
 */
import type { Chance } from "./chance.ts";

export class Entry {
  readonly ino: number;
  /** Of a folder. */
  names: Map<string, Entry> | undefined;
  /** Of a file; replaced at each write, never changed in place. */
  data: Buffer = Buffer.alloc(0);
  /** What of it the disk is sure to have. */
  synced: Buffer | undefined;
  lasting: Map<string, Entry> | undefined;
  /** The newest change of each name that the disk may not have yet. */
  unsynced = new Map<string, Naming>();
  mtimeMs = 0;
  ctimeMs = 0;
  mode = 0o644;

  constructor(ino: number, kind: "file" | "folder") {
    this.ino = ino;
    if (kind === "file") return;
    this.names = new Map();
    this.lasting = new Map();
    this.mode = 0o755;
  }
}

interface Naming {
  order: number;
  parts: { folder: Entry; name: string; entry: Entry | undefined }[];
}

export class DiskError extends Error {
  readonly code: string;
  readonly path: string;
  constructor(code: string, path: string) {
    super(`${code}: ${path}`);
    this.code = code;
    this.path = path;
  }
}

const TICK_MS = 4;
const parts = new Map<string, string[]>();

let last = { path: "", parts: [] as string[] };

/** Most paths are asked for several times in a row. */
function partsOf(path: string): string[] {
  if (path !== last.path) last = { path, parts: split(path) };
  return last.parts;
}

function split(path: string): string[] {
  const known = parts.get(path);
  if (known) return known;
  if (parts.size > 20_000) parts.clear();
  const made = path.split("/").filter((name) => name !== "" && name !== ".");
  parts.set(path, made);
  return made;
}

export class Disk {
  readonly root = new Entry(1, "folder");
  full = false;
  private inos = 1;
  private order = 0;
  private readonly dirty = new Set<Entry>();
  private readonly wall: () => number;
  private readonly changed: (path: string) => void;

  constructor(wall: () => number, changed: (path: string) => void) {
    this.wall = wall;
    this.changed = changed;
  }

  find(path: string): Entry | undefined {
    let at: Entry | undefined = this.root;
    for (const name of partsOf(path)) {
      if (!at.names) throw new DiskError("ENOTDIR", path);
      at = at.names.get(name);
      if (!at) return undefined;
    }
    return at;
  }

  get(path: string): Entry {
    const entry = this.find(path);
    if (!entry) throw new DiskError("ENOENT", path);
    return entry;
  }

  file(path: string): Entry {
    const entry = this.get(path);
    if (entry.names) throw new DiskError("EISDIR", path);
    return entry;
  }

  folder(path: string): Map<string, Entry> {
    const { names } = this.get(path);
    if (!names) throw new DiskError("ENOTDIR", path);
    return names;
  }

  read(path: string): string | undefined {
    const entry = this.find(path);
    return entry && !entry.names ? entry.data.toString("utf8") : undefined;
  }

  /** Makes the folder and those above it; the first that was made. */
  makeFolders(path: string): string | undefined {
    let first: string | undefined;
    let at = "";
    for (const name of path.split("/").filter(Boolean)) {
      const above = at;
      at = `${above}/${name}`;
      const there = this.find(at);
      if (there && !there.names) throw new DiskError("EEXIST", at);
      if (there) continue;
      this.room(at);
      this.name([{ folder: this.get(above || "/"), name, entry: new Entry(++this.inos, "folder") }]);
      first ??= at;
      this.changed(at);
    }
    return first;
  }

  create(path: string): Entry {
    this.room(path);
    const entry = new Entry(++this.inos, "file");
    this.touch(entry);
    this.name([{ ...this.placeOf(path), entry }]);
    this.changed(path);
    return entry;
  }

  write(path: string, entry: Entry, data: Buffer): void {
    if (data.length > entry.data.length) this.room(path);
    entry.data = data;
    this.touch(entry);
    this.changed(path);
  }

  rename(from: string, to: string): void {
    const entry = this.get(from);
    const target = this.find(to);
    if (target?.names && target.names.size > 0) throw new DiskError("ENOTEMPTY", to);
    this.name([
      { ...this.placeOf(to), entry },
      { ...this.placeOf(from), entry: undefined },
    ]);
    entry.ctimeMs = this.stamp();
    this.changed(from);
    this.changed(to);
  }

  link(from: string, to: string): void {
    const entry = this.file(from);
    if (this.find(to)) throw new DiskError("EEXIST", to);
    this.room(to);
    this.name([{ ...this.placeOf(to), entry }]);
    entry.ctimeMs = this.stamp();
    this.changed(to);
  }

  remove(path: string): void {
    const entry = this.get(path);
    for (const name of entry.names?.keys() ?? []) this.remove(`${path}/${name}`);
    this.name([{ ...this.placeOf(path), entry: undefined }]);
    this.changed(path);
  }

  /** A file's content, or a folder's names, from now on survive a power cut. */
  sync(entry: Entry): void {
    if (!entry.names) {
      entry.synced = entry.data;
      return;
    }
    for (const naming of [...entry.unsynced.values()]) this.settle(naming);
  }

  /** The power is cut, and comes back. Answers how many changes of names were lost. */
  cut(chance: Chance): number {
    const open = new Set([...this.dirty].flatMap((folder) => [...folder.unsynced.values()]));
    let lost = 0;
    for (const naming of [...open].sort((a, b) => a.order - b.order)) {
      if (chance.is(0.3)) this.settle(naming);
      else lost++;
    }
    for (const folder of this.dirty) folder.unsynced.clear();
    this.dirty.clear();
    this.comeBack(this.root, chance, new Set());
    return lost;
  }

  private comeBack(entry: Entry, chance: Chance, seen: Set<Entry>): void {
    if (seen.has(entry)) return;
    seen.add(entry);
    if (entry.lasting) {
      entry.names = new Map(entry.lasting);
      for (const inner of entry.names.values()) this.comeBack(inner, chance, seen);
    } else if (entry.synced !== entry.data) {
      const { synced, data } = entry;
      entry.data = chance.of([
        synced ?? Buffer.alloc(0),
        Buffer.alloc(0),
        data.subarray(0, Math.floor(data.length * chance.next())),
        data,
      ]);
      entry.synced = entry.data;
    }
  }

  private name(parts: Naming["parts"]): void {
    const naming = { order: ++this.order, parts };
    for (const { folder, name, entry } of parts) {
      if (!folder.names) throw new DiskError("ENOTDIR", name);
      if (entry) folder.names.set(name, entry);
      else folder.names.delete(name);
      folder.unsynced.set(name, naming);
      this.dirty.add(folder);
      this.touch(folder);
    }
  }

  private settle(naming: Naming): void {
    for (const { folder, name, entry } of naming.parts) {
      if (folder.unsynced.get(name) === naming) folder.unsynced.delete(name);
      if (folder.unsynced.size === 0) this.dirty.delete(folder);
      if (entry) folder.lasting?.set(name, entry);
      else folder.lasting?.delete(name);
    }
  }

  private placeOf(path: string): { folder: Entry; name: string } {
    const slash = path.lastIndexOf("/");
    return { folder: this.get(path.slice(0, slash) || "/"), name: path.slice(slash + 1) };
  }

  private touch(entry: Entry): void {
    entry.mtimeMs = entry.ctimeMs = this.stamp();
  }

  /** Kernels tell the time of a change to within a tick. */
  private stamp(): number {
    return Math.floor(this.wall() / TICK_MS) * TICK_MS;
  }

  private room(path: string): void {
    if (this.full) throw new DiskError("ENOSPC", path);
  }
}
