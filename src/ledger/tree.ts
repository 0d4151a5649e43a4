/**
 * The ledger's tree as it stands, in memory: what a commit changes is encoded anew, all else is known by its id. Format:
 * gitformat-tree, that is `<mode> SP <name> NUL <id>` for each entry, ordered by the bytes of the name, a folder's with a
 * slash behind it. A folder of ten thousand files is kept as it is encoded and nothing else, and changed in its place.
 */
import { Buffer } from "node:buffer";

const FILE = "100644";
const FOLDER = "40000";
const SLASH = 0x2f;

/** A folder after some of its entries have changed. */
export interface Encoded {
  /** The folder's; empty for the outermost. */
  name: string;
  /** Its own: to be copied by whoever keeps them. */
  bytes: Buffer;
  /** The encoding before, and how this one is put together of pieces of it and of new bytes; for a delta. */
  from?: { id: string; length: number; pieces: Piece[] };
}
export type Piece = { from: number; to: number } | { insert: Buffer };

/** Gets an encoded folder, answers its id. */
export type Emit = (encoded: Encoded) => string;

/** At the place of an entry: what is there instead, null for nothing. Or before that place, where none of its name is yet. */
interface Replacement {
  place: number;
  there: boolean;
  /** What orders it. */
  key: Buffer;
  entry: Buffer | null;
}

export class Folder {
  private bytes = Buffer.alloc(0);
  /** Where each entry begins, and, behind the last, where that ends. */
  private starts = new Uint32Array(1);
  private count = 0;
  /** What was replaced last, as room for the next encoding. */
  private spare = { bytes: Buffer.alloc(0), starts: new Uint32Array(1) };
  /** Of an id, in bytes. */
  private idLength = 20;
  private id: string | undefined;
  private readonly folders = new Map<string, Folder>();
  /** By name: the new id of a file, null for none any more. */
  private readonly changed = new Map<string, string | null>();
  private readonly dirty = new Set<string>();

  /** `listed`: as `git ls-tree -r -t` lists a tree, a folder before what is in it; paths relative to this folder. */
  static of(id: string, listed: readonly { mode: string; id: string; path: string }[]): Folder {
    const root = new Folder();
    const folders = new Map([["", { folder: root, id, entries: [] as Buffer[] }]]);
    for (const { mode, id: entryId, path } of listed) {
      const slash = path.lastIndexOf("/");
      const parent = folders.get(path.slice(0, Math.max(0, slash)));
      if (!parent) throw new Error(`a tree that lists ${path} without its folder`);
      const name = path.slice(slash + 1);
      const isFolder = mode === "040000";
      if (isFolder) {
        const folder = new Folder();
        parent.folder.folders.set(name, folder);
        folders.set(path, { folder, id: entryId, entries: [] });
      }
      parent.entries.push(encodeEntry(isFolder ? FOLDER : mode, name, entryId));
    }
    for (const { folder, id: own, entries } of folders.values()) folder.fill(own, entries);
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
    let folder = this.folders.get(name);
    if (!folder) {
      if (id === null) return;
      folder = new Folder();
      this.folders.set(name, folder);
      // A file of its name gives way.
      this.changed.set(name, null);
    }
    folder.set(path.slice(slash + 1), id);
    this.dirty.add(name);
  }

  /** Encodes what has changed, innermost first. Answers the id, or undefined for a folder with nothing in it. */
  write(emit: Emit, own = ""): string | undefined {
    const replaced: Replacement[] = [];
    const replace = (name: string, isFolder: boolean, entry: Buffer | null) => {
      const key = keyOf(name, isFolder);
      const found = this.find(key);
      if (found.there || entry) replaced.push({ ...found, key, entry });
    };
    for (const [name, id] of this.changed) {
      if (id !== null && this.folders.delete(name)) {
        this.dirty.delete(name);
        replace(name, true, null);
      }
      replace(name, false, id === null ? null : this.entry(FILE, name, id));
    }
    this.changed.clear();
    for (const name of this.dirty) {
      const id = this.folders.get(name)?.write(emit, name);
      if (id === undefined) this.folders.delete(name);
      replace(name, true, id === undefined ? null : this.entry(FOLDER, name, id));
    }
    this.dirty.clear();
    if (replaced.length > 0) this.encode(replaced, emit, own);
    return this.count === 0 ? undefined : this.id;
  }

  /** Every file below, with its id. */
  *files(prefix = ""): Generator<[path: string, id: string]> {
    for (let place = 0; place < this.count; place++) {
      const { isFolder, from, to } = this.name(place);
      const name = this.bytes.toString("utf8", from, to);
      if (isFolder) yield* this.folders.get(name)?.files(`${prefix}${name}/`) ?? [];
      else yield [prefix + name, this.bytes.toString("hex", to + 1, to + 1 + this.idLength)];
    }
  }

