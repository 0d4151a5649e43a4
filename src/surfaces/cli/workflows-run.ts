/** `cox workflows show <run>`: how a run stands, what it cost, and what it came to. */
import { releases } from "../../machine/state.ts";
import { spentInRun } from "../../machine/runs.ts";
import { outcomeOf } from "../../workflow/outcome.ts";
import { done, type Outcome } from "./command.ts";
import type { Context } from "./context.ts";
import type { RunOnDisk } from "./runs-on-disk.ts";
import { dollars, oneLine, table } from "./text.ts";

export function showRun({ session, run, task, steps }: RunOnDisk, paint: Context["paint"]): Outcome {
  const { workflow, budget_usd, budget_tokens } = task.execution;
  const { over, failed, progress } = outcomeOf({ task, steps });
  const spent = spentInRun(steps, []);
  const rows = steps.map((step) => [
    `  ${step.execution.workflow?.step ?? step.id}`,
    step.id,
    step.status + (step.execution.reason ? ` (${step.execution.reason})` : ""),
    oneLine(step.title, 80),
  ]);
  const of = budget_usd === undefined ? "" : ` of ${dollars(budget_usd)}`;
  const text = [
    `${paint("bold", run)} ${paint("dim", `${session}/${task.id}`)}: ${task.status === "completed" ? "completed" : over ? "cannot go on" : "goes on"}, ${progress}`,
    ...(workflow?.cause ? [`Begun by ${workflow.cause.on}: ${oneLine(workflow.cause.about)}`] : []),
    `Cost ${dollars(spent.usd)}${of}`,
    table(rows),
    ...outputLines(task.status === "completed" ? workflow?.results : undefined),
  ].join("\n");
  return done(text, {
    ...{
      run,
      session,
      task: task.id,
      workflow: workflow?.file ?? null,
      name: task.title,
      status: task.status,
      over,
      failed,
    },
    ...{ cause: workflow?.cause ?? null, vars: workflow?.vars ?? {}, outputs: workflow?.results ?? {} },
    ...{
      cost_usd: spent.usd,
      tokens: spent.tokens,
      budget: { usd: budget_usd ?? null, tokens: budget_tokens ?? null },
    },
    steps: steps.map((step) => ({
      ...{ task: step.id, step: step.execution.workflow?.step ?? null, status: step.status },
      ...{ reason: step.execution.reason ?? null, fails_alone: releases(step) && step.status === "blocked" },
    })),
  });
}

export function outputLines(results: Record<string, unknown> | undefined): string[] {
  const rows = Object.entries(results ?? {}).map(([name, value]) => [
    `  ${name}`,
    oneLine(typeof value === "string" ? value : (JSON.stringify(value) ?? ""), 200),
  ]);
  return rows.length > 0 ? ["Outputs:", table(rows)] : [];
}
