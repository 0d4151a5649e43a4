/**
 * When somebody else moved the ledger's ref: a fetch, a second machine, a hand. Nothing is ever taken away from it. SPEC
 * section 7. A ref that was deleted or set back gets our history again. Another history is put under a ref of its own,
 * where it waits to be merged task by task; ours goes on meanwhile.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { histories, type Histories } from "../ledger/histories.ts";
import type { LedgerMoved } from "../ledger/ledger.ts";
import { placeOf, RUN, WRITTEN_BY_PEOPLE } from "../store/paths.ts";
import { readRegular } from "../store/scan.ts";
import type { Workspace } from "./workspace.ts";

type Told = { ok: string } | { problem: string };

/** Where histories wait that were put in the place of ours. */
export function asideRef(ledgerRef: string): string {
  return ledgerRef.replace(/^refs\/(?:cox\/)?/, "refs/cox-moved/");
}

export function tipFile(folder: string): string {
  return join(folder, RUN, "ledger-tip");
}

/** What was done, in a sentence; or why it cannot be done. Afterwards the workspace's ledger is open at our tip again. */
export async function rejoin(workspace: Workspace, moved: Pick<LedgerMoved, "expected">): Promise<Told> {
  await workspace.ledger.close();
  const done = await putBack(histories(workspace.gitDir), workspace.ledgerRef, moved.expected);
  if ("problem" in done) return done;
  const opened = await workspace.openLedger();
  if ("problem" in opened) return { problem: `${opened.problem.message} ${opened.problem.hint}` };
  workspace.ledger = opened.ok;
  return done;
}

/**
 * At start, before the ledger is opened: whether somebody moved the ref since the last daemon wrote it. A ref that is
 * gone is left so, and what is on disk is recorded anew.
 */
export async function rejoinAtStart(of: {
  gitDir: string;
  ref: string;
  folder: string;
  /** The blob id that recording these bytes gives. */
  blobId: (content: Buffer) => string;
}): Promise<Told | undefined> {
  const known = histories(of.gitDir);
  const [noted, found] = [notedTip(of.folder, of.ref), await known.commit(of.ref)];
  if (noted === undefined || found === null || noted === found || (await known.commit(noted)) === null)
    return undefined;
  const isOurs = (await known.isWithin(noted, found)) && !(await isUnknown(known, { ...of, noted, found }));
  return isOurs ? undefined : putBack(known, of.ref, noted);
}

/** Makes the ref name our commit again. */
async function putBack(known: Histories, ref: string, ours: string | null): Promise<Told> {
  const theirs = await known.commit(ref);
  const told = theirs === null ? "was deleted" : `was moved to ${theirs.slice(0, 12)} by another writer`;
  if (theirs === ours) return { ok: `${ref} ${told}: going on from there` };
  if (ours !== null && (await known.commit(ours)) === null) {
    return {
      problem: `${ref} ${told}, and our commit ${ours.slice(0, 12)} is no longer in the repository. Fetch it, or stop the daemon, remove .workflow/${RUN}/ledger-tip and start it again to begin at what is there.`,
    };
  }
  const recorded = theirs === null || (ours !== null && (await known.isWithin(theirs, ours)));
  if (!recorded) {
    const aside = `${asideRef(ref)}/${theirs}`;
    const kept = (await known.commit(aside)) === null ? await known.move(aside, theirs, null) : undefined;
    if (kept !== undefined) return { problem: `${ref} ${told}, which cannot be kept as ${aside}: ${kept}` };
  }
  const trouble = await known.move(ref, ours, theirs);
  if (trouble !== undefined) return { problem: `${ref} ${told}, and cannot be set: ${trouble}` };
  const back = ours === null ? "" : `put back to ${ours.slice(0, 12)}`;
  if (theirs === null) return { ok: `${ref} ${told}: ${back}` };
  if (recorded) return { ok: `${ref} ${told}, which we had recorded already: ${back}` };
  return { ok: `${ref} ${told}: to be merged with ours, task by task` };
}

/** Whether the disk does not know what was recorded since: our own commits have their files on disk before anything else. */
async function isUnknown(
  known: Histories,
  of: { folder: string; blobId: (content: Buffer) => string; noted: string; found: string },
): Promise<boolean> {
  for (const { path, before } of await known.changes(of.noted, of.found)) {
    if (!WRITTEN_BY_PEOPLE.has(placeOf(path).kind)) continue;
    const content = readRegular(join(of.folder, path))?.content;
    if ((content ? of.blobId(content) : null) === before) return true;
  }
  return false;
}

/** Of another ref (`ledger.ref` was changed) it says nothing. */
function notedTip(folder: string, ref: string): string | undefined {
  try {
    const [name, commit = ""] = readFileSync(tipFile(folder), "utf8").trim().split(" ");
    return name === ref && /^[0-9a-f]{40,64}$/.test(commit) ? commit : undefined;
  } catch {
    return undefined;
  }
}
