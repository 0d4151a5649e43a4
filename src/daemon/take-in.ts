/**
 * Makes a merge history, in the order of all else: the files on disk, then the ledger, then the act. Their history and
 * ours are both parents of one commit; on top of it each change here is a transition like any other.
 */
import { existsSync, lstatSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openObjects } from "../ledger/cat-file.ts";
import { histories } from "../ledger/histories.ts";
import type { LedgerEntry } from "../ledger/ledger.ts";
import { apply, type Decision } from "../machine/machine.ts";
import { equal } from "../machine/merge.ts";
import { taskNumbers, type SessionId } from "../model/ids.ts";
import type { Instant } from "../model/time.ts";
import { isTransition, type Transition } from "../model/transition.ts";
import { unreachable } from "../model/unreachable.ts";
import { syncFolder, writeFiles, type FileWrite } from "../store/files.ts";
import { formatJson } from "../store/json-file.ts";
import { at, placeOf, RUN, WRITTEN_BY_PEOPLE } from "../store/paths.ts";
import type { MergeFacts, SyncRequest } from "../store/sync-requests.ts";
import { readRegular } from "../store/scan.ts";
import { entryOf } from "../ledger/entries.ts";
import { failpoint } from "./failpoint.ts";
import { readForeign } from "./foreign.ts";
import { planMerge, type MergePlan } from "./merge-plan.ts";
import type { Page } from "./pages.ts";
import { noteSource, noteVersions, setMarker } from "./record.ts";
import { steady } from "./steady.ts";
import type { Workspace } from "./workspace.ts";

export interface Incoming extends SyncRequest {
  /** Both histories are joined even where we have all that theirs says. */
  keep: boolean;
}

export type Taken =
  | { ok: { way: MergePlan["way"]; facts: MergeFacts; decision: Decision; tip: string | null } }
  /** Somebody has saved these meanwhile: they are looked at first. */
  | { stale: string[] };

/** Throws where disk or ledger cannot be written: then it may be tried again. */
export async function takeIn(
  workspace: Workspace,
  incoming: Incoming,
  of: { now: Instant; pagesAfter: (decision: Decision) => Promise<Page[]> },
): Promise<Taken | undefined> {
  const objects = openObjects(workspace.gitDir);
  try {
    const foreign = await readForeign(workspace, incoming.commit, objects);
    if (!foreign) return undefined;
    const plan = await planMerge(workspace, foreign, { trust: incoming.trust, now: of.now });
    if (plan.way === "nothing" && incoming.keep) plan.way = "join";
    if (plan.way === "nothing")
      return { ok: { way: plan.way, facts: plan.facts, decision: plan.decision, tip: workspace.ledger.tip } };
    workspace.secrets.addDecided([...plan.adopted.changes, ...plan.decision.changes]);
    const texts = textsAfter(workspace, plan);
    writeFileSync(begun(workspace), `${incoming.commit}\n`);
    const stale = await place(workspace, plan, texts);
    if (stale.length > 0) return { stale };
    failpoint("merged-on-disk");
    if (plan.way === "forward") {
      await goForward(workspace, incoming.commit);
      failpoint("merged-forward");
      note(workspace, plan.adopted);
      apply(workspace.state, plan.adopted.changes);
    }
    const pages = await of.pagesAfter(plan.decision);
    const recorded = await workspace.ledger.files();
    const entries = entriesOf({ plan, texts, incoming, now: of.now, pages, recorded });
    if (entries.length > 0) await workspace.ledger.record(entries);
    failpoint("merged-in-ledger");
    noteWhole(workspace);
    note(workspace, plan.decision);
    const effects = [...plan.adopted.effects, ...plan.decision.effects];
    const decision = { changes: plan.decision.changes, effects };
    return { ok: { way: plan.way, facts: plan.facts, decision, tip: workspace.ledger.tip } };
  } finally {
    await objects.close();
  }
}

/** There while some of a merge may be on disk that the ledger does not have. */
const begun = ({ folder }: Workspace) => join(folder, RUN, "merging");

