/** The ledger: one commit on a git ref for each entry, acknowledged when it is durable. SPEC section 7. */
import { createHash, randomUUID } from "node:crypto";
import { isUtf8 } from "node:buffer";
import { setTimeout as sleep } from "node:timers/promises";
import { type Instant, toMs } from "../model/time.ts";
import { openObjects } from "./cat-file.ts";
import { loosePacks, syncFolders } from "./durable.ts";
import { startFastImport } from "./fast-import.ts";
import { findRepository, git, type GitTrouble, type Repository } from "./git.ts";
import { COXSWAIN, badPath, ident, message } from "./message.ts";
import { clearRemains, releaseKeptPacks } from "./remains.ts";
import { type Draft, SALT, type Writer, WriterDied } from "./writer.ts";

export interface LedgerEntry {
  subject: string;
  trailers: [key: string, value: string][];
  actor: "daemon" | "person";
  at: Instant;
  /** Paths relative to `.workflow/`, with forward slashes; null content: deleted. The last change of a path counts. */
  changes: { path: string; content: Buffer | null }[];
}

export interface Ledger {
  /** Newest recorded commit, null for a ledger not yet begun. */
  readonly tip: string | null;
  /**
   * One commit for each entry, in order; resolves when all are durable (`full`: objects, ref and folders are synced;
   * always: the ref was read back). Concurrent calls queue: while one batch is written the next gathers. A call's
   * entries are recorded all or none. Rejects with {@link LedgerMoved} or {@link LedgerUnwritable}.
   */
  record(entries: readonly LedgerEntry[]): Promise<{ commits: string[] }>;
  /** Path (relative to `.workflow/`) → blob id, at the tip. */
  files(): Promise<Map<string, string>>;
  /** A file's recorded bytes at a commit (default: the tip); null when there is none. */
  read(path: string, commit?: string): Promise<Buffer | null>;
  /** The blob id that recording these bytes gives, redaction included: what to compare with {@link files}. */
  blobId(content: Buffer): string;
  /** Housekeeping when idle; safe at any time. */
  tidy(): Promise<void>;
  /** Waits for what is queued, then ends all processes. */
  close(): Promise<void>;
}

export interface LedgerOptions {
  /** A directory of the repository. */
  repository: string;
  /** Full name, outside refs/heads, refs/tags and refs/remotes. */
  ref: string;
  /** `process`: survives the end of any process; `full`: a power cut too. */
  durability: "full" | "process";
  /** Applied to contents that are UTF-8 text, to subjects and to trailers' values. */
  redact: (text: string) => string;
}

/**
 * Somebody else moved the ref. Nothing was overwritten; `entries` are not recorded, and neither is any later call
 * until the ledger is opened again, which begins at what is found then.
 */
export class LedgerMoved extends Error {
  override name = "LedgerMoved";
  readonly ref: string;
  readonly expected: string | null;
  readonly found: string | null;
  readonly entries: readonly LedgerEntry[];
  constructor(moved: { ref: string; expected: string | null; found: string | null; entries: readonly LedgerEntry[] }) {
    const id = (commit: string | null) => commit?.slice(0, 12) ?? "nothing";
    super(`${moved.ref} was moved by another writer: expected ${id(moved.expected)}, found ${id(moved.found)}`);
    ({ ref: this.ref, expected: this.expected, found: this.found, entries: this.entries } = moved);
  }
}

/** Git could not write (disk full, no permission, a held lock). `entries` are not recorded; a later call may succeed. */
export class LedgerUnwritable extends Error {
  override name = "LedgerUnwritable";
  readonly reason: string;
  readonly entries: readonly LedgerEntry[];
  constructor(reason: string, entries: readonly LedgerEntry[]) {
    super(`the ledger could not be written: ${reason}`);
    this.reason = reason;
    this.entries = entries;
  }
}

const PREFIX = ".workflow/";
/** A writer's packs cannot be repacked while it lives, and each makes the next batch a little slower. */
const BATCHES_OF_A_WRITER = 50;
const LARGEST_BATCH = 1000;
const FEW_PACKS = 10;
const PAUSES_MS = [0, 0, 10, 30, 80, 150, 300, 600, 1200];

interface Waiting {
  entries: readonly LedgerEntry[];
  resolve: (recorded: { commits: string[] }) => void;
  reject: (error: Error) => void;
}

export async function openLedger(options: LedgerOptions): Promise<{ ok: Ledger } | { problem: GitTrouble }> {
  const found = await findRepository(options.repository);
  if ("problem" in found) return found;
  const repository = found.ok;
  const [badRef, person] = await Promise.all([refTrouble(options.ref, repository), configuredPerson(repository)]);
  if (badRef) return { problem: badRef };
  await clearRemains({ commonDir: repository.commonDir, ref: options.ref });
  const begin = await readTip(repository, options.ref);
  return "problem" in begin ? begin : { ok: ledgerAt({ ...options, repository, person, ...begin }) };
}

