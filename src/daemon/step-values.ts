/** What names in the text of a workflow's step stand for, in the moment when its attempt begins. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, parentOf, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import type { StepKind, Vars } from "../model/workflow.ts";
import { at } from "../store/paths.ts";
import { fieldOf, reported, type Value, type Values } from "../workflow/fill.ts";
import { scopeOf, stepsSeen } from "../workflow/scope.ts";
import { nameOf, namesIn } from "../workflow/template.ts";
import type { Workspace } from "./workspace.ts";

/** How a task stands and what it has reported, where that is decided and not on disk yet. */
export interface Newest {
  taskOf: (id: TaskId) => Task | undefined;
  responseOf: (task: Task) => Promise<ResponseFile | undefined>;
}

/** `base`: from where the agent finds the workspace. Texts say why there is no value. */
export async function valuesFor(
  workspace: Workspace,
  { session, task, text, kind, base }: { session: SessionId; task: Task; text: string; kind: StepKind; base: string },
  newest: Newest = recorded(workspace, session),
): Promise<Values> {
  const values = new Map<string, Value | string>();
  const names = namesIn(text, kind);
  if (names.length === 0) return values;
  const of = surroundings({ session, task, base }, newest);
  for (const part of names) values.set(nameOf(part), await valueOf(part, of));
  return values;
}

/** All that the step could name, for a program that asks by itself; what is not there is left out. */
export async function allValuesFor(
  workspace: Workspace,
  { session, task, base }: { session: SessionId; task: Task; base: string },
): Promise<Record<string, unknown>> {
  const of = surroundings({ session, task, base }, recorded(workspace, session));
  const names = [...Object.keys(of.vars), ...of.siblings.flatMap(({ execution }) => execution.output ?? [])];
  const values: Record<string, unknown> = {};
  for (const name of [...names, "item", "index", "round", "session"]) {
    const value = await valueOf({ name, path: [] }, of);
    if (typeof value !== "string") values[name] = value.value;
  }
  const ended = of.siblings.map(({ execution }) => [stepOf(execution), { outcome: outcomeOf(execution) }]);
  return {
    ...values,
    steps: Object.fromEntries(ended) as unknown,
    run: { id: task.execution.workflow?.run ?? "", cause: of.cause },
  };
}

function surroundings({ session, task, base }: Pick<Of, "session" | "task" | "base">, newest: Newest): Of {
  const run = newest.taskOf(parentOf(task.id) ?? task.id);
  const all = (run?.relations.subtasks ?? []).flatMap((id) => newest.taskOf(id) ?? []);
  const scope = scopeOf(task, newest.taskOf);
  const { vars = {}, told = {} } = (scope === null ? undefined : newest.taskOf(scope))?.execution.workflow ?? {};
  const cause = run?.execution.workflow?.cause?.about ?? "";
  return { session, task, base, vars, told, cause, all, siblings: stepsSeen(task, all), newest };
}

interface Of {
  session: SessionId;
  task: Task;
  base: string;
  vars: Vars;
  /** Which of the variables other tasks have reported. */
  told: Readonly<Record<string, TaskId>>;
  /** What began the run by itself. */
  cause: string;
  /** All tasks of the run, and the steps among them that this one sees. */
  all: readonly Task[];
  siblings: readonly Task[];
  newest: Newest;
}

async function valueOf({ name, path }: { name: string; path: string[] }, of: Of): Promise<Value | string> {
  const { task, vars, siblings } = of;
  const { workflow } = task.execution;
  switch (name) {
    case "item":
      if (workflow?.index === undefined) return "the task is for no item";
      return fieldOf({ value: workflow.item, ...toldBy(workflow.told?.["item"], of) }, path);
    case "index":
      return workflow?.index === undefined ? "the task is for no item" : { value: workflow.index };
    case "round":
      return workflow?.round === undefined ? "the task is no round" : { value: workflow.round };
    case "run":
      return path.join(".") === "cause" ? { value: of.cause } : { value: task.execution.workflow?.run ?? "" };
    case "session":
      return { value: of.session };
    case "env": {
      const [variable = ""] = path;
      if (!task.execution.env?.includes(variable)) return `${variable} is not listed in the step's env`;
      return { value: process.env[variable] ?? "" };
    }
    case "steps": {
      const [id = "", field] = path;
      const step = siblings.find(({ execution }) => stepOf(execution) === id);
      if (!step) return `there is no step ${id}`;
      const last = step.execution.last_attempt;
      if (field === "outcome") return { value: outcomeOf(step.execution) };
      return last ? { value: `${of.base}/${fileOf(of.session, step)}` } : `${id} has no result`;
    }
  }
  const producer = siblings.find(({ execution }) => execution.output === name);
  if (producer && producer.id === workflow?.part_of) return lastRound(path, of);
  if (producer) {
    const result = await resultOf(producer, of);
    return typeof result === "string" ? result : fieldOf(result, path);
  }
  return Object.hasOwn(vars, name)
    ? fieldOf({ value: vars[name], ...toldBy(of.told[name], of) }, path)
    : "no variable of the run, and no step's result";
}

