/**
 * The loop: look, decide, record, act. One batch at a time; what happens meanwhile waits for the next, so that many
 * transitions share one write to disk and ledger.
 */
import { setTimeout as pause } from "node:timers/promises";
import type { Event } from "../machine/event.ts";
import { apply, decide, type Decision } from "../machine/machine.ts";
import type { RunId, SessionId } from "../model/ids.ts";
import { instant, parseDuration, toMs } from "../model/time.ts";
import { isTransition, type Effect } from "../model/transition.ts";
import { unreachable } from "../model/unreachable.ts";
import { at } from "../store/paths.ts";
import type { Found } from "../store/scan.ts";
import { headCommit } from "../ledger/head.ts";
import { afterwards } from "./afterwards.ts";
import { Agents } from "./agents.ts";
import { Alarm } from "./alarm.ts";
import { Capacity } from "./capacity.ts";
import { subjectOf } from "../ledger/entries.ts";
import { exitCodeOf, hasReady, onlyResting } from "./exit-code.ts";
import { failpoint } from "./failpoint.ts";
import { HeldSteps } from "./held-steps.ts";
import { Housekeeping } from "./housekeeping.ts";
import { insist } from "./insist.ts";
import { lentTo } from "./lent.ts";
import { rest } from "./rest.ts";
import { Notices } from "./notices.ts";
import { Merging } from "./merging.ts";
import { merged, type Observation } from "./observation.ts";
import { Observer } from "./observe.ts";
import { apart, joined } from "./obstructed.ts";
import { setAside } from "./observed-session-files.ts";
import { Pages } from "./pages.ts";
import { lossOf, lossOfTasks } from "./loss.ts";
import { Recording, RETRY_RECORD_MS, SOON_MS } from "./recording.ts";
import { withPlans } from "./planning.ts";
import { reloadAsked } from "./settings.ts";
import { isCutOff, noteWhole } from "./take-in.ts";
import { steady } from "./steady.ts";
import { addOutputs } from "./run-outputs.ts";
import { Triggers } from "./triggers.ts";
import { undecided } from "./unfinished.ts";
import type { Workspace } from "./workspace.ts";

export interface LoopOptions {
  /** End when nothing is left to do. */
  once: boolean;
  /** Only what waits to be merged, then end: nothing is started, and running agents are left alone. */
  mergeOnly?: boolean;
}

const [MOST_STALE, STALE_MS, QUIET_MS] = [60, 20, 1000];
/** So often a merge is tried that somebody's saves, or a full disk, come in the way of. */
const MOST_MERGES = 10;

export class Loop {
  readonly agents: Agents;
  private readonly workspace: Workspace;
  private readonly options: LoopOptions;
  private readonly observer: Observer;
  private readonly pages: Pages;
  private readonly notices = new Notices();
  private readonly capacity = new Capacity();
  private readonly housekeeping: Housekeeping;
  private readonly heldSteps: HeldSteps;
  private readonly triggers: Triggers;
  private readonly events: Event[] = [];
  /** What was seen, and not recorded since its files changed faster than they could be read. */
  private unrecorded: Observation | undefined;
  /** What has to wait because its session rests. */
  private resting: Observation | undefined;
  private readonly hints = new Set<string>();
  /** What follows a batch and nobody waits for, one after another. */
  private trailing: Promise<void> = Promise.resolve();
  private readonly starting = new Set<Promise<void>>();
  private readonly alarm = new Alarm();
  private scanDue = true;
  private wakeAt = Number.POSITIVE_INFINITY;
  private idleSince = performance.now();
  private tidied = true;
  private reloads = false;
  private lost = false;
  private leaving = false;
  private readonly recording: Recording;
  private readonly merging: Merging;

  constructor(workspace: Workspace, options: LoopOptions) {
    this.workspace = workspace;
    this.options = options;
    this.agents = new Agents(workspace, (event) => this.tell(event));
    this.observer = new Observer(workspace);
    this.pages = new Pages(workspace);
    this.housekeeping = new Housekeeping(workspace);
    this.heldSteps = new HeldSteps(workspace);
    this.triggers = new Triggers(workspace);
    this.recording = new Recording(workspace, {
      isLost: () => this.noticesLoss(),
      isToldToStop: () => this.toldToStop() || workspace.state.draining,
      noteMoved: () => this.merging.noteMoved(),
    });
    this.merging = new Merging(workspace);
  }

