/** What a run would be: its tasks in the order in which they can start, and as a graph. */
import type { Task } from "../../model/task.ts";
import type { Vars } from "../../model/workflow.ts";
import { graphOf } from "../../views/graph.ts";
import { formatDuration } from "../../model/time.ts";
import { compile } from "../../workflow/compile.ts";
import { estimateOf, estimateOfRun, type Estimate } from "../../workflow/estimate.ts";
import { filledIn } from "../../machine/defaults.ts";
import { done, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { innerSteps, shapeOf } from "./run-parts.ts";
import { runsOnDisk } from "./runs-on-disk.ts";
import { dollars, oneLine } from "./text.ts";
import { othersIn, type NamedWorkflow } from "./workflow-files.ts";

type Here = Pick<Context, "paint"> & { workspace: Workspace };

/** The ids are only an example: the run's own task has the next number. */
export function dryRun({ file, path }: NamedWorkflow, vars: Vars, { paint, workspace }: Here): Outcome {
  const others = othersIn(workspace.folder);
  const innerOf = (task: Task) => innerSteps(stepOf(task), task.execution.workflow?.call?.workflow, others);
  const { tasks: drops } = compile(file, { id: "impl-1", vars });
  const [own, ...steps] = drops.map((drop) =>
    filledIn({ file: path, sha256: "", drop, idByName: null, escaping: [] }, drop.id, ""),
  );
  const waves = wavesOf(steps);
  const past = runsOnDisk(workspace.folder).flatMap((run) => run.steps);
  const estimates = new Map(steps.map((step) => [step.id, estimateOf(step, past)]));
  const of = ({ id }: Task) => estimates.get(id) ?? { of: null, n: 0, duration_ms: null, cost_usd: null };
  const whole = estimateOfRun(steps, of);
  const drawn = own ? graphOf([{ task: own, subtasks: steps }]) : { none: "There are no steps." };
  const lines = waves.flatMap((wave, place) => [
    `${place + 1}. ${wave.length > 1 ? `${wave.length} at the same time` : "alone"}`,
    ...wave.flatMap((task) => {
      const how = [task.execution.workflow?.call ? [] : task.agent, shapeOf(task)].flat(2).join(", ");
      return [
        `   ${paint("bold", stepOf(task))}  ${oneLine(task.title, 80)} ${paint("dim", `(${how}${inWords(of(task))})`)}`,
        ...innerOf(task).map(({ id, title, kind }) => `     ${id}  ${oneLine(title, 80)} ${paint("dim", `(${kind})`)}`),
      ];
    }),
  ]);
  const graph = "diagram" in drawn ? drawn.diagram : drawn.none;
  const text = [
    oneLine(file.name),
    ...lines,
    "",
    wholeInWords(whole, steps.length),
    "",
    graph,
    "",
    "Nothing was started.",
  ].join("\n");
  return done(text, {
    workflow: file.name,
    vars,
    waves: waves.map((wave) => wave.map(stepOf)),
    steps: steps.map((task) => ({
      step: stepOf(task),
      title: task.title,
      agent: task.agent,
      needs: needsOf(task, steps),
      shape: shapeOf(task),
      inner: innerOf(task),
      estimate: of(task),
    })),
    estimate: { ...whole, steps: steps.length },
    mermaid: "diagram" in drawn ? drawn.diagram : null,
  });
}

function inWords({ of, n, duration_ms, cost_usd }: Estimate): string {
  if (of === null || duration_ms === null) return "";
  const cost = cost_usd ? ` ${dollars(cost_usd)}` : "";
  return `, about ${formatDuration(duration_ms)}${cost} by ${n} of its ${of}`;
}

function wholeInWords({ duration_ms, cost_usd, known, n }: ReturnType<typeof estimateOfRun>, steps: number): string {
  if (known === 0) return "How long it takes and what it costs cannot be told: none of its steps has run before.";
  const rest = known < steps ? `; of ${steps - known} of ${steps} steps nothing is known` : "";
  return `An estimate from ${n} earlier ${n === 1 ? "attempt" : "attempts"}: ${formatDuration(duration_ms)}, ${dollars(cost_usd)}${rest}.`;
}

const stepOf = ({ id, execution }: Task) => execution.workflow?.step ?? id;

function needsOf({ relations }: Task, steps: readonly Task[]): string[] {
  return steps.filter(({ id }) => relations.dependencies.includes(id)).map(stepOf);
}

/** Steps that could start together: each wave needs something of the one before. */
function wavesOf(steps: readonly Task[]): Task[][] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const depths = new Map<string, number>();
  for (const first of steps) {
    const open = [first];
    for (let step = open.at(-1); step; step = open.at(-1)) {
      const missing = step.relations.dependencies.filter((id) => !depths.has(id)).flatMap((id) => byId.get(id) ?? []);
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      depths.set(step.id, Math.max(0, ...step.relations.dependencies.map((id) => (depths.get(id) ?? 0) + 1)));
      open.pop();
    }
  }
  const waves: Task[][] = [];
  for (const step of steps) (waves[depths.get(step.id) ?? 0] ??= []).push(step);
  return waves;
}
