/**
 * Steps that are done in several tasks: which tasks those are, and what comes of them. Decided from what is on record and
 * on disk, told to the machine as events, so that whatever is cut off in between is decided again.
 */
import { join } from "node:path";
import { takeIn } from "../machine/intake.ts";
import { hasFailed } from "../machine/state.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, compareTaskIds, taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import { plain } from "../model/plain.ts";
import type { Task, TaskDrop } from "../model/task.ts";
import type { Vars } from "../model/workflow.ts";
import { escaping } from "../store/escaping.ts";
import { at, placeOf } from "../store/paths.ts";
import { readRegular, sha256 } from "../store/scan.ts";
import { readWorkflow } from "../store/workflow-file.ts";
import { compileSteps } from "../workflow/compile.ts";
import { asksOfItem } from "../workflow/condition.ts";
import { givenTo, type Value } from "../workflow/fill.ts";
import { itemsFrom } from "../workflow/items.ts";
import { stuckAmong } from "../workflow/stuck.ts";
import { nameOf, namesIn } from "../workflow/template.ts";
import { varsFor } from "../workflow/vars.ts";
import type { Observation } from "./observation.ts";
import { conditionOf } from "./step-conditions.ts";
import { reportOf, valuesFor } from "./step-values.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

/** Of one run, all its steps and their parts together. */
const MOST_TASKS = 10_000;
const LARGEST_LIST = 4 * 1024 * 1024;
const MOST_NAMED = 10;

type Flow = NonNullable<Task["execution"]["workflow"]>;
type List = { wrong: string } | { ok: unknown[]; from?: Value["from"] };
type Given = Pick<Flow, "vars" | "told">;

/** One look at the steps of a run. */
export class Wholes {
  private readonly workspace: Workspace;
  private readonly session: SessionId;
  private readonly run: TaskId;
  /** All tasks of the run. */
  private readonly all: readonly Task[];
  private readonly observed: Observation;
  private next: number;
  /** How many items of a step run their workflow by now. */
  private readonly open = new Map<TaskId, number>();

  constructor(
    workspace: Workspace,
    of: { session: SessionId; run: TaskId; all: readonly Task[]; observed: Observation },
  ) {
    this.workspace = workspace;
    this.session = of.session;
    this.run = of.run;
    this.all = of.all;
    this.observed = of.observed;
    this.next = 0;
  }

  /** A step that may begin, or has begun: what follows now is added to what was observed. */
  async look(whole: Task): Promise<void> {
    const workflow = whole.execution.workflow;
    if (!workflow) return;
    if (workflow.parts === undefined) return this.begin(whole, workflow);
    const parts = this.partsOf(whole.id);
    const stuck = workflow.call && !workflow.for_each && !workflow.repeat ? stuckAmong(parts) : new Set<TaskId>();
    const isOver = (part: Task) => part.status === "completed" || hasFailed(part) || stuck.has(part.id);
    if (!parts.every(isOver)) return;
    if (workflow.for_each !== undefined) return this.gather(whole, parts);
    if (workflow.repeat) return this.roundOver(whole, workflow.repeat, parts);
    return this.calledOver(whole, parts, stuck);
  }

  private async begin(whole: Task, workflow: Flow): Promise<void> {
    if (workflow.for_each !== undefined) return this.beginItems(whole, workflow);
    if (workflow.repeat) return this.make(whole, [partOf(whole, this.freeId(), { round: 1 }, "round 1")]);
    if (workflow.call && this.hasRoom(workflow)) return this.call(whole, workflow.call);
  }

  private async beginItems(whole: Task, { for_each: list }: Flow): Promise<void> {
    const found: List = typeof list === "string" ? await this.listOf(whole, list) : itemsFrom({ value: list });
    if ("wrong" in found) return this.wrong(whole, `In its list ${shown(list)}: ${found.wrong}.`);
    const { ok: items } = found;
    if (this.all.length + items.length > MOST_TASKS) return this.wrong(whole, tooMany(this.all.length + items.length));
    const { from } = found;
    const parts = items.map((item, index) => {
      const own = { index, item, ...(from ? { told: { ...whole.execution.workflow?.told, item: from.task } } : {}) };
      return partOf(whole, this.freeId(), own, `${index + 1}/${items.length}: ${shown(item)}`);
    });
    this.make(whole, parts);
  }

