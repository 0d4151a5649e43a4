/** The agents that live: started, followed, limited in time, stopped, and found again after a restart. SPEC section 6. */
import { rm } from "node:fs/promises";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { commandRunner } from "../agent/command.ts";
import { claudeRunner } from "../agent/claude.ts";
import { findRun, readRun, startProcess, stopRun, sweep, type RunningProcess } from "../agent/process.ts";
import { variableOf, withMarker } from "../agent/proc-table.ts";
import { gatesMarker } from "../agent/gates.ts";
import { Leftovers } from "../agent/leftovers.ts";
import type { AttemptRequest, Runner, RunOutput } from "../agent/runner.ts";
import { Wrappers } from "../agent/wrapper.ts";
import { scriptedRunner } from "../agent/scripted.ts";
import type { Event } from "../machine/event.ts";
import { NO_FACTS, type AttemptEnd, type ResponseFile } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { attemptName, taskKey, type RunId, type TaskKey } from "../model/ids.ts";
import type { Review } from "../model/review.ts";
import type { RunnerKind } from "../model/role.ts";
import { formatDuration, parseDuration } from "../model/time.ts";
import type { Run, StopReason } from "../model/transition.ts";
import { at } from "../store/paths.ts";
import { broken, failed } from "./ends.ts";
import { failpoint } from "./failpoint.ts";
import { insist } from "./insist.ts";
import { ageOf, describe, laterResponse, nameOf, newsOf, requestFor, responseOf, type Live } from "./live.ts";
import { withPlan } from "./planning.ts";
import { asStarted } from "./reviewing.ts";
import { noteStop, stopReason } from "./stop-file.ts";
import { keepTranscript } from "./transcripts.ts";
import { reviewed, watchReview } from "./review-watch.ts";
import { look, watchSilence } from "./vigil.ts";
import { Tidying } from "./tidying.ts";
import { Workshop } from "./workshop.ts";
import type { Workspace } from "./workspace.ts";

const RUNNERS: Record<Exclude<RunnerKind, "human">, Runner> = {
  claude: claudeRunner,
  command: commandRunner,
  scripted: scriptedRunner,
};

const [FOLLOW_MS, DESCRIBE_MS, RETRY_START_MS, BUDGET_GRACE_MS] = [500, 200, 2000, 1000];
/** Of what an agent told, so much is searched for values that are known by their digest only. */
const MOST_SEARCHED_BYTES = 256 * 1024;
/** What says nothing about the task: the machine is short of something. */
const PASSING = new Set(["EMFILE", "ENFILE", "EAGAIN", "ENOMEM", "ENOSPC", "EDQUOT", "EROFS", "EIO"]);
const GONE: Failure = { class: "invalid", message: "The task or its role is gone.", hint: "Save the task again." };
const NOT_STARTED: Failure = { class: "unknown", message: "It was stopped before it had been started." };
const MAX_READ_BYTES = 32 * 1024 * 1024;

/** Tells what happens through `report`; the response of an ended attempt is in {@link Agents.responses}. */
export class Agents {
  /** Responses of attempts that ended and are not recorded yet. */
  readonly responses = new Map<RunId, ResponseFile>();
  private readonly workspace: Workspace;
  private readonly report: (event: Event) => void;
  private readonly live = new Map<TaskKey, Live>();
  private readonly finishing = new Set<Promise<void>>();
  private readonly wrappers = new Wrappers();
  private readonly leftovers = new Leftovers({
    saw: (rows) => this.wrappers.looked(rows),
    found: (runId) => this.wrappers.dismiss(runId),
    ended: (runId, processes) => this.looked(runId, processes),
  });
  private left = false;
  private readonly workshop: Workshop;
  readonly tidying: Tidying;
  /** Runs whose leftovers are still to be looked for, and whether all else is done with them. */
  private readonly unswept = new Map<RunId, boolean>();

  constructor(workspace: Workspace, report: (event: Event) => void) {
    this.workspace = workspace;
    this.report = report;
    this.workshop = new Workshop(workspace);
    this.tidying = new Tidying(workspace, this.workshop);
    void this.wrappers.prepare();
  }

