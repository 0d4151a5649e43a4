/** What a task proposes, as its files tell. */
import { join } from "node:path";
import type { ResponseFile } from "../../model/attempt.ts";
import { attemptName, type TaskId } from "../../model/ids.ts";
import { awaitsPlanApproval, plans, type Plan } from "../../model/plan.ts";
import type { Task } from "../../model/task.ts";
import type { Problem } from "../../problems.ts";
import { escaping } from "../../store/escaping.ts";
import { locate } from "../../store/json-file.ts";
import { at } from "../../store/paths.ts";
import { answerIn, planIn, readPlan } from "../../store/plan-file.ts";
import { readRegular } from "../../store/scan.ts";
import { planProblems } from "../../workflow/plan.ts";
import type { Context, Workspace } from "./context.ts";
import type { NamedTask } from "./naming.ts";
import { roleNames } from "./role-names.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { settingsOf } from "./settings.ts";
import { readTasks, readText } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";

export interface PlanOnDisk {
  /** Relative to `.workflow/`; null where the file is gone and the answer stands for it. */
  file: string | null;
  plan: Plan | null;
  problems: Problem[];
}

/** The plan that waits for a person; undefined where none does. */
export function planThatWaits(
  { workspace, environment }: Pick<Context, "environment"> & { workspace: Workspace },
  { session, id, task }: Pick<NamedTask, "session" | "id" | "task">,
): PlanOnDisk | undefined {
  const answered = awaitsPlanApproval(task) ? answeredBy(workspace.folder, session, task) : undefined;
  if (!answered) return undefined;
  const path = at.plan(session, id);
  const found = readRegular(join(workspace.folder, path));
  if (!found) return { file: null, plan: answered, problems: [] };
  const read = readPlan(found.content);
  if ("problems" in read) return { file: path, plan: null, problems: read.problems };
  const { config } = settingsOf(workspace, environment);
  const { max_tasks, max_depth, max_usd } = config.planning;
  const tasks = new Map<TaskId, Task>(
    readTasks(workspace.folder, session).tasks.flatMap((each) => {
      const known = each.task();
      return known ? [[known.id, known] as const] : [];
    }),
  );
  const file = readSessions(workspace.folder).sessions.find(({ session_id }) => session_id === session);
  const budget = file?.budget_usd ?? config.budget.session_usd;
  const left = budget === null ? null : Math.max(0, budget - (file?.cost_usd ?? 0));
  const problems = planProblems(read.ok, {
    task,
    tasks,
    roles: new Map([...roleNames(workspace.folder)].map((name) => [name, {}])),
    limits: { tasks: max_tasks, depth: max_depth, usd: max_usd === null ? left : Math.min(max_usd, left ?? max_usd) },
    escaping: (paths) => escaping(paths, workspace.repository),
  });
  return { file: path, plan: read.ok, problems: locate(read.text, problems) };
}

function answeredBy(folder: string, session: string, task: Task): Plan | undefined {
  const name = attemptName(task.id, task.execution.last_attempt?.attempt ?? 0);
  try {
    const response = JSON.parse(readText(join(folder, at.response(session, name))) ?? "") as ResponseFile;
    const read = planIn(response.structured ?? answerIn(response.result), plans(task) === "required");
    return "ok" in read ? read.ok : undefined;
  } catch {
    return undefined;
  }
}

/** The plan in a few lines, for people. */
export function planLines({ plan, problems }: PlanOnDisk, paint: Context["paint"]): string[] {
  if (!plan) return problems.map(({ message }) => paint("red", oneLine(message, 300)));
  const list = (title: string, texts: readonly string[] = []) =>
    texts.length > 0 ? [paint("bold", title), ...texts.map((text) => `  - ${oneLine(text, 500)}`)] : [];
  return [
    ...(plan.summary ? [oneLine(plan.summary, 1000)] : []),
    ...list("Questions", plan.questions),
    paint("bold", "Tasks"),
    ...plan.tasks.flatMap((task, place) => [
      `  ${place + 1}. ${oneLine(task.title)}${about(task, plan)}`,
      ...gates(task),
    ]),
    ...list("Risks", plan.risks),
    ...problems.map(({ message }) => paint("red", oneLine(message, 300))),
  ];
}

/** Each command that would be run: whoever approves the plan approves them. */
const gates = ({ verify = [] }: Plan["tasks"][number]) =>
  verify.map((command) => `     gate: ${oneLine(command, 300)}`);

function about({ role, dependencies = [], estimate }: Plan["tasks"][number], { tasks }: Plan): string {
  const numbers = dependencies.map((each) => {
    const place = tasks.findIndex(({ key }) => key === each);
    return place >= 0 ? String(place + 1) : oneLine(String(each), 60);
  });
  const facts = [
    ...(role ? [oneLine(role, 60)] : []),
    ...(numbers.length > 0 ? [`after ${numbers.join(", ")}`] : []),
    ...(estimate?.minutes === undefined ? [] : [`about ${estimate.minutes} min`]),
    ...(estimate?.usd === undefined ? [] : [`about $${estimate.usd}`]),
  ];
  return facts.length > 0 ? ` (${facts.join(", ")})` : "";
}