  private async listOf(whole: Task, text: string): Promise<List> {
    const [name] = namesIn(text, "prompt");
    if (!name) return { wrong: "it is neither a list nor a name in braces" };
    const { workspace, session } = this;
    const values = await valuesFor(workspace, { session, task: whole, text, kind: "prompt", base: workspace.folder });
    const value = values.get(nameOf(name)) ?? "it stands for nothing";
    if (typeof value === "string") return { wrong: value };
    const items = itemsFrom(value);
    return "ok" in items && value.from ? { ...items, from: value.from } : items;
  }

  /** The results of all items, in the order of the list; null for what has none. */
  private async gather(whole: Task, parts: readonly Task[]): Promise<void> {
    const results: unknown[] = Array.from({ length: whole.execution.workflow?.parts ?? 0 }, () => null);
    for (const part of parts) {
      const { workflow } = part.execution;
      if (workflow?.index === undefined || part.status !== "completed" || workflow.skipped) continue;
      const report = await reportOf(this.workspace, this.session, part);
      if (report) results[workflow.index] = report.value;
    }
    const failed = parts.filter(hasFailed);
    const text = JSON.stringify(results);
    if (Buffer.byteLength(text) > LARGEST_LIST) {
      const message = `Its results make ${Buffer.byteLength(text)} bytes, and ${LARGEST_LIST} are the most: let the items write files.`;
      return this.over(whole, parts, { failure: message, result: "" });
    }
    const failure =
      failed.length > 0 ? `${failed.length} of ${results.length} items failed: ${few(failed)}.` : undefined;
    this.over(whole, parts, { result: text, structured: results, failure });
  }

  private async roundOver(whole: Task, { until, max }: NonNullable<Flow["repeat"]>, parts: readonly Task[]) {
    const roundOf = (part: Task) => part.execution.workflow?.round ?? 0;
    const made = whole.execution.workflow?.parts ?? 0;
    const last = parts.find((part) => roundOf(part) === made);
    if (!last) return this.over(whole, parts, { result: "", failure: `Round ${made} was deleted.` });
    const report = await reportOf(this.workspace, this.session, last);
    const told = toldBy(report);
    if (hasFailed(last)) return this.over(whole, parts, { ...told, failure: `Round ${made} failed: ${last.id}.` });
    const { output } = whole.execution;
    const results = output === undefined ? {} : { [output]: report?.value ?? null };
    const asked = { session: this.session, step: last, all: this.all, text: until, results };
    const answer = await conditionOf(this.workspace, asked);
    if (answer.is === "wrong") return this.wrong(whole, answer.trouble);
    if (answer.is === "met") return this.over(whole, parts, told);
    if (made >= max) {
      const failure = `After ${max} ${max === 1 ? "round" : "rounds"} its condition does not hold: ${until}`;
      return this.over(whole, parts, { ...told, failure });
    }
    this.make(whole, [partOf(whole, this.freeId(), { round: made + 1 }, `round ${made + 1}`)]);
  }

  /** Of items that run a workflow, no more do so at once than the step allows. */
  private hasRoom({ part_of: whole }: Flow): boolean {
    const most = this.all.find(({ id }) => id === whole)?.execution.workflow?.max_parallel;
    if (whole === undefined || most === undefined) return true;
    const open =
      this.open.get(whole) ??
      this.partsOf(whole).filter(({ status, execution }) => status === "pending" && execution.workflow?.parts).length;
    if (open >= most) return false;
    this.open.set(whole, open + 1);
    return true;
  }

