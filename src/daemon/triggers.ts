/**
 * What begins runs by itself. A cause is recorded together with the request that follows from it; only then the request
 * is put into the inbox, where it becomes a run as any other, and is forgotten in the record that makes it one. So a
 * daemon that is killed at any point neither loses a cause nor has two runs of it.
 */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, matchesGlob } from "node:path";
import { git } from "../ledger/git.ts";
import { instant, parseDuration, toMs } from "../model/time.ts";
import type { Cause } from "../model/workflow.ts";
import { formatJson } from "../store/json-file.ts";
import { writeFiles } from "../store/files.ts";
import { at } from "../store/paths.ts";
import { readRegular, type Found } from "../store/scan.ts";
import {
  memoryText,
  nothingRemembered,
  readMemory,
  type Remembered,
  type RememberedWorkflow,
  type TriggerMemory,
} from "../store/trigger-memory.ts";
import { dueOn, newIn, nextOn, refsOf, settle, type Causes, type Found as Due } from "../workflow/due.ts";
import { tellTrigger, type Trigger } from "../workflow/triggers.ts";
import type { Alarm } from "./alarm.ts";
import { ArmedWorkflows } from "./armed-workflows.ts";
import { KnownRuns, type KnownRun } from "./known-runs.ts";
import type { Observation } from "./observation.ts";
import { steady } from "./steady.ts";
import { Readings } from "./trigger-readings.ts";
import type { Workspace } from "./workspace.ts";

type Of<K extends Trigger["on"]> = Extract<Trigger, { on: K }>;

/** So many runs may begin each other in a row. */
const MOST_IN_A_ROW = 10;
const MOST_NAMED = 100;
/** So many runs that were over are remembered of a workflow. */
const MOST_RUNS = 500;
const NOTHING: Causes = { late: [], fresh: [] };