  get count(): number {
    return this.live.size;
  }

  /** Never rejects: what goes wrong is the end of the attempt. */
  async start(run: Run): Promise<void> {
    failpoint("before-start");
    const live = await this.prepare(run);
    if (!live) return this.gone(run);
    try {
      if (run.isolation === "worktree" && !(await this.enter(live))) return;
      if (run.review) await watchReview(this.workspace, this.workshop, live);
      if (run.merging) return await this.merge(live);
      const request = await requestFor(this.workspace, live);
      const started = await this.launch(live, request);
      if (!started) return;
      failpoint("after-started");
      this.follow(live, started);
      if (live.stopping) await this.end(live);
      live.timers.push(setTimeout(() => void describe(live, request.cwd), DESCRIBE_MS));
    } catch (error) {
      this.finish(live, broken(error as Error));
    }
  }

  /** Whether its worktree is there; if not, its end is told. */
  private async enter(live: Live): Promise<boolean> {
    const entered = await this.workshop.enter(live);
    if (this.left || !this.workspace.tenure.holds()) return false;
    if ("place" in entered) live.place = entered.place;
    if ("place" in entered && !live.stopping) return true;
    const error = "failure" in entered ? entered.failure : NOT_STARTED;
    this.finish(live, { ...NO_FACTS, outcome: "failure", result: "", error });
    return false;
  }

  /** No agent: what the last one left. */
  private async merge(live: Live): Promise<void> {
    const end = await this.workshop.deliver(live, { ...NO_FACTS, outcome: "success", result: "" });
    if (this.left) return;
    const response = await laterResponse(this.workspace, live, end);
    this.finish(live, end, response);
  }

  /** The process, once there is room for it; undefined when there will be none: then its end is told. */
  private async launch(live: Live, request: AttemptRequest): Promise<RunningProcess | undefined> {
    const name = `${live.run.session} ${attemptName(live.run.id, live.run.attempt)}`;
    const fail = (error: Failure) => this.finish(live, { ...NO_FACTS, outcome: "failure", result: "", error });
    for (let tries = 0; !live.stopping && !this.left; tries++) {
      if (tries > 0 && this.workspace.state.draining) live.stopping = "shutdown";
      const launch = await live.runner.launch(request);
      if ("cannot" in launch) {
        this.finish(live, launch.cannot);
        return undefined;
      }
      if (live.stopping) break;
      failpoint("before-spawn");
      // Another daemon may have this attempt by now. Nothing is told of it: this one is about to end.
      if (!this.workspace.tenure.holds()) return undefined;
      const started = await startProcess({
        runDir: live.runDir,
        runId: live.run.runId,
        launch: launch.ok,
        take: () => this.wrappers.take(),
        reached: failpoint,
      });
      if ("ok" in started) {
        if (tries > 0) this.workspace.log.say("info", `${name} could be started at last`);
        return started.ok;
      }
      const { message, hint, code } = started.cannot;
      if (!PASSING.has(code)) {
        fail({ class: "invalid", message, hint });
        return undefined;
      }
      // Nothing was started, so nothing was used up: the same attempt begins when there is room.
      if (tries === 0)
        this.workspace.log.say("error", `${name} cannot be started yet: ${message} ${hint} Trying again every 2 s.`);
      await Promise.race([pause(RETRY_START_MS), live.told.promise]);
    }
    // A daemon that leaves without being able to record leaves it to the next one, which finds that it never began.
    if (!this.left || live.stopping) fail(NOT_STARTED);
    return undefined;
  }

