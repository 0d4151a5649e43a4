/**
 * The ledger's tree as it stands, in memory: what a commit changes is encoded anew, all else is known by its id. Format:
 * gitformat-tree, that is `<mode> SP <name> NUL <id>` for each entry, ordered by the bytes of the name, a folder's with a
 * slash behind it.
 */
import { Buffer } from "node:buffer";

const FILE = "100644";
const FOLDER = "40000";

/** A folder after some of its entries have changed. */
export interface Encoded {
  bytes: Buffer;
  /** The encoding before, and how this one is put together of pieces of it and of new bytes; for a delta. */
  from?: { id: string; bytes: Buffer; pieces: Piece[] };
}
export type Piece = { from: number; to: number } | { insert: Buffer };

/** Gets an encoded folder, answers its id. */
export type Emit = (encoded: Encoded) => string;

interface Entry {
  /** What orders it: the bytes of its name as characters, a folder's with a slash. */
  key: string;
  mode: string;
  id: string;
  folder?: Folder;
  /** Where it begins in the encoding; it ends where the next one begins. */
  start: number;
}

export class Folder {
  private entries: Entry[] = [];
  private bytes: Buffer = Buffer.alloc(0);
  private id: string | undefined;
  /** By name: the new id of a file, null for none any more. */
  private readonly changed = new Map<string, string | null>();
  private readonly dirty = new Set<Folder>();

  /** `listed`: as `git ls-tree -r -t` lists a tree, a folder before what is in it; paths relative to this folder. */
  static of(id: string, listed: readonly { mode: string; id: string; path: string }[]): Folder {
    const root = new Folder();
    const folders = new Map<string, Folder>([["", root]]);
    root.id = id;
    for (const { mode, id: entryId, path } of listed) {
      const slash = path.lastIndexOf("/");
      const parent = folders.get(path.slice(0, Math.max(0, slash)));
      if (!parent) throw new Error(`a tree that lists ${path} without its folder`);
      const entry: Entry = { key: keyOf(path.slice(slash + 1), mode === "040000"), mode, id: entryId, start: 0 };
      if (mode === "040000") {
        entry.mode = FOLDER;
        entry.folder = new Folder();
        entry.folder.id = entryId;
        folders.set(path, entry.folder);
      }
      parent.entries.push(entry);
    }
    for (const folder of folders.values()) folder.encodeAll();
    return root;
  }

  /** A file's new id; null removes it. What stands in the way of a file's path gives way. */
  set(path: string, id: string | null): void {
    const slash = path.indexOf("/");
    if (slash === -1) {
      this.changed.set(path, id);
      return;
    }
    const name = path.slice(0, slash);
    let folder = this.folder(name);
    if (!folder) {
      if (id === null) return;
      folder = new Folder();
      this.changed.delete(name);
      this.insert({ key: keyOf(name, true), mode: FOLDER, id: "", folder, start: 0 }, name);
    }
    folder.set(path.slice(slash + 1), id);
    this.dirty.add(folder);
  }

  /** Encodes what has changed, innermost first. Answers the id, or undefined for a folder with nothing in it. */
  write(emit: Emit): string | undefined {
    const replaced: { place: number; entry: Entry | null }[] = [];
    for (const folder of this.dirty) {
      const place = this.entries.findIndex((entry) => entry.folder === folder);
      const entry = this.entries[place];
      if (!entry) continue; // a file took its place
      const id = folder.write(emit);
      replaced.push({ place, entry: id === undefined ? null : { ...entry, id } });
    }
    this.dirty.clear();
    for (const [name, id] of this.changed) {
      const folderAt = id === null ? undefined : this.find(keyOf(name, true));
      if (folderAt?.there) replaced.push({ place: folderAt.place, entry: null });
      const key = keyOf(name, false);
      const { place, there } = this.find(key);
      if (there) replaced.push({ place, entry: id === null ? null : { key, mode: FILE, id, start: 0 } });
      else if (id !== null) replaced.push({ place: place - 0.5, entry: { key, mode: FILE, id, start: 0 } });
    }
    this.changed.clear();
    if (replaced.length > 0 || this.id === undefined) this.encode(replaced, emit);
    return this.entries.length === 0 ? undefined : this.id;
  }