export class Triggers {
  private readonly workspace: Workspace;
  private readonly armed: ArmedWorkflows;
  private readonly runs: KnownRuns;
  private readonly readings: Readings;
  private memory: TriggerMemory | undefined;
  private isChanged = false;
  private isReading = false;
  /** What is to be told of what was decided, beside what begins. */
  private readonly notes: string[] = [];
  /** Requests that are recorded and not in the inbox yet. */
  private readonly toAsk = new Map<string, string>();
  /** Requests that were seen in the inbox: one that is gone without a run was taken back. */
  private readonly inInbox = new Set<string>();
  /** When schedules come to something again, by `<workflow> <trigger>`, in ms since 1970. */
  private readonly nextAt = new Map<string, number>();
  private lastLook = 0;
  /** What changed until then was changed by the trigger's own run; by `<workflow> <trigger>`, steady. */
  private readonly ownUntil = new Map<string, number>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
    this.armed = new ArmedWorkflows(workspace);
    this.runs = new KnownRuns(workspace);
    this.readings = new Readings(workspace);
  }

  /** Whether something is about to be known. */
  get restless(): boolean {
    return this.toAsk.size > 0 || (this.isReading && this.readings.restless);
  }

  /** `wakeAt`: when others want to be woken, in ms since 1970. */
  setAlarm(alarm: Alarm, wakeAt: number): void {
    alarm.at(Math.min(wakeAt, ...this.nextAt.values()));
    const { goneIn } = this.armed;
    if (goneIn !== undefined) alarm.in(goneIn);
    if (this.isReading) alarm.in(this.readings.dueIn);
  }

  /** Adds to what is recorded what triggers come to. `work`: how things stand is read meanwhile. */
  async look(
    observed: Observation,
    { found, now }: { found: readonly Found[]; now: number },
  ): Promise<{ work: Promise<void> } | undefined> {
    if (this.workspace.state.draining) return undefined;
    if (found.some(({ place }) => place.kind === "workflow")) this.armed.stale();
    if (observed.reload.roles) this.armed.rolesChanged();
    const armed = await this.armed.all();
    if (armed.size === 0 && !this.memory && !existsSync(join(this.workspace.folder, at.triggers))) return undefined;
    const memory = (this.memory ??= await this.recall());
    if (armed.size === 0 && memory.workflows.size === 0) return undefined;
    if (now < this.lastLook) this.nextAt.clear();
    this.lastLook = now;
    const reading = this.read(armed);
    const texts: string[] = [];
    const runs = [...this.runs.all()];
    const taken = this.forgetTaken(observed, memory);
    for (const name of memory.workflows.keys()) {
      if (armed.has(name) || this.armed.isThere(name)) continue;
      memory.workflows.delete(name);
      texts.push(`${name}: its triggers are gone`);
    }
    for (const key of this.nextAt.keys()) if (!armed.has(key.slice(0, key.indexOf(" ")))) this.nextAt.delete(key);
    for (const [name, triggers] of armed) {
      if (taken.has(name)) continue; // its run is in the making
      texts.push(...(await this.one({ name, triggers, runs, now, observed })), ...this.notes.splice(0));
    }
    if (texts.length > 0 || this.isChanged) {
      memory.n++;
      observed.prompts.push({ path: at.triggers, content: Buffer.from(memoryText(memory)) });
      observed.events.push(...texts.map((text) => ({ type: "triggered" as const, text })));
    }
    this.isChanged = false;
    return reading && { work: reading };
  }

  /** After it is recorded: puts requests into the inbox. Answers with their paths. */
  async ask(): Promise<string[]> {
    const { folder, log } = this.workspace;
    const asked: string[] = [];
    for (const [path, content] of this.toAsk) {
      try {
        if (!existsSync(join(folder, path))) await writeFiles(folder, [{ path, content }], true);
      } catch (error) {
        log.say("warn", `${path} could not be written: ${(error as Error).message}`);
        continue;
      }
      this.toAsk.delete(path);
      this.inInbox.add(path);
      asked.push(path);
    }
    return asked;
  }

  /** Whether something may follow from these changes. */
  note(changes: Parameters<KnownRuns["note"]>[0]): boolean {
    return this.runs.note(changes) && (this.memory?.workflows.size ?? 0) > 0;
  }

  /** As it was recorded; what is asked for and not there is asked for again. */
  private async recall(): Promise<TriggerMemory> {
    const { ledger, folder, sources, state } = this.workspace;
    const recorded = readMemory(await ledger.read(at.triggers));
    const onDisk = readMemory(readRegular(join(folder, at.triggers))?.content);
    // The same, but what looks like a secret was not recorded.
    const memory = (onDisk?.n === recorded?.n ? onDisk : recorded) ?? nothingRemembered();
    for (const [name, remembered] of memory.workflows) {
      remembered.asked = remembered.asked.filter(({ file, cause, vars }) => {
        const known = [...sources].find(([source]) => source.startsWith(`${file} `))?.[1];
        if (known && state.sessions.get(known.session)?.tasks.has(known.id)) return false;
        if (existsSync(join(folder, file))) this.inInbox.add(file);
        else this.toAsk.set(file, requestFor(name, cause, vars));
        return true;
      });
    }
    return memory;
  }

  /** Requests that become runs with this record are forgotten in the same; answers with their workflows. */
  private forgetTaken(observed: Observation, { workflows }: TriggerMemory): Set<string> {
    const files = new Set(
      observed.events.flatMap((event) =>
        event.type === "tasks-found" ? event.tasks.flatMap(({ execution }) => execution.source?.file ?? []) : [],
      ),
    );
    const taken = new Set<string>();
    for (const [name, remembered] of workflows) {
      const rest = remembered.asked.filter(({ file }) => !files.has(file));
      if (rest.length === remembered.asked.length) continue;
      remembered.asked = rest;
      taken.add(name);
      this.isChanged = true;
    }
    return taken;
  }

  private read(armed: ReadonlyMap<string, Trigger[]>): Promise<void> | undefined {
    const globs = new Map<string, readonly string[]>();
    let refs = false;
    for (const triggers of armed.values())
      for (const trigger of triggers) {
        if (trigger.on === "files") globs.set(trigger.key, trigger.globs);
        refs ||= trigger.on === "git";
      }
    this.isReading = refs || globs.size > 0;
    return this.readings.begin({ refs, globs }, parseDuration(this.workspace.config.rescan) ?? 5000);
  }

  private async one(of: {
    name: string;
    triggers: readonly Trigger[];
    runs: readonly KnownRun[];
    now: number;
    observed: Observation;
  }): Promise<string[]> {
    const { name, triggers, runs, now, observed } = of;
    const remembered = this.rememberedOf(name);
    const texts = [...this.begins(remembered, of), ...this.takenBack(remembered, name)];
    const going = runs.filter(({ workflow, cause, outcome }) => workflow === name && cause && !outcome);
    for (const trigger of triggers) {
      const own = remembered.triggers.get(trigger.key);
      if (!own) continue; // how things stand is not known yet
      const busy = going.length + remembered.asked.length > 0;
      const causes = await this.causesOf(trigger, own, { name, runs, now, busy });
      const isNew = ({ key }: Due) => !remembered.begun.includes(key);
      const found = { late: causes.late.filter(isNew), fresh: causes.fresh.filter(isNew) };
      if (found.late.length + found.fresh.length + own.waits.length === 0) continue;
      const { waits, begin, cancels, skipped } = settle(trigger, found, { waits: own.waits, busy });
      texts.push(...skipped.map((cause) => `${name}: ${tellCause(cause)} is skipped`));
      texts.push(
        ...waits.filter((cause) => !own.waits.includes(cause)).map((cause) => `${name}: ${tellCause(cause)} waits`),
      );
      own.waits = waits;
      if (cancels) {
        for (const run of going.splice(0)) {
          observed.events.push(...this.runs.cancel(run));
          texts.push(`${name}: ${run.run} is cancelled for ${tellCause(begin)}`);
        }
        // What was asked for, and had not begun, is taken back.
        for (const { file } of remembered.asked.splice(0)) if (!this.toAsk.delete(file)) observed.consumed.push(file);
      }
      if (begin) texts.push(this.begin(name, remembered, { cause: begin, vars: trigger.vars }));
    }
    return texts;
  }

  private rememberedOf(name: string): RememberedWorkflow {
    const { workflows } = this.memory ?? nothingRemembered();
    const known = workflows.get(name) ?? { triggers: new Map(), begun: [], asked: [] };
    workflows.set(name, known);
    return known;
  }

  /** A trigger that is new begins with how things stand: nothing that was before it begins a run. */
  private begins(
    { triggers }: RememberedWorkflow,
    {
      name,
      triggers: all,
      runs,
      now,
    }: { name: string; triggers: readonly Trigger[]; runs: readonly KnownRun[]; now: number },
  ): string[] {
    const texts: string[] = [];
    for (const key of triggers.keys()) {
      if (all.some((trigger) => trigger.key === key)) continue;
      triggers.delete(key);
      this.nextAt.delete(`${name} ${key}`);
      texts.push(`${name}: no run begins any more by ${key}`);
    }
    for (const trigger of all) {
      if (triggers.has(trigger.key)) continue;
      const own = this.standing(trigger, { runs, now });
      if (!own) continue;
      triggers.set(trigger.key, own);
      texts.push(`${name}: from now on a run begins ${tellTrigger(trigger)}`);
    }
    return texts;
  }

  private standing(
    trigger: Trigger,
    { runs, now }: { runs: readonly KnownRun[]; now: number },
  ): Remembered | undefined {
    switch (trigger.on) {
      case "schedule":
        return { last: instant(now), waits: [] };
      case "git":
        return this.readings.refs && { refs: refsOf(trigger, this.readings.refs, matchesGlob), waits: [] };
      case "files": {
        const reading = this.readings.files(trigger.key);
        return reading && { digest: reading.digest, waits: [] };
      }
      case "after":
        return { runs: overFor(trigger, runs).map(keyOf), waits: [] };
    }
  }

  /** A person has removed the request: nothing becomes of it. */
  private takenBack(remembered: RememberedWorkflow, name: string): string[] {
    const { folder } = this.workspace;
    const gone = remembered.asked.filter(({ file }) => this.inInbox.has(file) && !existsSync(join(folder, file)));
    if (gone.length === 0) return [];
    remembered.asked = remembered.asked.filter((asked) => !gone.includes(asked));
    for (const { file } of gone) this.inInbox.delete(file);
    return gone.map(({ cause }) => `${name}: the request for ${tellCause(cause)} was removed`);
  }

  private async causesOf(
    trigger: Trigger,
    own: Remembered,
    of: { name: string; runs: readonly KnownRun[]; now: number; busy: boolean },
  ): Promise<Causes> {
    switch (trigger.on) {
      case "schedule":
        return this.ofSchedule(trigger, own, of);
      case "git":
        return this.ofGit(trigger, own);
      case "files":
        return this.ofFiles(trigger, own, of);
      case "after": {
        const causes = ofRuns(trigger, own, of.runs);
        const tooMany = ({ depth = 1 }: Due) => depth > MOST_IN_A_ROW;
        for (const cause of causes.fresh.filter(tooMany))
          this.notes.push(`${of.name}: ${tellCause(cause)} begins no run: ${MOST_IN_A_ROW} have begun each other`);
        return { late: [], fresh: causes.fresh.filter((cause) => !tooMany(cause)) };
      }
    }
  }

  private ofSchedule(trigger: Of<"schedule">, own: Remembered, { name, now }: { name: string; now: number }): Causes {
    const key = `${name} ${trigger.key}`;
    if (now < (this.nextAt.get(key) ?? 0)) return NOTHING;
    const { last, ...causes } = dueOn(trigger, own.last ?? instant(now), instant(now));
    if (toMs(last) < toMs(own.last ?? last))
      this.notes.push(`${name}: the clock was set back; ${tellTrigger(trigger)} begins anew`);
    own.last = last;
    const [next] = nextOn(trigger, toMs(last) > now ? last : instant(now), 1);
    this.nextAt.set(key, next === undefined ? Number.POSITIVE_INFINITY : toMs(next));
    return causes;
  }

  private async ofGit(trigger: Of<"git">, own: Remembered): Promise<Causes> {
    const { refs } = this.readings;
    if (!refs) return NOTHING;
    const before = own.refs ?? {};
    const now = refsOf(trigger, refs, matchesGlob);
    const moved = Object.keys(now).filter((name) => before[name] !== undefined && before[name] !== now[name]);
    const back = new Set<string>();
    for (const name of trigger.ref === "branch" ? moved : [])
      if (await this.isBehind(now[name] ?? "", before[name] ?? "")) back.add(name);
    own.refs = now;
    return { late: [], fresh: newIn(trigger, { before, now, isOlder: (name) => back.has(name) }) };
  }

  private async isBehind(commit: string, of: string): Promise<boolean> {
    const { commonDir } = this.workspace;
    const { code } = await git(["merge-base", "--is-ancestor", commit, of], { cwd: commonDir, gitDir: commonDir });
    return code === 0;
  }

  private ofFiles(trigger: Of<"files">, own: Remembered, { name, busy }: { name: string; busy: boolean }): Causes {
    const key = `${name} ${trigger.key}`;
    const reading = this.readings.files(trigger.key);
    if (trigger.overlap === "skip") {
      if (busy) this.ownUntil.set(key, Number.POSITIVE_INFINITY);
      else if (this.ownUntil.get(key) === Number.POSITIVE_INFINITY) this.ownUntil.set(key, steady());
    }
    const until = this.ownUntil.get(key);
    if (!reading || (until !== undefined && !busy && reading.at <= until)) return NOTHING;
    const isOwn = until !== undefined;
    if (!busy) this.ownUntil.delete(key);
    if (reading.digest === own.digest) return NOTHING;
    own.digest = reading.digest;
    if (isOwn) this.notes.push(`${name}: what changed while its own run went on begins no other`);
    if (isOwn) return NOTHING;
    const about = reading.changed.slice(0, MOST_NAMED).join("\n");
    const cause: Due = {
      on: "files",
      key: `files ${reading.digest} ${(this.memory?.n ?? 0) + 1}`,
      about,
      lane: "files",
    };
    return { late: [], fresh: [cause] };
  }

  private begin(
    name: string,
    remembered: RememberedWorkflow,
    { cause: { lane: _lane, ...cause }, vars }: { cause: Due; vars: Trigger["vars"] },
  ): string {
    const file = `inbox/run-${name}-${createHash("sha256").update(cause.key).digest("hex").slice(0, 12)}.json`;
    remembered.begun.push(cause.key);
    remembered.asked.push({ file, cause, ...(Object.keys(vars).length > 0 ? { vars } : {}) });
    this.toAsk.set(file, requestFor(name, cause, vars));
    return `${name}: a run begins: ${tellCause(cause)}`;
  }
}

