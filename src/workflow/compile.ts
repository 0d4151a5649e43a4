/** A run of a workflow as tasks: one for the run, a container, and one for each of its steps. */
import { taskNumbers, type TaskId } from "../model/ids.ts";
import type { TaskDrop } from "../model/task.ts";
import type { Cause, Step, Vars, WorkflowFile } from "../model/workflow.ts";
import { planExecution } from "./plan-step.ts";
import { stepsOf } from "./steps.ts";
import { claudeTools } from "./tools.ts";

export interface Compiled {
  /** What the run is called among all of its session. */
  run: string;
  /** The run's own task first, then its steps in the order of the file. */
  tasks: (TaskDrop & { id: TaskId })[];
  /** Texts of the steps: path in the session's folder → text. */
  texts: Map<string, string>;
}

export interface RunOf {
  /** What the run's own task is called; its steps are `<id>.1`, `<id>.2`, … */
  id: TaskId;
  vars: Vars;
  /** The name of its file in `workflows/`. */
  name?: string;
  cause?: Cause;
}

export function compile(file: WorkflowFile, { id, vars, name, cause }: RunOf): Compiled {
  const run = `${slug(file.name)}-${taskNumbers(id)[0]}`;
  const { tasks, texts } = compileSteps(file, { run, id, first: 1 });
  const context = file.description ? { context: { requirements: [file.description] } } : {};
  // Should all its steps be deleted, a person is asked, and no agent is started.
  const container = {
    id,
    title: file.name,
    agent: "human",
    ...context,
    execution: {
      ...budgetOf(file),
      workflow: {
        name: file.name,
        run,
        vars,
        ...(name === undefined ? {} : { file: name }),
        ...(cause ? { cause } : {}),
        ...endingOf(file),
      },
    },
  };
  return { run, tasks: [container, ...tasks], texts };
}

/** Tasks for the steps alone, numbered from `first`; `within`: the task of the step that runs this workflow. */
export function compileSteps(
  file: WorkflowFile,
  { run, id, first, within }: { run: string; id: TaskId; first: number; within?: { id: TaskId; step: string } },
): Pick<Compiled, "tasks" | "texts"> {
  const steps = stepsOf(file);
  const ids = new Map(steps.map((step, place) => [step.id, `${id}.${first + place}`]));
  const texts = new Map<string, string>();
  const inner = within ? { part_of: within.id } : {};
  const tasks = steps.map((step) => {
    const own = ids.get(step.id) ?? id;
    const promptFile = `prompts/${own}.prompt`;
    const asks = ["prompt", "human", "plan"].includes(step.kind);
    if (asks) texts.set(promptFile, step.text);
    const name = within ? `${within.step}.${step.id}` : step.id;
    const needs = step.needs.flatMap((need) => ids.get(need) ?? []);
    // However those end: such a step is not one that waits for their success.
    const dependencies = step.starts ? [] : needs;
    const handles = step.starts === "on-error" ? { handles: needs } : {};
    const last = step.starts === "finally" ? { finally: true } : {};
    return {
      id: own,
      title: step.title,
      agent: agentOf(step),
      paths: [step.says.paths ?? []].flat().join(";"),
      relations: { dependencies },
      execution: {
        ...executionOf(step),
        ...(asks ? { prompt_file: promptFile } : step.kind === "workflow" ? {} : { command: step.text }),
        workflow: { name: file.name, run, step: name, ...inner, ...handles, ...last, ...wholeOf(step) },
      },
    };
  });
  return { tasks, texts };
}

function wholeOf({ kind, says, text }: Step): Partial<NonNullable<NonNullable<TaskDrop["execution"]>["workflow"]>> {
  const { for_each, max_parallel, repeat, vars = {} } = says;
  return {
    ...(kind === "python" ? { python: true } : {}),
    ...(for_each === undefined ? {} : { for_each }),
    ...(max_parallel === undefined ? {} : { max_parallel }),
    ...(repeat === undefined ? {} : { repeat }),
    ...(kind === "workflow" ? { call: { workflow: text, vars } } : {}),
  };
}

function budgetOf({ budget: { usd, tokens } = {} }: WorkflowFile): NonNullable<TaskDrop["execution"]> {
  return {
    ...(usd === undefined ? {} : { budget_usd: usd }),
    ...(tokens === undefined ? {} : { budget_tokens: tokens }),
  };
}

function endingOf({ concurrency, outputs }: WorkflowFile) {
  return { ...(concurrency === undefined ? {} : { concurrency }), ...(outputs ? { outputs } : {}) };
}

function agentOf({ kind, says }: Step): string {
  if (kind === "run" || kind === "python") return "command";
  if (kind === "plan") return says.role ?? "planning-agent";
  // Where a workflow is run, its steps are: this task only waits for them.
  return kind === "human" || kind === "workflow" ? "human" : (says.role ?? "code-developer");
}

function executionOf({ kind, says }: Step): NonNullable<TaskDrop["execution"]> {
  const {
    timeout,
    retry,
    max_attempts = retry?.attempts,
    priority,
    verify,
    approve,
    isolation,
    env,
    continue_on_error,
    when,
  } = says;
  const { tools, model, effort, budget_usd, max_turns, output_schema, output_variable, review } = says;
  const all = {
    timeout,
    max_attempts,
    retry_base: retry?.base,
    priority,
    verify,
    approve,
    isolation,
    env,
    when,
    continue_on_error,
    output: output_variable,
  };
  const ofAgents = {
    tools: tools && claudeTools(tools),
    model,
    effort,
    budget_usd,
    max_turns,
    review,
    response_schema: output_schema,
  };
  const { choices, form, time_limit } = says;
  const own: Partial<Record<Step["kind"], object>> = {
    prompt: ofAgents,
    plan: { ...ofAgents, ...planExecution(says) },
    human: { choices, form, time_limit, default: says.default },
  };
  const said = Object.entries({ ...all, ...own[kind] });
  return Object.fromEntries(said.filter(([, value]) => value !== undefined));
}

function slug(name: string): string {
  const text = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, 60)
    .replace(/^-+|-+$/g, "");
  return text || "workflow";
}
