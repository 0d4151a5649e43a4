/** Makes commits: a pack for each batch, written by us; the ref is moved by git. See docs/decisions/0007. */
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { readFile, writeFile } from "node:fs/promises";
import { gatherPacks, toGather, writeCommitGraph } from "./gather.ts";
import { git } from "./git.ts";
import { PackBuilder, type ObjectFormat } from "./pack.ts";
import { PackFiles, type OwnPack } from "./pack-files.ts";
import type { Sign } from "./sign.ts";
import { Folder } from "./tree.ts";
import { isGcInTheWay } from "./user-gc.ts";

/** One commit, ready to be written: redacted, dated. The same draft on the same parent is the same commit. */
export interface Draft {
  author: string;
  committer: string;
  /** Seconds since 1970. */
  authored: number;
  committed: number;
  message: string;
  /** Full paths in the tree; null removes. The last change of a path counts. */
  changes: { path: string; content: Buffer | null }[];
  /** A commit of another history, as one more parent. */
  joins?: string;
}

export interface WriterOptions {
  /** The common git directory. */
  gitDir: string;
  ref: string;
  format: ObjectFormat;
  durability: "full" | "process";
  /** A file that remembers, from one life to the next, which packs are the ledger's. */
  packList?: string;
  /** Its answer goes into the commit's header. */
  sign?: Sign;
}

const MANY_PACKS = 50;
const FEW_PACKS = 10;
/** What is worth housekeeping: packs to gather, commits that the graph does not have (each costs a reader its trees). */
const WHEN_BUSY = { packs: MANY_PACKS, commits: 1000 };
const WHEN_IDLE = { packs: FEW_PACKS, commits: 100 };
const LONGEST_TURN_MS = 10;
const LONGEST_CLOSE_MS = 2000;
const LOOK_FOR_GC_MS = 5;
const LARGEST_ROOM = 8 * 1024 * 1024;

export class Writer {
  private readonly options: WriterOptions;
  private readonly files: PackFiles;
  private packs: OwnPack[] = [];
  /** Of an earlier life, kept no more. They cannot be kept again: a `git gc` may have chosen them already. */
  private former: OwnPack[] = [];
  private tree: { tip: string | null; root: Folder } | undefined;
  private gathering: Promise<void> | undefined;
  private enough = WHEN_BUSY;
  /** Housekeeping waits for the end of a gc. */
  private waiting: Promise<void> | undefined;
  private readonly hurry = new AbortController();
  private sinceGraph = 0;
  /** For the next pack: a large session's is megabytes, each time. */
  private room: Buffer | undefined;

  constructor(options: WriterOptions) {
    this.options = options;
    this.files = new PackFiles(options);
  }

  /** Takes over the packs of the life before. Call it while no other writer of this ledger lives. */
  async open(): Promise<void> {
    const { packList } = this.options;
    const listed = packList ? await readFile(packList, "utf8").catch(() => "") : "";
    this.packs = await this.files.own();
    for (const name of listed.split("\n").filter((line) => /^[0-9a-f]{40,64}$/.test(line))) {
      const found = this.packs.some((pack) => pack.name === name) ? undefined : await this.files.find(name);
      if (found) this.former.push(found);
    }
  }

  /**
   * The objects of these commits, each on the one before, the first on `parent`. They are on disk when it resolves and
   * are kept, but nothing names them yet: move the ref, or {@link Prepared.discard} them. Throws errno errors.
   */
  async prepare(parent: string | null, drafts: AsyncIterable<Draft>): Promise<Prepared> {
    const pack = new PackBuilder(this.options.format, this.room);
    this.room = undefined;
    try {
      const { root } = (this.tree = this.tree?.tip === parent ? this.tree : await this.read(parent));
      const commits: string[] = [];
      let turn = performance.now();
      const pass = async () => {
        if (performance.now() - turn < LONGEST_TURN_MS) return;
        await breathe();
        turn = performance.now();
      };
      for await (const draft of drafts) {
        for (const { path, content } of draft.changes) if (content === null) root.set(path, null);
        for (const { path, content } of draft.changes) {
          if (content === null) continue;
          root.set(path, pack.blob(content, path));
          await pass();
        }
        const tree = root.write((encoded) => pack.tree(encoded)) ?? pack.tree({ name: "", bytes: Buffer.alloc(0) });
        const parents = [commits.at(-1) ?? parent, draft.joins].filter((id) => id !== null && id !== undefined);
        commits.push(pack.commit(await this.commit(tree, parents, draft)));
        await pass();
      }
      const written = await this.files.put(pack.finish(), this.count);
      this.packs.push(written);
      this.tree = { tip: commits.at(-1) ?? parent, root };
      if (pack.room.length <= LARGEST_ROOM) this.room = pack.room;
      this.sinceGraph += commits.length;
      return { commits, discard: () => this.discard(written) };
    } catch (error) {
      this.tree = undefined; // it has changes that no commit has
      throw error;
    }
  }

  /** Path → blob id at `tip`, the prefix `.workflow/` taken off. */
  async list(tip: string | null): Promise<Map<string, string>> {
    const { root } = (this.tree = this.tree?.tip === tip ? this.tree : await this.read(tip));
    const files = new Map<string, string>();
    for (const [path, id] of root.files())
      if (path.startsWith(".workflow/")) files.set(path.slice(".workflow/".length), id);
    return files;
  }

  /** After a batch: housekeeping in the background, if there is enough to do. */
  settle(tip: string): void {
    if (this.count >= this.enough.packs || this.sinceGraph >= this.enough.commits) this.keepHouse(tip);
  }