/** Whether an earlier daemon died in the middle of a merge. */
export function isCutOff(workspace: Workspace): boolean {
  return existsSync(begun(workspace));
}

export function noteWhole(workspace: Workspace): void {
  rmSync(begun(workspace), { force: true });
}

/** Task and session files as they are when all is done. */
function textsAfter(workspace: Workspace, plan: MergePlan): Map<string, Buffer | null> {
  const texts = new Map<string, Buffer | null>();
  for (const change of [...plan.adopted.changes, ...plan.decision.changes].filter(isTransition))
    for (const [path, value] of filesOf(change)) texts.set(path, value && bytesOf(workspace, plan, path, value));
  return texts;
}

function filesOf(change: Transition): [path: string, value: object | null][] {
  switch (change.of) {
    case "task":
      return [
        [at.task(change.session, change.id), change.after],
        ...(change.also ?? []).map((other): [string, object] => [at.task(change.session, other.id), other]),
      ];
    case "task-edit":
      return [[at.task(change.session, change.id), change.after]];
    case "session":
    case "session-edit":
      return [[at.sessionFile(change.session), change.after]];
    case "workspace":
      return [];
    default:
      return unreachable(change);
  }
}

/** Just as they have it, where it is the same; else in the form that the file has here, or there. */
function bytesOf(workspace: Workspace, plan: MergePlan, path: string, value: object): Buffer {
  const theirs = plan.texts.get(path);
  if (theirs && equal(JSON.parse(theirs.toString("utf8")), value)) return theirs;
  const mine = workspace.scanner.seen.has(path) ? readRegular(join(workspace.folder, path))?.content : undefined;
  return Buffer.from(formatJson(value, (mine ?? theirs)?.toString("utf8")));
}

/** Answers with what somebody has saved meanwhile. Then some of it may stand on disk: it is merged again. */
async function place(
  workspace: Workspace,
  plan: MergePlan,
  texts: ReadonlyMap<string, Buffer | null>,
): Promise<string[]> {
  const { folder, scanner, held, kept } = workspace;
  const durable = workspace.config.ledger.durability === "full";
  const all = [...plan.files, ...texts].filter(([path]) => !held.get(path));
  const writes: FileWrite[] = [];
  const removals: string[] = [];
  for (const [path, content] of all) {
    if (content === null) removals.push(path);
    else {
      if (readRegular(join(folder, path))?.content.equals(content)) {
        scanner.wrote(path, content); // of a merge that was cut off, or everybody's
        continue;
      }
      const careful = WRITTEN_BY_PEOPLE.has(placeOf(path).kind)
        ? { changed: scanner.watchful(path), keep: () => kept.keep(path, steady()) }
        : {};
      writes.push({ path, content, ...careful, placed: () => scanner.wrote(path, content) });
    }
  }
  const stale = [...writes.map(({ path }) => path), ...removals].filter(
    (path) => WRITTEN_BY_PEOPLE.has(placeOf(path).kind) && !scanner.unchanged(path),
  );
  if (stale.length > 0) return stale;
  // What a session's tasks need comes before them.
  writes.sort((a, b) => Number(a.path.includes("/.task/")) - Number(b.path.includes("/.task/")));
  const left = await writeFiles(folder, writes, durable);
  if (left.length > 0) return left;
  for (const path of removals) {
    await rm(join(folder, path), { force: true });
    scanner.seen.delete(path);
    if (durable && existsSync(dirname(join(folder, path)))) await syncFolder(dirname(join(folder, path)));
  }
  for (const change of plan.decision.changes.concat(plan.adopted.changes))
    if (change.of === "session" && change.after === null) putAway(workspace, change.session);
    else if (change.of === "session" && change.from === "new")
      scanner.seen.set(change.session, { signature: "a folder", hash: null });
  for (const effect of [...plan.adopted.effects, ...plan.decision.effects]) await setMarker(workspace, effect);
  return [];
}