  private entry(mode: string, name: string, id: string): Buffer {
    this.idLength = id.length / 2;
    return encodeEntry(mode, name, id);
  }

  private fill(id: string, entries: readonly Buffer[]): void {
    this.id = id;
    this.idLength = id.length / 2;
    this.bytes = Buffer.concat(entries);
    this.count = entries.length;
    this.starts = new Uint32Array(entries.length + 1);
    entries.forEach((entry, place) => (this.starts[place + 1] = (this.starts[place] ?? 0) + entry.length));
  }

  /** Where an entry stands, or would. */
  private find(key: Buffer): { place: number; there: boolean } {
    let [low, high] = [0, this.count];
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = this.compare(middle, key);
      if (order === 0) return { place: middle, there: true };
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return { place: low, there: false };
  }

  /** Below zero for an entry that comes before the key. */
  private compare(place: number, key: Buffer): number {
    const { isFolder, from, to } = this.name(place);
    if (!isFolder) return this.bytes.compare(key, 0, key.length, from, to);
    const same = Math.min(to - from, key.length);
    const order = this.bytes.compare(key, 0, same, from, to);
    if (order !== 0 || same === key.length) return order || 1;
    const next = key[same] ?? 0;
    return next === SLASH ? Math.sign(same + 1 - key.length) : SLASH - next;
  }

  private name(place: number): { isFolder: boolean; from: number; to: number } {
    const start = this.start(place);
    const isFolder = this.bytes[start] === FOLDER.charCodeAt(0);
    const from = start + (isFolder ? FOLDER : FILE).length + 1;
    return { isFolder, from, to: this.start(place + 1) - this.idLength - 1 };
  }

  private start(place: number): number {
    return this.starts[place] ?? 0;
  }

  private encode(replaced: Replacement[], emit: Emit, name: string): void {
    replaced.sort((a, b) => a.place - b.place || Number(a.there) - Number(b.there) || Buffer.compare(a.key, b.key));
    const length = this.start(this.count);
    const pieces: Piece[] = [];
    let copied = 0;
    for (const { place, there, entry } of replaced) {
      const from = this.start(place);
      if (from > copied) pieces.push({ from: copied, to: from });
      if (entry) pieces.push({ insert: entry });
      copied = there ? this.start(place + 1) : from;
    }
    if (copied < length) pieces.push({ from: copied, to: length });
    // An entry of the same name is as long as the one before: all others stay where they are.
    if (replaced.every(({ there, entry }) => there && entry))
      for (const { place, entry } of replaced) entry?.copy(this.bytes, this.start(place));
    else this.rebuild(replaced, pieces);
    const { id } = this;
    const bytes = this.bytes.subarray(0, this.start(this.count));
    if (this.count === 0) this.id = undefined;
    else this.id = emit({ name, bytes, ...(id === undefined ? {} : { from: { id, length, pieces } }) });
  }

  /** Into the room of the encoding before the last, which is this one's in turn. */
  private rebuild(replaced: readonly Replacement[], pieces: readonly Piece[]): void {
    const { bytes: old, starts: before, count: many, spare } = this;
    const size = pieces.reduce(
      (sum, piece) => sum + ("insert" in piece ? piece.insert.length : piece.to - piece.from),
      0,
    );
    if (spare.bytes.length < size) spare.bytes = Buffer.allocUnsafeSlow(withRoom(size));
    let at = 0;
    for (const piece of pieces)
      at += "insert" in piece ? piece.insert.copy(spare.bytes, at) : old.copy(spare.bytes, at, piece.from, piece.to);
    const most = many + replaced.length + 1;
    if (spare.starts.length < most) spare.starts = new Uint32Array(withRoom(most));
    const { starts } = spare;
    let [taken, count, moved] = [0, 0, 0];
    const take = (until: number) => {
      for (; taken < until; taken++) starts[count++] = (before[taken] ?? 0) + moved;
    };
    for (const { place, there, entry } of replaced) {
      take(place);
      const start = (before[place] ?? 0) + moved;
      if (entry) {
        starts[count++] = start;
        moved += entry.length;
      }
      if (!there) continue;
      moved -= (before[place + 1] ?? 0) - (before[place] ?? 0);
      taken = place + 1;
    }
    take(many);
    starts[count] = size;
    this.count = count;
    this.spare = { bytes: old, starts: before };
    this.bytes = spare.bytes;
    this.starts = starts;
  }
}

const withRoom = (size: number) => size + (size >> 3) + 64;

function keyOf(name: string, isFolder: boolean): Buffer {
  return Buffer.from(isFolder ? `${name}/` : name);
}

function encodeEntry(mode: string, name: string, id: string): Buffer {
  return Buffer.concat([Buffer.from(`${mode} ${name}\0`), Buffer.from(id, "hex")]);
}
