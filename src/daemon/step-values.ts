/** What names in the text of a workflow's step stand for, in the moment when its attempt begins. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, parentOf, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import type { StepKind, Vars } from "../model/workflow.ts";
import { at } from "../store/paths.ts";
import { fieldOf, reported, type Value, type Values } from "../workflow/fill.ts";
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
  const parent = parentOf(task.id);
  const own = newest.taskOf(parent ?? task.id);
  const vars = own?.execution.workflow?.vars ?? {};
  const siblings = (own?.relations.subtasks ?? []).flatMap((id) => newest.taskOf(id) ?? []);
  const cause = own?.execution.workflow?.cause?.about ?? "";
  const of = { session, task, base, vars, cause, siblings, newest };
  for (const part of names) values.set(nameOf(part), await valueOf(part, of));
  return values;
}

interface Of {
  session: SessionId;
  task: Task;
  base: string;
  vars: Vars;
  /** What began the run by itself. */
  cause: string;
  siblings: readonly Task[];
  newest: Newest;
}

async function valueOf({ name, path }: { name: string; path: string[] }, of: Of): Promise<Value | string> {
  const { task, vars, siblings } = of;
  switch (name) {
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
      const step = siblings.find(({ execution }) => execution.workflow?.step === id);
      if (!step) return `there is no step ${id}`;
      const last = step.execution.last_attempt;
      if (field === "outcome") return { value: outcomeOf(step.execution) };
      return last ? { value: `${of.base}/${fileOf(of.session, step)}` } : `${id} has no result`;
    }
  }
  const producer = siblings.find(({ execution }) => execution.output === name);
  if (producer) {
    const response = await of.newest.responseOf(producer);
    const last = producer.execution.last_attempt;
    if (!response || !last) return `${producer.id} has no result`;
    const { id, title } = producer;
    const from = { task: id, title, attempt: last.attempt, file: `${of.base}/${fileOf(of.session, producer)}` };
    return fieldOf(reported(response, from), path);
  }
  return Object.hasOwn(vars, name)
    ? fieldOf({ value: vars[name] }, path)
    : "no variable of the run, and no step's result";
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
  const of = { session, task: step, base: workspace.folder, vars: {}, cause: "", siblings: steps, newest };
  const results: Record<string, unknown> = {};
  for (const name of outputs) {
    const value = await valueOf({ name, path: [] }, of);
    if (typeof value !== "string") results[name] = value.value;
  }
  const ended = steps.map(({ execution }) => [execution.workflow?.step ?? "", { outcome: outcomeOf(execution) }]);
  const own = newest.taskOf(parentOf(step.id) ?? step.id)?.execution.workflow;
  const run = { id: own?.run ?? "", cause: own?.cause?.about ?? "" };
  return { ...results, steps: Object.fromEntries(ended) as unknown, run, session };
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
