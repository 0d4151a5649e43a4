/** Files that people drop: they wait until they can become tasks, all of a session's together. SPEC section 3.3. */
import { takeIn, type Drop, type IntakeResult } from "../machine/intake.ts";
import { taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import { newSession } from "../model/session.ts";
import { instant } from "../model/time.ts";
import { at, isTextDrop, placeOf } from "../store/paths.ts";
import { readDrop } from "./drops.ts";
import { TEXT_SETTLE_MS, type FoundFile, type Look } from "./observation.ts";
import { announced, foundFolder, topOf } from "./observed-folders.ts";
import { isPromptOf, withPromptFile } from "./observed-prompts.ts";
import { ObservedWorkflows } from "./observed-workflows.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

interface PendingDrop {
  path: string;
  /** Null in the inbox: the session is chosen when it is taken in. */
  session: SessionId | null;
  drop: Drop;
  /** The whole text of a text drop. */
  prompt?: Buffer;
  /** When it was seen, in ms. */
  since: number;
}

export class ObservedDrops {
  private readonly workspace: Workspace;
  /** Drops whose own form is right, but that the graph, the inbox or their age keeps waiting. By path. */
  private readonly waiting = new Map<string, PendingDrop>();
  private readonly workflows: ObservedWorkflows;
  /** More is due than was taken in at once. */
  private more = false;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.workflows = new ObservedWorkflows(workspace);
  }

  /** Whether a text waits to have stayed as it is for long enough, or some wait for their turn. */
  get restless(): boolean {
    return this.more || this.workflows.restless || [...this.waiting.keys()].some(isTextDrop);
  }

  forget(path: string): void {
    this.waiting.delete(path);
    this.workflows.forget(path);
  }

  /** `session`: null for the inbox. */
  found(session: SessionId | null, found: FoundFile, now: number): void {
    const { held, repository } = this.workspace;
    const { path, hash, content } = found;
    const read = readDrop(found, repository);
    if ("run" in read) {
      this.waiting.delete(path);
      return this.workflows.found(session, found, { request: read.run, now });
    }
    this.workflows.forget(path);
    if ("problems" in read) {
      this.waiting.delete(path);
      return held.hold(path, { hash, ...read }, now);
    }
    const drop = session === null ? read.ok : withoutUnbegun(read.ok, session);
    const prompt = read.text === undefined ? {} : { prompt: content };
    this.waiting.set(path, { path, session, drop, since: now, ...prompt });
  }

  /** Takes in what waits, session by session. They are looked at together; of very many the first are taken in first. */
  async takeIn(look: Look): Promise<void> {
    this.more = false;
    for (const [session, drops] of await this.dueBySession(look)) await this.takeInto(session, drops, look);
    await this.workflows.takeIn(look, () => inboxSession(this.workspace, look));
  }

  private async dueBySession(look: Look): Promise<Map<SessionId, PendingDrop[]>> {
    const { held, sources, state } = this.workspace;
    const due = new Map<SessionId, PendingDrop[]>();
    let inbox: SessionId | null | undefined;
    for (const pending of [...this.waiting.values()]) {
      const { path, drop } = pending;
      if (pending.prompt && look.now - pending.since < TEXT_SETTLE_MS) continue;
      const before = sources.get(`${path} ${drop.sha256}`);
      if (before && state.sessions.get(before.session)?.tasks.has(before.id)) {
        // The same drop once more is the same task.
        this.waiting.delete(path);
        await held.release(path);
        if (path !== at.task(before.session, before.id)) look.seen.consumed.push(path);
        continue;
      }
      const session = pending.session ?? (inbox ??= inboxSession(this.workspace, look));
      if (!session) continue;
      foundFolder(this.workspace, session, look);
      const drops = due.get(session);
      if (drops) drops.push(pending);
      else due.set(session, [pending]);
    }
    return due;
  }

  private async takeInto(session: SessionId, drops: readonly PendingDrop[], { seen, now }: Look): Promise<void> {
    const { held, highest, roles, state } = this.workspace;
    const texts = new Map<string, { path: string; content: Buffer }>();
    const prepared = drops.map(({ drop, prompt }) => {
      if (!prompt) return drop;
      const named = withPromptFile(drop, session);
      texts.set(drop.file, { path: named.path, content: prompt });
      return named.drop;
    });
    const result = takeIn(prepared, {
      session,
      taskOf: (id) => state.sessions.get(session)?.tasks.get(id),
      highest: highest.get(session) ?? 0,
      named: held.all().flatMap(({ path }) => idAt(path, session) ?? []),
      roles,
      roleNames: () => [...roles.keys()],
    });
    const accepted = firstOf(result.accepted, MOST_AT_ONCE);
    if (accepted.length < result.accepted.length) this.more = true;
    const numbers = accepted.map(({ task }) => taskNumbers(task.id)[0]);
    highest.set(session, Math.max(highest.get(session) ?? 0, ...numbers));
    const untrusted = new Set<TaskId>();
    for (const { file, task } of accepted) {
      this.waiting.delete(file);
      await held.release(file);
      // A task's own file becomes its record, and a prompt in its place stays.
      if (file !== at.task(session, task.id) && !isPromptOf(file, session)) seen.consumed.push(file);
      const text = texts.get(file);
      if (text) seen.prompts.push(text);
      if (!isTrusted(this.workspace, file, task.execution.source?.sha256 ?? null)) untrusted.add(task.id);
    }
    for (const { file, problems } of result.refused) {
      const pending = this.waiting.get(file);
      if (pending) held.hold(file, { hash: pending.drop.sha256, problems }, now);
    }
    const tasks = accepted.map(({ task }) => task);
    if (tasks.length > 0) seen.events.push({ type: "tasks-found", session, tasks, by: "person", untrusted });
  }
}

