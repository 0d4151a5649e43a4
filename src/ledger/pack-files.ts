/**
 * Packs of the ledger on disk. Each has a `.keep` from before it can be seen until it is gathered into a larger one: so
 * no `git gc --prune=now` of the user's takes what the ref does not name yet, and no pack of ours counts towards
 * `gc.autoPackLimit`. The `.keep` says whose it is.
 */
import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { open, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { syncFolder } from "./durable.ts";
import type { Pack } from "./pack.ts";

/** Not `tmp_…`, which git's own housekeeping deletes under our hands; not ending in what git would open. */
const TEMPORARY = "cox_tmp_";

export interface OwnPack {
  name: string;
  bytes: number;
}

export class PackFiles {
  private readonly folder: string;
  private readonly ref: string;
  private readonly durable: boolean;

  constructor(options: { gitDir: string; ref: string; durability: "full" | "process" }) {
    this.folder = join(options.gitDir, "objects/pack");
    this.ref = options.ref;
    this.durable = options.durability === "full";
  }

  /** Resolves when the pack can be read and, with `full`, lasts. Throws errno errors; then nothing of it is left. */
  async put({ name, pack, index }: Pack): Promise<OwnPack> {
    const staged = [pack, index].map((content) => ({ content, at: join(this.folder, TEMPORARY + randomUUID()) }));
    try {
      if (!existsSync(this.folder)) mkdirSync(this.folder, { recursive: true });
      const works = [this.mark(name), ...staged.map(({ at, content }) => write(at, content))];
      for (const end of await Promise.allSettled(works)) if (end.status === "rejected") throw end.reason;
      renameSync(staged[0]?.at ?? "", this.path(name, "pack"));
      renameSync(staged[1]?.at ?? "", this.path(name, "idx"));
      if (this.durable) await syncFolder(this.folder);
      return { name, bytes: pack.reduce((sum, { length }) => sum + length, 0) };
    } catch (error) {
      await Promise.all(staged.map(({ at }) => rm(at, { force: true }).catch(() => {})));
      await this.remove(name).catch(() => {});
      throw error;
    }
  }

  /** A pack that git made in another folder, synced. */
  async bring(name: string, from: string): Promise<OwnPack> {
    await this.mark(name);
    for (const kind of ["pack", "idx"]) await rename(join(from, `pack-${name}.${kind}`), this.path(name, kind));
    await syncFolder(this.folder);
    const there = await this.find(name);
    if (!there) throw new Error(`the pack ${name} is gone`);
    return there;
  }

  /** The index first: a pack without one is invisible to git, an index without its pack an error. */
  async remove(name: string): Promise<void> {
    for (const kind of ["idx", "rev", "pack", "keep"]) await rm(this.path(name, kind), { force: true });
  }

  /** Whole or not at all, after a power cut too: by what is in it the next start knows whose it is. */
  private async mark(name: string): Promise<void> {
    const staged = join(this.folder, TEMPORARY + randomUUID());
    try {
      await write(staged, [Buffer.from(`${MARK}${this.ref}\n`)]);
      renameSync(staged, this.path(name, "keep"));
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

async function write(path: string, content: readonly Buffer[]): Promise<void> {
  const bytes = Buffer.concat(content);
  const file = await open(path, "wx", 0o444);
  try {
    for (let at = 0; at < bytes.length;) at += (await file.write(bytes, at)).bytesWritten;
    // In either durability: a ref that names what has no content would be worse than a ref that is behind.
    await file.sync();
    const { size } = await file.stat();
    if (size !== bytes.length) throw new Error(`wrote ${size} of ${bytes.length} bytes of ${path}`);
  } finally {
    await file.close();
  }
}
