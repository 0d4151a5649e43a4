/** Runs of workflows as their tasks' files tell of them. */
import { parentOf } from "../../model/ids.ts";
import type { Task } from "../../model/task.ts";
import { isDone } from "../../machine/parts.ts";
import { stuckAmong } from "../../workflow/stuck.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { readTasks } from "./tasks-on-disk.ts";

export interface RunOnDisk {
  session: string;
  run: string;
  /** The run's own task. */
  task: Task;
  steps: Task[];
}

/** All runs, the latest of each session first. */
export function runsOnDisk(folder: string): RunOnDisk[] {
  return readSessions(folder).sessions.flatMap(({ session_id: session }) => {
    const tasks = readTasks(folder, session).tasks.flatMap((task) => task.task() ?? []);
    const runs = tasks.filter(({ execution }) => execution?.workflow && execution.workflow.step === undefined);
    return runs.reverse().map((task) => ({
      session,
      run: task.execution.workflow?.run ?? "",
      task,
      steps: tasks.filter(({ id }) => parentOf(id) === task.id),
    }));
  });
}

/** The run that a dropped file became. */
export function runFrom(folder: string, drop: string): RunOnDisk | undefined {
  const run = runsOnDisk(folder).find(({ task }) => task.execution.source?.file === drop);
  return run && run.steps.length > 0 ? run : undefined;
}

const WAITS_FOR_A_PERSON = new Set(["awaiting-person", "awaiting-approval"]);

/** `over`: nothing of it will run any more by itself; `failed` are the steps that keep it from being completed. */
export function outcomeOf({ task, steps }: RunOnDisk): { over: boolean; failed: string[]; progress: string } {
  const stuck = stuckAmong(steps);
  const isStuck = (step: Task) =>
    step.status === "blocked" ? !WAITS_FOR_A_PERSON.has(step.execution.reason ?? "") : stuck.has(step.id);
  const byId = new Map(steps.map((step) => [step.id, step]));
  const open = steps.filter((step) => !isDone(step, (id) => byId.get(id)));
  const completed = steps.filter(({ status }) => status === "completed").length;
  const progress = `${completed} of ${steps.length} steps completed`;
  if (task.status === "completed") return { over: true, failed: [], progress };
  const over = open.length > 0 && open.every(isStuck);
  return { over, failed: over ? open.filter(({ status }) => status === "blocked").map(({ id }) => id) : [], progress };
}
