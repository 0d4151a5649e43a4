/** A run of a workflow as tasks: one for the run, a container, and one for each of its steps. */
import { taskNumbers, type TaskId } from "../model/ids.ts";
import type { TaskDrop } from "../model/task.ts";
import type { Step, Vars, WorkflowFile } from "../model/workflow.ts";
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

/** `id`: what the run's own task is called; its steps are `<id>.1`, `<id>.2`, … */
export function compile(file: WorkflowFile, { id, vars }: { id: TaskId; vars: Vars }): Compiled {
  const run = `${slug(file.name)}-${taskNumbers(id)[0]}`;
  const steps = stepsOf(file);
  const ids = new Map(steps.map((step, place) => [step.id, `${id}.${place + 1}`]));
  const texts = new Map<string, string>();
  const tasks = steps.map((step) => {
    const own = ids.get(step.id) ?? id;
    const promptFile = `prompts/${own}.prompt`;
    if (step.kind !== "run") texts.set(promptFile, step.text);
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
        ...(step.kind === "run" ? { command: step.text } : { prompt_file: promptFile }),
        workflow: { name: file.name, run, step: step.id, ...handles, ...last },
      },
    };
  });
  const context = file.description ? { context: { requirements: [file.description] } } : {};
  // Should all its steps be deleted, a person is asked, and no agent is started.
  const container = {
    id,
    title: file.name,
    agent: "human",
    ...context,
    execution: { workflow: { name: file.name, run, vars } },
  };
  return { run, tasks: [container, ...tasks], texts };
}

function agentOf({ kind, says }: Step): string {
  if (kind === "run") return "command";
  return kind === "human" ? "human" : (says.role ?? "code-developer");
}

function executionOf({ kind, says }: Step): NonNullable<TaskDrop["execution"]> {
  const { timeout, max_attempts, priority, verify, approve, isolation, env, continue_on_error, when } = says;
  const { tools, model, effort, budget_usd, max_turns, output_schema, output_variable, review } = says;
  const all = {
    timeout,
    max_attempts,
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
  const ofPeople = { choices, form, time_limit, default: says.default };
  const said = Object.entries({ ...all, ...(kind === "prompt" ? ofAgents : kind === "human" ? ofPeople : {}) });
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
