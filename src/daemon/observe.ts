/**
 * From what differs on disk to what the machine hears. Everything is compared with the recorded state: a hint, a
 * rescan, a start after a crash and a person's edit are one and the same path.
 */
import type { SessionId } from "../model/ids.ts";
import { unreachable } from "../model/unreachable.ts";
import { problem, type Problem } from "../problems.ts";
import { at, placeOf } from "../store/paths.ts";
import type { Found } from "../store/scan.ts";
import { emptyObservation, type FoundFile, type Look, type Observation } from "./observation.ts";
import { foundGone, ObservedAbsence } from "./observed-absence.ts";
import { ObservedAnswers } from "./observed-answers.ts";
import { ObservedDrops } from "./observed-drops.ts";
import { ObservedEdits } from "./observed-edits.ts";
import { foundFolder, isMisnamed, misnamed, topOf } from "./observed-folders.ts";
import { ObservedMarkers } from "./observed-markers.ts";
import { foundPatterns } from "./observed-patterns.ts";
import { taskOfPrompt } from "./observed-prompts.ts";
import { foundSessionFile } from "./observed-session-files.ts";
import { foundTrustChanged } from "./observed-trust.ts";
import { foundPart } from "./obstructed.ts";
import { foundPlan } from "./planning.ts";
import { steady } from "./steady.ts";
import { Trust } from "./trust.ts";
import { Turn } from "./turn.ts";
import type { Workspace } from "./workspace.ts";

export type { Observation } from "./observation.ts";