  /** After a restart: follows what still runs, settles what has ended, starts what never was. */
  async adopt(run: Run): Promise<void> {
    if (run.merging) return this.start(run);
    const live = await this.prepare(run);
    if (!live) {
      await stopRun({ runDir: this.folderOf(run.runId), runId: run.runId, graceMs: this.grace(), first: "SIGTERM" });
      return this.gone(run);
    }
    const found = await this.insist(() => findRun({ runDir: live.runDir, runId: run.runId }));
    const entered = await this.workshop.entered(live);
    if (entered && "place" in entered) live.place = entered.place;
    if (entered && "failure" in entered) live.lost = entered.failure;
    const name = `${run.session} ${attemptName(run.id, run.attempt)}`;
    const why = run.stopping ?? (await stopReason(live.runDir));
    switch (found.state) {
      case "never-started":
        if (why) {
          live.stopping = why;
          return this.finish(live, { ...NO_FACTS, outcome: "failure", result: "", error: NOT_STARTED });
        }
        if (!existsSync(live.runDir)) {
          // Nobody can tell what became of it: what still runs of it is ended, and it counts as begun.
          await sweep(run.runId);
          const message = `Its folder (${at.runFolder(run.runId)}) was removed while no daemon was there.`;
          return this.finish(live, { ...NO_FACTS, outcome: "failure", result: "", error: { class: "crash", message } });
        }
        this.workspace.log.say("info", `${name} was decided but not started: starting it now`);
        this.live.delete(taskKey(run.session, run.id));
        return this.start(run);
      case "running":
        await this.learnSecrets(run.runId, live.runDir);
        this.workspace.log.say("info", `${name} still runs (pid ${found.process.identity.pid}): following it again`);
        this.follow(live, found.process);
        return why ? this.stop(run, why) : undefined;
      case "ended":
        this.workspace.log.say("info", `${name} ended while no daemon was there: settling it from what it left`);
        if (why) live.stopping = why;
        await this.learnSecrets(run.runId, live.runDir);
        await sweep(gatesMarker(run.runId)); // what the last daemon was checking begins anew
        return this.ended(live);
    }
  }

  /** The daemon before may have given it what this one does not have. */
  private async learnSecrets(runId: RunId, runDir: string): Promise<void> {
    const { secrets } = this.workspace;
    for (const pid of await withMarker(runId)) secrets.addFrom((name) => variableOf(pid, name));
    const { stdout, stderr } = await this.insist(() => readRun(runDir, { maxBytes: MOST_SEARCHED_BYTES }));
    await secrets.searchIn(`${stdout}\n${stderr}`);
  }

  /** Ends an agent and all it started; its end is reported when nothing of it is left. */
  async stop(run: Run, why: StopReason): Promise<void> {
    const live = this.live.get(taskKey(run.session, run.id));
    if (!live || live.run.runId !== run.runId) {
      const runDir = this.folderOf(run.runId);
      await stopRun({ runDir, runId: run.runId, graceMs: this.grace(), first: "SIGINT" });
      return;
    }
    if (live.stopping) return;
    live.stopping = why;
    await noteStop(live.runDir, why);
    this.workspace.log.say("info", `stopping ${run.session} ${attemptName(run.id, run.attempt)}: ${why}`);
    live.told.resolve();
    await this.end(live);
    await sweep(gatesMarker(run.runId));
  }

  /** What still runs of a run that no recorded decision stands behind, and its folder. */
  async discard(runId: RunId): Promise<void> {
    const runDir = this.folderOf(runId);
    await stopRun({ runDir, runId, graceMs: this.grace(), first: "SIGTERM" });
    await sweep(gatesMarker(runId));
    await this.clear(runId);
  }

  private async end(live: Live): Promise<void> {
    const first = live.role.runner === "command" ? "SIGTERM" : "SIGINT";
    // What is spent beyond a budget is spent by the second.
    const graceMs = live.stopping === "budget" ? Math.min(this.grace(), BUDGET_GRACE_MS) : this.grace();
    await stopRun({ runDir: live.runDir, runId: live.run.runId, graceMs, first });
  }

  private insist<T>(look: () => Promise<T>): Promise<T> {
    return insist(look, { log: this.workspace.log, isToldToStop: () => this.left });
  }

  /** Waits until every end that is being read has been reported. */
  async settled(): Promise<void> {
    while (this.finishing.size > 0) await Promise.all(this.finishing);
    await this.tidying.settled();
    this.workshop.close();
    await this.leftovers.finish();
    this.wrappers.close();
  }