  /** The workflow that the step runs, as it was when the run began: its steps become tasks of the same run. */
  private async call(whole: Task, { workflow: name, vars }: NonNullable<Flow["call"]>): Promise<void> {
    const { workspace, session } = this;
    const flow = whole.execution.workflow;
    if (!flow) return;
    const path = at.runWorkflow(session, `${flow.run}.${name}`);
    const found = readRegular(join(workspace.folder, path));
    if (!found) return this.wrong(whole, `The workflow ${name} was not kept with the run: ${path} is missing.`);
    if (!isTrusted(workspace, path, sha256(found.content))) return this.wrong(whole, `${path} is not trusted.`);
    const read = readWorkflow(found.content.toString("utf8"), workspace.roles.keys());
    if ("problems" in read) return this.wrong(whole, `In ${path}: ${read.problems[0]?.message}`);
    const given = await this.given(whole, vars);
    if ("wrong" in given) return this.wrong(whole, `In what ${name} is given: ${given.wrong}.`);
    const fits = varsFor(read.ok, given.vars);
    if ("problems" in fits) return this.wrong(whole, `In what ${name} is given: ${fits.problems[0]?.message}`);
    if (this.all.length + read.ok.steps.length > MOST_TASKS)
      return this.wrong(whole, tooMany(this.all.length + read.ok.steps.length));
    const first = taskNumbers(this.freeId())[1];
    const within = { id: whole.id, step: flow.step ?? whole.id };
    const { tasks, texts } = compileSteps(read.ok, { run: flow.run, id: this.run, first, within });
    this.next = first + tasks.length;
    const made = this.tasksOf(tasks);
    if ("wrong" in made) return this.wrong(whole, `In ${name}: ${made.wrong}`);
    for (const [text, content] of texts)
      this.observed.prompts.push({ path: `${session}/${text}`, content: Buffer.from(content) });
    this.make(whole, made.ok, { vars: fits.ok, told: given.told });
  }

  private async given(
    whole: Task,
    vars: Vars,
  ): Promise<{ vars: Vars; told: Record<string, TaskId> } | { wrong: string }> {
    const { workspace, session } = this;
    const told: Record<string, TaskId> = {};
    const result: [string, unknown][] = [];
    for (const [name, text] of Object.entries(vars)) {
      if (typeof text !== "string") {
        result.push([name, text]);
        continue;
      }
      const asked = { session, task: whole, text, kind: "prompt" as const, base: workspace.folder };
      const filled = givenTo(text, await valuesFor(workspace, asked));
      if ("missing" in filled) return { wrong: filled.missing };
      result.push([name, filled.ok.value]);
      if (filled.ok.from) told[name] = filled.ok.from.task;
    }
    return { vars: Object.fromEntries(result), told };
  }

  private tasksOf(drops: readonly (TaskDrop & { id: TaskId })[]): { ok: Task[] } | { wrong: string } {
    const { workspace, session } = this;
    const { roles, repository, state } = workspace;
    const wanted = drops.map((drop) => ({
      ...{ file: drop.id, sha256: "", drop, idByName: null, escaping: escaping(drop.paths ?? "", repository) },
    }));
    const { accepted, refused } = takeIn(wanted, {
      session,
      taskOf: (id) => state.sessions.get(session)?.tasks.get(id),
      highest: taskNumbers(this.run)[0],
      roles,
      roleNames: () => [...roles.keys()],
    });
    const [wrong] = refused.flatMap(({ problems }) => problems);
    if (wrong) return { wrong: wrong.message };
    // They come from no dropped file of their own.
    return {
      ok: accepted.map(({ task }) => {
        const { source: _source, ...execution } = task.execution;
        return { ...task, execution };
      }),
    };
  }

  /** All its steps are over, or will never start: the result is that of the last one. */
  private async calledOver(whole: Task, parts: readonly Task[], stuck: ReadonlySet<TaskId>): Promise<void> {
    const main = parts.filter(({ execution: { workflow } }) => !workflow?.finally && !workflow?.handles);
    const last = main.toSorted((a, b) => compareTaskIds(a.id, b.id)).at(-1);
    const report = last && (await reportOf(this.workspace, this.session, last));
    const told = toldBy(report);
    const failed = parts.filter((part) => hasFailed(part) && part.execution.continue_on_error !== true);
    const isWhole = failed.length === 0 && stuck.size === 0;
    const failure = `${failed.length} of its ${parts.length} steps failed: ${few(failed)}.`;
    this.over(whole, parts, isWhole ? told : { ...told, failure });
  }

