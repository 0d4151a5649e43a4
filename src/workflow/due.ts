/** What triggers come to: which causes there are, and what becomes of each. Time and facts arrive as arguments. */
import { Cron } from "croner";
import { instant, toMs, type Instant } from "../model/time.ts";
import type { Cause } from "../model/workflow.ts";
import type { Trigger } from "./triggers.ts";

type Schedule = Extract<Trigger, { on: "schedule" }>;
type Git = Extract<Trigger, { on: "git" }>;

/** So many missed instants are caught up with, and so many causes wait for a run to end: the latest. */
export const MOST_WAITING = 24;
/** What is later than this was missed. */
const ON_TIME_MS = 60_000;
/** A clock that was set back further was wrong before: nobody waits until it is there again. */
const MOST_BACK_MS = 25 * 3_600_000;

/** `lane`: a later cause of the same lane takes the place of one that waits. */
export type Found = Cause & { lane?: string };

/** Oldest first. `late` ones were missed: they wait for their turn whatever goes on. */
export interface Causes {
  late: Found[];
  fresh: Found[];
}

/** What a schedule has come to since `last`, the latest instant that something became of. */
export function dueOn(schedule: Schedule, last: Instant, now: Instant): Causes & { last: Instant } {
  const nothing = { late: [], fresh: [] };
  if (toMs(last) > toMs(now)) return { ...nothing, last: toMs(last) - toMs(now) > MOST_BACK_MS ? now : last };
  const cron = cronOf(schedule);
  const first = cron.nextRun(new Date(toMs(last)));
  if (!first || first.getTime() > toMs(now)) return { ...nothing, last };
  const missed = cron
    .previousRuns(MOST_WAITING, new Date(toMs(now) + 1))
    .map((at) => at.getTime())
    .filter((at) => at > toMs(last));
  const [newest, ...older] = missed;
  const isLate = newest === undefined || toMs(now) - newest > ON_TIME_MS;
  // What is not caught up with is not used up: the clock may have been set forward, and back again.
  if (newest === undefined || (isLate && schedule.catchUp === "none")) return { ...nothing, last };
  const told = (at: number) => atInstant(schedule, instant(at));
  const all = schedule.catchUp === "all" && (isLate || older.length > 0);
  if (all) return { late: missed.reverse().map(told), fresh: [], last: instant(newest) };
  return { late: [], fresh: [told(newest)], last: instant(newest) };
}

function atInstant({ catchUp }: Schedule, at: Instant): Found {
  return { on: "schedule", key: `schedule ${at}`, about: at, ...(catchUp === "all" ? {} : { lane: "schedule" }) };
}

/** The instants after `from`; none where there is none in the next years. */
export function nextOn(schedule: Schedule, from: Instant, count: number): Instant[] {
  return cronOf(schedule)
    .nextRuns(count, new Date(toMs(from)))
    .map((at) => at.toISOString());
}

function cronOf({ cron, timezone }: Schedule): Cron {
  return new Cron(cron, { paused: true, ...(timezone ? { timezone } : {}) });
}

/** Names of refs → object ids. */
export type Refs = Readonly<Record<string, string>>;

/** The refs that a trigger is about. Coxswain's own branches are nobody's news. */
export function refsOf({ ref, glob }: Git, all: Refs, matches: (name: string, glob: string) => boolean): Refs {
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => {
      const short = /^refs\/(heads|remotes|tags)\/(.*)$/s.exec(name);
      if (!short || (short[1] === "tags") !== (ref === "tag") || name.startsWith("refs/heads/cox/")) return false;
      return matches(short[2] ?? "", glob);
    }),
  );
}

/** What is new among them; `isOlder`: whether the branch only went back to a commit that it had before. */
export function newIn(
  { ref }: Git,
  { before, now, isOlder }: { before: Refs; now: Refs; isOlder: (name: string) => boolean },
): Found[] {
  const known = new Set(Object.values(before));
  return Object.entries(now).flatMap(([name, id]): Found[] => {
    if (before[name] === id || isOlder(name)) return [];
    if (ref === "tag") return [{ on: "git", key: `git ${name} ${id}`, about: name.replace("refs/tags/", "") }];
    // A branch that was made where another stands has no commit of its own yet.
    if (before[name] === undefined && known.has(id)) return [];
    return [{ on: "git", key: `git ${name} ${id}`, about: id, lane: name }];
  });
}

export interface Settled {
  waits: Found[];
  /** Begins a run. */
  begin?: Found;
  /** Runs that go on are cancelled for it. */
  cancels: boolean;
  /** Nothing becomes of these any more. */
  skipped: Found[];
}

/** What becomes of causes. `busy`: a run that a trigger of the workflow began still goes on, or is about to begin. */
export function settle(
  { overlap }: Pick<Trigger, "overlap">,
  { late, fresh }: Causes,
  { waits, busy }: { waits: readonly Found[]; busy: boolean },
): Settled {
  const skipped: Found[] = [];
  if (overlap === "cancel") {
    const begin = fresh.at(-1) ?? (busy ? undefined : waits.at(-1));
    if (!begin) return { waits: [...waits], cancels: false, skipped };
    return {
      waits: [],
      begin,
      cancels: busy,
      skipped: [...waits, ...late, ...fresh].filter((cause) => cause !== begin),
    };
  }
  let line = [...waits];
  const join = (cause: Found) => {
    if (cause.lane !== undefined) {
      skipped.push(...line.filter(({ lane }) => lane === cause.lane));
      line = line.filter(({ lane }) => lane !== cause.lane);
    }
    line.push(cause);
  };
  for (const cause of late) join(cause);
  for (const cause of fresh) {
    if (overlap === "skip" && (busy || line.length > 0)) skipped.push(cause);
    else join(cause);
  }
  skipped.push(...line.splice(0, Math.max(0, line.length - MOST_WAITING)));
  const begin = busy ? undefined : line.shift();
  return { waits: line, ...(begin ? { begin } : {}), cancels: false, skipped };
}
