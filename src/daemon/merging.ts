/**
 * Histories that wait to be merged with ours: what somebody put in the place of ours, and what `cox sync` asks for. One
 * at a time, between two decisions.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { git } from "../ledger/git.ts";
import { histories } from "../ledger/histories.ts";
import { LedgerMoved } from "../ledger/ledger.ts";
import type { Decision } from "../machine/machine.ts";
import { instant } from "../model/time.ts";
import {
  answerFile,
  isAnswer,
  requestFile,
  requestIn,
  SYNC_REQUESTS,
  type MergeFacts,
  type SyncAnswer,
  type SyncRequest,
} from "../store/sync-requests.ts";
import type { Page } from "./pages.ts";
import { RETRY_RECORD_MS, SOON_MS } from "./recording.ts";
import { asideRef, rejoin } from "./rejoin.ts";
import { takeIn, type Incoming } from "./take-in.ts";
import { isTracked, type Workspace } from "./workspace.ts";

/** Asked for by another process; {@link answer} tells it what came of it. */
interface Request extends Incoming {
  answer?: (answer: SyncAnswer) => Promise<void>;
  /** The ref that can go when its history is part of ours. */
  aside?: string;
}

/** What the loop lends for merging. */
interface Lent {
  mayGoOn: () => boolean;
  pagesAfter: (decision: Decision) => Promise<Page[]>;
  /** Makes the decision the state, and carries it out. */
  act: (decision: Decision) => Promise<void>;
  /** These files are to be looked at. */
  look: (paths: readonly string[]) => void;
  /** Merging is to be tried again after so many ms. */
  again: (ms: number) => void;
}

/** `merged`: a decision to be carried out. `stale`: these files are to be looked at first. `failed`: try again later. */
type Step = { merged: Decision } | { stale: string[] } | { failed: string } | undefined;

export class Merging {
  private readonly workspace: Workspace;
  private readonly folder: string;
  private moved = true;
  private looked = true;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.folder = join(workspace.folder, SYNC_REQUESTS);
    // Answers that nobody has fetched.
    for (const name of namesIn(this.folder)) if (isAnswer(name)) rmSync(join(this.folder, name), { force: true });
  }

  /** To be called now and then: the ref is compared with what we know at the next step. */
  lookAtRef(): void {
    this.looked = false;
  }

  /** The ref was moved by somebody, and put back. */
  noteMoved(): void {
    this.moved = true;
  }

  /** Merges all that waits; false if something has to wait longer. */
  async all({ mayGoOn, pagesAfter, act, look, again }: Lent): Promise<boolean> {
    while (mayGoOn()) {
      const step = await this.step(pagesAfter);
      if (!step) return true;
      if ("merged" in step) {
        await act(step.merged);
        continue;
      }
      if ("failed" in step) this.workspace.log.say("error", `a merge has to wait: ${step.failed}`);
      else look(step.stale);
      again("failed" in step ? RETRY_RECORD_MS : SOON_MS);
      return false;
    }
    return false;
  }

  /** Merges one history, if one waits; undefined if none does. */
  private async step(pagesAfter: (decision: Decision) => Promise<Page[]>): Promise<Step> {
    const { workspace } = this;
    try {
      await this.compareRef();
      const request = await this.next();
      if (!request) return undefined;
      const taken = await takeIn(workspace, request, { now: instant(Date.now()), pagesAfter });
      if (taken && "stale" in taken) return taken;
      if (request.aside) await histories(workspace.gitDir).move(request.aside, null, request.commit);
      const done = taken?.ok;
      const way = done?.way ?? "nothing";
      if (done && way !== "nothing") workspace.log.say("info", `${toldOf(request, done.facts)}`);
      await request.answer?.({ ok: true, tip: workspace.ledger.tip, merged: done ? { way, ...done.facts } : null });
      return { merged: done?.decision ?? { changes: [], effects: [] } };
    } catch (error) {
      if (!(error instanceof LedgerMoved)) return { failed: (error as Error).message };
      const done = await rejoin(workspace, error);
      this.moved = true;
      return "problem" in done ? { failed: done.problem } : { stale: [] };
    }
  }

  private async compareRef(): Promise<void> {
    if (this.looked) return;
    this.looked = true;
    const { ledger, log } = this.workspace;
    const expected = ledger.tip;
    if ((await ledger.found()) === expected) return;
    const done = await rejoin(this.workspace, { expected });
    if ("problem" in done) throw new Error(done.problem);
    log.say("warn", done.ok);
    this.moved = true;
  }

  private async next(): Promise<Request | undefined> {
    const { gitDir, ledgerRef } = this.workspace;
    if (this.moved) {
      const format = "--format=%(objectname) %(refname)";
      const listed = await git(["for-each-ref", format, `${asideRef(ledgerRef)}/`], { cwd: gitDir, gitDir });
      const [commit, aside] = listed.stdout.toString().split("\n")[0]?.split(" ") ?? [];
      if (commit && aside) return { commit, aside, from: "another writer's history", trust: false, keep: true };
      this.moved = false;
    }
    // What the code's branch brought along is no person's request.
    const isOwn = (name: string) => !isTracked(this.workspace.tracked, requestFile(name));
    const name = namesIn(this.folder)
      .flatMap((file) => requestIn(file) ?? [])
      .find(isOwn);
    return name === undefined ? undefined : this.requested(name);
  }

  /** What cannot be read is answered, and gone. */
  private async requested(name: string): Promise<Request | undefined> {
    const { folder, gitDir } = this.workspace;
    const file = join(folder, requestFile(name));
    const answer = async (told: SyncAnswer) => {
      mkdirSync(this.folder, { recursive: true });
      await writeFileAtomic(join(folder, answerFile(name)), `${JSON.stringify(told, null, 2)}\n`);
      rmSync(file, { force: true });
    };
    try {
      const read = JSON.parse(readFileSync(file, "utf8")) as Partial<SyncRequest>;
      const commit = await histories(gitDir).commit(String(read.commit));
      if (commit !== null) return { commit, from: String(read.from), trust: read.trust === true, keep: false, answer };
      await answer({ ok: false, problem: `There is no commit ${String(read.commit)}.` });
    } catch (error) {
      await answer({ ok: false, problem: (error as Error).message });
    }
    return undefined;
  }
}

function toldOf({ from, commit }: Incoming, facts: MergeFacts): string {
  const parts = [
    [facts.arrived.length, "new"],
    [facts.changed.length, "changed"],
    [facts.gone.length, "deleted"],
    [facts.conflicts.length, "in conflict"],
  ].flatMap(([count, what]) => (count === 0 ? [] : [`${count} ${what}`]));
  const paused = facts.paused.length > 0 ? `; ${facts.paused.join(", ")} paused, cox switch goes on` : "";
  return `merged ${from} at ${commit.slice(0, 12)}: ${parts.join(", ") || "no"} tasks${paused}`;
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder).sort() : [];
}