  private make(whole: Task, parts: Task[], given: Given = {}): void {
    const { session } = this;
    const after = whole.execution.workflow?.parts;
    this.observed.events.push({ type: "parts-known", session, id: whole.id, after, parts, ...given });
  }

  private over(
    whole: Task,
    parts: readonly Task[],
    { failure, result, structured }: { failure?: string | undefined; result: string; structured?: unknown },
  ): void {
    const { session } = this;
    const outcome = failure === undefined ? "success" : "failure";
    const message = failure ?? "";
    const attempt = whole.execution.attempts + 1;
    const response: ResponseFile = {
      ...{ task: whole.id, attempt, run_id: null, agent_session: null, outcome, result },
      ...(structured === undefined ? {} : { structured }),
      ...(failure === undefined ? {} : { error: { class: "unknown" as const, message } }),
      ...{ cost_usd: null, tokens: null, turns: null, duration_ms: null, model: null, permission_denials: [] },
    };
    this.observed.answers.set(`${session}/${attemptName(whole.id, attempt)}`, response);
    const seen = new Map(parts.map(({ id, status }) => [id, status]));
    this.observed.events.push({ type: "parts-over", session, id: whole.id, seen, outcome, message });
  }

  private wrong({ id }: Task, trouble: string): void {
    this.observed.events.push({ type: "step-decided", session: this.session, id, is: "wrong", trouble });
  }

  private partsOf(whole: TaskId): Task[] {
    return this.all.filter(({ execution }) => execution.workflow?.part_of === whole);
  }

  /** One that no task of the run has, and no file names that is no task yet. */
  private freeId(): TaskId {
    if (this.next === 0) {
      const named = this.workspace.held.all().flatMap(({ path }) => {
        const place = placeOf(path);
        const [main, sub] = place.kind === "task" && place.id ? taskNumbers(place.id) : [0, 0];
        return main === taskNumbers(this.run)[0] ? sub : 0;
      });
      this.next = 1 + Math.max(0, ...named, ...this.all.map(({ id }) => taskNumbers(id)[1]));
    }
    return `${this.run}.${this.next++}`;
  }
}

/** The task for one item or round, as the step's own task says. */
function partOf(whole: Task, id: TaskId, own: Pick<Flow, "index" | "item" | "round" | "told">, what: string): Task {
  const { output: _output, source: _source, when, attempts: _attempts, last_attempt: _last, ...said } = whole.execution;
  const { reason: _reason, next_attempt_at: _next, failures: _failures, failed_with: _failed, ...execution } = said;
  const { name, run, step, python, call, told, finally: last } = whole.execution.workflow ?? { name: "", run: "" };
  const workflow: Flow = {
    ...{ name, run },
    ...(step === undefined ? {} : { step }),
    ...(python ? { python } : {}),
    ...(call ? { call } : {}),
    ...(last ? { finally: last } : {}),
    ...(told ? { told } : {}),
    part_of: whole.id,
    ...own,
  };
  return {
    ...whole,
    id,
    title: cut(`${whole.title} · ${what}`, 200),
    status: "pending",
    relations: { ...whole.relations, subtasks: [] },
    execution: {
      ...execution,
      ...(when !== undefined && own.index !== undefined && asksOfItem(when) ? { when } : {}),
      workflow,
      attempts: 0,
      last_attempt: null,
    },
  };
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return cut(plain(text).replace(/\s+/g, " ").trim(), 80);
}

function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

/** As its own response would have it. */
function toldBy(report: Value | undefined): { result: string; structured?: unknown } {
  if (!report) return { result: "", structured: null };
  if (typeof report.value === "string") return { result: report.value };
  return { result: report.text ?? JSON.stringify(report.value), structured: report.value };
}

function few(tasks: readonly Task[]): string {
  const named = tasks.slice(0, MOST_NAMED).map(({ id }) => id);
  return tasks.length > MOST_NAMED ? `${named.join(", ")} and ${tasks.length - MOST_NAMED} more` : named.join(", ");
}

const tooMany = (count: number) => `Its run would have ${count} tasks, and ${MOST_TASKS} are the most.`;