function ledgerAt(
  at: Omit<LedgerOptions, "repository"> & {
    repository: Repository;
    person: string;
    tip: string | null;
    seconds: number;
  },
): Ledger {
  const { repository, ref, redact } = at;
  const gitDir = repository.commonDir;
  const own = { cwd: gitDir, gitDir };
  const objects = openObjects(gitDir);
  let { tip, seconds } = at;
  let writer: Writer | undefined;
  const queue: Waiting[] = [];
  let turn: Promise<void> = Promise.resolve();
  let gathering = false;
  let moved: { ref: string; expected: string | null; found: string | null } | undefined;
  let repacking: Promise<void> | undefined;
  let closed = false;

  /** Runs when all that was asked for before has ended: only one thing at a time touches the writer. */
  const inTurn = (act: () => Promise<void>): Promise<void> => {
    const done = turn.then(act);
    turn = done.catch(() => {});
    return done;
  };
  const published = async () => (await objects.get(ref))?.id ?? null;

  const text = (content: Buffer): Buffer => {
    if (!isUtf8(content)) return content;
    const before = content.toString();
    const after = redact(before);
    return after === before ? content : Buffer.from(after);
  };
  const draft = (entry: LedgerEntry): Draft => {
    const ms = toMs(entry.at);
    const authored = Number.isFinite(ms) ? Math.max(0, Math.floor(ms / 1000)) : seconds;
    seconds = Math.max(seconds, authored); // a clock set back must not turn history round
    const last = new Map(entry.changes.map((change) => [change.path, change.content]));
    return {
      author: entry.actor === "person" ? at.person : COXSWAIN,
      committer: COXSWAIN,
      authored,
      committed: seconds,
      message: message(entry, redact),
      changes: [...last].map(([path, content]) => ({ path: PREFIX + path, content: content && text(content) })),
    };
  };

  /**
   * A batch is tried again with a new writer when the first died. The same drafts on the same parent are the same
   * commits, so it does not matter whether the dead one had published them. The ref is compared first, and git itself
   * refuses (by a warning only) to move a ref to where its commits would be lost: hence the second look.
   */
  const publish = async (drafts: Draft[], entries: readonly LedgerEntry[]): Promise<string[]> => {
    let trouble = "";
    const fail = (found: string | null) => {
      moved = { ref, expected: tip, found };
      return new LedgerMoved({ ...moved, entries });
    };
    for (const [attempt, pause] of PAUSES_MS.entries()) {
      if (attempt > 0) {
        await sleep(pause);
        await clearRemains({ commonDir: gitDir, ref });
      } else {
        const found = await published();
        if (found !== tip) throw fail(found);
      }
      writer ??= startFastImport({ gitDir, ref, durability: at.durability });
      try {
        const commits = await writer.write(tip, drafts, attempt > 0 ? SALT + randomUUID() : undefined);
        const found = await published();
        if (found === commits.at(-1)) return commits;
        await writer.kill();
        writer = undefined;
        await clearRemains({ commonDir: gitDir, ref });
        if (found !== tip) throw fail(found);
        trouble = "git did not update the ref";
      } catch (error) {
        if (!(error instanceof WriterDied)) throw error;
        writer = undefined;
        trouble = error.message;
      }
    }
    throw new LedgerUnwritable(trouble, entries);
  };

  const flush = async () => {
    gathering = false;
    const batch: Waiting[] = [];
    for (let size = 0; queue[0] && (size === 0 || size + queue[0].entries.length <= LARGEST_BATCH);) {
      size += queue[0].entries.length;
      batch.push(...queue.splice(0, 1));
    }
    if (queue.length > 0) gather();
    const entries = batch.flatMap((one) => one.entries);
    const before = seconds;
    try {
      if (moved) throw new LedgerMoved({ ...moved, entries });
      const commits = await publish(entries.map(draft), entries);
      if (at.durability === "full") await syncFolders(gitDir, ref);
      tip = commits.at(-1) ?? tip;
      for (const one of batch) one.resolve({ commits: commits.splice(0, one.entries.length) });
    } catch (error) {
      seconds = before;
      for (const one of batch) one.reject(forCaller(error, one.entries));
    }
    if ((writer?.batches ?? 0) >= BATCHES_OF_A_WRITER) await recycle();
  };
  const gather = () => {
    if (gathering) return;
    gathering = true;
    void inTurn(flush);
  };

  const endWriter = async () => {
    await writer?.end();
    writer = undefined;
    if (tip !== null && !moved) await releaseKeptPacks(gitDir);
  };
  const recycle = async () => {
    await endWriter();
    void repack();
  };
  const repack = (): Promise<void> => (repacking ??= repackLedger().finally(() => (repacking = undefined)));
  const repackLedger = async () => {
    if (closed || (await loosePacks(gitDir)) < FEW_PACKS) return;
    // Git before 2.53 mixes up promised objects in a geometric repack: a partial clone is left to its owner's gc.
    if ((await git(["config", "--get", "extensions.partialClone"], own)).code === 0) return;
    await git(["repack", "--geometric=2", "-d", "-l", "-n", "-q"], { ...own, config: ["repack.writeBitmaps=false"] });
  };

  return {
    get tip() {
      return tip;
    },
    async record(entries) {
      if (closed) throw new LedgerUnwritable("it is closed", entries);
      for (const { path } of entries.flatMap((entry) => entry.changes)) {
        const bad = badPath(path);
        if (bad) throw new LedgerUnwritable(`the path ${JSON.stringify(path)} cannot be recorded: ${bad}`, entries);
      }
      if (entries.length === 0) return { commits: [] };
      return new Promise((resolve, reject) => {
        queue.push({ entries, resolve, reject });
        gather();
      });
    },
    async files() {
      const files = new Map<string, string>();
      if (tip === null) return files;
      const tree = await git(["ls-tree", "-r", "-z", "--full-tree", tip, PREFIX], own);
      if (tree.code !== 0) throw new Error(`the ledger could not be read: ${tree.stderr}`);
      for (const line of tree.stdout.toString().split("\0")) {
        const match = /^100\d+ blob ([0-9a-f]+)\t\.workflow\/(.*)$/s.exec(line);
        if (match?.[1] && match[2]) files.set(match[2], match[1]);
      }
      return files;
    },
    async read(path, commit = tip ?? undefined) {
      if (commit === undefined || badPath(path)) return null;
      if (!/^[0-9a-f]{4,64}$/.test(commit)) throw new Error(`not a commit id: ${commit}`);
      const object = await objects.get(`${commit}:${PREFIX}${path}`);
      return object?.type === "blob" ? object.content : null;
    },
    blobId(content) {
      const bytes = text(content);
      return createHash(repository.objectFormat).update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
    },
    async tidy() {
      await inTurn(async () => {
        if (writer && writer.batches >= FEW_PACKS) await recycle();
      });
      await repack();
    },
    async close() {
      closed = true;
      while (gathering) await turn;
      await inTurn(endWriter);
      await Promise.all([objects.close(), repacking]);
    },
  };
}

