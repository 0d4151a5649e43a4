/** What a run would be: its steps as a tree, in the order in which they can start, and as a graph. */
import type { Task } from "../../model/task.ts";
import type { Vars } from "../../model/workflow.ts";
import { graphOf } from "../../views/graph.ts";
import { formatDuration } from "../../model/time.ts";
import { compile } from "../../workflow/compile.ts";
import { estimateOf, estimateOfRun, type Estimate } from "../../workflow/estimate.ts";
import { filledIn } from "../../machine/defaults.ts";
import { done, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { branchesOf, startsOf, stepOf, wavesOf } from "./run-waves.ts";
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
  const told = (task: Task) => {
    const how = [task.execution.workflow?.call ? [] : task.agent, shapeOf(task), startsOf(task, steps)].flat(2);
    const title = task.title === stepOf(task) ? "" : `  ${oneLine(task.title, 80)}`;
    return `${paint("bold", stepOf(task))}${title} ${paint("dim", `(${how.join(", ")}${inWords(of(task))})`)}`;
  };
  const lines = branchesOf(
    waves.map((wave, place) => ({
      text: `${place === 0 ? "at once" : "then"}${wave.length > 1 ? `, ${wave.length} at the same time` : ""}`,
      below: wave.map((task) => ({
        text: told(task),
        below: innerOf(task).map(({ id, title, kind }) => ({
          text: `${id}  ${oneLine(title, 80)} ${paint("dim", `(${kind})`)}`,
          below: [],
        })),
      })),
    })),
  );
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

function needsOf({ relations }: Task, steps: readonly Task[]): string[] {
  return steps.filter(({ id }) => relations.dependencies.includes(id)).map(stepOf);
}
