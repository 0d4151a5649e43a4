/** Whether a plan, right in its form, may become tasks; and the tasks that it means. */
import { cyclesAmong } from "../machine/cycles.ts";
import { leaves } from "../machine/intake.ts";
import { closest } from "../model/closest.ts";
import { isTaskId, parentOf, type TaskId } from "../model/ids.ts";
import type { Plan, PlannedTask } from "../model/plan.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";

export interface PlanContext {
  /** The task that plans. */
  task: Task;
  /** The tasks of its session. */
  tasks: ReadonlyMap<TaskId, Task>;
  roles: ReadonlyMap<string, Pick<Role, "permission_mode">>;
  limits: PlanLimits;
  /** Commands that people chose before. Absent where a person approves the plan: whoever reads a command may have it run. */
  gates?: ReadonlySet<string>;
  /** Of these paths, those that lead out of the repository on disk. */
  escaping: (paths: string) => string[];
}

export interface PlanLimits {
  tasks: number;
  depth: number;
  usd: number | null;
}

type Planned = Plan["tasks"][number];

/** All that is wrong with it, each with a pointer into the plan. */
export function planProblems(plan: Plan, context: PlanContext): Problem[] {
  const { limits } = context;
  const needs = plan.tasks.map((task) => (task.dependencies ?? []).map((written) => needOf(written, plan, context)));
  const problems = [
    ...tooMuch(plan, limits),
    ...plan.tasks.flatMap((task, place) => [
      ...keyProblems(task, place, plan),
      ...roleProblems(task, place, context),
      ...pathProblems(task, place, context),
      ...gateProblems(task, place, context),
      ...(needs[place] ?? []).flatMap((need, at) =>
        typeof need === "object"
          ? [wrong(need.missing, `/tasks/${place}/dependencies/${at}`, need.hint, "missing-dependency")]
          : [],
      ),
    ]),
  ];
  const known = needs.map((each) => each.filter((need) => typeof need !== "object"));
  const cycles = cyclesIn(known, context);
  problems.push(...cycles.map((cycle) => cycleProblem(cycle, plan)));
  const depth = cycles.length > 0 ? 0 : depthOf(known);
  if (depth > limits.depth)
    problems.push(
      wrong(
        `${depth} tasks wait for each other in a row; ${limits.depth} is the most.`,
        "/tasks",
        "Join tasks, or let more of them be done side by side (planning.max_depth).",
      ),
    );
  return problems;
}

/** The tasks of a plan in which nothing is wrong. */
export function plannedTasks(plan: Plan, context: Pick<PlanContext, "task" | "tasks">): PlannedTask[] {
  return plan.tasks.map((task) => {
    const { title, type, role, paths, requirements, acceptance, verify, estimate, risks } = task;
    const needs = (task.dependencies ?? []).map((written) => needOf(written, plan, context));
    return {
      drop: {
        title,
        ...(type ? { type } : {}),
        ...(role ? { agent: role } : {}),
        ...(paths ? { paths: paths.join(";") } : {}),
        context: {
          requirements: requirements ?? [],
          acceptance: acceptance ?? [],
          inherited_from: context.task.id,
        },
        execution: { ...(verify?.length ? { verify } : {}), ...(estimate ? { estimate } : {}) },
        ...(risks?.length ? { implementation: { context_notes: { risks } } } : {}),
      },
      needs: [...new Set(needs.filter((need) => typeof need !== "object"))],
    };
  });
}

/** How a task of the plan is called in texts. */
function nameOf({ tasks }: Plan, place: number): string {
  const key = tasks[place]?.key;
  return key === undefined ? `task ${place + 1}` : `task ${place + 1} (${key})`;
}

/** What is wrong, for whoever wrote the plan, one a line. */
export function tellProblems(problems: readonly Problem[]): string {
  return problems
    .map(({ message, hint, pointer }) => `- ${whereOf(pointer)}${message}${hint ? ` ${hint}` : ""}`)
    .join("\n");
}

function whereOf(pointer = ""): string {
  const [top, place, ...rest] = pointer.split("/").slice(1);
  if (top !== "tasks" || place === undefined) return top === undefined || top === "" ? "" : `${top}: `;
  return `task ${Number(place) + 1}${rest.length > 0 ? `, ${rest[0]}` : ""}: `;
}

/** A key before a number before an id: keys are the plan's own. */
function needOf(
  written: number | string,
  { tasks }: Plan,
  { task, tasks: existing }: Pick<PlanContext, "task" | "tasks">,
): number | TaskId | { missing: string; hint: string } {
  const number = typeof written === "number" || /^\d+$/.test(written) ? Number(written) : undefined;
  const place = number === undefined ? tasks.findIndex(({ key }) => key === written) : number - 1;
  if (place >= 0 && place < tasks.length) return place;
  if (typeof written === "string" && isTaskId(written) && existing.has(written) && written !== task.id) return written;
  const keys = tasks.flatMap(({ key }) => key ?? []);
  const near = typeof written === "string" ? closest(written, keys) : undefined;
  const hint = near
    ? `Did you mean ${near}?`
    : keys.length > 0
      ? `The plan's keys are ${keys.slice(0, 30).join(", ")}.`
      : `Its numbers are 1 to ${tasks.length}.`;
  return { missing: `There is no task ${JSON.stringify(written)} to depend on.`, hint };
}

