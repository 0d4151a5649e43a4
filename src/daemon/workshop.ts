/**
 * Where attempts work, and what becomes of their work: a worktree for each task, its commits, its gates, and its merge
 * into the session's branch, one at a time. SPEC section 8.
 */
import { existsSync, rmSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { agentEnvironment } from "../agent/environment.ts";
import { runGates } from "../agent/gates.ts";
import { reviewersOf } from "../machine/review.ts";
import type { AttemptEnd, GateResult, Work } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { attemptName, taskKey, type RunId, type SessionId, type TaskId } from "../model/ids.ts";
import { pathsOf, type Task } from "../model/task.ts";
import { parseDuration } from "../model/time.ts";
import { RUN } from "../store/paths.ts";
import { commitWork, standingOf, workOf } from "../worktree/commit.ts";
import { commitOf, disarm, git, groundOf, runBy, tryGit } from "../worktree/git.ts";
import { GitProcess } from "../worktree/git-process.ts";
import { copyIncluded } from "../worktree/include.ts";
import { dropEmptyBranch, removePlace } from "../worktree/leave.ts";
import { candidateFor, checkedOutAt, leaveConflict, moveWorktree, publish } from "../worktree/merge.ts";
import {
  allPlaces,
  ensureSessionBranch,
  findPlace,
  folderOf,
  headOf,
  isMerged,
  makePlace,
  sessionBranch,
  taskBranch,
  tipsOf,
  type Place,
  type Shop,
} from "../worktree/place.ts";
import { keepCommit } from "../worktree/rescue.ts";
import { limitsFor } from "./commit-limits.ts";
import { failpoint } from "./failpoint.ts";
import { changedSettings, gitSettings } from "./git-settings.ts";
import type { Live } from "./live.ts";
import {
  Armed,
  conflict,
  failureOf,
  inUse,
  NOTHING_CHANGED,
  nowhere,
  outcomeOf,
  refusal,
  together,
  trailersOf,
} from "./work-words.ts";
import type { Workspace } from "./workspace.ts";

/** In the run's folder: that it works in a worktree, and what its commits name. */
const NOTE = "workshop.json";
/** In the worktree's git directory: its set-up has been run. */
const SET_UP = "cox-setup";
/** So often a merge begins anew because the session's branch moved meanwhile. */
const MOST_TURNS = 20;

interface Note {
  ledger: string | null;
  /** What the repository's own settings were when it began. */
  settings: Record<string, string>;
}

export type Entered = { place: Place } | { failure: Failure };

export class Workshop {
  private readonly workspace: Workspace;
  /** Attempts that are done and left nothing at all in their worktree: run → what the task's branch names. */
  private readonly unchanged = new Map<RunId, string>();
  /** One merge at a time into a session's branch. */
  private readonly queues = new Map<SessionId, Promise<unknown>>();

  private readonly git = new GitProcess();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    runBy(this.git.run);
  }

  /** When nothing more is to be done. */
  close(): void {
    this.git.close();
  }

  /** The worktree that an attempt works in: made, or as the attempt before has left it. */
  async enter(live: Live): Promise<Entered> {
    const { run, task } = live;
    const { session, id } = run;
    try {
      const shop = await this.shop();
      const tips = await tipsOf(shop.commonDir, session, id);
      const sessionTip = tips.sessionTip ?? (await this.begin(session));
      let place = findPlace(shop, session, id);
      if (place && run.clean) {
        await this.clear(place, sessionTip);
        place = findPlace(shop, session, id);
        if (!place) tips.tip = null;
      } else if (place) await catchUp(place, sessionTip);
      const { worktree } = this.workspace.config;
      const paths = pathsOf(task);
      place ??= await makePlace(shop, {
        session,
        task: id,
        sessionTip,
        tip: tips.tip,
        ...(worktree.sparse && paths.length > 0 ? { sparse: paths } : {}),
        ...(worktree.workers === null ? {} : { workers: worktree.workers }),
      });
      failpoint("worktree-made");
      const note: Note = {
        ledger: this.workspace.begun.get(run.runId) ?? null,
        settings: gitSettings(this.workspace.commonDir),
      };
      this.workspace.begun.delete(run.runId);
      await writeFile(join(live.runDir, NOTE), JSON.stringify(note));
      const failure = await this.setUp(live, place);
      return failure ? { failure } : { place };
    } catch (error) {
      return { failure: failureOf(error, "Its worktree could not be made") };
    }
  }

  /** The worktree of an attempt that was begun by an earlier daemon. */
  async entered(live: Live): Promise<Entered | undefined> {
    if (!existsSync(join(live.runDir, NOTE))) return undefined;
    const { session, id } = live.run;
    try {
      const place = findPlace(await this.shop(), session, id);
      const message = `Its worktree was removed while it was at work: ${taskBranch(session, id)} has what was committed.`;
      return place ? { place } : { failure: { class: "crash", message } };
    } catch (error) {
      return { failure: failureOf(error, "Its worktree cannot be used") };
    }
  }

  /** What it left becomes commits, passes its gates and comes into the session's branch; what does not is its failure. */
  async deliver(live: Live, end: AttemptEnd): Promise<AttemptEnd> {
    const { place } = live;
    if (end.outcome !== "success" || live.stopping) return end;
    if (!place) {
      const { results, failure } = await this.gates(live, this.workspace.repository);
      return outcomeOf(end, { ...(results.length > 0 ? { gates: results } : {}) }, failure);
    }
    try {
      // What it set up in git while it was at work is known now.
      const found = findPlace(await this.shop(), place.session, place.task);
      if (!found)
        return outcomeOf(end, {}, { class: "crash", message: "Its worktree was removed while it was at work." });
      return await this.deliverFrom(live, found, end);
    } catch (error) {
      return outcomeOf(end, {}, failureOf(error, `Its work (in ${place.ground.workTree}) could not be merged`));
    }
  }

  private async deliverFrom(live: Live, place: Place, end: AttemptEnd): Promise<AttemptEnd> {
    const { run, task } = live;
    const note = await this.noteOf(live);
    const standing = await standingOf(place);
    if (!standing) return outcomeOf(end, {}, await nowhere(place));
    let { base } = standing;
    const about = trailersOf(live, { end, ledger: note.ledger });
    const title = this.workspace.secrets.redact(task.title).replace(/\s+/g, " ").trim();
    failpoint("before-commit");
    const committed = await commitWork(place, {
      message: `${title}\n\n${about}\n`,
      limits: limitsFor(this.workspace, task, { shared: place.shared, base }),
      standing,
    });
    failpoint("committed");
    if ("unresolved" in committed) return outcomeOf(end, {}, conflict(committed.unresolved, place));
    const { withheld } = committed.ok;
    let { tip } = committed.ok;
    const noticed = this.noticed(live, note);
    const more = { ...(withheld.length > 0 ? { withheld } : {}), ...(noticed.length > 0 ? { noticed } : {}) };
    const work = async (merged: string | null): Promise<Work> => ({
      ...(await workOf(place, { base, tip, merged })),
      ...more,
    });
    if (withheld.length > 0) return outcomeOf(end, { work: await work(null) }, refusal(withheld, place));
    if (tip === base && task.execution.require_changes)
      return outcomeOf(end, { work: await work(null) }, { class: "verify", message: NOTHING_CHANGED });

    // What waited for approval has passed; what a person made of a conflict has not.
    const passed = run.merging && tip === task.execution.commit;
    const first = passed ? { results: [] } : await this.gates(live, place.ground.workTree);
    const gates = first.results.length > 0 ? { gates: first.results } : {};
    if (first.failure) return outcomeOf(end, { work: await work(null), ...gates }, first.failure);
    failpoint("gates-passed");
    if (live.stopping) return outcomeOf(end, { work: await work(null), ...gates });
    if (tip === base) {
      if (committed.ok.held === "nothing" && first.results.length === 0) this.unchanged.set(run.runId, tip);
      return outcomeOf(end, { work: await work(null), ...gates });
    }
    if (this.isHeldBack(live)) return outcomeOf(end, { work: await work(null), ...gates });

    const message = `Merge ${run.session} ${run.id}: ${title}\n\n${about}\n`;
    const merge = await this.inTurn(run.session, () =>
      this.merge(live, place, { tip, message, base, plain: committed.ok.held === "one", onto: standing.sessionTip }),
    );
    ({ tip, base } = merge);
    const facts = { work: await work(merge.merged), ...(merge.gates.length > 0 ? { gates: merge.gates } : gates) };
    return outcomeOf(end, facts, merge.failure);
  }

  /** Whether somebody judges the work before it is merged: as the task stands by now. */
  private isHeldBack({ run, task }: Live): boolean {
    const now = this.workspace.state.sessions.get(run.session)?.tasks.get(run.id) ?? task;
    if (run.merging) return false;
    return now.execution.approve === "after" || reviewersOf(now, this.workspace.policy).by.length > 0;
  }

  private async merge(
    live: Live,
    place: Place,
    of: { tip: string; message: string; base: string; plain: boolean; onto: string },
  ): Promise<{ tip: string; base: string; merged: string | null; gates: GateResult[]; failure?: Failure }> {
    let { tip, base } = of;
    let gates: GateResult[] = [];
    for (let turn = 0; turn < MOST_TURNS && !live.stopping; turn++) {
      const elsewhere = checkedOutAt(place, sessionBranch(place.session));
      if (elsewhere) return { tip, base, merged: null, gates, failure: inUse(place.session, elsewhere) };
      // Where the branch was thought to be it mostly is; if not, that is asked. Gates are not run on a guess.
      const { onto, plain, ...known } = { ...of, tip, base };
      const guessed = turn === 0 && plain && (onto === base || this.gatesOf(live).length === 0);
      const candidate = await candidateFor(place, guessed ? { ...known, onto, plain } : known);
      if ("done" in candidate) return { tip, base, merged: candidate.done, gates };
      if ("conflicts" in candidate) {
        await leaveConflict(place, candidate.onto);
        return { tip, base, merged: null, gates, failure: conflict(candidate.conflicts, place) };
      }
      if (!candidate.same && this.gatesOf(live).length > 0) {
        // Two changes that are good alone may be bad together: what is merged is what passed.
        await moveWorktree(place, candidate.commit);
        // What the session's branch has is none of its own work.
        ({ commit: tip, onto: base } = candidate);
        const again = await this.gates(live, place.ground.workTree);
        gates = again.results;
        if (again.failure) return { tip, base, merged: null, gates, failure: together(again.failure, place.session) };
        if (live.stopping) break;
      }
      failpoint("before-publish");
      if (await publish(place, candidate)) {
        failpoint("published");
        const { run } = live;
        const name = `${run.session} ${attemptName(run.id, run.attempt)}`;
        this.workspace.log.say("info", `${name} is merged into ${sessionBranch(run.session)} (cox diff, cox land)`);
        return { tip, base, merged: candidate.commit, gates };
      }
    }
    const message = `${sessionBranch(place.session)} moved again and again while it was to be merged.`;
    return { tip, base, merged: null, gates, failure: { class: "unknown", message } };
  }

  /** After it is on record how a task came out: a worktree that is no longer needed goes, and no work with it. */
  async tidy(session: SessionId, id: TaskId): Promise<void> {
    const { state, log } = this.workspace;
    const task = state.sessions.get(session)?.tasks.get(id);
    const isOver = () => !state.runs.has(taskKey(session, id)) && (!task || task.status === "completed");
    if (!isOver() || !existsSync(this.folderOf(session, id))) return;
    const place = findPlace(await this.shop(), session, id);
    if (!place) return;
    const why = task ? "left in its worktree when it was completed" : "left in its worktree when its task was deleted";
    await this.inTurn(session, async () => {
      if (!isOver()) return;
      const unchanged = this.takeUnchanged(task);
      const left = await removePlace(place, { why, at: new Date(), pristine: unchanged !== undefined });
      if ("stays" in left)
        return log.say("warn", `the worktree of ${session} ${id} stays (${place.ground.workTree}): ${left.stays}`);
      failpoint("worktree-removed");
      if (left.kept) log.say("warn", `what ${session} ${id} ${why} is kept as ${left.kept}: cox rescue`);
      rmSync(`${place.ground.workTree}.setup.log`, { force: true });
      if (task && !task.execution.commit) await dropEmptyBranch(place, unchanged);
    });
  }

  /** Of a task that this very attempt completed; in the worktree of one that waited, a person may have worked since. */
  private takeUnchanged(task: Task | undefined): string | undefined {
    const runId = task?.execution.last_attempt?.run_id as RunId | null | undefined;
    if (!runId) return undefined;
    const tip = this.unchanged.get(runId);
    this.unchanged.delete(runId);
    return tip;
  }

  /** Of a session that leaves the disk. */
  async tidySession(session: SessionId): Promise<void> {
    if (!existsSync(join(this.workspace.folder, RUN, "worktrees"))) return;
    for (const place of allPlaces(await this.shop()))
      if (place.session === session) await this.tidy(session, place.task);
  }

  /** The same for all that a daemon before this one left. */
  async tidyAll(): Promise<void> {
    if (!existsSync(join(this.workspace.folder, RUN, "worktrees"))) return;
    for (const { session, task } of allPlaces(await this.shop()))
      if (this.workspace.state.sessions.has(session)) await this.tidy(session, task);
  }

  private folderOf(session: SessionId, id: TaskId): string {
    return folderOf({ folder: join(this.workspace.folder, RUN, "worktrees") }, session, id);
  }

  private async clear(place: Place, sessionTip: string): Promise<void> {
    const { session, task, shared } = place;
    const { log } = this.workspace;
    const left = await removePlace(place, { why: "left by an attempt that broke off", at: new Date() });
    if ("stays" in left) return log.say("warn", `${session} ${task} goes on in its worktree: ${left.stays}`);
    if (left.kept) log.say("info", `what an attempt of ${session} ${task} left is kept as ${left.kept}: cox rescue`);
    const ref = headOf(taskBranch(session, task));
    const tip = await commitOf(shared, ref);
    if (!tip || (await isMerged(shared, tip, sessionTip))) return;
    await keepCommit(shared, { session, task, commit: tip, why: "the branch of an attempt that broke off" });
    await git(shared, ["branch", "--delete", "--force", "--", taskBranch(session, task)]);
  }

  /** The session's branch, where its session's work begins. */
  private async begin(session: SessionId): Promise<string> {
    const { state, commonDir, gitDir } = this.workspace;
    const shared = groundOf(commonDir);
    const from = state.sessions.get(session)?.file.base_branch;
    const start =
      (from ? await commitOf(shared, headOf(from)) : null) ?? (await commitOf({ gitDir }, "HEAD")) ?? undefined;
    if (!start) throw new Error("the repository has no commit to start from");
    return ensureSessionBranch(commonDir, session, start);
  }

  /** `.worktreeinclude` and `worktree.setup`, once. */
  private async setUp(live: Live, place: Place): Promise<Failure | undefined> {
    const done = join(place.ground.gitDir, SET_UP);
    if (existsSync(done)) return undefined;
    const { repository, gitDir, config, log } = this.workspace;
    const { notIgnored } = await copyIncluded({ gitDir, workTree: repository }, place.ground.workTree);
    if (notIgnored.length > 0)
      log.say(
        "warn",
        `.worktreeinclude names files that git does not ignore; they are not copied: ${notIgnored.join(", ")}`,
      );
    const commands = config.worktree.setup;
    if (commands.length > 0) {
      const { results, failure } = await runGates({
        ...this.commandsIn(live, place.ground.workTree),
        commands,
        kind: "The set-up step",
      });
      const said = results.map(({ command, output }) => `$ ${command}\n${output}`).join("\n");
      await writeFile(`${place.ground.workTree}.setup.log`, `${said}\n`).catch(() => {});
      if (failure) return { class: "unknown", message: failure.message, hint: "Mend worktree.setup, then cox retry." };
    }
    await mkdir(place.ground.gitDir, { recursive: true });
    await writeFile(done, "");
    return undefined;
  }

  /** All that apply: the workspace's, the session's, the role's, the task's. */
  private gatesOf({ run, task, role }: Live): string[] {
    const { config, state } = this.workspace;
    const session = state.sessions.get(run.session)?.file.verify ?? [];
    return [...new Set([...config.verify, ...session, ...(role.verify ?? []), ...(task.execution.verify ?? [])])];
  }

  private async gates(live: Live, cwd: string): Promise<{ results: GateResult[]; failure?: Failure }> {
    const commands = this.gatesOf(live);
    if (commands.length === 0) return { results: [] };
    const { run } = live;
    this.workspace.log.say(
      "info",
      `${run.session} ${attemptName(run.id, run.attempt)}: checking ${commands.length} gates`,
    );
    live.checking = true;
    try {
      return await runGates({ ...this.commandsIn(live, cwd), commands });
    } finally {
      live.checking = false;
    }
  }

  private commandsIn({ run, runDir }: Live, cwd: string) {
    const { config } = this.workspace;
    const env = agentEnvironment({ userEnv: process.env, names: config.agent.env, runner: "command", extra: {} });
    return { cwd, env, runId: run.runId, runDir, timeout: parseDuration(config.agent.timeout) ?? 0 };
  }

  /**
   * The workshop, with what the repository's own configuration would run taken away; what cannot be kept from running
   * stops the work.
   */
  async shop(): Promise<Shop> {
    const { commonDir, folder, log } = this.workspace;
    const { cannot, names, settings } = await disarm(groundOf(commonDir));
    const said = names.join(", ");
    if (said !== this.saidOf && said !== "")
      log.say("warn", `the repository's configuration names programs that are not run for worktrees: ${said}`);
    this.saidOf = said;
    if (cannot !== undefined) throw new Armed(cannot);
    return { commonDir, folder: join(folder, RUN, "worktrees"), disarmed: settings };
  }

  private saidOf = "";

  private noticed(live: Live, { settings }: Note): string[] {
    const { run } = live;
    const name = `${run.session} ${attemptName(run.id, run.attempt)}`;
    const told = changedSettings(settings, gitSettings(this.workspace.commonDir));
    for (const text of told) this.workspace.log.say("warn", `${name}: ${text}. Your own git obeys it: look at it.`);
    return told;
  }

  private async noteOf(live: Live): Promise<Note> {
    try {
      return JSON.parse(await readFile(join(live.runDir, NOTE), "utf8")) as Note;
    } catch {
      return { ledger: this.workspace.ledger.tip, settings: {} };
    }
  }

  private inTurn<T>(session: SessionId, work: () => Promise<T>): Promise<T> {
    const turn = (this.queues.get(session) ?? Promise.resolve()).then(work);
    this.queues.set(
      session,
      turn.catch(() => {}),
    );
    return turn;
  }
}

/** A worktree in which nothing was done yet, or all of it is merged, begins where the session is now. */
async function catchUp(place: Place, sessionTip: string): Promise<void> {
  const head = await commitOf(place.ground, "HEAD");
  if (!head || head === sessionTip || !(await isMerged(place.shared, head, sessionTip))) return;
  const status = await tryGit(place.ground, ["status", "--porcelain", "-z"]);
  if (status.code === 0 && status.stdout === "") await moveWorktree(place, sessionTip);
}
