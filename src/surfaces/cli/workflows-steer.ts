/** `cox workflows cancel` and `resume`: what a person would save in the files of a run's steps. */
import { hasFailed } from "../../machine/state.ts";
import type { Task } from "../../model/task.ts";
import { at } from "../../store/paths.ts";
import { stepsAfter } from "../../workflow/again.ts";
import { isOne } from "../../workflow/scope.ts";
import { done, refused, type Outcome, type Subcommand, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, saveJson, withFields } from "./edit.ts";
import { noRun, runNamed, runsOnDisk, type RunOnDisk } from "./runs-on-disk.ts";
import { readText } from "./tasks-on-disk.ts";

const RUN_ARGUMENT = { name: "run", text: "a run as cox workflows lists it, or its task" };

export const cancel: Subcommand = {
  name: "cancel",
  where: "workspace",
  summary: "stop a run: none of its steps starts any more",
  description:
    "Stops a run: its steps become blocked (cancelled), those that run are stopped. Steps that come at the end (finally) are done.\ncox workflows resume goes on from there.",
  arguments: [RUN_ARGUMENT],
  example: "cox workflows cancel data-analysis-pipeline-1",
  run: (input, context) =>
    steerRun(input.text("run") ?? "", context, {
      what: ["cancelled", "There is nothing left to cancel"],
      // The last first: none of them starts because one before it is cancelled.
      steps: ({ steps }) =>
        steps
          .filter((step) => step.status !== "completed" && !hasFailed(step) && !step.execution.workflow?.finally)
          .reverse(),
      change: () => ({ status: "blocked", execution: { reason: "cancelled", next_attempt_at: undefined } }),
    }),
};

export const resume: Subcommand = {
  name: "resume",
  where: "workspace",
  summary: "go on with a run after what failed, or from a step",
  description:
    "Goes on with a run: steps that failed or were cancelled are tried again, and what comes after them. With --from that step and all that need it\nare done again, whatever became of them.",
  arguments: [RUN_ARGUMENT],
  options: [{ name: "from", value: "step", text: "the id of a step" }],
  example: "cox workflows resume data-analysis-pipeline-1",
  run: (input, context) => {
    const from = input.text("from");
    return steerRun(input.text("run") ?? "", context, {
      what: ["pending again", "Nothing of it has failed"],
      steps: (run) => (from === undefined ? failedIn(run) : after(run, from)),
      change: ({ execution }) => {
        const {
          met: _met,
          skipped: _skipped,
          trouble: _trouble,
          parts,
          ...rest
        } = execution.workflow ?? { name: "", run: "" };
        // Without its parts a step that is done in several tasks is done anew.
        const workflow = from === undefined && parts !== undefined ? { ...rest, parts } : rest;
        return { status: "pending", execution: { reason: undefined, next_attempt_at: undefined, workflow } };
      },
    });
  },
};

/** What failed; and with it what is done for a failure, or at the end, since that comes once more. */
function failedIn({ steps }: RunOnDisk): Task[] {
  const failed = steps.filter(hasFailed);
  if (failed.length === 0) return [];
  const ids = new Set(failed.map(({ id }) => id));
  const later = steps.filter(
    ({ id, status, execution: { workflow } }) =>
      status === "completed" && !ids.has(id) && (workflow?.finally || workflow?.handles?.some((of) => ids.has(of))),
  );
  return [...failed, ...later];
}

function after({ steps }: RunOnDisk, from: string): Task[] | Trouble {
  const [first, second] = steps.filter((step) => !isOne(step) && step.execution.workflow?.step === from);
  if (!first) {
    const names = steps.flatMap((step) => (isOne(step) ? [] : (step.execution.workflow?.step ?? [])));
    return {
      exit: 2,
      what: `The run has no step ${from}.`,
      todo: `It has ${[...new Set(names)].slice(0, 20).join(", ")}.`,
    };
  }
  if (second)
    return {
      exit: 2,
      what: `${from} is there for each of several items.`,
      todo: `Name the step around it, or begin one again by its task: cox retry ${first.id}.`,
    };
  const again = stepsAfter(first.id, steps);
  return steps.filter(({ id, status }) => again.has(id) && (status === "completed" || status === "blocked"));
}

async function steerRun(
  written: string,
  { workspace }: Context & { workspace: Workspace },
  how: {
    /** What becomes of the steps, and what is said where there are none. */
    what: [string, string];
    steps: (run: RunOnDisk) => Task[] | Trouble;
    change: (step: Task) => { status: Task["status"]; execution: Record<string, unknown> };
  },
): Promise<Outcome> {
  const steered = await exclusively(workspace, async () => {
    const runs = runsOnDisk(workspace.folder);
    const run = runNamed(workspace.folder, written, runs);
    if (!run) return { trouble: noRun(written, runs) };
    const steps = how.steps(run);
    if (!Array.isArray(steps)) return { trouble: steps };
    const inOrder = steps.toSorted(
      (a, b) => Number(a.execution.workflow?.finally ?? false) - Number(b.execution.workflow?.finally ?? false),
    );
    for (const step of inOrder) await save(workspace, run.session, step, how.change(step));
    return { run, steps };
  });
  if ("trouble" in steered) return refused(steered.trouble);
  const { run, steps } = steered;
  const daemon = await daemonOf(workspace);
  const json = {
    run: run.run,
    session: run.session,
    steps: steps.map(({ id }) => id),
    daemon: daemon.up ? "up" : "down",
  };
  const [what, none] = how.what;
  if (steps.length === 0) return done(`${none}: ${run.run}.`, json);
  const lines = steps.map(({ id }) => `${run.session}/${id} is ${what}.`);
  return done([...lines, whoActs(daemon)].join("\n"), json);
}

async function save(
  workspace: Workspace,
  session: string,
  step: Task,
  change: { status: Task["status"]; execution: Record<string, unknown> },
): Promise<void> {
  const path = at.task(session, step.id);
  const text = readText(`${workspace.folder}/${path}`) ?? "{}";
  const value = JSON.parse(text) as Record<string, unknown>;
  const execution = withFields((value["execution"] ?? {}) as Record<string, unknown>, change.execution);
  await saveJson(workspace, { path, value: withFields(value, { status: change.status, execution }), like: text });
}