  /** Something that may have changed on disk. */
  hint(path: string): void {
    this.hints.add(path);
    this.alarm.stir();
  }

  tell(event: Event): void {
    this.events.push(event);
    this.alarm.stir();
  }

  /** Settings and roles are read again, and everything is looked at. */
  reload(): void {
    this.reloads = true;
    this.rescan();
  }

  /** Ends as soon as all is recorded that has happened; the agents go on, for the next daemon to find. */
  leave(): void {
    this.leaving = true;
    this.tell({ type: "drain" });
  }

  /** Runs until drained, or with `once` until nothing is left to do. Returns the exit code. */
  async run(first: { found: Found[]; orphans: RunId[] }): Promise<number> {
    const { mergeOnly } = this.options;
    if (mergeOnly) this.workspace.state.draining = true;
    for (const orphan of mergeOnly ? [] : first.orphans) this.later(this.agents.discard(orphan));
    for (const run of mergeOnly ? [] : this.workspace.state.runs.values()) this.later(this.agents.adopt(run));
    this.rescanRegularly();
    try {
      await this.round(await this.foundAfterMerges(first.found), true);
      if (this.lost) return 1;
      if (!mergeOnly) this.agents.tidying.all();
      let done = await this.mergeIn();
      for (let rounds = 1; ; rounds++) {
        if (mergeOnly && (done || rounds === MOST_MERGES)) {
          await this.round([], false); // its pages
          return done ? 0 : 1;
        }
        if (this.isOver()) return this.options.once ? exitCodeOf(this.workspace) : 0;
        await this.sleep();
        const found = await this.insist(() => this.look());
        if (this.lost) return 1;
        await this.round(found, false);
        if (this.lost) return 1;
        done = await this.mergeIn();
      }
    } finally {
      this.alarm.clear();
      await this.trailing;
      if (!this.noticesLoss()) this.workspace.kept.close(steady(), (path) => !this.workspace.held.get(path));
      this.agents.leave();
      await Promise.all(this.starting);
      await this.agents.settled();
    }
  }

  private insist<T>(look: () => T | Promise<T>): Promise<T> {
    return insist(look, { log: this.workspace.log, isToldToStop: () => this.toldToStop() });
  }

  private async look(): Promise<Found[]> {
    if (this.noticesLoss()) return [];
    for (const path of this.savesPutBack()) this.hints.add(path);
    if (this.scanDue) {
      this.hints.clear();
      const found = await this.workspace.scanner.full();
      this.scanDue = false;
      this.merging.lookAtRef();
      return found;
    }
    const paths = [...this.hints];
    this.hints.clear();
    try {
      return this.workspace.scanner.some(paths);
    } catch (error) {
      this.scanDue = true; // the hints are used up
      throw error;
    }
  }

  /** What is held, or not recorded yet, is somebody's own: it is not replaced. */
  private savesPutBack(): string[] {
    return this.unrecorded ? [] : this.workspace.kept.look(steady(), (path) => !this.workspace.held.get(path));
  }

  /** Without its lock a daemon does nothing more: another may be at work, or the workspace is gone. */
  private noticesLoss(): boolean {
    const { tenure, log } = this.workspace;
    const { unasked } = this.observer;
    if (tenure.holds() && unasked.size === 0) return false;
    if (!this.lost) log.say("error", tenure.holds() ? lossOfTasks(unasked) : lossOf(this.workspace));
    this.lost = true;
    return true;
  }

  /** A merge that was cut off stands on disk already: it is finished before that is taken for a person's doing. */
  private async foundAfterMerges(found: Found[]): Promise<Found[]> {
    if (!isCutOff(this.workspace)) return found;
    if (await this.mergeIn()) noteWhole(this.workspace);
    return undecided(this.workspace, await this.insist(() => this.workspace.scanner.full()));
  }

  /** What waits to be merged, one after another; whether all of it is. */
  private mergeIn(): Promise<boolean> {
    const at = () => instant(Date.now());
    return this.merging.all({
      mayGoOn: () => !this.unrecorded && !this.noticesLoss(),
      pagesAfter: (decision) =>
        this.pages.after(decision, { at: at(), responses: this.agents.responses, also: [], all: true }),
      act: async (decision) => {
        await this.act(decision);
        for (const session of this.workspace.state.sessions.keys()) this.viewsDue.add(session);
        this.tell({ type: "tick" });
      },
      look: (paths) => paths.forEach((path) => this.hint(path)),
      again: (ms) => this.alarm.in(ms),
    });
  }

