/**
 * From what differs on disk to what the machine hears. Everything is compared with the recorded state: a hint, a
 * rescan, a start after a crash and a person's edit are one and the same path.
 */
import { lstatSync } from "node:fs";
import { rename } from "node:fs/promises";
import { join } from "node:path";
import type { Event } from "../machine/event.ts";
import { checkRules, takeIn, type Drop } from "../machine/intake.ts";
import { mergeEdit } from "../machine/merge.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, isSessionId, sessionIdFor, taskKey, type SessionId, type TaskId } from "../model/ids.ts";
import { newSession, type SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { instant } from "../model/time.ts";
import { unreachable } from "../model/unreachable.ts";
import { problem, type Problem } from "../problems.ts";
import { checkSession, checkTaskDrop } from "../store/check.ts";
import { locate, parseJson } from "../store/json-file.ts";
import { at, isTextDrop, placeOf } from "../store/paths.ts";
import type { Found } from "../store/scan.ts";
import { escaping } from "../store/escaping.ts";
import { readDrop } from "./drops.ts";
import { readAnswer } from "./answers.ts";
import { Trust } from "./trust.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

type FoundFile = Extract<Found, { is: "file" }>;

export interface Observation {
  events: Event[];
  /** People's files that are recorded as they are. */
  files: { path: string; content: Buffer | null }[];
  /** Dropped files whose task has another file: removed once that is recorded. */
  consumed: string[];
  /** Prompts of text drops that move from the inbox into the session: path → text. */
  prompts: { path: string; content: Buffer }[];
  /** Answers that people wrote, by task. */
  answers: Map<string, ResponseFile>;
  /** What of the settings, roles and views has to be looked at again. */
  reload: { config: boolean; roles: boolean; views: Set<SessionId> };
}

interface PendingDrop {
  path: string;
  session: SessionId | null;
  drop: Drop;
  prompt?: Buffer;
  since: number;
}

export class Observer {
  private readonly workspace: Workspace;
  /** Drops whose own form is right, but that the graph, the inbox or their age keeps waiting. */
  private readonly waiting = new Map<string, PendingDrop>();
  /** Files that are gone, and since when: an editor's save looks like that for a moment. */
  private readonly vanished = new Map<string, number>();
  private readonly answersWaiting = new Map<string, { found: FoundFile; since: number }>();
  /** Edits of tasks whose own form is right, but that break a rule of the graph: others may mend that. */
  private readonly edits = new Map<string, FoundFile>();
  /** Markers of sessions that there are not (yet), and since when. */
  private readonly orphans = new Map<SessionId, number>();
  /** Paths that a git operation is just writing. */
  private postponed: string[] = [];
  private readonly trust: Trust;
  /** Whether an answer in markdown is given time to be finished. */
  private settling = false;
  private lastMarkers = "";

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.trust = new Trust(workspace);
  }

  /** Whether something waits for time to pass. */
  get restless(): boolean {
    if (this.vanished.size + this.orphans.size + this.postponed.length > 0) return true;
    return this.settling || [...this.waiting.keys()].some(isTextDrop);
  }

  /** `starting`: the daemon's own unfinished writes are taken back, and what is gone is gone at once. */
  async observe(found: readonly Found[], now: number, options: { starting: boolean }): Promise<Observation> {
    const seen: Observation = {
      events: [],
      files: [],
      consumed: [],
      prompts: [],
      answers: new Map(),
      reload: { config: false, roles: false, views: new Set() },
    };
    const { starting } = options;
    if (!starting && this.trust.isBeingWritten(now)) {
      // Only when git is done does its index say which of these files are its own.
      this.postponed.push(...found.map(({ path }) => path));
      return seen;
    }
    await this.followTrust(seen, starting);
    const again = this.workspace.scanner.some(this.postponed.splice(0));
    const known = new Set(found.map(({ path }) => path));
    const reports: string[] = [];
    for (const each of [...found, ...again.filter(({ path }) => !known.has(path))]) {
      if (each.is === "gone") {
        if (!this.vanished.has(each.path)) this.vanished.set(each.path, now);
        continue;
      }
      this.vanished.delete(each.path);
      this.workspace.scanner.accept(each);
      if (each.place.kind === "report") reports.push(each.path);
      await this.one(each, seen, now, starting);
    }
    await this.settleVanished(seen, now, starting);
    for (const [path, edit] of [...this.edits]) {
      const { place } = edit;
      if (place.kind === "task" && place.id) await this.edited(place.session, place.id, edit, { seen, now, starting });
      else this.edits.delete(path);
    }
    this.markers(seen, now, starting);
    await this.intake(seen, now);
    this.answers(seen, now, starting);
    if (starting) await this.dropReports(reports);
    return seen;
  }

  /** What is gone for long enough is gone. A whole session takes longer: it may be the beginning of more. */
  private async settleVanished(seen: Observation, now: number, starting: boolean): Promise<void> {
    for (const [path, since] of this.vanished) {
      const session = topOf(path);
      const withAll = this.workspace.state.sessions.has(session) && !this.isFolder(session);
      if (now - since < (starting ? 0 : withAll ? SESSION_VANISH_MS : VANISH_MS)) continue;
      this.vanished.delete(path);
      if (this.workspace.scanner.isThere(path)) continue; // back again, as it was
      // What goes with its session stays known until that is recorded: its paths are removed from the ledger's tree.
      if (!withAll) this.workspace.scanner.accept({ path, place: { kind: "other" }, is: "gone" });
      await this.gone(path, seen);
    }
  }

  private isFolder(path: string): boolean {
    return lstatSync(join(this.workspace.folder, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
  }

  /** Reports of an earlier daemon whose files are in order, or gone, by now. */
  private async dropReports(reports: readonly string[]): Promise<void> {
    const { held } = this.workspace;
    for (const report of reports) {
      const path = report.slice(0, -at.report("").length);
      const { kind } = placeOf(path);
      const ours = kind === "task" || kind === "inbox" || kind === "prompt-drop" || kind === "response" || kind === "session-file";
      if (ours && !held.get(path)) await held.discard(path);
    }
  }

  /** What the code's branch tracks, and what of it is trusted, may have changed. */
  private async followTrust(seen: Observation, starting: boolean): Promise<void> {
    const changed = await this.trust.refresh();
    if (!changed) return;
    this.forgetMarkers();
    if (!starting) seen.reload.config = seen.reload.roles = true;
    for (const [session, { tasks }] of this.workspace.state.sessions) {
      for (const [id, task] of tasks) {
        const path = at.task(session, id);
        const trusted = isTrusted(this.workspace, path, this.workspace.scanner.seen.get(path)?.hash ?? null);
        const untrusted = task.status === "blocked" && task.execution.reason === "untrusted";
        if (untrusted && trusted) seen.events.push({ type: "trust-changed", session, id, trusted: true });
        else if (changed.tracked.has(path) && !trusted) seen.events.push({ type: "trust-changed", session, id, trusted: false });
      }
    }
  }

  private async one(found: Exclude<Found, { is: "gone" }>, seen: Observation, now: number, starting: boolean): Promise<void> {
    const { place, path } = found;
    if (place.kind === "session-folder") {
      if (found.is === "irregular" && found.what === "a folder") this.folder(place.session, seen);
      return;
    }
    if (place.kind === "marker" || place.kind === "ignored" || place.kind === "output" || place.kind === "transcript") return;
    if (found.is === "irregular") {
      if (place.kind === "report" || place.kind === "other" || place.kind === "view") return;
      const problems = [problem("not-a-file", `${path} is ${found.what}, not a regular file.`, { hint: "It is never opened. Remove it, or put a file in its place." })];
      return this.hold(path, { hash: found.what, problems }, now);
    }
    if (found.is === "oversized") {
      if (place.kind === "other" || place.kind === "report" || place.kind === "view") return;
      const problems = [problem("too-large", `The file has ${found.size} bytes; 1 MiB is the most.`, { hint: "Put long texts into files and name them." })];
      return this.hold(path, { hash: found.signature, problems }, now);
    }
    switch (place.kind) {
      case "config":
        seen.reload.config = true;
        seen.files.push({ path, content: found.content });
        return;
      case "role":
        seen.reload.roles = true;
        seen.files.push({ path, content: found.content });
        return;
      case "view":
        // Not as it was written: unknown, until it is written again.
        this.workspace.scanner.seen.delete(path);
        seen.reload.views.add(place.session);
        return;
      case "report":
        return;
      case "other":
        if (this.isMisnamed(path)) return this.hold(topOf(path), { hash: "", problems: [misnamed(topOf(path))] }, now);
        if (/\/\.task\/|^inbox\//.test(path)) return; // inside a folder that is named like a task
        seen.files.push({ path, content: found.content });
        return;
      case "session-file":
        return this.sessionFile(place.session, found, seen, now);
      case "task":
        if (place.id && this.task(place.session, place.id)) return this.edited(place.session, place.id, found, { seen, now, starting });
        return this.dropped(place.session, found, now);
      case "inbox":
        return this.dropped(null, found, now);
      case "prompt-drop": {
        const task = this.promptOf(place.session, place.name);
        if (task && task.status !== "completed") {
          seen.files.push({ path, content: found.content });
          return;
        }
        return this.dropped(place.session, found, now);
      }
      case "response":
        if (isTrusted(this.workspace, path, found.hash)) this.answersWaiting.set(path, { found, since: now });
        return;
      default:
        unreachable(place);
    }
  }

  private async gone(path: string, seen: Observation): Promise<void> {
    const { held, state, scanner } = this.workspace;
    await held.release(path);
    this.waiting.delete(path);
    this.edits.delete(path);
    this.answersWaiting.delete(path);
    const session = topOf(path);
    const name = path.slice(session.length + 1);
    if (this.isMisnamed(path) && !this.isFolder(session)) return held.release(session);
    if (path === at.config) seen.reload.config = true;
    if (path.startsWith("agents/")) seen.reload.roles = true;
    if (path === at.config || path.startsWith("agents/")) seen.files.push({ path, content: null });
    if (!state.sessions.has(session)) return;
    if (!this.isFolder(session)) {
      scanner.seen.delete(session);
      if (seen.events.some((event) => event.type === "session-gone" && event.session === session)) return;
      // All that is recorded of it goes with it, also what was not looked at again since.
      for (const recorded of (await this.workspace.ledger.files()).keys()) {
        if (topOf(recorded) === session) scanner.seen.set(recorded, { signature: "recorded", hash: null });
      }
      seen.events.push({ type: "session-gone", session, by: "person" });
      return;
    }
    const task = /^\.task\/(impl-[\d.]+)\.json$/.exec(name)?.[1];
    if (task && this.task(session, task)) {
      seen.events.push({ type: "task-deleted", session, id: task, by: "person" });
      return;
    }
    if (name === "workflow-session.json") {
      const file = state.sessions.get(session)?.file;
      if (file) seen.events.push({ type: "session-edited", file, fields: [], by: "daemon" });
      return;
    }
    if (/^(TODO_LIST|IMPL_PLAN)\.md$|^\.summaries\//.test(name)) seen.reload.views.add(session);
    else if (!name.endsWith(".error.md")) seen.files.push({ path, content: null });
  }

  /** A folder that was meant to be a session: `WFS-User_Auth`. */
  private isMisnamed(path: string): boolean {
    const top = topOf(path);
    return top !== path && top.startsWith("WFS-") && !isSessionId(top);
  }

  private folder(session: SessionId, seen: Observation): void {
    if (this.workspace.state.sessions.has(session) || this.announced(seen, session)) return;
    const file = newSession(session, instant(Date.now()));
    seen.events.push({ type: "session-found", file, by: "person" });
  }

  private announced(seen: Observation, session: SessionId): boolean {
    return seen.events.some((event) => event.type === "session-found" && event.file.session_id === session);
  }

  private async sessionFile(session: SessionId, found: FoundFile, seen: Observation, now: number): Promise<void> {
    if (!isTrusted(this.workspace, found.path, found.hash)) {
      this.workspace.log.say("warn", `${found.path} is tracked by the repository and not trusted: it is not obeyed`);
      return;
    }
    const parsed = parseJson(found.content);
    const checked = "ok" in parsed ? checkSession(withSessionDefaults(parsed.ok, session)) : parsed;
    const known = this.workspace.state.sessions.get(session)?.file;
    if ("problems" in checked) {
      const unfinished = "unfinished" in parsed && parsed.unfinished;
      const settled = this.workspace.held.get(found.path);
      if (settled?.hash === found.hash && "problems" in parsed) return;
      const problems = "ok" in parsed ? locate(parsed.text, checked.problems) : checked.problems;
      return this.hold(found.path, { hash: found.hash, problems, unfinished }, now);
    }
    await this.workspace.held.release(found.path);
    const file = checked.ok;
    if (!known) {
      const place = seen.events.findIndex((event) => event.type === "session-found" && event.file.session_id === session);
      const event: Event = { type: "session-found", file: { ...file, status: "paused" }, by: "person" };
      if (place === -1) seen.events.push(event);
      else seen.events[place] = event;
      return;
    }
    const { merged, fields } = mergeSession(file, known);
    seen.events.push({ type: "session-edited", file: merged, fields, by: fields.length === 0 ? "daemon" : "person" });
  }

  /** A session file that stayed unreadable is set aside, and written anew from what is known. */
  async setAside(path: string, seen: Observation, now: number): Promise<void> {
    const session = topOf(path);
    const aside = `${path}.corrupt-${instant(now).replace(/[:.]/g, "-")}`;
    await rename(join(this.workspace.folder, path), join(this.workspace.folder, aside));
    this.workspace.scanner.seen.delete(path);
    await this.workspace.held.release(path);
    const file = this.workspace.state.sessions.get(session)?.file ?? newSession(session, instant(now));
    if (!this.workspace.state.sessions.has(session)) seen.events.push({ type: "session-found", file, by: "daemon" });
    seen.events.push({ type: "repaired", text: `${session}: the session file could not be read; set aside as ${aside} and rebuilt` });
    seen.events.push({ type: "session-edited", file, fields: [], by: "daemon" });
  }

  private async edited(
    session: SessionId,
    id: TaskId,
    found: FoundFile,
    { seen, now, starting }: { seen: Observation; now: number; starting: boolean },
  ): Promise<void> {
    const current = this.task(session, id);
    this.edits.delete(found.path);
    if (!current) return;
    const { source } = current.execution;
    if (source?.file === found.path && source.sha256 === found.hash) {
      // The same drop once more is the same task: its file is put back as it stood.
      await this.workspace.held.release(found.path);
      seen.events.push({ type: "task-edited", session, task: current, fields: [], by: "daemon" });
      return;
    }
    const parsed = parseJson(found.content);
    const checked = "ok" in parsed ? checkTaskDrop(parsed.ok) : parsed;
    if (!("ok" in parsed) || "problems" in checked) {
      const unfinished = "unfinished" in parsed && parsed.unfinished;
      const problems = "ok" in parsed && "problems" in checked ? locate(parsed.text, checked.problems) : "problems" in checked ? checked.problems : [];
      return this.hold(found.path, { hash: found.hash, problems, unfinished }, now);
    }
    if (checked.ok.id !== undefined && checked.ok.id !== id) {
      const text = `The file of ${id} says id ${checked.ok.id}.`;
      const problems = [problem("id-changed", text, { pointer: "/id", hint: `Put ${id} back, or drop a new file.` })];
      return this.hold(found.path, { hash: found.hash, problems: locate(parsed.text, problems) }, now);
    }
    const saved = starting ? withoutUnrecorded(parsed.ok, current) : parsed.ok;
    const older = this.workspace.versions.get(taskKey(session, id)) ?? [];
    const { task, fields } = mergeEdit(saved, current, older);
    const problems = this.rules(session, complete(task));
    if (problems.length > 0) {
      this.edits.set(found.path, found);
      return this.hold(found.path, { hash: found.hash, problems: locate(parsed.text, problems) }, now);
    }
    await this.workspace.held.release(found.path);
    seen.events.push({ type: "task-edited", session, task: complete(task), fields, by: fields.length === 0 && starting ? "daemon" : "person" });
    if (!isTrusted(this.workspace, found.path, found.hash)) seen.events.push({ type: "trust-changed", session, id, trusted: false });
  }

  private rules(session: SessionId, task: Task): Problem[] {
    const roles = this.workspace.roles;
    const problems = checkRules(task, { taskOf: (id) => this.task(session, id), roles, roleNames: () => [...roles.keys()] });
    const outside = escaping(task.paths, this.workspace.repository).map((path) =>
      problem("path-escapes", `The path ${path} leaves the repository through a symbolic link.`, { pointer: "/paths" }),
    );
    return [...problems, ...outside];
  }

  private dropped(session: SessionId | null, found: FoundFile, now: number): void {
    const read = readDrop(found, this.workspace.repository);
    if ("problems" in read) {
      this.waiting.delete(found.path);
      return this.hold(found.path, { hash: found.hash, problems: read.problems, unfinished: read.unfinished }, now);
    }
    const { text } = read;
    const drop = session === null ? read.ok : withoutUnbegun(read.ok, session);
    this.waiting.set(found.path, { path: found.path, session, drop, since: now, ...(text === undefined ? {} : { prompt: found.content }) });
  }

  /** Takes in what waits, session by session, all of a session's together. */
  private async intake(seen: Observation, now: number): Promise<void> {
    const { state, roles, highest, held, sources } = this.workspace;
    const bySession = new Map<SessionId, PendingDrop[]>();
    for (const drop of [...this.waiting.values()]) {
      if (drop.prompt && now - drop.since < TEXT_SETTLE_MS) continue;
      const before = sources.get(`${drop.path} ${drop.drop.sha256}`);
      if (before && this.task(before.session, before.id)) {
        this.waiting.delete(drop.path);
        await held.release(drop.path);
        if (!isOwnFile(drop.path, before)) seen.consumed.push(drop.path);
        continue;
      }
      const session = drop.session ?? this.inboxSession(seen);
      if (!session) continue;
      if (!state.sessions.has(session) && !this.announced(seen, session)) this.folder(session, seen);
      bySession.set(session, [...(bySession.get(session) ?? []), drop]);
    }
    for (const [session, drops] of bySession) {
      const prepared = drops.map((pending) => prepareText(pending, session));
      const result = takeIn(prepared.map(({ drop }) => drop), {
        session,
        taskOf: (id) => this.task(session, id),
        highest: highest.get(session) ?? 0,
        roles,
        roleNames: () => [...roles.keys()],
      });
      highest.set(session, result.highest);
      const untrusted = new Set<TaskId>();
      for (const { file, task } of result.accepted) {
        const from = prepared.find(({ drop }) => drop.file === file);
        this.waiting.delete(file);
        await held.release(file);
        if (!isOwnFile(file, { session, id: task.id })) seen.consumed.push(...(isPromptOf(file, session) ? [] : [file]));
        if (from?.prompt) seen.prompts.push(from.prompt);
        if (!isTrusted(this.workspace, file, task.execution.source?.sha256 ?? null)) untrusted.add(task.id);
      }
      for (const { file, problems } of result.refused) {
        const pending = this.waiting.get(file);
        if (pending) this.hold(file, { hash: pending.drop.sha256, problems }, now);
      }
      const tasks = result.accepted.map(({ task }) => task);
      if (tasks.length > 0) seen.events.push({ type: "tasks-found", session, tasks, by: "person", untrusted });
    }
  }

  /** The active session; a first one is made when there is none at all. */
  private inboxSession(seen: Observation): SessionId | null {
    const { state, scanner } = this.workspace;
    for (const marker of scanner.markers()) if (state.sessions.has(marker.session) || this.announced(seen, marker.session)) return marker.session;
    for (const [id, session] of state.sessions) if (session.file.status === "active") return id;
    if (state.sessions.size > 0 || seen.events.some((event) => event.type === "session-found")) return null;
    const file: SessionFile = { ...newSession(FIRST_SESSION, instant(Date.now())), status: "active" };
    seen.events.push({ type: "session-found", file, by: "daemon" });
    return FIRST_SESSION;
  }

  private markers(seen: Observation, now: number, starting: boolean): void {
    const { scanner, state } = this.workspace;
    const present = scanner
      .markers()
      .map(({ session }) => session)
      .filter((session) => isTrusted(this.workspace, at.marker(session), null))
      .filter((session) => !this.isEarly(session, seen, now, starting));
    const sessions = new Set([...state.sessions.keys(), ...seen.events.flatMap((event) => (event.type === "session-found" ? [event.file.session_id] : []))]);
    const key = `${present.join(" ")}|${[...sessions].join(" ")}`;
    if (key === this.lastMarkers) return;
    this.lastMarkers = key;
    seen.events.push({ type: "markers", present });
  }

  /** A marker may be there a moment before its session is; one without a session is told only after a while. */
  private isEarly(session: SessionId, seen: Observation, now: number, starting: boolean): boolean {
    const isKnown = () => this.workspace.state.sessions.has(session) || this.announced(seen, session);
    if (!isKnown() && this.isFolder(session)) this.folder(session, seen);
    if (isKnown()) this.orphans.delete(session);
    else if (!this.orphans.has(session)) this.orphans.set(session, now);
    const since = this.orphans.get(session);
    if (since === undefined) return false;
    const early = !starting && now - since < ORPHAN_MS;
    if (!early) this.orphans.delete(session);
    return early;
  }

  /** Markers were changed by the daemon itself, or a decision about them was not carried out: look at them anew. */
  forgetMarkers(): void {
    this.lastMarkers = "";
  }

  private answers(seen: Observation, now: number, starting: boolean): void {
    this.settling = false;
    for (const [path, { found, since }] of [...this.answersWaiting]) {
      if (found.place.kind !== "response") continue;
      const { session, task: id, attempt, format } = found.place;
      if (!this.waitsFor(session, id, attempt)) {
        // Somebody's all the same; it may be an answer later.
        if (since === now) seen.files.push({ path, content: found.content });
        continue;
      }
      if (format === "md" && !starting && now - since < TEXT_SETTLE_MS) {
        this.settling = true;
        continue;
      }
      this.answersWaiting.delete(path);
      const answer = readAnswer({ content: found.content, format, task: id, attempt });
      if ("problems" in answer) {
        this.hold(path, { hash: found.hash, problems: answer.problems, unfinished: answer.unfinished }, now);
        continue;
      }
      void this.workspace.held.release(path);
      seen.files.push({ path, content: found.content });
      seen.answers.set(`${session}/${attemptName(id, attempt)}`, answer.ok);
      const message = answer.ok.error?.message ?? answer.ok.result;
      seen.events.push({ type: "answered", session, id, attempt, outcome: answer.ok.outcome, message });
    }
  }

  /** Whether a person's response is awaited, or is taken before it was asked for since a person is to do it anyway. */
  private waitsFor(session: SessionId, id: TaskId, attempt: number): boolean {
    const task = this.task(session, id);
    if (!task) return false;
    const { reason, last_attempt: last, attempts } = task.execution;
    if (task.status === "blocked") return reason === "awaiting-person" && last?.attempt === attempt;
    return task.status === "pending" && this.workspace.roles.get(task.agent)?.runner === "human" && attempt === attempts + 1;
  }

  private hold(path: string, why: { hash: string; problems: Problem[]; unfinished?: boolean }, now: number): void {
    this.workspace.held.hold(path, why, now);
  }

  private task(session: SessionId, id: TaskId): Task | undefined {
    return this.workspace.state.sessions.get(session)?.tasks.get(id);
  }

  private promptOf(session: SessionId, name: string): Task | undefined {
    const wanted = `prompts/${name}`;
    for (const task of this.workspace.state.sessions.get(session)?.tasks.values() ?? []) {
      if (task.execution.prompt_file === wanted) return task;
    }
    return undefined;
  }
}

/** An atomic save may leave a name empty for a moment. */
const VANISH_MS = 300;
/** A session that is gone may be the first of all that somebody is removing just now. */
const SESSION_VANISH_MS = 1000;
const ORPHAN_MS = 500;
/** Text has no end that one could see: it must have stayed as it is for this long. */
const TEXT_SETTLE_MS = 500;
const FIRST_SESSION = "WFS-main";

function topOf(path: string): string {
  return path.split("/")[0] ?? "";
}

function misnamed(folder: string): Problem {
  const hint = `Rename it: mv ${folder} ${sessionIdFor(folder, () => false)}`;
  return problem("bad-session-name", `${folder} is no session's name: WFS- and a topic in lower case with hyphens.`, { hint });
}

function isOwnFile(path: string, task: { session: SessionId; id: TaskId }): boolean {
  return path === at.task(task.session, task.id);
}

function isPromptOf(path: string, session: SessionId): boolean {
  return path.startsWith(`${session}/prompts/`);
}

/** A text's task names the file that holds its prompt: in the session, wherever it was dropped. */
function prepareText(pending: PendingDrop, session: SessionId): { drop: Drop; prompt?: { path: string; content: Buffer } } {
  if (!pending.prompt) return { drop: pending.drop };
  const name = pending.path.slice(pending.path.lastIndexOf("/") + 1);
  const drop: Drop = { ...pending.drop, drop: { ...pending.drop.drop, execution: { prompt_file: `prompts/${name}` } } };
  return { drop, prompt: { path: `${session}/prompts/${name}`, content: pending.prompt } };
}

/** All ten fields, as after intake, even where an edit took one away. */
function complete(task: Task): Task {
  const { relations, context, implementation } = task as Partial<Task>;
  return {
    ...task,
    type: task.type ?? "feature",
    agent: task.agent ?? "code-developer",
    paths: task.paths ?? "",
    context: { ...context, requirements: context?.requirements ?? [], scope: context?.scope ?? [], acceptance: context?.acceptance ?? [] },
    relations: { ...relations, parent: relations?.parent ?? null, subtasks: relations?.subtasks ?? [], dependencies: relations?.dependencies ?? [] },
    implementation: {
      ...implementation,
      files: implementation?.files ?? [],
      context_notes: implementation?.context_notes ?? {},
      analysis_source: implementation?.analysis_source ?? "manual",
    },
  };
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
  return { ...read, drop: { ...read.drop, execution: { ...kept, attempts: Math.max(0, last.attempt - 1), last_attempt: null } } };
}

/**
 * At start, an attempt's history that differs from the record was written by a daemon that did not come to record it,
 * and so never acted on it: the record counts, and it will be decided again. What a person changed stays.
 */
function withoutUnrecorded(saved: Record<string, unknown>, recorded: Task): Record<string, unknown> {
  const execution = saved["execution"] as Partial<Task["execution"]> | undefined;
  if (!execution) return saved;
  const same =
    execution.attempts === recorded.execution.attempts &&
    JSON.stringify(execution.last_attempt) === JSON.stringify(recorded.execution.last_attempt);
  if (same) return saved;
  const { attempts, last_attempt, failures, reason, next_attempt_at } = recorded.execution;
  const restored: Record<string, unknown> = { ...execution, attempts, last_attempt, failures, reason, next_attempt_at };
  for (const key of ["failures", "reason", "next_attempt_at"]) if (restored[key] === undefined) delete restored[key];
  return { ...saved, status: recorded.status, execution: restored };
}

function withSessionDefaults(value: Record<string, unknown>, session: SessionId): Record<string, unknown> {
  const { session_id: _id, ...rest } = value;
  const base = newSession(session, instant(Date.now()));
  const progress = typeof rest["progress"] === "object" ? { ...base.progress, ...rest["progress"] } : base.progress;
  return { ...base, ...rest, progress, session_id: session };
}

/** A person's session file: their fields, with the facts that Coxswain keeps. */
function mergeSession(saved: SessionFile, current: SessionFile): { merged: SessionFile; fields: string[] } {
  const derived = ["progress", "current_phase", "updated_at", "created_at", "cost_usd", "session_id"];
  const merged: Record<string, unknown> = { ...saved };
  const before = current as Record<string, unknown>;
  for (const key of derived) if (before[key] !== undefined) merged[key] = before[key];
  const names = new Set([...Object.keys(merged), ...Object.keys(current)]);
  const fields = [...names].filter((key) => JSON.stringify(merged[key]) !== JSON.stringify(before[key]));
  return { merged: merged as SessionFile, fields };
}
