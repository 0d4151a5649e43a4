/** Reading the story: the ledger's commits as values, newest first. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Instant, instant, toMs } from "../model/time.ts";
import { openObjects } from "./cat-file.ts";
import { git } from "./git.ts";
import { whyUnreadable } from "./unreadable.ts";

/** One commit of the ledger; what its trailers do not say is null. */
export interface LogEntry {
  commit: string;
  at: Instant;
  author: string;
  subject: string;
  session: string | null;
  task: string | null;
  from: string | null;
  to: string | null;
  reason: string | null;
  attempt: number | null;
  actor: string | null;
  model: string | null;
  cost_usd: number | null;
  agent_session: string | null;
}

export interface LogFilter {
  session?: string;
  task?: string;
  since?: Instant;
  /** Newest entries only, this many. */
  limit?: number;
  actor?: "daemon" | "person";
  reason?: string;
  /** Only what this commit does not reach. */
  after?: string;
  /** Only this machine's own line: of what was merged, what it changed here. */
  ownLine?: boolean;
}

/** Git could not read it; `why` in its own words. */
export class LogUnreadable extends Error {
  override name = "LogUnreadable";
  readonly why: string;
  constructor(repository: string, why: string) {
    super(`git log failed in ${repository}: ${why}`);
    this.why = why;
  }
}

const LOOK_MS = 150;
/** So many times in a row the log may not be readable (git is busy, its packs are just being exchanged). */
const MOST_FAILURES = 20;
const FIELDS = ["%H", "%at", "%an", "%s", "%(trailers:only=true,unfold=true)"];

/** Empty for a ledger that has not begun; rejects with {@link LogUnreadable} for one that cannot be read. `repository` is any directory of it. */
export async function readLog(repository: string, ref: string, filter: LogFilter = {}): Promise<LogEntry[]> {
  const wanted: [string, string | undefined][] = [
    ["Cox-Session", filter.session],
    ["Cox-Task", filter.task],
    ["Cox-Actor", filter.actor],
    ["Cox-Reason", filter.reason],
  ];
  const greps = wanted.flatMap(([key, value]) => (value === undefined ? [] : [`--grep=^${key}: ${literal(value)}$`]));
  const args = [
    "log",
    "--no-color",
    "--no-decorate",
    "--no-show-signature",
    "-z",
    `--format=tformat:${FIELDS.join("%x00")}`,
    ...(filter.ownLine ? ["--topo-order", "--first-parent"] : []),
    ...(greps.length === 0 ? [] : ["--basic-regexp", "--all-match", ...greps]),
    ...(filter.limit === undefined ? [] : [`--max-count=${filter.limit}`]),
    ...(filter.since === undefined ? [] : [`--since=@${Math.ceil(toMs(filter.since) / 1000)} +0000`]),
    "--end-of-options",
    ref,
    ...(filter.after === undefined ? [] : [`^${filter.after}`]),
    "--",
  ];
  const outcome = await git(args, { cwd: repository });
  if (outcome.code !== 0) {
    const why = await whyUnreadable(repository, ref);
    const begun = await git(["rev-parse", "--quiet", "--verify", "--end-of-options", ref], { cwd: repository });
    if (why === undefined && begun.code === 1) return [];
    throw new LogUnreadable(repository, why ?? outcome.stderr);
  }
  const fields = outcome.stdout.toString().split("\0");
  const entries: LogEntry[] = [];
  for (let i = 0; i + FIELDS.length <= fields.length; i += FIELDS.length)
    entries.push(entryOf(fields.slice(i, i + FIELDS.length)));
  return entries;
}

function entryOf([commit = "", seconds = "", author = "", subject = "", block = ""]: string[]): LogEntry {
  const trailers = new Map<string, string>();
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) trailers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2));
  }
  const text = (key: string) => trailers.get(`cox-${key}`) ?? null;
  const number = (key: string) => {
    const value = Number(text(key) ?? Number.NaN);
    return Number.isFinite(value) ? value : null;
  };
  return {
    commit,
    at: instant(Number(seconds) * 1000),
    author,
    subject,
    session: text("session"),
    task: text("task"),
    from: text("from"),
    to: text("to"),
    reason: text("reason"),
    attempt: number("attempt"),
    actor: text("actor"),
    model: text("model"),
    cost_usd: number("cost-usd"),
    agent_session: text("agent-session"),
  };
}

/**
 * Calls `told` with what is recorded after the commit `last` (null: nothing was), oldest first, until the signal. The
 * ledger need not have begun. A ref that is set back tells nothing. What cannot be read is tried again, and nothing is
 * passed over; rejects when that lasts.
 */
export async function followLog(
  of: {
    repository: string;
    gitDir: string;
    ref: string;
    last: string | null;
    filter: Omit<LogFilter, "limit" | "after">;
  },
  told: (entries: LogEntry[]) => void,
  signal?: AbortSignal,
): Promise<void> {
  const objects = openObjects(of.gitDir);
  const tip = async () => (await objects.get(of.ref))?.id;
  let failures = 0;
  try {
    for (let { last } = of; !signal?.aborted; await sleep(LOOK_MS, undefined, { signal }).catch(() => {})) {
      const now = await tip();
      if (now === undefined || now === last) continue;
      const filter = last === null ? of.filter : { ...of.filter, after: last };
      try {
        const entries = await readLog(of.repository, now, filter);
        if (entries.length > 0) told(entries.toReversed());
      } catch (error) {
        // After the ref was set back, git may have thrown away what was told last: then all goes on from here.
        if (last === null || (await objects.get(last)) !== null) {
          if (++failures >= MOST_FAILURES) throw error;
          continue;
        }
      }
      failures = 0;
      last = now;
    }
  } finally {
    await objects.close();
  }
}

/** The text as a basic regular expression that matches only itself. */
function literal(value: string): string {
  return value.replace(/[.*^$[\]\\]/g, "\\$&");
}
