/**
 * Packs of the ledger on disk. Each has a `.keep` from before it can be seen until it is gathered into a larger one: so
 * no `git gc --prune=now` of the user's takes what the ref does not name yet, and no pack of ours counts towards
 * `gc.autoPackLimit`. The `.keep` says whose it is.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync, rmSync, statSync } from "node:fs";
import { link, open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "./durable.ts";
import type { ObjectFormat, Pack } from "./pack.ts";
import { type PackName, PackNames } from "./pack-names.ts";
import { isGcInTheWay } from "./user-gc.ts";

/** Git looks at the packs some milliseconds after it has written `gc.pid`: so many are gone before. */
const REMOVED_AT_ONCE = 20;

/** Not `tmp_…`, which git's own housekeeping deletes under our hands; not ending in what git would open. */
const TEMPORARY = "cox_tmp_";

export interface OwnPack {
  name: string;
  bytes: number;
  /** Of one that this daemon has written, most of whose objects are not compressed: see {@link Pack}. */
  listing?: string;
}

export class PackFiles {
  private readonly folder: string;
  private readonly gitDir: string;
  private readonly ref: string;
  private readonly durable: boolean;
  private readonly names: PackNames;
  /** In bytes. */
  private readonly idLength: number;
  /** What a larger one holds as well, or nothing names. */
  private retired: string[] = [];
  /** The `.keep` that was made last. */
  private marked: string | undefined;

  constructor(options: { gitDir: string; ref: string; durability: "full" | "process"; format: ObjectFormat }) {
    this.gitDir = options.gitDir;
    this.folder = join(options.gitDir, "objects/pack");
    this.ref = options.ref;
    this.durable = options.durability === "full";
    this.idLength = options.format === "sha1" ? 20 : 32;
    this.names = new PackNames({
      gitDir: options.gitDir,
      length: 2 * this.idLength,
      make: async (name) => {
        await this.mark(name);
        await write(this.path(name, "pack"), [], "new", 0o600);
      },
      remove: (name) => this.remove(name),
    });
  }

  /**
   * Resolves when the pack can be read and, with `full`, lasts. Throws errno errors; then nothing of it is left.
   * Beside a gc it takes the longer, the more packs there are already.
   */
  async put({ pack, index, listing }: Pack, others: number): Promise<OwnPack> {
    const staged = join(this.folder, TEMPORARY + randomUUID());
    if (!existsSync(this.folder)) mkdirSync(this.folder, { recursive: true });
    const taken = await this.names.take(true);
    const { name } = taken;
    try {
      const works = [write(this.path(name, "pack"), pack, "over"), write(staged, index, "new")];
      for (const end of await Promise.allSettled(works)) if (end.status === "rejected") throw end.reason;
      await this.names.ripen(taken, others + this.retired.length);
      renameSync(staged, this.path(name, "idx"));
      if (this.durable) await syncFolder(this.folder);
      return { name, bytes: pack.reduce((sum, { length }) => sum + length, 0), listing };
    } catch (error) {
      await rm(staged, { force: true }).catch(() => {});
      await this.remove(name).catch(() => {});
      throw error;
    }
  }

  /** For a pack that takes its time: its name ages meanwhile. Bring it, or remove it. */
  reserve(): Promise<PackName> {
    return this.names.take(false);
  }

  /** A pack that git made in another folder, synced; under a name of ours. */
  async bring(taken: PackName, from: string): Promise<OwnPack> {
    const { name } = taken;
    await rename(`${from}.pack`, this.path(name, "pack"));
    await this.names.ripen(taken, 0);
    renameSync(`${from}.idx`, this.path(name, "idx"));
    await syncFolder(this.folder);
    const there = await this.find(name);
    if (!there) throw new Error(`the pack ${name} is gone`);
    return there;
  }

  /** To be removed when no gc is at work: it fails where a pack goes that it has listed. */
  retire(names: readonly string[]): void {
    this.retired.push(...names);
  }

  /** Whether all that was retired is gone. */
  async clear(): Promise<boolean> {
    while (this.retired.length > 0 && !isGcInTheWay(this.gitDir)) {
      const some = this.retired.slice(0, REMOVED_AT_ONCE);
      await this.dropCommonIndex(some);
      if (isGcInTheWay(this.gitDir)) break;
      this.retired = this.retired.filter((name) => !some.includes(name));
      try {
        // In the same turn: from now on nobody lists them. All else of them is in nobody's way.
        for (const name of some) rmSync(this.path(name, "idx"), { force: true });
        for (const name of some) await this.remove(name);
      } catch {
        // They are marked: the next start takes them up.
      }
    }
    return this.retired.length === 0;
  }

