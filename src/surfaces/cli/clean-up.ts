/** A cleaning by a command: looked at without a lock, or done and recorded under it while no daemon is up. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { git } from "../../ledger/git.ts";
import { entryOf } from "../../ledger/entries.ts";
import { openLedger, type LedgerEntry } from "../../ledger/ledger.ts";
import { leaving, mayLeave } from "../../machine/retention.ts";
import type { SessionId } from "../../model/ids.ts";
import type { SessionFile } from "../../model/session.ts";
import type { Task } from "../../model/task.ts";
import { instant, parseDuration, type Instant } from "../../model/time.ts";
import type { Config } from "../../config.ts";
import { writeCleaned, type Cleaned } from "../../store/cleaned.ts";
import { discard, outworn, sizesOf } from "../../store/outworn.ts";
import { at, RUN, WORKSPACE } from "../../store/paths.ts";
import { activityOf, putAway, unrecordedIn, type Recorded } from "../../store/put-away.ts";
import { recordedFiles, type LedgerPlace } from "./ledger-place.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { isObject, readTasks } from "./tasks-on-disk.ts";

interface Here {
  folder: string;
  place: LedgerPlace;
  config: Config;
  /** In ms. */
  now: number;
}

interface Leaver {
  session: SessionId;
  why: "completed" | "failed";
  since: Instant;
  bytes: number;
  file: SessionFile;
  tasks: Task[];
}

/** What would be done, and why not more. */
export async function planOf(here: Here): Promise<Cleaned> {
  const { leavers, kept } = await look(here, await recordedBy(here.place));
  return { ...report(here, leavers), kept, removed: outwornIn(here) };
}

/** To be called with the workspace's lock. */
export async function cleanUp(here: Here): Promise<Cleaned | { problem: { message: string; hint: string } }> {
  const { folder, place, config, now } = here;
  const recorded = await recordedBy(place);
  const { leavers, kept } = await look(here, recorded);
  const done: Leaver[] = [];
  if (leavers.length > 0) {
    const opened = await openLedger({
      repository: place.repository.root,
      ref: place.ref,
      durability: config.ledger.durability,
      redact: (text) => text, // nothing but removals
      packList: join(folder, RUN, "ledger-packs"),
      sign: config.ledger.sign,
    });
    if ("problem" in opened) return opened;
    try {
      for (const leaver of leavers) {
        await opened.ok.record(entriesFor(leaver, recorded, instant(now)));
        const lost = await putAway(folder, { session: leaver.session, now }, recorded);
        if (lost.length > 0) kept.push({ session: leaver.session, unrecorded: lost });
        else done.push(leaver);
      }
    } finally {
      await opened.ok.close();
    }
  }
  const removed = outwornIn(here);
  await discard(folder, removed);
  const cleaned = { ...report(here, done), kept, removed, ...sizesOf(folder, config.retention.warn_mb) };
  await writeCleaned(folder, cleaned);
  return cleaned;
}

function report({ folder, config, now }: Here, leavers: readonly Leaver[]): Omit<Cleaned, "kept" | "removed"> {
  const archived = leavers.map(({ session, why, since, bytes }) => ({ session, why, since, bytes }));
  return { at: instant(now), archived, ...sizesOf(folder, config.retention.warn_mb) };
}

async function look(
  { folder, config, now }: Here,
  recorded: Recorded,
): Promise<{ leavers: Leaver[]; kept: Cleaned["kept"] }> {
  const ms = (text: string) => parseDuration(text) ?? 0;
  const keep = { completed: ms(config.retention.completed), failed: ms(config.retention.failed) };
  const leavers: Leaver[] = [];
  const kept: Cleaned["kept"] = [];
  const { sessions, active } = readSessions(folder);
  for (const { session_id: session } of sessions) {
    const file = readJson<SessionFile>(join(folder, at.sessionFile(session)));
    if (!file || active.includes(session)) continue;
    const tasks = readTasks(folder, session).tasks.flatMap((task) => task.task() ?? []);
    const { since, bytes } = activityOf(folder, session);
    const why = mayLeave({ file: { ...file, session_id: session }, tasks, since }, keep, instant(now));
    if (why === null) continue;
    const unrecorded = await unrecordedIn(folder, { session }, recorded);
    if (unrecorded.length > 0) kept.push({ session, unrecorded });
    else leavers.push({ session, why, since, bytes, file: { ...file, session_id: session }, tasks });
  }
  return { leavers, kept };
}

/** The same that the daemon records. */
function entriesFor({ session, file, tasks }: Leaver, { ids }: Recorded, now: Instant): LedgerEntry[] {
  const rest = [...ids.keys()].filter((path) => path.startsWith(`${session}/`) && !path.includes("/.task/"));
  return leaving(file, tasks).map((transition) => {
    const paths = transition.of === "task" ? [at.task(session, transition.id)] : rest;
    const changes = paths.map((path) => ({ path, content: null }));
    return { ...entryOf(transition, { at: now, codeCommit: null }), changes };
  });
}

function outwornIn({ folder, config, now }: Here): Cleaned["removed"] {
  const runs = new Set<string>();
  for (const { session_id: session } of readSessions(folder).sessions) {
    for (const task of readTasks(folder, session).tasks) {
      if (task.status === "completed" || task.status === "container") continue;
      const last = task.task()?.execution.last_attempt;
      if (last?.run_id && !last.ended_at) runs.add(last.run_id);
    }
  }
  return outworn(folder, { before: now - (parseDuration(config.retention.outputs) ?? 0), runs });
}

async function recordedBy({ repository, tip }: LedgerPlace): Promise<Recorded> {
  if (tip === null) return { ids: new Map(), read: async () => null };
  const { commonDir } = repository;
  return {
    ids: await recordedFiles(repository, tip),
    async read(path) {
      const found = await git(["cat-file", "blob", `${tip}:${WORKSPACE}/${path}`], {
        cwd: commonDir,
        gitDir: commonDir,
      });
      return found.code === 0 ? found.stdout : null;
    },
  };
}

function readJson<T>(path: string): T | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(path, "utf8"));
    return isObject(value) ? (value as T) : undefined;
  } catch {
    return undefined;
  }
}
