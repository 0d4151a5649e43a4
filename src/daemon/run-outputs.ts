/** What runs of workflows come to, in the moment in which they are completed: on record with that, not after it. */
import type { ResponseFile } from "../model/attempt.ts";
import type { Change } from "../model/transition.ts";
import type { RunId } from "../model/ids.ts";
import { withExecution, type Task } from "../model/task.ts";
import { WORKSPACE } from "../store/paths.ts";
import { outputOf } from "../workflow/outputs.ts";
import { newestOf } from "./prompts.ts";
import { valuesFor } from "./step-values.ts";
import type { Workspace } from "./workspace.ts";

/** Puts the results into the tasks of runs that these changes complete. */
export async function addOutputs(
  workspace: Workspace,
  of: {
    changes: readonly Change[];
    responses: ReadonlyMap<RunId, ResponseFile>;
    answers: ReadonlyMap<string, ResponseFile>;
  },
): Promise<void> {
  for (const change of of.changes) {
    if (change.of !== "task" || change.to !== "completed" || !change.after) continue;
    const { workflow } = change.after.execution;
    if (!workflow?.outputs || workflow.step !== undefined) continue;
    const { session, after } = change;
    const newest = newestOf(workspace, session, of);
    const results: [string, unknown][] = [];
    for (const [name, text] of Object.entries(workflow.outputs)) {
      const values = await valuesFor(
        workspace,
        { session, task: after, text, kind: "prompt", base: WORKSPACE },
        newest,
      );
      results.push([name, outputOf(text, values)]);
    }
    change.after = withResults(after, Object.fromEntries(results));
  }
}

function withResults(task: Task, results: Record<string, unknown>): Task {
  const { workflow } = task.execution;
  return workflow ? withExecution(task, { workflow: { ...workflow, results } }) : task;
}