  /** Housekeeping when nothing goes on. What a gc of the user's is in the way of comes when that has ended. */
  async tidy(tip: string | null): Promise<void> {
    await this.gathering;
    this.enough = WHEN_IDLE;
    if (tip !== null) this.keepHouse(tip);
    await this.gathering;
    this.room = undefined;
    await this.files.rest();
  }

  /** Takes some seconds at most. */
  async close(tip: string | null): Promise<void> {
    const late = setTimeout(() => this.hurry.abort(), LONGEST_CLOSE_MS);
    await this.tidy(tip);
    await this.waiting;
    await this.gathering;
    clearTimeout(late);
    this.hurry.abort();
    // Many small ones stay kept, and are found by that: unkept they would make the user's next commit start a gc.
    if (this.count >= MANY_PACKS) return;
    const { packList } = this.options;
    const names = [...this.packs, ...this.former].map(({ name }) => `${name}\n`);
    // Where its folder is not there any more, the packs are git's own from now on.
    if (packList) await writeFile(packList, names.join("")).catch(() => {});
    // What the ref names needs no protection. What a moved ref no longer names is for the user's gc, in its own time.
    for (const { name } of this.packs) await this.files.release(name).catch(() => {});
  }

  private get count(): number {
    return this.packs.length + this.former.length;
  }

  /** Nothing is gathered while what was gathered before cannot go: each byte is there twice at most. */
  private keepHouse(tip: string): void {
    if (this.waiting || this.gathering) return;
    const { packs, commits } = this.enough;
    this.enough = WHEN_BUSY;
    const work = async () => {
      if (this.count >= packs) await this.gather(tip);
      if (this.sinceGraph >= commits) await this.writeGraph(tip);
    };
    this.gathering = work()
      .catch(() => {}) // the small packs stay, and serve as well
      .finally(() => (this.gathering = undefined));
  }

  private keepHouseLater(tip: string | null): void {
    const { signal } = this.hurry;
    const quiet = async () => {
      do await sleep(LOOK_FOR_GC_MS, undefined, { ref: false, signal });
      while (!(await this.files.clear()));
    };
    this.waiting ??= quiet()
      .finally(() => (this.waiting = undefined))
      .then(() => {
        if (tip !== null) this.keepHouse(tip);
      })
      .catch(() => {}); // it is closed: what is left is marked
  }

  private async gather(tip: string): Promise<void> {
    const { gitDir } = this.options;
    const { signal } = this.hurry;
    while (!signal.aborted) {
      // A gc takes those of a former life.
      this.former = (await Promise.all(this.former.map(({ name }) => this.files.find(name)))).filter((one) => !!one);
      const some = toGather([...this.packs, ...this.former], FEW_PACKS);
      const made = some.length > 0 ? await gatherPacks(gitDir, this.files, some, signal) : undefined;
      if (!made) return;
      const rest = (packs: OwnPack[]) => packs.filter((pack) => !some.includes(pack));
      this.packs = [...rest(this.packs), made];
      this.former = rest(this.former);
      this.files.retire(some.map(({ name }) => name));
      if (!(await this.files.clear())) return this.keepHouseLater(tip);
    }
  }

  private async writeGraph(tip: string): Promise<void> {
    // Git's own writing of the graph takes the same lock, and fails where that is held.
    if (isGcInTheWay(this.options.gitDir)) return;
    this.sinceGraph = 0;
    await writeCommitGraph(this.options.gitDir, tip, this.hurry.signal);
  }

  private async discard(pack: OwnPack): Promise<void> {
    this.tree = undefined;
    this.packs = this.packs.filter(({ name }) => name !== pack.name);
    this.files.retire([pack.name]);
    if (!(await this.files.clear())) this.keepHouseLater(null);
  }

  private async read(tip: string | null): Promise<{ tip: string | null; root: Folder }> {
    if (tip === null) return { tip, root: new Folder() };
    const { gitDir } = this.options;
    const own = { cwd: gitDir, gitDir };
    const listed = await git(["ls-tree", "-r", "-t", "-z", "--full-tree", tip], own);
    const id = await git(["rev-parse", "--verify", `${tip}^{tree}`], own);
    if (listed.code !== 0 || id.code !== 0)
      throw new Error(`the ledger could not be read: ${listed.stderr || id.stderr}`);
    const entries = listed.stdout
      .toString()
      .split("\0")
      .filter(Boolean)
      .map((line) => {
        const tab = line.indexOf("\t");
        const [mode = "", , entry = ""] = line.slice(0, tab).split(" ");
        return { mode, id: entry, path: line.slice(tab + 1) };
      });
    return { tip, root: Folder.of(id.stdout.toString().trim(), entries) };
  }

  private async commit(tree: string, parents: readonly string[], draft: Draft): Promise<Buffer> {
    const { author, authored, committer, committed, message } = draft;
    const head =
      `tree ${tree}\n${parents.map((parent) => `parent ${parent}\n`).join("")}` +
      `author ${author} ${authored} +0000\ncommitter ${committer} ${committed} +0000\n`;
    const { sign, format } = this.options;
    if (!sign) return Buffer.from(`${head}\n${message}`);
    const signature = (await sign(Buffer.from(`${head}\n${message}`))).trimEnd().replaceAll("\n", "\n ");
    return Buffer.from(`${head}${format === "sha1" ? "gpgsig" : "gpgsig-sha256"} ${signature}\n\n${message}`);
  }
}

export interface Prepared {
  /** Their ids, in order. */
  commits: string[];
  /** Nothing will name them. */
  discard(): Promise<void>;
}