/** The id that a file in the session's `.task/` names. */
function idAt(path: string, session: SessionId): TaskId | null {
  const place = placeOf(path);
  return place.kind === "task" && place.session === session ? place.id : null;
}

/** Each is a commit, made in memory together with all others of its record; and the first need not wait for the last. */
const MOST_AT_ONCE = 1000;

type Accepted = IntakeResult["accepted"][number];

/** The first so many, in the order given, and whatever belongs to them: a task's whole family, and dependencies. */
export function firstOf(accepted: readonly Accepted[], most: number): readonly Accepted[] {
  if (accepted.length <= most) return accepted;
  const families = Map.groupBy(accepted, ({ task }) => taskNumbers(task.id)[0]);
  const taken = new Set<Accepted>();
  for (const each of accepted) {
    if (taken.size >= most) break;
    const open = [each];
    for (let one = open.pop(); one; one = open.pop()) {
      if (taken.has(one)) continue;
      taken.add(one);
      for (const id of [one.task.id, ...one.task.relations.dependencies])
        open.push(...(families.get(taskNumbers(id)[0]) ?? []));
    }
  }
  return accepted.filter((each) => taken.has(each));
}

const FIRST_SESSION = "WFS-main";

/** The active session; a first one is made when there is none at all. Null if one has to be chosen first. */
function inboxSession({ scanner, state }: Workspace, { seen }: Look): SessionId | null {
  for (const { session } of scanner.markers()) {
    if (state.sessions.has(session) || announced(seen, session)) return session;
  }
  for (const [id, session] of state.sessions) if (session.file.status === "active") return id;
  if (state.sessions.size > 0 || seen.events.some((event) => event.type === "session-found")) return null;
  const file = { ...newSession(FIRST_SESSION, instant(Date.now())), status: "active" as const };
  seen.events.push({ type: "session-found", file, by: "daemon" });
  return FIRST_SESSION;
}

/**
 * A file that a save was made from while its first recording was still under way tells of an attempt that never began.
 */
function withoutUnbegun(read: Drop, session: SessionId): Drop {
  const { execution } = read.drop;
  const last = execution?.last_attempt;
  const from = topOf(execution?.source?.file ?? "");
  if (!execution || !last || last.ended_at || (from !== session && from !== "inbox")) return read;
  const { reason: _reason, ...kept } = execution;
  const attempts = Math.max(0, last.attempt - 1);
  return { ...read, drop: { ...read.drop, execution: { ...kept, attempts, last_attempt: null } } };
}
