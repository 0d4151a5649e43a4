/** The ledger: one commit on a git ref for each entry, acknowledged when it is durable. SPEC section 7. */
import { writeFileSync } from "node:fs";
import { setImmediate as breathe, setTimeout as sleep } from "node:timers/promises";
import { type Instant, toMs } from "../model/time.ts";
import { openObjects } from "./cat-file.ts";
import { syncRef } from "./durable.ts";
import { findRepository, git, type GitTrouble, type Repository } from "./git.ts";
import { COXSWAIN, badPath, ident, message, redactMessage } from "./message.ts";
import { objectId } from "./pack.ts";
import { redactBytes } from "./redact-bytes.ts";
import { openRef } from "./ref.ts";
import { clearRefLock } from "./ref-lock.ts";
import { signer } from "./sign.ts";
import { type Draft, type Prepared, Writer, type WriterOptions } from "./writer.ts";

export interface LedgerEntry {
  subject: string;
  trailers: [key: string, value: string][];
  actor: "daemon" | "person";
  at: Instant;
  /** Paths relative to `.workflow/`, with forward slashes; null content: deleted. The last change of a path counts. */
  changes: { path: string; content: Buffer | null }[];
  /** A commit of another history that this one joins with ours: its second parent. */
  joins?: string;
}

export interface Ledger {
  /** Newest recorded commit, null for a ledger not yet begun. */
  readonly tip: string | null;
  /**
   * One commit for each entry, in order; resolves when all are durable (`full`: objects, ref and folders are synced;
   * always: the ref was read back). Concurrent calls queue: while one batch is written the next gathers. A call's
   * entries are recorded all or none. Rejects with {@link LedgerMoved} or {@link LedgerUnwritable}.
   *
   * With `ready` the objects are made meanwhile, and the ref is moved once it has resolved; where it rejects, nothing is
   * recorded and the call rejects with the same.
   */
  record(entries: readonly LedgerEntry[], ready?: Promise<unknown>): Promise<{ commits: string[] }>;
  /** What the ref names at this moment: the tip, unless somebody else moved it. */
  found(): Promise<string | null>;
  /** Path (relative to `.workflow/`) → blob id, at the tip. */
  files(): Promise<Map<string, string>>;
  /** A file's recorded bytes at a commit (default: the tip); null when there is none. */
  read(path: string, commit?: string): Promise<Buffer | null>;
  /** The blob id that recording these bytes gives, redaction included: what to compare with {@link files}. */
  blobId(content: Buffer): string;
  /** The blob id of these bytes as they are. */
  plainId(content: Buffer): string;
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
  /** Applied to contents, in whatever encoding their text is, to subjects and to trailers' values. */
  redact: (text: string) => string;
  /** A file outside the repository's own that remembers which packs are the ledger's. */
  packList?: string;
  /** A file that holds the ref and the newest commit recorded here, so that the next life sees whether somebody moved the ref. */
  tipFile?: string;
  /** Signs each commit with the user's SSH key. */
  sign?: boolean;
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
const LARGEST_BATCH = 1000;
/** To redact so many bytes takes some milliseconds. */
const LARGE = 128 * 1024;
const PAUSES_MS = [0, 0, 30, 150, 600];

interface Waiting {
  entries: readonly LedgerEntry[];
  ready: Promise<unknown> | undefined;
  resolve: (recorded: { commits: string[] }) => void;
  reject: (error: Error) => void;
}

export async function openLedger(options: LedgerOptions): Promise<{ ok: Ledger } | { problem: GitTrouble }> {
  const found = await findRepository(options.repository);
  if ("problem" in found) return found;
  const repository = found.ok;
  const [badRef, person] = await Promise.all([refTrouble(options.ref, repository), configuredPerson(repository)]);
  if (badRef) return { problem: badRef };
  const { ref, durability, packList } = options;
  await clearRefLock({ gitDir: repository.commonDir, ref });
  const begin = await readTip(repository, ref);
  if ("problem" in begin) return begin;
  const gitDir = repository.commonDir;
  const writing: WriterOptions = { gitDir, ref, durability, format: repository.objectFormat };
  const signing = options.sign ? await signer(repository.root) : undefined;
  if (signing && "problem" in signing) return signing;
  const writer = new Writer({
    ...writing,
    ...(packList === undefined ? {} : { packList }),
    ...(signing ? { sign: signing.ok } : {}),
  });
  await writer.open();
  return { ok: ledgerAt({ ...options, repository, person, writer, ...begin }) };
}

function ledgerAt(
  at: Omit<LedgerOptions, "repository"> & {
    repository: Repository;
    person: string;
    writer: Writer;
    tip: string | null;
    seconds: number;
  },
): Ledger {
  const { repository, ref, redact, writer, durability } = at;
  const gitDir = repository.commonDir;
  const objects = openObjects(gitDir);
  const mover = openRef({ gitDir, ref, durability });
  let { tip, seconds } = at;
  const queue: Waiting[] = [];
  let turn: Promise<void> = Promise.resolve();
  let gathering = false;
  let moved: { ref: string; expected: string | null; found: string | null } | undefined;
  let closed = false;

  /** Runs when all that was asked for before has ended: only one thing at a time touches the writer. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const done = turn.then(act);
    turn = done.then(
      () => {},
      () => {},
    );
    return done;
  };
  // Written in place: it is one block, and an older one makes the next start look closer, nothing more.
  let flag: "w" | "r+" = "w";
  const noteTip = () => {
    if (at.tipFile === undefined || tip === null) return;
    try {
      writeFileSync(at.tipFile, `${ref} ${tip}\n`, { flag });
      flag = "r+";
    } catch {
      // What cannot be noted is compared at the next start.
    }
  };
  noteTip();

  const published = async () => (await objects.get(ref))?.id ?? null;

  const text = (content: Buffer): Buffer => redactBytes(content, redact);
  const draft = async (entry: LedgerEntry): Promise<Draft> => {
    const ms = toMs(entry.at);
    const authored = Number.isFinite(ms) ? Math.max(0, Math.floor(ms / 1000)) : seconds;
    seconds = Math.max(seconds, authored); // a clock set back must not turn history round
    const last = new Map(entry.changes.map((change) => [change.path, change.content]));
    const changes: Draft["changes"] = [];
    for (const [path, content] of last) {
      changes.push({ path: PREFIX + path, content: content && text(content) });
      if (content && content.length >= LARGE) await breathe();
    }
    const told = redactMessage(entry, redact);
    const before = [...last.values()];
    const places =
      changes.reduce((sum, { content }, place) => sum + replaced(before[place], content), 0) +
      replacedIn(wordsOf(entry), wordsOf(told));
    const counted: LedgerEntry["trailers"] = places > 0 ? [["Cox-Redacted", String(places)]] : [];
    return {
      author: entry.actor === "person" ? at.person : COXSWAIN,
      committer: COXSWAIN,
      authored,
      committed: seconds,
      message: message({ subject: told.subject, trailers: [...told.trailers, ...counted] }),
      changes,
      ...(entry.joins === undefined ? {} : { joins: entry.joins }),
    };
  };

  /** Each when its turn comes: to redact a thousand takes a while. */
  async function* drafts(entries: readonly LedgerEntry[]): AsyncGenerator<Draft> {
    for (const entry of entries) yield await draft(entry);
  }

  /** The ref is compared before it is moved, and git compares it once more. */
  const publish = async (batch: readonly Waiting[], entries: readonly LedgerEntry[]): Promise<string[]> => {
    const [looked, made] = await Promise.allSettled([published(), writer.prepare(tip, drafts(entries))]);
    if (made.status === "rejected") throw made.reason;
    const prepared = made.value;
    try {
      if (looked.status === "rejected") throw looked.reason;
      // Asked for once more after only its last sync had failed: the same draft on the same parent is the same commit.
      const isThere = looked.value !== null && looked.value === prepared.commits.at(-1);
      if (looked.value !== tip && !isThere) throw movedTo(looked.value, entries);
      for (const { ready } of batch) await ready?.catch((error: Error) => Promise.reject(new NotReady(error)));
      if (!isThere) await moveTo(prepared, entries);
    } catch (error) {
      // The ref may name what is in this pack, or nobody can tell: then it stays.
      const named = await published().catch(() => undefined);
      if (named !== undefined && !prepared.commits.includes(named ?? "")) await prepared.discard();
      throw error;
    }
    return [...prepared.commits];
  };

  /** A lock that is held passes, or its holder died; a ref that somebody moved is left alone. */
  const moveTo = async ({ commits }: Prepared, entries: readonly LedgerEntry[]): Promise<void> => {
    const next = commits.at(-1) ?? "";
    let trouble = "";
    for (const [attempt, pause] of PAUSES_MS.entries()) {
      if (attempt > 0) {
        await sleep(pause);
        await clearRefLock({ gitDir, ref });
      }
      trouble = (await mover.move(next, tip)) ?? "";
      const found = await published();
      if (found === next) return;
      if (found !== tip) throw movedTo(found, entries);
    }
    throw new LedgerUnwritable(trouble || "git did not update the ref", entries);
  };

  const movedTo = (found: string | null, entries: readonly LedgerEntry[]) => {
    moved = { ref, expected: tip, found };
    return new LedgerMoved({ ...moved, entries });
  };

  const flush = async () => {
    gathering = false;
    const batch = nextBatch(queue);
    if (queue.length > 0) gather();
    const entries = batch.flatMap((one) => one.entries);
    const before = seconds;
    try {
      if (moved) throw new LedgerMoved({ ...moved, entries });
      const commits = await publish(batch, entries);
      if (durability === "full") await syncRef(gitDir, ref);
      tip = commits.at(-1) ?? tip;
      noteTip();
      for (const one of batch) one.resolve({ commits: commits.splice(0, one.entries.length) });
      if (tip !== null) writer.settle(tip);
    } catch (error) {
      seconds = before;
      for (const one of batch) one.reject(forCaller(error, one.entries));
    }
  };
  const gather = () => {
    if (gathering) return;
    gathering = true;
    void inTurn(flush);
  };

  return {
    get tip() {
      return tip;
    },
    async record(entries, ready) {
      // Whoever waits for this call hears of it; until then nobody may be listening.
      ready?.catch(() => {});
      if (closed) throw new LedgerUnwritable("it is closed", entries);
      for (const { path } of entries.flatMap((entry) => entry.changes)) {
        const bad = badPath(path);
        if (bad) throw new LedgerUnwritable(`the path ${JSON.stringify(path)} cannot be recorded: ${bad}`, entries);
      }
      if (entries.length === 0) {
        await ready;
        return { commits: [] };
      }
      return new Promise((resolve, reject) => {
        queue.push({ entries, ready, resolve, reject });
        gather();
      });
    },
    found: published,
    files: () => inTurn(() => writer.list(tip)),
    async read(path, commit = tip ?? undefined) {
      if (commit === undefined || badPath(path)) return null;
      if (!/^[0-9a-f]{4,64}$/.test(commit)) throw new Error(`not a commit id: ${commit}`);
      const object = await objects.get(`${commit}:${PREFIX}${path}`);
      return object?.type === "blob" ? object.content : null;
    },
    blobId: (content) => objectId(repository.objectFormat, "blob", text(content)),
    plainId: (content) => objectId(repository.objectFormat, "blob", content),
    tidy: () => writer.tidy(moved ? null : tip),
    async close() {
      closed = true;
      while (gathering) await turn;
      await turn;
      await writer.close(moved ? null : tip);
      await Promise.all([objects.close(), mover.close()]);
    },
  };
}

/** The blob id that recording these bytes gives. */
export function blobIdOf(format: "sha1" | "sha256", content: Buffer, redact: (text: string) => string): string {
  return objectId(format, "blob", redactBytes(content, redact));
}

/** How many places redaction has replaced. */
function replaced(before: Buffer | null | undefined, after: Buffer | null): number {
  if (!before || !after || before === after) return 0;
  return replacedIn(before.toString(), after.toString());
}

function replacedIn(before: string, after: string): number {
  if (before === after) return 0;
  const marks = (text: string) => text.match(/\[(?:redacted:|withheld:)/g)?.length ?? 0;
  return Math.max(1, marks(after) - marks(before));
}

function wordsOf({ subject, trailers }: Pick<LedgerEntry, "subject" | "trailers">): string {
  return [subject, ...trailers.map(([, value]) => value)].join("\n");
}

/** What `ready` rejected with. */
class NotReady extends Error {
  override readonly cause: Error;
  constructor(cause: Error) {
    super(cause.message);
    this.cause = cause;
  }
}

/** A call that has to wait for something waits alone. */
function nextBatch(queue: Waiting[]): Waiting[] {
  const batch: Waiting[] = [];
  for (let size = 0, one = queue[0]; one; one = queue[0]) {
    if (batch.length > 0 && (one.ready || size + one.entries.length > LARGEST_BATCH)) break;
    size += one.entries.length;
    batch.push(one);
    queue.shift();
    if (one.ready) break;
  }
  return batch;
}

/** A batch fails as one; each caller gets the error with its own entries. */
function forCaller(error: unknown, entries: readonly LedgerEntry[]): Error {
  if (error instanceof LedgerMoved) {
    const { ref, expected, found } = error;
    return new LedgerMoved({ ref, expected, found, entries });
  }
  if (error instanceof NotReady) return error.cause;
  if (error instanceof LedgerUnwritable) return new LedgerUnwritable(error.reason, entries);
  return new LedgerUnwritable((error as Error).message, entries);
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