function tooMuch({ tasks }: Plan, limits: PlanLimits): Problem[] {
  const problems: Problem[] = [];
  if (tasks.length > limits.tasks)
    problems.push(
      wrong(
        `The plan has ${tasks.length} tasks; ${limits.tasks} is the most.`,
        "/tasks",
        "Plan fewer, larger tasks, or the first part only (planning.max_tasks).",
      ),
    );
  const usd = tasks.reduce((sum, { estimate }) => sum + (estimate?.usd ?? 0), 0);
  if (limits.usd !== null && usd > limits.usd)
    problems.push(
      wrong(
        `The plan expects to cost $${usd.toFixed(2)}; $${limits.usd.toFixed(2)} is the most.`,
        "/tasks",
        "Plan less, or the first part only (planning.max_usd).",
      ),
    );
  return problems;
}

function keyProblems({ key }: Planned, place: number, { tasks }: Plan): Problem[] {
  if (key === undefined || tasks.findIndex((other) => other.key === key) === place) return [];
  return [wrong(`The key ${key} is another task's already.`, `/tasks/${place}/key`, "Give each task its own.")];
}

function roleProblems({ role }: Planned, place: number, { roles, gates }: PlanContext): Problem[] {
  if (role === undefined) return [];
  const pointer = `/tasks/${place}/role`;
  if (role === "command") return [wrong("A plan starts no commands.", pointer, "Name the agent that shall run them.")];
  const found = roles.get(role);
  const names = [...roles.keys()].filter((name) => name !== "command");
  if (!found) {
    const near = closest(role, names);
    const hint = near ? `Did you mean ${near}?` : `There are ${names.join(", ")}.`;
    return [wrong(`There is no role ${JSON.stringify(role)}.`, pointer, hint, "unknown-role")];
  }
  if (gates && found.permission_mode === "bypassPermissions")
    return [wrong(`${role} may do everything, and no person approves this plan.`, pointer, "Name another role.")];
  return [];
}

function pathProblems({ paths = [] }: Planned, place: number, { escaping }: PlanContext): Problem[] {
  return paths.flatMap((path, at) => {
    const pointer = `/tasks/${place}/paths/${at}`;
    const hint = "Give a path relative to the repository's root.";
    if (/[*?;]/.test(path))
      return [
        wrong(`The path ${path} is no single path.`, pointer, "Name folders or files one by one.", "path-wildcard"),
      ];
    if (leaves(path.trim()) || escaping(path).length > 0)
      return [wrong(`The path ${path} leaves the repository.`, pointer, hint, "path-escapes")];
    return [];
  });
}

function gateProblems({ verify = [] }: Planned, place: number, { gates }: PlanContext): Problem[] {
  if (!gates) return [];
  const allowed = [...gates];
  const hint = allowed.length > 0 ? `Use one of: ${allowed.join(" · ")}; or none.` : "Leave verify out.";
  return verify.flatMap((command, at) =>
    gates.has(command)
      ? []
      : [wrong(`No person has approved the command ${command}.`, `/tasks/${place}/verify/${at}`, hint)],
  );
}

/** Each cycle once, as places of the plan and ids of tasks that there are. */
function cyclesIn(needs: readonly (number | TaskId)[][], { task, tasks }: PlanContext): (number | TaskId)[][] {
  // Names that no task has: the ids are not given yet.
  const own = (place: number): TaskId => `~${place}`;
  const all = needs.map((_, place) => own(place));
  const places = new Map(all.map((id, place) => [id, place]));
  const waitsFor = (id: TaskId): TaskId[] => {
    const place = places.get(id);
    if (place !== undefined) return (needs[place] ?? []).map((need) => (typeof need === "number" ? own(need) : need));
    const known = tasks.get(id);
    if (!known) return [];
    const { dependencies, subtasks } = known.relations;
    const waits = id === task.id || id === parentOf(task.id) || dependencies.includes(task.id);
    return [...dependencies, ...subtasks, ...(waits ? all : [])];
  };
  const found = new Map<string, (number | TaskId)[]>();
  for (const cycle of cyclesAmong(all, waitsFor).values()) {
    const members = cycle.map((id) => places.get(id) ?? id);
    found.set([...new Set(members.map(String))].sort().join(), members);
  }
  return [...found.values()];
}

function cycleProblem(cycle: readonly (number | TaskId)[], plan: Plan): Problem {
  const names = cycle.map((each) => (typeof each === "number" ? nameOf(plan, each) : each));
  const first = cycle.find((each) => typeof each === "number") ?? 0;
  const text = `These wait for each other: ${names.join(" → ")}.`;
  return wrong(text, `/tasks/${first}/dependencies`, "Remove one of these dependencies.", "dependency-cycle");
}

/** How many tasks wait for each other in a row, at most. */
function depthOf(needs: readonly (number | TaskId)[][]): number {
  const depths = new Map<number, number>();
  const depth = (place: number): number => {
    const known = depths.get(place);
    if (known !== undefined) return known;
    const before = (needs[place] ?? []).flatMap((need) => (typeof need === "number" ? depth(need) : []));
    const own = 1 + Math.max(0, ...before);
    depths.set(place, own);
    return own;
  };
  return Math.max(0, ...needs.map((_, place) => depth(place)));
}

function wrong(message: string, pointer: string, hint: string, code: Problem["code"] = "bad-plan"): Problem {
  return problem(code, message, { pointer, hint });
}
