/**
 * Sessions in which something stands where one of their folders has to be: a file named `prompts`, a link named `.task`.
 * Nothing can be written there, and it is not ours to move. Such a session rests, whatever becomes of it waits, and the
 * others go on; when the obstacle is gone it goes on by itself.
 */
import { lstatSync } from "node:fs";
import { join } from "node:path";
import type { Event } from "../machine/event.ts";
import type { SessionId } from "../model/ids.ts";
import { problem } from "../problems.ts";
import { PARTS } from "../store/paths.ts";
import type { Found } from "../store/scan.ts";
import { emptyObservation, merged, type Observation } from "./observation.ts";
import { topOf } from "./observed-folders.ts";
import type { Workspace } from "./workspace.ts";

/** Something was found in the place of a session's folder, or is not there any more. Whether the session goes on now. */
export async function foundPart(workspace: Workspace, { path }: Found, now: number): Promise<boolean> {
  const { held, log, obstructed } = workspace;
  const session = topOf(path);
  const what = obstacleAt(workspace.folder, path);
  if (what === undefined) return partIsClear(workspace, path);
  const hint = `Remove it, or move it away: rm .workflow/${path}. Until then nothing of ${session} is recorded or started.`;
  const text = `${path} is ${what}, where the folder ${path.slice(session.length + 1)} of the session has to be.`;
  held.hold(path, { hash: what, problems: [problem("not-a-folder", text, { hint })] }, now);
  const parts = obstructed.get(session) ?? new Set();
  if (!parts.has(path)) log.say("error", `${text} ${hint}`);
  obstructed.set(session, parts.add(path));
  return false;
}

async function partIsClear(workspace: Workspace, path: string): Promise<boolean> {
  const { held, log, obstructed } = workspace;
  const session = topOf(path);
  await held.release(path);
  const parts = obstructed.get(session);
  if (!parts?.delete(path) || parts.size > 0) return false;
  obstructed.delete(session);
  log.say("info", `${session} goes on: nothing is in the way of its folders any more`);
  return true;
}

/** Paths of a session's folders in whose place there is something else now. */
export function obstaclesOf(folder: string, session: SessionId): string[] {
  return PARTS.map((part) => `${session}/${part}`).filter((path) => obstacleAt(folder, path) !== undefined);
}

function obstacleAt(folder: string, path: string): string | undefined {
  try {
    const stat = lstatSync(join(folder, path), { throwIfNoEntry: false });
    if (!stat || stat.isDirectory()) return undefined;
    return stat.isFile() ? "a file" : stat.isSymbolicLink() ? "a symbolic link" : "no folder";
  } catch {
    return undefined; // the session's folder is none any more
  }
}

/** What can be recorded now, and what has to wait: all that is written into the folders of sessions that rest. */
export function apart(
  observed: Observation,
  rests: { has(session: SessionId): boolean; size: number },
): { now: Observation; later: Observation | undefined } {
  if (rests.size === 0) return { now: observed, later: undefined };
  const waits = (event: Event) => !GOES_ON.has(event.type) && "session" in event && rests.has(event.session);
  const isLater = (path: string) => rests.has(topOf(path));
  const later = emptyObservation();
  later.events = observed.events.filter(waits);
  later.prompts = observed.prompts.filter(({ path }) => isLater(path));
  later.answers = new Map([...observed.answers].filter(([name]) => isLater(name)));
  const now: Observation = {
    ...observed,
    events: observed.events.filter((event) => !waits(event)),
    prompts: observed.prompts.filter(({ path }) => !isLater(path)),
    answers: new Map([...observed.answers].filter(([name]) => !isLater(name))),
  };
  // Which drops belong to what waits is not told: none is removed before all are on record.
  if (later.events.some(({ type }) => type === "tasks-found")) {
    later.consumed = observed.consumed;
    now.consumed = [];
  }
  const some = later.events.length + later.prompts.length + later.answers.size > 0;
  return { now, later: some ? later : undefined };
}

/** What waited, before what came since. A drop that somebody has changed meanwhile is another, and stays. */
export function joined(
  before: Observation | undefined,
  since: Observation,
  { scanner, held }: Pick<Workspace, "scanner" | "held">,
): Observation {
  if (!before) return since;
  const consumed = before.consumed.filter((path) => !scanner.isThere(path) || scanner.unchanged(path));
  return merged({ ...before, consumed }, since, (path) => held.get(path) !== undefined);
}

/** Of these only the session's own file tells, which is in none of its folders. */
const GOES_ON = new Set<Event["type"]>(["session-found", "session-edited", "session-gone", "markers"]);
