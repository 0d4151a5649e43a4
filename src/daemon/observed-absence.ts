/** Files and sessions that are gone: given a moment to come back, then told. */
import type { SessionId } from "../model/ids.ts";
import { at, placeOf } from "../store/paths.ts";
import type { Look, Observation } from "./observation.ts";
import { isFolder, isMisnamed, topOf } from "./observed-folders.ts";
import { patternsGone } from "./observed-patterns.ts";
import type { Workspace } from "./workspace.ts";

/** An atomic save may leave a name empty for a moment. */
const VANISH_MS = 300;
/** A session that is gone may be the first of all that somebody is removing just now. */
const SESSION_VANISH_MS = 1000;

export class ObservedAbsence {
  private readonly workspace: Workspace;
  /** Paths that are gone, and since when. */
  private readonly since = new Map<string, number>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /**
   * Sessions that are there without the folder of their tasks: that nobody wants who wants a task to be gone, so it is no
   * deletion until somebody says so, by making the folder again or by removing the session.
   */
  readonly unasked = new Set<SessionId>();

  /** Whether something that is gone may still come back. */
  get restless(): boolean {
    return [...this.since.keys()].some((path) => !this.workspace.obstructed.has(topOf(path)));
  }

  vanished(path: string, now: number): void {
    if (!this.since.has(path)) this.since.set(path, now);
  }

  appeared(path: string): void {
    this.since.delete(path);
  }

  /**
   * What is gone for long enough, path by path; at start, all that is gone. A whole session takes longer: it may be the
   * beginning of more. Each path is to be told with {@link foundGone} before the next is asked for.
   */
  *settled({ now, starting }: Look): Generator<string> {
    const { scanner, state } = this.workspace;
    for (const [path, since] of this.since) {
      const session = topOf(path);
      if (this.workspace.obstructed.has(session)) continue;
      const withAll = state.sessions.has(session) && !isFolder(this.workspace, session);
      const withTasks = !withAll && this.isWithTasks(path, session);
      if (now - since < (starting ? 0 : withAll || withTasks ? SESSION_VANISH_MS : VANISH_MS)) continue;
      if (withTasks) {
        this.unasked.add(session);
        continue;
      }
      this.since.delete(path);
      if (scanner.isThere(path)) continue; // back again, as it was
      // What goes with its session stays known until that is recorded: its paths are removed from the ledger's tree.
      if (!withAll) scanner.accept({ path, place: { kind: "other" }, is: "gone" });
      yield path;
    }
  }

  /** Whether it is a task that went together with `.task/`. What git takes away with a branch was never obeyed. */
  private isWithTasks(path: string, session: SessionId): boolean {
    const place = placeOf(path);
    if (place.kind !== "task" || place.id === null || isFolder(this.workspace, `${session}/.task`)) return false;
    const task = this.workspace.state.sessions.get(session)?.tasks.get(place.id);
    return task !== undefined && task.execution.reason !== "untrusted";
  }
}

/** Tells what it means that a path is gone for good; its report goes with it. */
export async function foundGone(workspace: Workspace, path: string, seen: Observation): Promise<void> {
  const { held, state } = workspace;
  const session = topOf(path);
  await held.release(path);
  if (isMisnamed(path) && !isFolder(workspace, session)) return held.release(session);
  if (path === at.config) seen.reload.config = true;
  if (path.startsWith("agents/")) seen.reload.roles = true;
  if (path === at.patterns) patternsGone(workspace, seen);
  if (path === at.config || /^(?:agents|workflows)\//.test(path)) seen.files.push({ path, content: null });
  const known = state.sessions.get(session);
  if (!known) return;
  if (!isFolder(workspace, session)) return sessionGone(workspace, session, seen);
  const name = path.slice(session.length + 1);
  const id = /^\.task\/(impl-[\d.]+)\.json$/.exec(name)?.[1];
  if (id && known.tasks.has(id)) {
    seen.events.push({ type: "task-deleted", session, id, by: "person" });
  } else if (name === "workflow-session.json") {
    seen.events.push({ type: "session-edited", file: known.file, fields: [], by: "daemon" });
  } else if (/^(TODO_LIST|IMPL_PLAN)\.md$|^\.summaries\//.test(name)) {
    seen.reload.views.add(session);
  } else if (!name.endsWith(".error.md")) {
    seen.files.push({ path, content: null });
  }
}

async function sessionGone({ ledger, scanner }: Workspace, session: string, seen: Observation): Promise<void> {
  scanner.seen.delete(session);
  if (seen.events.some((event) => event.type === "session-gone" && event.session === session)) return;
  // All that is recorded of it goes with it, also what was not looked at again since.
  for (const recorded of (await ledger.files()).keys()) {
    if (topOf(recorded) === session) scanner.seen.set(recorded, { signature: "recorded", hash: null });
  }
  seen.events.push({ type: "session-gone", session, by: "person" });
}
