/** Once a day, and when somebody asks: what has been kept for long enough leaves the disk. SPEC section 12, `retention`. */
import type { Event } from "../machine/event.ts";
import { mayLeave } from "../machine/retention.ts";
import type { SessionId } from "../model/ids.ts";
import { instant, parseDuration, toMs } from "../model/time.ts";
import { isAskedToClean, lastCleaned, noLongerAsked, writeCleaned, type Cleaned } from "../store/cleaned.ts";
import { discard, outworn, sizesOf } from "../store/outworn.ts";
import { activityOf, putAway, unrecordedIn, type Recorded } from "../store/put-away.ts";
import type { Workspace } from "./workspace.ts";

const DAILY_MS = 24 * 3_600_000;

export class Housekeeping {
  private readonly workspace: Workspace;
  private last: number;
  /** What the cleaning under way has come to. */
  private current: Pick<Cleaned, "archived" | "kept"> | undefined;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.last = toMs(lastCleaned(workspace.folder)?.at ?? "") || 0;
  }

  /** A clock that was set back must not put it off for long. */
  isDue(now: number): boolean {
    return Math.abs(now - this.last) >= DAILY_MS || isAskedToClean(this.workspace.folder);
  }

  /** Sessions that were seen to be idle for long enough, and wholly on record. */
  async look(now: number): Promise<Event[]> {
    const { folder, state, policy } = this.workspace;
    this.last = now;
    this.current = { archived: [], kept: [] };
    const events: Event[] = [];
    for (const [session, { file, tasks }] of state.sessions) {
      if (file.status === "active") continue;
      const { since, bytes } = activityOf(folder, session);
      const why = mayLeave({ file, tasks: tasks.values(), since }, policy.retention, instant(now));
      if (why === null) continue;
      const unrecorded = await unrecordedIn(folder, { session }, await this.recorded());
      if (unrecorded.length > 0) this.keep(session, unrecorded);
      else {
        this.current.archived.push({ session, why, since, bytes });
        events.push({ type: "session-idle", session, since });
      }
    }
    return events;
  }

  /** After it is on record that the session leaves. */
  async putAway(session: SessionId): Promise<void> {
    const { folder, scanner } = this.workspace;
    for (const path of scanner.seen.keys())
      if (path === session || path.startsWith(`${session}/`)) scanner.seen.delete(path);
    const lost = await putAway(folder, { session, now: Date.now() }, this.before ?? (await this.recorded()));
    if (lost.length > 0) this.keep(session, lost);
  }

  /** The rest, and what it came to. */
  async finish(now: number): Promise<void> {
    await this.removeAll(now).catch((error: Error) =>
      this.workspace.log.say("warn", `cleaning was cut short: ${error.message}`),
    );
  }

  private async removeAll(now: number): Promise<void> {
    const { current, workspace } = this;
    if (!current) return;
    this.current = undefined;
    this.before = undefined;
    const { folder, state, config, log } = workspace;
    const runs = new Set([...state.runs.values()].map(({ runId }) => runId));
    const removed = outworn(folder, { before: now - (parseDuration(config.retention.outputs) ?? 0), runs });
    await discard(folder, removed);
    const kept = new Set(current.kept.map(({ session }) => session));
    const archived = current.archived.filter(({ session }) => !state.sessions.has(session) && !kept.has(session));
    await writeCleaned(folder, {
      at: instant(now),
      archived,
      kept: current.kept,
      removed,
      ...sizesOf(folder, config.retention.warn_mb),
    });
    await noLongerAsked(folder);
    if (removed.length > 0)
      log.say("info", `removed ${removed.length} outworn logs, conversations and folders of runs`);
  }

  /** What the ledger held when the sessions were looked at: they are no longer in it when they leave. */
  private before: Recorded | undefined;

  private async recorded(): Promise<Recorded> {
    const { ledger } = this.workspace;
    const commit = ledger.tip ?? undefined;
    this.before ??= { ids: await ledger.files(), read: (path) => ledger.read(path, commit) };
    return this.before;
  }

  private keep(session: SessionId, unrecorded: string[]): void {
    this.current?.kept.push({ session, unrecorded });
    const { log } = this.workspace;
    log.say("warn", `${session} stays on disk: ${unrecorded.slice(0, 3).join(", ")} would be lost, not being recorded`);
  }
}