  private async round(found: Found[], starting: boolean): Promise<void> {
    const { workspace } = this;
    const now = Date.now();
    const earlier = this.unrecorded;
    this.unrecorded = undefined;
    let observed = await this.insist(() => this.observer.observe(found, { starting }));
    if (this.observer.unasked.size > 0 && this.noticesLoss()) return;
    observed = await this.insist(() => joined(earlier, observed, workspace));
    failpoint("observed");
    observed.events.push(...this.events.splice(0));
    await this.heldSteps.look(observed);
    const reading = await this.insist(() => this.triggers.look(observed, { found, now }));
    if (reading) this.later(reading.work);
    // The first look brings news of its own.
    const cleans = !starting && !workspace.state.draining && this.housekeeping.isDue(now);
    if (cleans) observed.events.push(...(await this.insist(() => this.housekeeping.look(now))));
    await this.reloadIfAsked(observed);
    const lent = lentTo(workspace, now);
    const concurrency = this.capacity.now(workspace.config, workspace.state.runs.size);
    for (let tries = 0; ; tries++) {
      const { obstructed } = workspace;
      const parts = apart(joined(this.resting, observed, workspace), obstructed);
      this.resting = parts.later;
      observed = parts.now;
      const { events } = observed;
      await withPlans(workspace, events, { responses: this.agents.responses, answers: observed.answers });
      const decision = decide(workspace.state, events, { ...workspace.policy, concurrency, resting: obstructed }, lent);
      const ended = this.agents.responses;
      await addOutputs(workspace, { changes: decision.changes, responses: ended, answers: observed.answers });
      const also = [...observed.reload.views, ...this.dueSessions()];
      const pages = await this.insist(() =>
        this.pages.after(decision, { at: lent.now, responses: ended, also, all: this.isQuiet() }),
      );
      const begins = decision.changes.some((change) => change.of === "task" && change.attempt !== undefined);
      failpoint("decided");
      const outcome = await this.recording.record({
        decision,
        observed,
        responses: ended,
        pages,
        codeCommit: begins ? headCommit(workspace.gitDir) : null,
        at: lent.now,
      });
      if (!outcome) {
        this.lost = true;
        return;
      }
      if ("stale" in outcome && tries < MOST_STALE) {
        const { stale } = outcome;
        // A file that is gone for a moment, as by an editor's save, takes a moment.
        if (tries > 0) await pause(STALE_MS);
        if (this.noticesLoss()) return;
        const again = await this.insist(() =>
          this.observer.observe(workspace.scanner.some(stale), { starting: false }),
        );
        await this.reloadIfAsked(again);
        observed = merged(observed, again, (path) => workspace.held.get(path) !== undefined);
        continue;
      }
      if ("stale" in outcome) {
        this.workspace.log.say("warn", `these files change faster than they can be read: ${outcome.stale.join(", ")}`);
        this.unrecorded = observed;
        this.alarm.in(SOON_MS);
        break;
      }
      failpoint("recorded");
      this.lookAgain(observed);
      await this.act(decision);
      for (const path of await this.triggers.ask()) this.hint(path);
      failpoint("acted");
      this.trailing = this.trailing.then(() => afterwards(workspace, this.agents, { events, pages }));
      break;
    }
    if (cleans) await this.housekeeping.finish(now);
    await this.reports();
  }

  /** As if it had just been dropped: by now it is clear which numbers are free. */
  private lookAgain({ lookAgain }: Observation): void {
    for (const path of lookAgain) {
      this.workspace.scanner.seen.delete(path);
      this.hint(path);
    }
  }

  private toldToStop(): boolean {
    return this.events.some(({ type }) => type === "drain" || type === "stop-all");
  }

  private async act(decision: Decision): Promise<void> {
    const { workspace } = this;
    for (const change of decision.changes) {
      const isTrouble = change.of === "workspace" && !change.calm;
      if (isTransition(change)) workspace.log.say(isTrouble ? "warn" : "info", subjectOf(change));
    }
    apply(workspace.state, decision.changes);
    this.agents.tidying.over(decision.changes);
    this.notices.tell(decision, workspace.state, workspace.config, Date.now());
    failpoint("applied");
    const isNews = [this.heldSteps, this.triggers].map((part) => part.note(decision.changes)).some(Boolean);
    if (isNews) this.tell({ type: "tick" });
    this.wakeAt = Number.POSITIVE_INFINITY;
    for (const effect of decision.effects) await this.perform(effect);
    if (decision.changes.length > 0) {
      this.idleSince = performance.now();
      this.tidied = false;
    }
  }