/** What is left of a session that was deleted on the other machine is kept, out of the way. */
function putAway({ folder, scanner }: Workspace, session: SessionId): void {
  const from = join(folder, session);
  if (!lstatSync(from, { throwIfNoEntry: false })?.isDirectory()) return;
  const removed = join(folder, RUN, "removed");
  mkdirSync(removed, { recursive: true });
  const taken = new Set(readdirSync(removed));
  let name = session;
  for (let n = 2; taken.has(name); n++) name = `${session}-${n}`;
  renameSync(from, join(removed, name));
  for (const path of [...scanner.seen.keys()])
    if (path === session || path.startsWith(`${session}/`)) scanner.seen.delete(path);
}

/** Their line becomes ours: it holds all of ours. */
async function goForward(workspace: Workspace, commit: string): Promise<void> {
  const { gitDir, ledgerRef, ledger } = workspace;
  const before = ledger.tip;
  await ledger.close();
  const trouble = await histories(gitDir).move(ledgerRef, commit, before);
  const opened = await workspace.openLedger();
  if ("problem" in opened) throw new Error(`${opened.problem.message} ${opened.problem.hint}`);
  workspace.ledger = opened.ok;
  if (trouble !== undefined) throw new Error(`${ledgerRef} could not be moved to ${commit.slice(0, 12)}: ${trouble}`);
}

function entriesOf(of: {
  plan: MergePlan;
  texts: ReadonlyMap<string, Buffer | null>;
  incoming: Incoming;
  now: Instant;
  pages: readonly Page[];
  recorded: ReadonlyMap<string, string>;
}): LedgerEntry[] {
  const { plan, texts, incoming, now, pages } = of;
  const merged: [string, string] = ["Cox-Merged", incoming.commit];
  const entries: LedgerEntry[] = [];
  if (plan.way === "join") {
    const others = [...plan.files].map(([path, content]) => ({ path, content }));
    entries.push({
      subject: `workspace: merged ${incoming.from} at ${incoming.commit.slice(0, 12)}`,
      trailers: [["Cox-Actor", "daemon"], merged],
      actor: "daemon",
      at: now,
      changes: others,
      joins: incoming.commit,
    });
  }
  if (plan.way === "forward" && plan.facts.kept.length > 0) {
    entries.push({
      subject: `workspace: settings and roles of ${incoming.from} are not taken over`,
      trailers: [["Cox-Actor", "daemon"], merged],
      actor: "daemon",
      at: now,
      changes: plan.facts.kept.map((path) => ({ path, content: null })),
    });
  }
  const transitions = plan.decision.changes.filter(isTransition);
  const last = new Map(transitions.flatMap((each) => filesOf(each).map(([path]) => [path, each])));
  for (const transition of transitions) {
    const { trailers, ...entry } = entryOf(transition, { at: now, codeCommit: null });
    const changes = filesOf(transition).map(([path, value]) => ({
      path,
      content: last.get(path) === transition ? (texts.get(path) ?? null) : value && Buffer.from(formatJson(value)),
    }));
    if (transition.of === "session" && transition.after === null)
      changes.push(...allOf(of.recorded, transition.session));
    entries.push({ ...entry, trailers: [...trailers, merged], changes });
  }
  entries.at(-1)?.changes.push(...pages.map(({ path, content }) => ({ path, content: Buffer.from(content) })));
  return entries;
}

function allOf(recorded: ReadonlyMap<string, string>, session: SessionId): LedgerEntry["changes"] {
  const paths = [...recorded.keys()].filter((path) => path.startsWith(`${session}/`));
  return paths.map((path) => ({ path, content: null }));
}

/** What the daemon remembers of tasks, besides the state itself. */
function note(workspace: Workspace, decision: Decision): void {
  for (const change of decision.changes) {
    noteVersions(workspace, change);
    noteSource(workspace, change);
    if (change.of !== "task" || !change.after) continue;
    const { highest } = workspace;
    highest.set(change.session, Math.max(highest.get(change.session) ?? 0, taskNumbers(change.id)[0]));
  }
}