const tellCause = (cause: Cause | undefined) => {
  if (!cause) return "";
  const [first = "", ...more] = cause.about.split("\n");
  const rest = more.length > 0 ? ` and ${more.length} more` : "";
  return `${cause.on}${first ? ` ${first}` : ""}${rest}`;
};

function requestFor(workflow: string, cause: Cause, vars: Trigger["vars"] = {}): string {
  return formatJson({ workflow, vars, cause });
}

function keyOf({ session, run, outcome }: KnownRun): string {
  return `after ${session}/${run} ${outcome ?? ""}`;
}

function overFor({ workflow, outcome }: Of<"after">, runs: readonly KnownRun[]): KnownRun[] {
  return runs.filter(
    (run) => run.workflow === workflow && run.outcome !== undefined && (outcome === "any" || run.outcome === outcome),
  );
}

function ofRuns(trigger: Of<"after">, own: Remembered, runs: readonly KnownRun[]): Causes {
  const known = new Set(own.runs);
  const news = overFor(trigger, runs).filter((run) => !known.has(keyOf(run)));
  if (news.length === 0) return NOTHING;
  own.runs = [...known, ...news.map(keyOf)].slice(-MOST_RUNS);
  const fresh = news.map((run): Due => {
    const depth = (run.cause?.depth ?? 0) + 1;
    return { on: "after", key: keyOf(run), about: run.run, depth };
  });
  return { late: [], fresh };
}