  private async perform(effect: Effect): Promise<void> {
    switch (effect.do) {
      case "start-agent":
        return this.later(this.agents.start(effect.run));
      case "stop-agent": {
        const run = this.workspace.state.runs.get(`${effect.session}/${effect.id}`);
        if (run) this.later(this.agents.stop(run, effect.why));
        return;
      }
      case "touch-marker":
      case "remove-marker":
        // Done already, with the files of the decision.
        this.observer.forgetMarkers();
        return this.hint(at.marker(effect.session));
      case "put-away":
        // No page of it is to be written any more.
        await this.trailing;
        return this.housekeeping
          .putAway(effect.session)
          .then(() => this.agents.tidying.session(effect.session))
          .catch((error: Error) => this.workspace.log.say("warn", `${effect.session} stays on disk: ${error.message}`));
      case "wake":
        this.wakeAt = Math.min(this.wakeAt, toMs(effect.at));
        return;
      default:
        unreachable(effect);
    }
  }

  private async reports(): Promise<void> {
    const { held, config, log } = this.workspace;
    const now = steady();
    const settle = parseDuration(config.settle) ?? 500;
    const { reported, next } = await held
      .report(now, settle)
      .catch(() => ({ reported: [], next: now + RETRY_RECORD_MS }));
    const views = new Set<SessionId>();
    for (const file of reported) {
      log.say("warn", `${file.path} was not taken in: see ${file.path}.error.md`);
      const session = file.path.split("/")[0] ?? "";
      if (this.workspace.state.sessions.has(session)) views.add(session);
      if (file.path.endsWith("/workflow-session.json"))
        for (const event of await setAside(this.workspace, file.path, Date.now())) this.tell(event);
    }
    for (const session of views) this.viewsDue.add(session);
    if (views.size > 0) this.alarm.stir();
    if (next !== undefined) this.alarm.in(next - now);
    if (this.observer.restless) this.alarm.in(SOON_MS);
    for (const { at: due } of this.pages.behind) this.alarm.in(due - performance.now());
    this.triggers.setAlarm(this.alarm, this.wakeAt);
    if (!this.tidied) this.alarm.in(QUIET_MS);
    const { due } = this.workspace.kept;
    if (due !== undefined) this.alarm.in(due - now);
  }

  private readonly viewsDue = new Set<SessionId>();

  private dueSessions(): SessionId[] {
    const due = [
      ...this.viewsDue,
      ...this.pages.behind.filter((page) => page.at <= performance.now()).map((page) => page.session),
    ];
    this.viewsDue.clear();
    return due;
  }

  private async reloadIfAsked(observed: Observation): Promise<void> {
    if (this.reloads) observed.reload = { ...observed.reload, config: true, roles: true };
    this.reloads = false;
    await reloadAsked(this.workspace, observed);
    if (observed.reload.config) this.rescanRegularly();
  }

  private isQuiet(): boolean {
    return performance.now() - this.idleSince > QUIET_MS;
  }

  private rescan(): void {
    this.scanDue = true;
    this.alarm.stir();
  }

  private rescanRegularly(): void {
    this.alarm.every(parseDuration(this.workspace.config.rescan) ?? 5000, () => this.rescan());
  }

  private later(work: Promise<void>): void {
    const watched = work.catch((error: Error) => this.workspace.log.say("error", error.message));
    this.starting.add(watched);
    void watched.finally(() => {
      this.starting.delete(watched);
      this.alarm.stir();
    });
  }

  private isOver(): boolean {
    const { state } = this.workspace;
    const settled = this.events.length === 0 && !this.unrecorded && this.starting.size === 0;
    const idle = settled && onlyResting(this.workspace) && this.agents.count === 0;
    if (state.draining) return this.leaving ? settled : idle;
    if (!this.options.once || !idle || this.hints.size > 0) return false;
    if (this.observer.restless || this.triggers.restless || this.workspace.held.all().some((held) => !held.reported))
      return false;
    return !hasReady(this.workspace);
  }

  private async sleep(): Promise<void> {
    await this.alarm.sleep();
    if (!this.tidied && this.isQuiet() && this.events.length === 0) {
      this.tidied = true;
      rest(this.workspace);
      this.agents.rest();
    }
  }
}