/** What the step reported in the round before; in its first one, nothing yet. */
async function lastRound(path: string[], of: Of): Promise<Value | string> {
  const { part_of: whole, round = 1 } = of.task.execution.workflow ?? {};
  const before = of.all.find(
    ({ execution: { workflow } }) => workflow?.part_of === whole && workflow?.round === round - 1,
  );
  if (!before) return { value: "" };
  const result = await resultOf(before, of);
  return typeof result === "string" ? result : fieldOf(result, path);
}

async function resultOf(task: Task, of: Pick<Of, "session" | "base" | "newest">): Promise<Value | string> {
  const response = await of.newest.responseOf(task);
  const from = originOf(task, of);
  return response && from ? reported(response, from) : `${task.id} has no result`;
}

function originOf(task: Task, { session, base }: Pick<Of, "session" | "base">): Value["from"] {
  const last = task.execution.last_attempt;
  if (!last) return undefined;
  return { task: task.id, title: task.title, attempt: last.attempt, file: `${base}/${fileOf(session, task)}` };
}

/** Of what another task has reported, it is known which: such words are a stranger's. */
function toldBy(id: TaskId | undefined, of: Of): Pick<Value, "from"> {
  const task = id === undefined ? undefined : of.newest.taskOf(id);
  const from = task && originOf(task, of);
  if (from) return { from };
  return id === undefined ? {} : { from: { task: id, title: id, attempt: 1, file: "" } };
}

/** What a task has reported, as JSON has it; undefined where that is nothing. */
export async function reportOf(workspace: Workspace, session: SessionId, task: Task): Promise<Value | undefined> {
  const newest = recorded(workspace, session);
  const result = await resultOf(task, { session, base: workspace.folder, newest });
  return typeof result === "string" ? undefined : result;
}

/** What a condition may name, as JSON has it: results, and how steps ended. A result that is not there is left out. */
export async function valuesOf(
  workspace: Workspace,
  {
    session,
    step,
    steps,
    outputs,
  }: { session: SessionId; step: Task; steps: readonly Task[]; outputs: readonly string[] },
): Promise<Record<string, unknown>> {
  const newest = recorded(workspace, session);
  const of: Of = {
    ...surroundings({ session, task: step, base: workspace.folder }, newest),
    vars: {},
    siblings: steps,
  };
  const results: Record<string, unknown> = {};
  for (const name of outputs) {
    const value = await valueOf({ name, path: [] }, of);
    if (typeof value !== "string") results[name] = value.value;
  }
  const ended = steps.map(({ execution }) => [stepOf(execution), { outcome: outcomeOf(execution) }]);
  const run = { id: step.execution.workflow?.run ?? "", cause: of.cause };
  const { index, item, round } = step.execution.workflow ?? {};
  const own = { ...(index === undefined ? {} : { index, item }), ...(round === undefined ? {} : { round }) };
  return { ...results, ...own, steps: Object.fromEntries(ended) as unknown, run, session };
}

/** By the id that its own workflow gives it. */
function stepOf({ workflow }: Task["execution"]): string {
  return workflow?.step?.split(".").at(-1) ?? "";
}

function outcomeOf({ last_attempt: last }: Task["execution"]): string {
  return last?.outcome ?? "skipped";
}

function fileOf(session: SessionId, { id, execution }: Task): string {
  return at.response(session, attemptName(id, execution.last_attempt?.attempt ?? 0));
}

function recorded(workspace: Workspace, session: SessionId): Newest {
  return {
    taskOf: (id) => workspace.state.sessions.get(session)?.tasks.get(id),
    responseOf: (task) => readResponse(join(workspace.folder, fileOf(session, task))),
  };
}

export async function readResponse(path: string): Promise<ResponseFile | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ResponseFile;
  } catch {
    return undefined;
  }
}