/** A batch fails as one; each caller gets the error with its own entries. */
function forCaller(error: unknown, entries: readonly LedgerEntry[]): Error {
  if (error instanceof LedgerMoved) {
    const { ref, expected, found } = error;
    return new LedgerMoved({ ref, expected, found, entries });
  }
  if (error instanceof LedgerUnwritable) return new LedgerUnwritable(error.reason, entries);
  return new LedgerUnwritable(String(error), entries);
}

async function configuredPerson({ root: cwd }: Repository): Promise<string> {
  const value = async (key: string) => (await git(["config", "--get", key], { cwd })).stdout.toString().trim();
  const [name, email] = await Promise.all([value("user.name"), value("user.email")]);
  return ident(name, email);
}

async function refTrouble(ref: string, { root: cwd }: Repository): Promise<GitTrouble | undefined> {
  const hint = "Set ledger.ref to a full name such as refs/cox/ledger.";
  if (/^refs\/(?:heads|tags|remotes)\//.test(ref)) {
    return {
      code: "ledger-ref",
      message: `${ref} is a place for branches or tags, which git commands move and delete.`,
      hint,
    };
  }
  const valid = ref.startsWith("refs/") && (await git(["check-ref-format", ref], { cwd })).code === 0;
  return valid ? undefined : { code: "ledger-ref", message: `${ref} is not the name of a git ref.`, hint };
}

/** Where the ledger stands, with the time of its newest commit (seconds since 1970). */
async function readTip(
  repository: Repository,
  ref: string,
): Promise<{ tip: string | null; seconds: number } | { problem: GitTrouble }> {
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const line = await git(["for-each-ref", "--format=%(objectname) %(objecttype) %(committerdate:raw)", ref], own);
  const [id, type, seconds] = line.stdout.toString().trim().split(" ");
  if (line.code === 0 && !id && line.stderr === "") return { tip: null, seconds: 0 };
  if (line.code === 0 && id && type === "commit") return { tip: id, seconds: Number(seconds) };
  const message = `${ref} cannot be read as a ledger: ${line.stderr || `it names a ${type}`}`;
  return {
    problem: {
      code: "ledger-damaged",
      message,
      hint: "See git fsck; fetch the ref from where it was pushed, or delete it to begin anew.",
    },
  };
}