  /** Nothing is going on. */
  rest(): void {
    this.wrappers.rest();
    void this.wrappers.prepare();
  }

  /** The daemon goes; the agents stay. */
  leave(): void {
    this.left = true;
    for (const live of this.live.values()) {
      // The next daemon begins them anew; nobody waits for what they say.
      if (live.checking) void sweep(gatesMarker(live.run.runId));
      live.told.resolve();
      for (const timer of live.timers) clearInterval(timer);
    }
    this.live.clear();
  }

  /** What a recorded attempt no longer needs. While its folder is there, the next daemon looks for what it left. */
  async forget(runId: RunId): Promise<void> {
    this.responses.delete(runId);
    if (this.unswept.has(runId)) return void this.unswept.set(runId, true);
    await this.clear(runId);
  }

  /** What cannot be removed now is found by the next start. */
  private async clear(runId: RunId): Promise<void> {
    await rm(this.folderOf(runId), { recursive: true, force: true, maxRetries: 2 }).catch(() => {});
  }

  private async prepare(run: Run): Promise<Live | undefined> {
    const task = this.workspace.state.sessions.get(run.session)?.tasks.get(run.id);
    const role = this.workspace.roles.get(run.role);
    if (!task || !role || role.runner === "human") return undefined;
    const live: Live = {
      run,
      ...asStarted(run, task, role),
      runner: RUNNERS[role.runner],
      runDir: this.folderOf(run.runId),
      progress: { turns: 0, costUsd: null },
      read: 0,
      told: Promise.withResolvers(),
      timers: [],
    };
    this.live.set(taskKey(run.session, run.id), live);
    return live;
  }

  private follow(live: Live, process: RunningProcess): void {
    const { run, role, task } = live;
    live.process = process;
    this.workspace.identities.set(run.runId, process.identity);
    const limit = parseDuration(task.execution.timeout ?? role.timeout ?? this.workspace.config.agent.timeout) ?? 0;
    const left = Math.max(0, limit - ageOf(live));
    // Longer timers than 24 days would fire at once; nobody waits that long for one attempt.
    const stop = (why: StopReason) => this.stop(run, why);
    live.timers.push(setTimeout(() => void stop("timeout"), Math.min(left, 2 ** 31 - 1)));
    const tell = { warn: (text: string) => this.workspace.log.say("warn", text), stop };
    live.timers.push(setInterval(() => void look(live, tell).then(() => this.tellProgress(live)), FOLLOW_MS));
    const silence = () => parseDuration(this.workspace.config.agent.silence) ?? 0;
    live.timers.push(watchSilence(live, silence, tell));
    void process.ended.then(() => this.ended(live));
  }

  private tellProgress(live: Live): void {
    const news = this.live.get(taskKey(live.run.session, live.run.id)) === live ? newsOf(live) : undefined;
    if (news) this.report(news);
  }

  private ended(live: Live): void {
    // The next daemon settles it: nobody here would record what comes of it.
    if (this.left) return;
    const work = this.settle(live).catch((error: Error) => {
      if (this.left) return;
      this.finish(live, broken(error));
    });
    this.finishing.add(work);
    void work.finally(() => this.finishing.delete(work));
  }

  private async settle(live: Live): Promise<void> {
    for (const timer of live.timers) clearInterval(timer);
    failpoint("ended-before-read");
    // A small command's end is not held up by a look through all processes; a big agent's is nothing beside its run.
    if (live.role.runner === "command") {
      this.unswept.set(live.run.runId, false);
      this.leftovers.expect(live.run.runId);
    } else {
      await live.process?.wrapper?.retire();
      this.sayLeft(live.run.runId, (await sweep(live.run.runId)).killed);
    }
    failpoint("swept");
    // What cannot be read now was done all the same: it is not done again.
    const output = await this.insist(() => readRun(live.runDir, { maxBytes: MAX_READ_BYTES }));
    this.release(live, output);
    const end = live.runner.read({ task: live.task, role: live.role }, output);
    failpoint("read");
    const name = nameOf(live.run);
    await keepTranscript(this.workspace.folder, { ...live, name, output }).catch((error: Error) =>
      this.workspace.log.say("warn", `the conversation of ${name} could not be kept: ${error.message}`),
    );
    failpoint("after-transcript");
    const told = live.run.review ? await reviewed(this.workspace, this.workshop, live, end) : undefined;
    if (told) this.finish(live, told.end, undefined, told.review);
    else this.finish(live, live.lost ? failed(end, live.lost) : await this.deliver(live, end));
    failpoint("after-response");
  }