  /** Every file below, with its id. */
  *files(prefix = ""): Generator<[path: string, id: string]> {
    for (const { key, id, folder } of this.entries) {
      const name = Buffer.from(key, "latin1").toString("utf8");
      if (folder) yield* folder.files(prefix + name);
      else yield [prefix + name, id];
    }
  }

  private folder(name: string): Folder | undefined {
    const { place, there } = this.find(keyOf(name, true));
    return there ? this.entries[place]?.folder : undefined;
  }

  /** Where an entry stands, or would. */
  private find(key: string): { place: number; there: boolean } {
    let [low, high] = [0, this.entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.entries[middle]?.key ?? "") < key) low = middle + 1;
      else high = middle;
    }
    return { place: low, there: this.entries[low]?.key === key };
  }

  /** A new folder, whose id is still to come; a file of its name gives way. */
  private insert(entry: Entry, name: string): void {
    this.entries.splice(this.find(entry.key).place, 0, entry);
    const file = this.find(keyOf(name, false));
    if (file.there) this.entries.splice(file.place, 1);
    this.id = undefined; // places have moved: it is encoded as a whole
  }

  private encode(replaced: { place: number; entry: Entry | null }[], emit: Emit): void {
    replaced.sort((a, b) => a.place - b.place || (a.entry?.key ?? "").localeCompare(b.entry?.key ?? "", "en"));
    if (this.id === undefined) {
      this.replaceEntries(replaced);
      this.encodeAll();
      this.id = this.entries.length === 0 ? undefined : emit({ bytes: this.bytes });
      return;
    }
    const before = { id: this.id, bytes: this.bytes };
    const pieces: Piece[] = [];
    let copied = 0;
    for (const { place, entry } of replaced) {
      const whole = Number.isInteger(place);
      const from = this.entries[Math.ceil(place)]?.start ?? this.bytes.length;
      const to = whole ? (this.entries[place + 1]?.start ?? this.bytes.length) : from;
      if (from > copied) pieces.push({ from: copied, to: from });
      if (entry) pieces.push({ insert: encodeEntry(entry) });
      copied = to;
    }
    if (copied < this.bytes.length) pieces.push({ from: copied, to: this.bytes.length });
    const inPlace = this.replaceEntries(replaced);
    this.bytes = Buffer.concat(
      pieces.map((piece) => ("insert" in piece ? piece.insert : before.bytes.subarray(piece.from, piece.to))),
    );
    if (!inPlace) this.measure();
    this.id = this.entries.length === 0 ? undefined : emit({ bytes: this.bytes, from: { ...before, pieces } });
  }

  /** Whether all others stand where they stood: an entry of the same name is as long as the one before. */
  private replaceEntries(replaced: readonly { place: number; entry: Entry | null }[]): boolean {
    const inPlace = replaced.every(({ place, entry }) => this.entries[place]?.key === entry?.key);
    if (inPlace) {
      for (const { place, entry } of replaced)
        if (entry) this.entries[place] = { ...entry, start: this.entries[place]?.start ?? 0 };
      return true;
    }
    const next: Entry[] = [];
    let taken = 0;
    for (const { place, entry } of replaced) {
      next.push(...this.entries.slice(taken, Math.ceil(place)));
      if (entry) next.push(entry);
      taken = Number.isInteger(place) ? place + 1 : Math.ceil(place);
    }
    for (const entry of this.entries.slice(taken)) next.push(entry);
    this.entries = next;
    return false;
  }

  private encodeAll(): void {
    this.entries.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
    this.bytes = Buffer.concat(this.entries.map(encodeEntry));
    this.measure();
  }

  private measure(): void {
    let start = 0;
    for (const entry of this.entries) {
      entry.start = start;
      start += lengthOf(entry);
    }
  }
}

function keyOf(name: string, isFolder: boolean): string {
  return Buffer.from(name).toString("latin1") + (isFolder ? "/" : "");
}

function encodeEntry(entry: Entry): Buffer {
  const { mode, key, id, folder } = entry;
  return Buffer.concat([Buffer.from(`${mode} ${folder ? key.slice(0, -1) : key}\0`, "latin1"), Buffer.from(id, "hex")]);
}

function lengthOf({ mode, key, id, folder }: Entry): number {
  return mode.length + 1 + key.length - (folder ? 1 : 0) + 1 + id.length / 2;
}
