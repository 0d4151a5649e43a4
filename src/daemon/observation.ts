/** What a look at the disk brings: what the machine hears of it, and what goes on record as it is. */
import type { Event } from "../machine/event.ts";
import type { ResponseFile } from "../model/attempt.ts";
import type { SessionId } from "../model/ids.ts";
import type { Found } from "../store/scan.ts";
import { displaced, superseded, without } from "./supersede.ts";

/** All paths are relative to `.workflow/`. */
export interface Observation {
  events: Event[];
  /** People's files that are recorded as they are; null where one was removed. */
  files: { path: string; content: Buffer | null }[];
  /** Dropped files whose task has another file: removed once that is recorded. */
  consumed: string[];
  /** Prompts of text drops, at the path in the session where they belong. */
  prompts: { path: string; content: Buffer }[];
  /** Drops that became no task after all: another file has their number. */
  lookAgain: string[];
  /** Answers that people wrote: `<session>/<attempt's name>` → response. */
  answers: Map<string, ResponseFile>;
  /** What of the settings, roles and views has to be looked at again. */
  reload: { config: boolean; roles: boolean; views: Set<SessionId> };
}

/** One look: what it has seen so far, and its circumstances. */
export interface Look {
  seen: Observation;
  /** When it is, by the steady clock: waits are counted from it. */
  now: number;
  /** The daemon's first: its own unfinished writes are taken back, and nothing is given time. */
  starting: boolean;
}

export type FoundFile = Extract<Found, { is: "file" }>;

/** Text has no end that one could see: it must have stayed as it is for this long. */
export const TEXT_SETTLE_MS = 500;

export function emptyObservation(): Observation {
  return {
    events: [],
    files: [],
    consumed: [],
    prompts: [],
    lookAgain: [],
    answers: new Map(),
    reload: { config: false, roles: false, views: new Set() },
  };
}

/** Two looks as one: of the same file, what the later one says counts. `isHeld`: whether a file cannot be read now. */
export function merged(before: Observation, again: Observation, isHeld: (path: string) => boolean): Observation {
  const newer = new Set(again.files.map(({ path }) => path));
  const out = displaced(before.events, again.events, isHeld);
  return {
    events: superseded(without(out.tasks, before.events), again.events),
    files: [...before.files.filter(({ path }) => !newer.has(path)), ...again.files],
    consumed: [...before.consumed.filter((path) => !out.drops.includes(path)), ...again.consumed],
    prompts: [...before.prompts.filter(({ path }) => !out.prompts.includes(path)), ...again.prompts],
    lookAgain: [...before.lookAgain, ...again.lookAgain, ...out.drops],
    answers: new Map([...before.answers, ...again.answers]),
    reload: {
      config: before.reload.config || again.reload.config,
      roles: before.reload.roles || again.reload.roles,
      views: new Set([...before.reload.views, ...again.reload.views]),
    },
  };
}