export class Observer {
  private readonly workspace: Workspace;
  private readonly absence: ObservedAbsence;
  private readonly answers: ObservedAnswers;
  private readonly drops: ObservedDrops;
  private readonly edits: ObservedEdits;
  private readonly markers: ObservedMarkers;
  private readonly trust: Trust;
  /** Paths that a git operation is just writing. */
  private postponed: string[] = [];

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.absence = new ObservedAbsence(workspace);
    this.answers = new ObservedAnswers(workspace);
    this.drops = new ObservedDrops(workspace);
    this.edits = new ObservedEdits(workspace);
    this.markers = new ObservedMarkers(workspace);
    this.trust = new Trust(workspace);
  }

  /** Whether something waits for time to pass. */
  get restless(): boolean {
    if (this.postponed.length > 0) return true;
    return [this.absence, this.markers, this.answers, this.drops].some(({ restless }) => restless);
  }

  /** Sessions whose `.task/` is gone, which is recorded only when somebody has said what is meant. */
  get unasked(): ReadonlySet<SessionId> {
    return this.absence.unasked;
  }

  /**
   * One look at `found` and at what waits. `starting`: the daemon's own unfinished writes are taken back,
   * and what is gone is gone at once.
   */
  async observe(found: readonly Found[], { starting }: { starting: boolean }): Promise<Observation> {
    const seen = emptyObservation();
    const now = steady();
    const look: Look = { seen, now, starting };
    if (!starting && this.trust.isBeingWritten(Date.now())) {
      // Only when git is done does its index say which of these files are its own.
      this.postponed.push(...found.map(({ path }) => path));
      return seen;
    }
    await this.followTrust(look);
    const again = this.workspace.scanner.some(this.postponed.splice(0));
    const known = new Set(found.map(({ path }) => path));
    const reports: string[] = [];
    const turn = new Turn();
    for (const each of [...found, ...again.filter(({ path }) => !known.has(path))]) {
      if (turn.isLong) await turn.pass();
      if (each.place.kind === "session-part") {
        this.workspace.scanner.accept(each);
        if (await foundPart(this.workspace, each, now)) seen.reload.views.add(topOf(each.path));
        continue;
      }
      if (each.is === "gone") {
        this.absence.vanished(each.path, now);
        continue;
      }
      this.absence.appeared(each.path);
      this.workspace.scanner.accept(each);
      if (each.place.kind === "report") reports.push(each.path);
      await this.one(each, look);
    }
    for (const path of this.absence.settled(look)) await this.gone(path, seen);
    // In this order: what a marker or a drop belongs to may have been found just now.
    await this.edits.lookAgain(look);
    this.markers.look(look);
    await this.drops.takeIn(look);
    this.answers.takeIn(look);
    if (starting) await discardReports(this.workspace, reports);
    return seen;
  }

  /** Markers were changed by the daemon itself, or a decision about them was not carried out: look at them anew. */
  forgetMarkers(): void {
    this.markers.forget();
  }

  /** What the code's branch tracks, and what of it is trusted, may have changed. */
  private async followTrust(look: Look): Promise<void> {
    const changed = await this.trust.refresh();
    if (!changed) return;
    this.markers.forget();
    foundTrustChanged(this.workspace, changed.tracked, look);
  }

  private async gone(path: string, seen: Observation): Promise<void> {
    this.drops.forget(path);
    this.edits.forget(path);
    this.answers.forget(path);
    await foundGone(this.workspace, path, seen);
  }

  private async one(found: Exclude<Found, { is: "gone" }>, look: Look): Promise<void> {
    const { kind } = found.place;
    if (kind === "marker" || kind === "ignored" || kind === "output" || kind === "transcript") return;
    if (found.place.kind === "session-folder") {
      const isOne = found.is === "irregular" && found.what === "a folder";
      if (isOne) foundFolder(this.workspace, found.place.session, look);
      return;
    }
    if (found.is === "file") return this.file(found, look);
    if (kind === "report" || kind === "other" || kind === "workflow" || kind === "view") return;
    this.workspace.held.hold(found.path, unopened(found), look.now);
  }

  /** By its place: what the file means. */
  private async file(found: FoundFile, look: Look): Promise<void> {
    const { place, path, content } = found;
    const { held, scanner, state } = this.workspace;
    const { seen, now } = look;
    switch (place.kind) {
      case "workflow":
        seen.files.push({ path, content });
        return;
      case "config":
        seen.reload.config = true;
        seen.files.push({ path, content });
        return;
      case "role":
        seen.reload.roles = true;
        seen.files.push({ path, content });
        return;
      case "patterns":
        return foundPatterns(this.workspace, found, look);
      case "view":
        // Not as it was written: unknown, until it is written again.
        scanner.seen.delete(path);
        seen.reload.views.add(place.session);
        return;
      case "other":
        if (isMisnamed(path)) return held.hold(topOf(path), { hash: "", problems: [misnamed(topOf(path))] }, now);
        if (/\/\.task\/|^inbox\//.test(path)) return; // inside a folder that is named like a task
        seen.files.push({ path, content });
        return;
      case "session-file":
        return foundSessionFile(this.workspace, { session: place.session, found }, look);
      case "task": {
        const { session, id } = place;
        if (id && state.sessions.get(session)?.tasks.has(id)) return this.edits.found({ session, id, found }, look);
        return this.drops.found(session, found, now);
      }
      case "inbox":
        return this.drops.found(null, found, now);
      case "prompt-drop": {
        const task = taskOfPrompt(this.workspace, place.session, place.name);
        if (!task || task.status === "completed") return this.drops.found(place.session, found, now);
        seen.files.push({ path, content });
        return;
      }
      case "response":
        return this.answers.found(found, now);
      case "plan":
        return foundPlan(this.workspace, { session: place.session, id: place.id, found }, look);
      case "session-part":
      case "report":
      case "marker":
      case "ignored":
      case "output":
      case "transcript":
      case "session-folder":
        return;
      default:
        unreachable(place);
    }
  }
}

/** Why something is never opened, for what holds it. */
function unopened(found: Extract<Found, { is: "irregular" | "oversized" }>): { hash: string; problems: Problem[] } {
  if (found.is === "irregular") {
    const hint = "It is never opened. Remove it, or put a file in its place.";
    const text = `${found.path} is ${found.what}, not a regular file.`;
    return { hash: found.what, problems: [problem("not-a-file", text, { hint })] };
  }
  const hint = "Put long texts into files and name them.";
  const text = `The file has ${found.size} bytes; 1 MiB is the most.`;
  return { hash: found.signature, problems: [problem("too-large", text, { hint })] };
}

/** Reports of an earlier daemon whose files are in order, or gone, by now. */
async function discardReports({ held }: Workspace, reports: readonly string[]): Promise<void> {
  for (const report of reports) {
    const path = report.slice(0, -at.report("").length);
    if (HELD.has(placeOf(path).kind) && !held.get(path)) await held.discard(path);
  }
}

/** Where files are that may be held, and so reported. */
const HELD = new Set<ReturnType<typeof placeOf>["kind"]>([
  "task",
  "inbox",
  "prompt-drop",
  "response",
  "plan",
  "session-file",
  "session-part",
  "patterns",
  "workflow",
]);
