/**
 * Makes a decision history: the files on disk, then the ledger. What a person saved meanwhile is never written over:
 * then nothing is written, and the decision is taken again with that save in view.
 */
import { rm, utimes, writeFile } from "node:fs/promises";
import { existsSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import type { LedgerEntry } from "../ledger/ledger.ts";
import { defaultResponse } from "../machine/people.ts";
import type { Decision } from "../machine/machine.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, taskKey, type RunId, type SessionId } from "../model/ids.ts";
import type { PatternsFile } from "../model/pattern.ts";
import type { Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import { isTransition, type Change, type Effect, type Transition } from "../model/transition.ts";
import { unreachable } from "../model/unreachable.ts";
import { syncFolder, writeFiles, type FileWrite } from "../store/files.ts";
import { formatJson, parseJson } from "../store/json-file.ts";
import { at, placeOf } from "../store/paths.ts";
import { readRegular } from "../store/scan.ts";
import { entryOf } from "../ledger/entries.ts";
import { failpoint } from "./failpoint.ts";
import type { Observation } from "./observe.ts";
import type { Page } from "./pages.ts";
import { keepOwnPage } from "./own-pages.ts";
import { saysAll } from "./answers.ts";
import { promptFor } from "./prompts.ts";
import { reviewFiles } from "./review-files.ts";
import { transcriptOf } from "./transcripts.ts";
import { steady } from "./steady.ts";
import { planFileOf } from "./planning.ts";
import { Turn } from "./turn.ts";
import { rememberPatterns, rememberSession, rememberSource, rememberVersion, type Workspace } from "./workspace.ts";

export interface Batch {
  decision: Decision;
  /** What was observed for it; people's files that are recorded as they are. */
  observed: Observation;
  /** Responses of attempts that ended, by run. */
  responses: ReadonlyMap<RunId, ResponseFile>;
  /** Views and checkpoints as they are afterwards. */
  pages: readonly Page[];
  codeCommit: string | null;
  at: Instant;
}

export type Recorded = { done: true } | { stale: string[] };

/** Throws when disk or ledger cannot be written: nothing was acted on, and the batch may be tried again. */
export async function record(workspace: Workspace, batch: Batch): Promise<Recorded> {
  const plan = await planFiles(workspace, batch);
  const markers = batch.decision.effects.filter(({ do: what }) => what === "touch-marker" || what === "remove-marker");
  if (plan.entries.length + plan.writes.size + plan.removals.length + markers.length === 0) return { done: true };
  const stale = [...plan.writes.keys()].filter((path) => isState(path) && !workspace.scanner.unchanged(path));
  if (stale.length > 0) return { stale };

  const placed = placeFiles(workspace, { batch, plan, markers });
  try {
    // The ledger's objects are made meanwhile; what names them comes after the files.
    const { commits } = await workspace.ledger.record(plan.entries, placed);
    noteBegun(workspace, batch, { entries: plan.entries, commits });
  } catch (error) {
    // Whatever follows must find the files at rest.
    await placed.catch(() => {});
    if (error instanceof Stale) return { stale: error.paths };
    throw error;
  }
  failpoint("after-ledger");
  for (const path of plan.removals) await remove(workspace, path, workspace.config.ledger.durability === "full");
  failpoint("drops-removed");
  for (const change of batch.decision.changes) noteVersions(workspace, change);
  for (const change of batch.decision.changes) noteSource(workspace, change);
  return { done: true };
}

/** Which commits say that attempts began: the commits of their work name them. */
function noteBegun(
  { begun }: Workspace,
  { decision }: Batch,
  { entries, commits }: { entries: readonly LedgerEntry[]; commits: readonly string[] },
): void {
  for (const change of decision.changes) {
    if (change.of !== "run-started") continue;
    const { session, id, runId } = change.run;
    const place = entries.findLastIndex(({ subject }) => subject === `${session} ${id}: pending -> active`);
    const commit = commits[place];
    if (commit !== undefined) begun.set(runId, commit);
  }
}

/** Somebody has saved these meanwhile. */
class Stale extends Error {
  readonly paths: string[];
  constructor(paths: string[]) {
    super(`changed meanwhile: ${paths.join(", ")}`);
    this.paths = paths;
  }
}

/** All that is on disk before the ledger says so. Rejects with {@link Stale} where a person was faster. */
async function placeFiles(
  workspace: Workspace,
  { batch, plan, markers }: { batch: Batch; plan: Plan; markers: readonly Effect[] },
): Promise<void> {
  const durable = workspace.config.ledger.durability === "full";
  failpoint("before-files");
  try {
    // First the answer, then the status that says there is one. What a task's file tells is what must last, and so must
    // a person's text: cut short by a power cut it would be another drop. Prompts of attempts, answers and session files
    // can be had from the ledger again.
    const writes = [...plan.writes.values()].sort((a, b) => Number(isTaskFile(a.path)) - Number(isTaskFile(b.path)));
    const left = await writeFiles(workspace.folder, writes, durable && isLasting);
    for (const { path, content } of plan.writes.values())
      if (!left.includes(path)) workspace.scanner.wrote(path, content);
    if (left.length > 0) {
      // Some were put in place: somebody may have read those, and save what was made from them.
      for (const change of batch.decision.changes) noteVersions(workspace, change);
      throw new Stale(left);
    }
  } catch (error) {
    // What was put in place before the failure is our own doing, no person's save.
    if (!(error instanceof Stale))
      for (const { path, content } of plan.writes.values()) noteWritten(workspace, path, content);
    throw error;
  }
  // There before the attempt is on record: an attempt whose folder is missing was not "never started".
  for (const effect of batch.decision.effects) {
    if (effect.do === "start-agent")
      mkdirSync(join(workspace.folder, at.runFolder(effect.run.runId)), { recursive: true, mode: 0o700 });
  }
  failpoint("after-files-before-ledger");
  for (const effect of markers) await setMarker(workspace, effect);
  failpoint("after-markers");
}

/** Pages are rebuilt from what is recorded: they need not survive a power cut, and nobody waits for them. */
export async function writePages(workspace: Workspace, pages: readonly Page[]): Promise<void> {
  // A session that somebody is just removing must not come back by its pages.
  const wanted = pages.filter(({ path }) => {
    const [session = ""] = path.split("/");
    return existsSync(join(workspace.folder, session)) && !workspace.obstructed.has(session);
  });
  for (const { path } of wanted) {
    const own = isList(path) && !workspace.scanner.seen.has(path) ? keepOwnPage(workspace.folder, path) : undefined;
    if (own) workspace.log.say("warn", `${path} was somebody's own: it is kept as ${own}`);
  }
  // Noted one by one: the loop goes on meanwhile, and would take those that it does not know for somebody's own.
  const noted = wanted.map((page) => ({ ...page, placed: () => workspace.scanner.wrote(page.path, page.content) }));
  await writeFiles(workspace.folder, noted, false);
}

function isList(path: string): boolean {
  return path.endsWith("/TODO_LIST.md") || path.endsWith("/IMPL_PLAN.md");
}

interface Plan {
  writes: Map<string, FileWrite>;
  entries: LedgerEntry[];
  removals: string[];
}

async function planFiles(workspace: Workspace, batch: Batch): Promise<Plan> {
  const { decision, observed } = batch;
  const plan: Plan = { writes: new Map(), entries: [], removals: [...observed.consumed] };
  const put = (path: string, content: string | Buffer): LedgerEntry["changes"][number] => {
    // A person's file that cannot be read stays as it is: it is merged when it is mended.
    const careful = isState(path)
      ? { changed: workspace.scanner.watchful(path), keep: () => workspace.kept.keep(path, steady()) }
      : {};
    if (!workspace.held.get(path)) plan.writes.set(path, { path, content, ...careful });
    return { path, content: Buffer.from(content) };
  };
  const turn = new Turn();
  for (const transition of decision.changes.filter(isTransition)) {
    if (turn.isLong) await turn.pass();
    const changes: LedgerEntry["changes"] = [];
    if (transition.of === "task" || transition.of === "task-edit") {
      changes.push(...(await taskFiles(workspace, batch, transition, put)));
      if (isTakenAway(workspace, transition)) plan.removals.push(at.task(transition.session, transition.id));
    } else if (transition.of !== "workspace") {
      const files = transition.of === "session" && transition.to === "archived" ? await workspace.ledger.files() : null;
      changes.push(...(files ? allOf(transition.session, files) : sessionFiles(workspace, transition, put)));
    }
    const facts = { at: batch.at, codeCommit: batch.codeCommit, ...noteOf(workspace, transition) };
    plan.entries.push({ ...entryOf(transition, facts), changes });
  }
  for (const { path, content } of observed.prompts) put(path, content);

  // Derived facts of a session go with the last commit of the batch.
  const derived: LedgerEntry["changes"] = observed.prompts.map(({ path, content }) => ({ path, content }));
  for (const change of decision.changes) {
    if (change.of === "session-file") derived.push(put(at.sessionFile(change.session), sessionText(workspace, change)));
  }
  const learned = decision.changes.findLast((change) => change.of === "patterns");
  if (learned) derived.push(...patternsFile(workspace, batch, learned.after, put));
  // What a person says of failures is theirs, whatever was learned in the same moment.
  const said = observed.files.filter(({ path }) => path === at.patterns && plan.writes.has(path));
  if (said.length > 0) plan.entries.unshift(peopleEntry(batch, said));
  const people = observed.files.filter(({ path }) => !plan.writes.has(path));
  if (people.length > 0) plan.entries.push(peopleEntry(batch, people));
  for (const { path, content } of batch.pages) derived.push({ path, content: Buffer.from(content) });
  plan.entries.at(-1)?.changes.push(...derived);
  return plan;
}

/** A task that was made for a workflow's step, and that the daemon deletes: others come in its place. */
function isTakenAway(
  { state }: Workspace,
  { session, id, after, by }: Extract<Transition, { of: "task" | "task-edit" }>,
) {
  const before = state.sessions.get(session)?.tasks.get(id);
  return after === null && by === "daemon" && before?.execution.workflow?.part_of !== undefined;
}

/** The task's file, and what belongs to this moment of its life: prompt, response. */
async function taskFiles(
  workspace: Workspace,
  batch: Batch,
  transition: Extract<Transition, { of: "task" | "task-edit" }>,
  put: (path: string, content: string | Buffer) => LedgerEntry["changes"][number],
): Promise<LedgerEntry["changes"]> {
  const { session, id, after } = transition;
  const path = at.task(session, id);
  if (after === null) return [{ path, content: null }];
  const changes = [put(path, taskText(workspace, path, after))];
  const byDefault = after.execution.last_attempt?.ended_at === batch.at ? defaultResponse(after) : undefined;
  if (byDefault) {
    const response = at.response(session, attemptName(id, byDefault.attempt));
    return [...changes, put(response, formatJson(byDefault))];
  }
  if (transition.of === "task-edit") return changes;
  for (const other of transition.also ?? []) {
    const otherPath = at.task(session, other.id);
    changes.push(put(otherPath, taskText(workspace, otherPath, other)));
  }
  const last = after.execution.last_attempt;
  if (!last) return changes;
  const name = attemptName(id, last.attempt);
  const review = await reviewFiles(workspace, batch, transition);
  if (review) return [...changes, ...review.map(({ path: file, content }) => put(file, content))];
  // A merge asks nobody: what its agent was told stays as it was sent.
  const begins =
    transition.attempt !== undefined &&
    !last.merging &&
    (transition.to === "active" || after.execution.reason === "awaiting-person");
  if (begins) {
    const { observed, decision, responses } = batch;
    const upcoming = { changes: decision.changes, responses, answers: observed.answers, texts: observed.prompts };
    changes.push(
      put(
        at.prompt(session, name),
        await promptFor(workspace, { session, task: after, attempt: last.attempt }, upcoming),
      ),
    );
  }
  const answer = batch.observed.answers.get(`${session}/${name}`);
  const response = answer ?? (last.run_id ? batch.responses.get(last.run_id) : undefined);
  if (response && last.ended_at) {
    const text = formatJson(response);
    const responsePath = at.response(session, name);
    const written = batch.observed.files.find((file) => file.path === responsePath);
    // What is a form's fields only, say, is made a response: others read it.
    if (!answer || !written?.content || !saysAll(written.content, answer)) changes.push(put(responsePath, text));
    const plan = planFileOf(workspace, session, after, response);
    if (plan) changes.push(put(plan.path, plan.text));
    changes.push(...namesake(session, after, response, text, put));
    if (workspace.config.ledger.transcripts) changes.push(...(await transcriptOf(workspace.folder, session, name)));
  }
  return changes;
}

/** The answer to a prompt that was dropped as a file, under the same base name. */
function namesake(
  session: SessionId,
  task: Task,
  response: ResponseFile,
  text: string,
  put: (path: string, content: string) => LedgerEntry["changes"][number],
): LedgerEntry["changes"] {
  const { prompt_file: prompt } = task.execution;
  const base = prompt && /^prompts\/([^/]+)\.(md|markdown|txt)$/i.exec(prompt)?.[1];
  if (!base) return [];
  const folder = `${session}/responses`;
  return [put(`${folder}/${base}.md`, `${response.result.trimEnd()}\n`), put(`${folder}/${base}.json`, text)];
}

function sessionFiles(
  workspace: Workspace,
  { session, after }: Pick<Extract<Transition, { of: "session" }>, "session" | "after">,
  put: (path: string, content: string) => LedgerEntry["changes"][number],
): LedgerEntry["changes"] {
  const path = at.sessionFile(session);
  if (after === null) {
    return [...workspace.scanner.seen.keys()]
      .filter((known) => known.startsWith(`${session}/`) && !known.includes("/.task/"))
      .concat(path)
      .map((known) => ({ path: known, content: null }));
  }
  return [put(path, formatJson(after, textOnDisk(workspace, path)))];
}

/** Of a session that leaves, its tasks' files go with their own transitions. */
function allOf(session: SessionId, recorded: ReadonlyMap<string, string>): LedgerEntry["changes"] {
  return [...recorded.keys()]
    .filter((path) => path.startsWith(`${session}/`) && !isTaskFile(path))
    .map((path) => ({ path, content: null }));
}

/** Nothing where the file says it already: a person's own form is left alone. */
function patternsFile(
  workspace: Workspace,
  { observed }: Batch,
  after: PatternsFile,
  put: (path: string, content: string) => LedgerEntry["changes"][number],
): LedgerEntry["changes"] {
  const path = at.patterns;
  const saved = observed.files.findLast((file) => file.path === path);
  const text = saved ? saved.content?.toString("utf8") : textOnDisk(workspace, path);
  const parsed = text === undefined ? undefined : parseJson(Buffer.from(text));
  const says = parsed && "ok" in parsed ? JSON.stringify(parsed.ok) : undefined;
  if (says === JSON.stringify(after) || (saved?.content === null && after.patterns.length === 0)) return [];
  return [put(path, formatJson(after, text))];
}

function sessionText(workspace: Workspace, change: Extract<Change, { of: "session-file" }>): string {
  return formatJson(change.after, textOnDisk(workspace, at.sessionFile(change.session)));
}

function taskText(workspace: Workspace, path: string, task: Task): string {
  const { source } = task.execution;
  const text = textOnDisk(workspace, path) ?? (source ? textOnDisk(workspace, source.file) : undefined);
  return formatJson(task, text);
}

/** What is there now, for its indentation. */
function textOnDisk(workspace: Workspace, path: string): string | undefined {
  if (!workspace.scanner.seen.has(path)) return undefined;
  return readRegular(join(workspace.folder, path))?.content.toString("utf8");
}

function peopleEntry(batch: Batch, files: Observation["files"]): LedgerEntry {
  const names = files.map(({ path }) => path);
  const listed = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
  const verb = files.every(({ content }) => content === null) ? "removed" : "changed";
  const subject = `workspace: ${verb} ${listed}`;
  return { subject, trailers: [["Cox-Actor", "person"]], actor: "person", at: batch.at, changes: [...files] };
}

/** What a scripted agent does says so in history too. */
function noteOf(workspace: Workspace, transition: Transition): { note?: string } {
  if (transition.of !== "task" || !transition.after) return {};
  const scripted = workspace.roles.get(transition.after.agent)?.runner === "scripted";
  return scripted ? { note: "scripted: no model was called" } : {};
}

function isTaskFile(path: string): boolean {
  return path.includes("/.task/");
}

function isLasting(path: string): boolean {
  return isTaskFile(path) || placeOf(path).kind === "prompt-drop";
}

/** Files whose content people change too; everything else is the daemon's alone. */
function isState(path: string): boolean {
  return isTaskFile(path) || path.endsWith("/workflow-session.json") || path === at.patterns;
}

function noteWritten(workspace: Workspace, path: string, content: string | Buffer): void {
  const there = readRegular(join(workspace.folder, path));
  if (there && there.content.equals(Buffer.from(content))) workspace.scanner.wrote(path, content);
}

/** Markers are files like others: there before the ledger says so, so that no crash leaves a session without its own. */
export async function setMarker(workspace: Workspace, effect: Effect): Promise<void> {
  if (effect.do !== "touch-marker" && effect.do !== "remove-marker") return;
  const marker = join(workspace.folder, at.marker(effect.session));
  if (effect.do === "remove-marker") return rm(marker, { force: true });
  const now = new Date();
  await writeFile(marker, "", { flag: "a" });
  await utimes(marker, now, now);
}

async function remove(workspace: Workspace, path: string, durable: boolean): Promise<void> {
  const full = join(workspace.folder, path);
  await rm(full, { force: true });
  workspace.scanner.seen.delete(path);
  if (durable) await syncFolder(dirname(full));
}

export function noteSource(workspace: Workspace, change: Change): void {
  if (change.of === "task" && change.from === "new" && change.after)
    rememberSource(workspace, change.session, change.after);
}

/** What a person may hold in an editor: each version that stood in the file for a moment. */
export function noteVersions(workspace: Workspace, change: Change): void {
  switch (change.of) {
    case "task":
    case "task-edit": {
      const key = taskKey(change.session, change.id);
      if (!workspace.versions.has(key))
        rememberVersion(workspace, key, workspace.state.sessions.get(change.session)?.tasks.get(change.id));
      rememberVersion(workspace, key, change.after ?? undefined);
      return;
    }
    case "patterns":
      return rememberPatterns(workspace);
    case "session":
    case "session-edit":
    case "session-file":
      return rememberSession(workspace, change.session, change.after);
    case "workspace":
    case "run-started":
    case "run-stopping":
    case "run-ended":
    case "run-progress":
    case "spent":
    case "warning":
    case "proven":
    case "limit":
    case "breaker":
    case "draining":
      return;
    default:
      unreachable(change);
  }
}
