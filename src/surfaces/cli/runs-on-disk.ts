/** Runs of workflows as their tasks' files tell of them. */
import { parentOf } from "../../model/ids.ts";
import type { Task } from "../../model/task.ts";
import type { Trouble } from "./command.ts";
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

/** By its name, or that of its task. */
export function runNamed(folder: string, written: string, runs = runsOnDisk(folder)): RunOnDisk | undefined {
  return runs.find(({ run, session, task }) => [run, `${session}/${task.id}`, task.id].includes(written));
}

export function noRun(written: string, runs: readonly RunOnDisk[]): Trouble {
  const names = runs.slice(0, 10).map(({ run }) => run);
  const todo =
    names.length > 0 ? `There ${names.length === 1 ? "is" : "are"} ${names.join(", ")}.` : "cox run begins one.";
  return { exit: 1, what: `There is no run ${JSON.stringify(written)}.`, todo };
}

/** The run that a dropped file became. */
export function runFrom(folder: string, drop: string): RunOnDisk | undefined {
  const run = runsOnDisk(folder).find(({ task }) => task.execution.source?.file === drop);
  return run && run.steps.length > 0 ? run : undefined;
}