  /** What is to be split was not done: what its agent has changed all the same stays where it is. */
  private async deliver(live: Live, end: AttemptEnd): Promise<AttemptEnd> {
    const planned = await withPlan(this.workspace, live.run.session, live.task, end);
    return planned.proposes ? planned.end : this.workshop.deliver(live, planned.end);
  }

  /** A wrapper serves again where its group is looked at once more, and it has shown that it can. */
  private release({ process, role, stopping, run }: Live, { end }: RunOutput): void {
    const again = role.runner === "command" && !stopping && end.kind !== "vanished" && this.unswept.has(run.runId);
    if (again && process?.wrapper) this.wrappers.giveBack(process.wrapper, run.runId);
    else void process?.wrapper?.retire();
  }

  private looked(runId: RunId, processes: number): void {
    this.sayLeft(runId, processes);
    const forgotten = this.unswept.get(runId);
    this.unswept.delete(runId);
    if (forgotten) void this.clear(runId);
  }

  private sayLeft(runId: RunId, processes: number): void {
    if (processes > 0) this.workspace.log.say("warn", `ended ${processes} processes that run ${runId} left behind`);
  }

  private finish(live: Live, end: AttemptEnd, response?: ResponseFile, review?: Review): void {
    const { run } = live;
    for (const timer of live.timers) clearInterval(timer);
    this.live.delete(taskKey(run.session, run.id));
    this.workspace.identities.delete(run.runId);
    const durationMs = ageOf(live);
    const { session, id, attempt, runId } = run;
    const told = run.merging ? response : responseOf(run, end, durationMs);
    if (told) this.responses.set(runId, told);
    const stopped = live.stopping;
    const about = {
      type: "ended" as const,
      session,
      id,
      attempt,
      runId,
      ...(run.merging ? { merging: true } : {}),
      ...(run.review ? { role: run.role } : {}),
    };
    const event: Event = stopped
      ? { ...about, end: { kind: "stopped", why: stopped, facts: end, durationMs } }
      : { ...about, end: { kind: "finished", end, durationMs, ...this.told(end), ...(review ? { review } : {}) } };
    this.report(event);
    const cost = end.cost_usd === null ? "" : ` · $${end.cost_usd.toFixed(4)}`;
    const how = stopped
      ? `was stopped (${stopped})`
      : end.outcome === "success"
        ? "succeeded"
        : `failed: ${end.error.class}: ${end.error.message}`;
    const level = !stopped && end.outcome === "failure" ? "warn" : "info";
    this.workspace.log.say(
      level,
      `${session} ${attemptName(id, attempt)} ${how} after ${formatDuration(durationMs)}${cost}`,
    );
  }

  private told(end: AttemptEnd): { told?: string } {
    return end.outcome === "failure" ? { told: this.workspace.secrets.redact(end.error.message) } : {};
  }

  private gone({ session, id, attempt, runId }: Run): void {
    const end: AttemptEnd = { ...NO_FACTS, outcome: "failure", result: "", error: GONE };
    this.report({ type: "ended", session, id, attempt, runId, end: { kind: "finished", end, durationMs: 0 } });
  }

  private folderOf(runId: RunId): string {
    return join(this.workspace.folder, at.runFolder(runId));
  }

  private grace(): number {
    return parseDuration(this.workspace.config.agent.stop_grace) ?? 0;
  }
}
