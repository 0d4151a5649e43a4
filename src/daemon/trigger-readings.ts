/** How things stand that triggers are about: refs and files of the repository, read now and then while nobody waits. */
import { createHash } from "node:crypto";
import { lstatSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { git } from "../ledger/git.ts";
import type { Refs } from "../workflow/due.ts";
import { steady } from "./steady.ts";
import type { Workspace } from "./workspace.ts";

export interface FilesReading {
  digest: string;
  /** Paths that are otherwise than at the reading before; empty at the first. */
  changed: string[];
  /** When it began, by the steady clock. */
  at: number;
}

export interface Wanted {
  refs: boolean;
  /** By the trigger's key. */
  globs: ReadonlyMap<string, readonly string[]>;
}

const REFS = "refs";
/** Reading may take this share of the time at most. */
const SHARE = 10;
/** Files must have stayed as they are for so long: a checkout or a build writes many. */
const SETTLE_MS = 500;
const MOST_FILES = 20_000;
const LARGEST = 8 * 1024 * 1024;

interface Files {
  /** Path → size and times, content's hash. */
  seen: Map<string, { signature: string; hash: string }>;
  latest: string;
  settled?: FilesReading;
  settledHashes: Map<string, string>;
}

export class Readings {
  refs: Refs | undefined;
  private readonly workspace: Workspace;
  private readonly byGlobs = new Map<string, Files>();
  private reading = false;
  private nextAt = 0;
  private readonly told = new Set<string>();
  /** What was tried to be read. */
  private readonly tried = new Set<string>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** How things stood when they last kept still. */
  files(key: string): FilesReading | undefined {
    return this.byGlobs.get(key)?.settled;
  }

  /** Whether something has not kept still yet, or was not read yet. */
  get restless(): boolean {
    return this.reading || [...this.byGlobs.values()].some(({ latest, settled }) => settled?.digest !== latest);
  }

  /** In how many ms it is time to read again. */
  get dueIn(): number {
    return Math.max(1, this.nextAt - steady());
  }

  /** Reads what is due; what is returned ends with it. `every`: in ms. */
  begin({ refs, globs }: Wanted, every: number): Promise<void> | undefined {
    const all = new Set([...globs.keys(), ...(refs ? [REFS] : [])]);
    for (const key of this.byGlobs.keys()) if (!globs.has(key)) this.byGlobs.delete(key);
    for (const key of this.tried) if (!all.has(key)) this.tried.delete(key);
    if (!refs) this.refs = undefined;
    const isNew = [...all].some((key) => !this.tried.has(key));
    if (this.reading || (!refs && globs.size === 0) || (steady() < this.nextAt && !isNew)) return undefined;
    this.reading = true;
    for (const key of all) this.tried.add(key);
    const began = steady();
    return this.read({ refs, globs }, began)
      .then((isSettled) => {
        const rest = Math.max(every, (steady() - began) * SHARE);
        this.nextAt = steady() + (isSettled ? rest : SETTLE_MS);
      })
      .finally(() => (this.reading = false));
  }

  private async read({ refs, globs }: Wanted, at: number): Promise<boolean> {
    if (refs) this.refs = (await this.readRefs()) ?? this.refs;
    let isSettled = true;
    for (const [key, patterns] of globs) if (!(await this.readFiles(key, patterns, at))) isSettled = false;
    return isSettled;
  }

  private async readRefs(): Promise<Refs | undefined> {
    const { commonDir } = this.workspace;
    const args = ["for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/remotes", "refs/tags"];
    const { code, stdout } = await git(args, { cwd: commonDir, gitDir: commonDir });
    if (code !== 0) return undefined;
    const lines = stdout.toString("utf8").split("\n").filter(Boolean);
    return Object.fromEntries(
      lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]),
    );
  }

  /** Whether they have kept still. */
  private async readFiles(key: string, globs: readonly string[], at: number): Promise<boolean> {
    const { repository, gitDir, log } = this.workspace;
    const specs = globs.map((glob) => `:(glob)${glob}`);
    const args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ...specs];
    const { code, stdout } = await git(args, { cwd: repository, gitDir });
    const paths = [...new Set(stdout.toString("utf8").split("\0").filter(Boolean))].sort();
    if (code !== 0) return true;
    if (paths.length > MOST_FILES) {
      if (!this.told.has(key))
        log.say("warn", `${paths.length} files are more than ${MOST_FILES}: ${globs.join(", ")} is not watched`);
      this.told.add(key);
      return true;
    }
    const before = this.byGlobs.get(key);
    const seen: Files["seen"] = new Map();
    for (const path of paths) {
      const known = await this.hashOf(path, before?.seen.get(path));
      if (known) seen.set(path, known);
    }
    const hash = createHash("sha256");
    for (const [path, each] of seen) hash.update(`${path}\0${each.hash}\n`);
    const latest = hash.digest("hex");
    const files: Files = before ?? { seen, latest: "", settledHashes: new Map() };
    const isStill = files.latest === latest;
    if (isStill && files.settled?.digest !== latest) {
      const hashes = new Map([...seen].map(([path, each]) => [path, each.hash]));
      const all = new Set([...hashes.keys(), ...files.settledHashes.keys()]);
      const changed = files.settled
        ? [...all].filter((path) => hashes.get(path) !== files.settledHashes.get(path))
        : [];
      files.settledHashes = hashes;
      files.settled = { digest: latest, changed: changed.sort(), at };
    } else if (isStill && files.settled) files.settled = { ...files.settled, at };
    this.byGlobs.set(key, Object.assign(files, { seen, latest }));
    return isStill;
  }

  private async hashOf(
    path: string,
    before: { signature: string; hash: string } | undefined,
  ): Promise<{ signature: string; hash: string } | undefined> {
    const full = join(this.workspace.repository, path);
    try {
      const stat = lstatSync(full, { throwIfNoEntry: false });
      if (!stat?.isFile()) return undefined;
      const { size, mtimeMs, ctimeMs, ino } = stat;
      const signature = `${size} ${mtimeMs} ${ctimeMs} ${ino}`;
      if (before?.signature === signature) return before;
      const content = size > LARGEST ? signature : await readFile(full);
      return { signature, hash: createHash("sha256").update(content).digest("hex") };
    } catch {
      return undefined; // gone meanwhile
    }
  }
}