  /** Git's index over many packs, if it may name one of these: `git fsck` takes that for damage, and git drops it then too. */
  private async dropCommonIndex(names: readonly string[]): Promise<void> {
    const common = join(this.folder, "multi-pack-index");
    const written = statSync(common, { throwIfNoEntry: false })?.mtimeMs;
    if (written === undefined) return;
    const packs = await Promise.all(names.map((name) => stat(this.path(name, "pack")).catch(() => undefined)));
    if (packs.some((pack) => pack && pack.mtimeMs <= written)) await rm(common, { force: true });
  }

  /** Names that are in the folder for packs to come. */
  async rest(): Promise<void> {
    await this.names.clear();
  }

  /** The index first: a pack without one is invisible to git, an index without its pack an error. */
  async remove(name: string): Promise<void> {
    for (const kind of ["idx", "rev", "pack", "keep"]) await rm(this.path(name, kind), { force: true });
  }

  /**
   * Whole or not at all, after a power cut too: by what is in it the next start knows whose it is. Where it can be, it is
   * one more name of the last one, which is on disk already.
   */
  private async mark(name: string): Promise<void> {
    const keep = this.path(name, "keep");
    const last = this.marked;
    this.marked = keep;
    if (last && (await linked(last, keep))) return;
    const staged = join(this.folder, TEMPORARY + randomUUID());
    try {
      await write(staged, [Buffer.from(`${MARK}${this.ref}\n`)], "new");
      renameSync(staged, keep);
    } catch (error) {
      await rm(staged, { force: true });
      throw error;
    }
  }

  /** From now on it is git's like any other. */
  async release(name: string): Promise<void> {
    await rm(this.path(name, "keep"), { force: true });
  }

  /** Undefined for one that is not there. */
  async find(name: string): Promise<OwnPack | undefined> {
    const [pack] = await Promise.all([stat(this.path(name, "pack")), stat(this.path(name, "idx"))]).catch(() => []);
    return pack && { name, bytes: pack.size };
  }

  /** The objects in it as git reads them: each on a line. Else from its index (gitformat-pack, version 2), without paths. */
  async objects({ name, listing }: OwnPack): Promise<string> {
    if (listing !== undefined) return listing;
    const index = await readFile(this.path(name, "idx"));
    const from = 8 + 256 * 4;
    const count = index.readUInt32BE(from - 4);
    const length = this.idLength;
    const idAt = (place: number) => index.toString("hex", from + place * length, from + (place + 1) * length);
    return Array.from({ length: count }, (_, place) => `${idAt(place)}\n`).join("");
  }

  /** Those that are marked as this ledger's, and what a killed writer left half done is cleared away. */
  async own(): Promise<OwnPack[]> {
    const own: OwnPack[] = [];
    for (const file of await readdir(this.folder).catch(() => [])) {
      if (file.startsWith(TEMPORARY)) await clear(join(this.folder, file));
      const [, name] = /^pack-([0-9a-f]+)\.keep$/.exec(file) ?? [];
      if (!name) continue;
      const mark = await readFile(join(this.folder, file), "utf8").catch(() => "");
      if (mark.trim() !== MARK + this.ref) continue;
      const pack = await this.find(name);
      if (pack) own.push(pack);
      else await this.remove(name);
    }
    const objects = join(this.folder, "..");
    for (const name of await readdir(objects).catch(() => []))
      if (name.startsWith(ASIDE)) await clear(join(objects, name));
    return own;
  }

  path(name: string, kind: string): string {
    return join(this.folder, `pack-${name}.${kind}`);
  }
}

const MARK = "coxswain ";
/** How a folder in `objects/` begins where packs are made before they are brought in. */
export const ASIDE = "cox_";

/** Another ledger of this repository may be writing just now: only what is old is certainly nobody's. */
async function clear(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (found && Date.now() - found.mtimeMs > 60_000) await rm(path, { recursive: true, force: true });
}

function linked(from: string, to: string): Promise<boolean> {
  return link(from, to).then(
    () => true,
    () => false, // gone, or not on this file system
  );
}

async function write(path: string, content: readonly Buffer[], how: "new" | "over", mode = 0o444): Promise<void> {
  const [only] = content;
  const bytes = content.length === 1 && only ? only : Buffer.concat(content);
  const file = await open(path, how === "new" ? "wx" : "w", mode);
  try {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    if (how === "over") await file.chmod(mode);
    // In either durability: a ref that names what has no content would be worse than a ref that is behind.
    await file.sync();
    const { size } = await file.stat();
    if (size !== bytes.length) throw new Error(`wrote ${size} of ${bytes.length} bytes of ${path}`);
  } finally {
    await file.close();
  }
}
