/** From what a person dropped to a task: defaults filled in, rules of the graph checked. SPEC sections 3.1 to 3.3. */
import { compareTaskIds, isTaskId, parentOf, taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import type { Execution, Task, TaskDrop, TaskType } from "../model/task.ts";
import { isInstant } from "../model/time.ts";
import { problem, type Problem } from "../problems.ts";

/** A dropped file whose own form is right. */
export interface Drop {
  /** How the file is known to whoever dropped it; the answer is keyed by it. */
  file: string;
  sha256: string;
  drop: TaskDrop;
  /** The id that the file's name gives, if it is one. */
  idByName: TaskId | null;
  /** Declared paths that lead out of the repository, as found on disk. */
  escaping: string[];
}

export interface IntakeContext {
  session: SessionId;
  /** The tasks there are already. */
  taskOf: (id: TaskId) => Task | undefined;
  /** The highest number given so far; ids of deleted tasks are not given again. */
  highest: number;
  roles: { has(name: string): boolean };
  roleNames: () => string[];
}

export interface IntakeResult {
  accepted: { file: string; task: Task }[];
  refused: { file: string; problems: Problem[] }[];
  highest: number;
}

/** Takes in drops together, so that they may depend on each other whatever their order. */
export function takeIn(drops: readonly Drop[], context: IntakeContext): IntakeResult {
  const refused: IntakeResult["refused"] = [];
  const proposed = new Map<TaskId, { file: string; task: Task }>();
  let highest = context.highest;
  for (const drop of drops) for (const id of [drop.drop.id ?? drop.idByName]) highest = Math.max(highest, id ? taskNumbers(id)[0] : 0);

  for (const drop of [...drops].sort(byName)) {
    const id = drop.drop.id ?? (drop.idByName && !context.taskOf(drop.idByName) ? drop.idByName : `impl-${++highest}`);
    const existing = context.taskOf(id) ?? proposed.get(id)?.task;
    if (existing) {
      refused.push({ file: drop.file, problems: [idExists(id, existing)] });
      continue;
    }
    proposed.set(id, { file: drop.file, task: filledIn(drop, id, context.session) });
  }

  // Refusing one may leave another without its dependency: look again until nothing changes.
  const escaping = new Map(drops.map((drop) => [drop.file, drop.escaping]));
  for (let settled = false; !settled; ) {
    settled = true;
    const taskOf = (id: TaskId) => proposed.get(id)?.task ?? context.taskOf(id);
    for (const [id, { file, task }] of [...proposed]) {
      const problems = [
        ...checkRules(task, { taskOf, roles: context.roles, roleNames: context.roleNames }),
        ...(escaping.get(file) ?? []).map(escapes),
      ];
      if (problems.length === 0) continue;
      refused.push({ file, problems });
      proposed.delete(id);
      settled = false;
    }
  }
  return { accepted: [...proposed.values()].sort((a, b) => compareTaskIds(a.task.id, b.task.id)), refused, highest };
}

/** The rules that one task must keep among the others. */
export function checkRules(
  task: Task,
  among: { taskOf: (id: TaskId) => Task | undefined; roles: { has(name: string): boolean }; roleNames: () => string[] },
): Problem[] {
  const problems: Problem[] = [];
  const parent = parentOf(task.id);
  if (parent && !among.taskOf(parent)) {
    problems.push(
      problem("missing-parent", `${task.id} is a part of ${parent}, which does not exist.`, {
        pointer: "/id",
        hint: `Drop ${parent} too, or give another id.`,
      }),
    );
  }
  const { dependencies } = task.relations;
  dependencies.forEach((id, place) => {
    const pointer = `/relations/dependencies/${place}`;
    if (id !== task.id && !among.taskOf(id)) {
      problems.push(problem("missing-dependency", `The dependency ${id} does not exist.`, { pointer, hint: "Drop it too, or remove it here." }));
    }
  });
  const cycle = cycleThrough(task, among.taskOf);
  if (cycle) {
    problems.push(
      problem("dependency-cycle", `These tasks wait for each other: ${cycle.join(" → ")}.`, {
        pointer: "/relations/dependencies",
        hint: "Remove one of these dependencies.",
      }),
    );
  }
  for (const path of task.paths.split(";").map((part) => part.trim()).filter(Boolean)) {
    if (/[*?[\]{}]/.test(path)) {
      problems.push(problem("path-wildcard", `The path ${path} has a wildcard.`, { pointer: "/paths", hint: "Name the folder or the files." }));
    } else if (leaves(path)) problems.push(escapes(path));
  }
  if (!among.roles.has(task.agent)) {
    problems.push(
      problem("unknown-role", `There is no role ${JSON.stringify(task.agent)}.`, {
        pointer: "/agent",
        hint: `There are ${among.roleNames().join(", ")}; write .workflow/agents/<role>.md for your own.`,
      }),
    );
  }
  if (task.agent === "command" && !task.execution.command) {
    problems.push(problem("no-command", "The agent is command, but execution.command is missing.", { pointer: "/execution", hint: 'Add "command": "…".' }));
  }
  const wait = task.execution.next_attempt_at;
  if (wait && !isInstant(wait)) {
    problems.push(problem("bad-instant", `next_attempt_at ${JSON.stringify(wait)} is not a time.`, { pointer: "/execution/next_attempt_at", hint: "Such as 2026-11-21T14:05:00Z." }));
  }
  return problems;
}

/** The whole task that a drop means. Key order and unknown keys of the drop stay; what is missing comes after. */
export function filledIn(drop: Drop, id: TaskId, session: SessionId): Task {
  const { drop: written } = drop;
  const type = written.type ?? typeFrom(written.title);
  const task = {
    id,
    ...written,
    status: written.status ?? "pending",
    type,
    agent: written.agent ?? agentFrom(type, written.title),
    paths: written.paths ?? "",
    context: { requirements: [], scope: [], acceptance: [], inherited_from: session, ...written.context },
    relations: { subtasks: [], dependencies: [], ...written.relations, parent: parentOf(id) },
    execution: execution(written.execution, drop),
    implementation: { files: [], context_notes: {}, analysis_source: "manual" as const, ...written.implementation },
  };
  return { ...task, id } as Task;
}

function execution(written: TaskDrop["execution"], drop: Drop): Execution {
  return { ...written, attempts: written?.attempts ?? 0, last_attempt: written?.last_attempt ?? null, source: { file: drop.file, sha256: drop.sha256 } };
}

function typeFrom(title: string): TaskType {
  if (/\b(fix(es|ed)?|bugs?|bugfix|repair|broken|crash(es)?|regression|flaky)\b/i.test(title)) return "bugfix";
  if (/\b(refactor(ing)?|clean ?up|rename|restructure|simplify|extract|split)\b/i.test(title)) return "refactor";
  if (/\b(tests?|testing|coverage|spec)\b/i.test(title)) return "test";
  if (/\b(docs?|document(ation)?|readme|changelog|comment)\b/i.test(title)) return "docs";
  return "feature";
}

function agentFrom(type: TaskType, title: string): string {
  if (/\b(plan(s|ning)?|design|architect(ure)?|decompose|roadmap|break down)\b/i.test(title)) return "planning-agent";
  if (type === "test") return "code-review-test-agent";
  if (/\b(review(s|ing)?|audit|inspect)\b/i.test(title)) return "review-agent";
  return "code-developer";
}

function cycleThrough(task: Task, taskOf: (id: TaskId) => Task | undefined): TaskId[] | undefined {
  const seen = new Set<TaskId>();
  const path: { id: TaskId; next: TaskId[] }[] = [{ id: task.id, next: [...task.relations.dependencies] }];
  while (path.length > 0) {
    const next = path.at(-1)?.next.shift();
    if (next === undefined) {
      path.pop();
      continue;
    }
    if (next === task.id) return [...path.map(({ id }) => id), task.id];
    if (seen.has(next)) continue;
    seen.add(next);
    path.push({ id: next, next: [...(taskOf(next)?.relations.dependencies ?? [])] });
  }
  return undefined;
}

function leaves(path: string): boolean {
  return path.startsWith("/") || path.startsWith("~") || /^[A-Za-z]:[\\/]/.test(path) || path.split(/[\\/]/).includes("..") || path.includes("\0");
}

function escapes(path: string): Problem {
  return problem("path-escapes", `The path ${path} leaves the repository.`, { pointer: "/paths", hint: "Give a path relative to the repository's root." });
}

function idExists(id: TaskId, existing: Task): Problem {
  return problem("id-exists", `The id ${id} is taken by "${existing.title}".`, { pointer: "/id", hint: "Leave the id out, and the next free one is given." });
}

function byName(a: Drop, b: Drop): number {
  if (a.idByName && b.idByName && isTaskId(a.idByName)) return compareTaskIds(a.idByName, b.idByName);
  return a.file.localeCompare(b.file, "en", { numeric: true });
}
