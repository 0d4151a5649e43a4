/** From what a person dropped to a task: defaults filled in, rules of the graph checked. SPEC sections 3.1 to 3.3. */
import { compareTaskIds, isTaskId, parentOf, taskNumbers, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task, TaskDrop } from "../model/task.ts";
import { isInstant } from "../model/time.ts";
import { problem, type Problem } from "../problems.ts";
import { cyclesAmong, cycleThrough, tellCycle } from "./cycles.ts";
import { filledIn } from "./defaults.ts";
import { reviewTrouble } from "./review-rules.ts";

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
  /** How the task's prompt file stands on disk now. Absent where it need not be looked for: the drop itself brings it. */
  promptFile?: (name: string, session: SessionId) => PromptFile;
}

/** `outside`: it leads out of the repository. */
export type PromptFile = "there" | "outside" | "missing";

export interface IntakeContext {
  session: SessionId;
  /** The tasks there are already. */
  taskOf: (id: TaskId) => Task | undefined;
  /** The highest number given so far; ids of deleted tasks are not given again. */
  highest: number;
  /** Ids that files name which are no tasks yet and cannot be taken in now: their numbers stay free for them. */
  named?: Iterable<TaskId>;
  roles: { has(name: string): boolean };
  roleNames: () => string[];
}

export interface IntakeResult {
  /** Lower ids first. */
  accepted: { file: string; task: Task }[];
  refused: { file: string; problems: Problem[] }[];
  /** The highest number given by now: of what is refused, none is. */
  highest: number;
}

/**
 * Takes in drops together, so that they may depend on each other whatever their order. Those without an id are numbered
 * by name, as if those that are refused were not there; only numbers that a refused one names stay free for it.
 */
export function takeIn(drops: readonly Drop[], context: IntakeContext): IntakeResult {
  const refused: IntakeResult["refused"] = [];
  const wanted = [...(context.named ?? []), ...drops.flatMap((drop) => wantedBy(drop, context) ?? [])];
  const reserved = new Set(wanted.map((id) => taskNumbers(id)[0]));
  let open = drops;
  for (let round = 1; ; round++) {
    const result = takeInOnce(open, reserved, context);
    refused.push(...result.refused);
    const { accepted } = result;
    if (result.refused.length === 0 || !result.numbered || round === MOST_ROUNDS) {
      const numbers = accepted.map(({ task }) => taskNumbers(task.id)[0]);
      const highest = numbers.reduce((most, number) => Math.max(most, number), context.highest);
      return { accepted: accepted.sort((a, b) => compareTaskIds(a.task.id, b.task.id)), refused, highest };
    }
    const out = new Map(result.refused.map(({ file, problems }) => [file, problems]));
    for (const drop of open) {
      if (!out.get(drop.file)?.some(({ code }) => code === "missing-dependency")) continue;
      for (const id of drop.drop.relations?.dependencies ?? []) reserved.add(taskNumbers(id)[0]);
    }
    open = open.filter(({ file }) => !out.has(file));
  }
}

/** Other numbers may leave others without what they need. After so many rounds gaps are better than going on. */
const MOST_ROUNDS = 10;

/** `numbered`: some of the accepted had no id of their own. */
function takeInOnce(
  drops: readonly Drop[],
  reserved: ReadonlySet<number>,
  context: IntakeContext,
): Omit<IntakeResult, "highest"> & { numbered: boolean } {
  const { proposed, refused, numbered } = propose(drops, reserved, context);
  const taskOf = (id: TaskId) => proposed.get(id)?.task ?? context.taskOf(id);
  const waiting = waitingFor(proposed);
  const subtasks = subtasksOf(proposed);
  const cycles = cyclesAmong(proposed.keys(), (id) => waitsFor(taskOf(id), subtasks.get(id)));
  const found = new Map(drops.map((drop) => [drop.file, drop]));

  // Refusing one may leave others without what they need: those are looked at again.
  const open = [...proposed.keys()].reverse();
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const proposal = proposed.get(id);
    if (!proposal) continue;
    const { file, task } = proposal;
    const drop = found.get(file);
    const promptFile = (name: string) => drop?.promptFile?.(name, context.session) ?? "there";
    const { roles, roleNames } = context;
    const problems = rulesBroken(task, { taskOf, roles, roleNames, promptFile }, cycles.get(id));
    const told = new Set(problems.map(({ message }) => message));
    problems.push(...(drop?.escaping ?? []).map(escapes).filter(({ message }) => !told.has(message)));
    if (problems.length === 0) continue;
    refused.push({ file, problems });
    proposed.delete(id);
    open.push(...(waiting.get(id) ?? []));
  }
  return { accepted: [...proposed.values()], refused, numbered: numbered.some((id) => proposed.has(id)) };
}

type Proposed = Map<TaskId, { file: string; task: Task }>;

/** Gives each drop its id, those that have none by name; refuses those whose id is taken. */
function propose(
  drops: readonly Drop[],
  reserved: ReadonlySet<number>,
  context: IntakeContext,
): { proposed: Proposed; refused: IntakeResult["refused"]; numbered: TaskId[] } {
  const refused: IntakeResult["refused"] = [];
  const proposed: Proposed = new Map();
  const unnamed: Drop[] = [];
  let { highest } = context;
  const put = (drop: Drop, id: TaskId) =>
    proposed.set(id, { file: drop.file, task: filledIn(drop, id, context.session) });
  for (const drop of [...drops].sort(byName)) {
    const id = wantedBy(drop, context);
    const existing = id === undefined ? undefined : (context.taskOf(id) ?? proposed.get(id)?.task);
    if (id === undefined) unnamed.push(drop);
    else if (existing) refused.push({ file: drop.file, problems: [idExists(id, existing)] });
    else {
      put(drop, id);
      highest = Math.max(highest, taskNumbers(id)[0]);
    }
  }
  let free = 0;
  const next = (): TaskId => {
    while (highest < HIGHEST_NUMBER) if (!reserved.has(++highest)) return `impl-${highest}`;
    // Somebody gave the highest number there is: from then on the gaps are filled.
    for (;;) {
      const id = `impl-${++free}`;
      if (!reserved.has(free) && !proposed.has(id) && !context.taskOf(id)) return id;
    }
  };
  const numbered = unnamed.map((drop) => {
    const id = next();
    put(drop, id);
    return id;
  });
  return { proposed, refused, numbered };
}

/** The id that a drop brings along: its own, else its name's, if that is free. */
function wantedBy({ drop, idByName }: Drop, { taskOf }: IntakeContext): TaskId | undefined {
  return drop.id ?? (idByName && !taskOf(idByName) ? idByName : undefined);
}

/** The largest that an id can hold. */
const HIGHEST_NUMBER = 999_999_999;

/** For each id, the proposed tasks that cannot be taken in without it. */
function waitingFor(proposed: Proposed): Map<TaskId, TaskId[]> {
  const waiting = new Map<TaskId, TaskId[]>();
  for (const [id, { task }] of proposed) {
    const parent = parentOf(id);
    for (const needed of parent ? [...task.relations.dependencies, parent] : task.relations.dependencies) {
      const list = waiting.get(needed);
      if (list) list.push(id);
      else waiting.set(needed, [id]);
    }
  }
  return waiting;
}

function subtasksOf(proposed: Proposed): Map<TaskId, TaskId[]> {
  const subtasks = new Map<TaskId, TaskId[]>();
  for (const id of proposed.keys()) {
    const parent = parentOf(id);
    if (parent) subtasks.set(parent, [...(subtasks.get(parent) ?? []), id]);
  }
  return subtasks;
}

function waitsFor(task: Task | undefined, more: readonly TaskId[] = []): TaskId[] {
  if (!task) return [];
  const { dependencies, subtasks } = task.relations;
  return [...dependencies, ...subtasks.filter((id) => parentOf(id) === task.id), ...more];
}

/** The rules that one task must keep among the others. */
export function checkRules(task: Task, among: Among): Problem[] {
  const self = (id: TaskId) => (id === task.id ? task : among.taskOf(id));
  const parent = parentOf(task.id);
  const cycle = cycleThrough(task.id, (id) => waitsFor(self(id), id === parent ? [task.id] : []));
  return rulesBroken(task, among, cycle);
}

interface Among {
  taskOf: (id: TaskId) => Task | undefined;
  roles: { has(name: string): boolean };
  roleNames: () => string[];
  /** How a prompt file stands on disk; without it, only what its name tells is checked. */
  promptFile?: (name: string) => PromptFile;
}

function rulesBroken(task: Task, among: Among, cycle: readonly TaskId[] | undefined): Problem[] {
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
      problems.push(
        problem("missing-dependency", `The dependency ${id} does not exist.`, {
          pointer,
          hint: "Drop it too, or remove it here.",
        }),
      );
    }
  });
  if (cycle) {
    problems.push(
      problem("dependency-cycle", `These tasks wait for each other: ${tellCycle(cycle, task.id)}.`, {
        pointer: "/relations/dependencies",
        hint: "Remove one of these dependencies.",
      }),
    );
  }
  for (const path of task.paths
    .split(";")
    .map((part) => part.trim())
    .filter(Boolean)) {
    if (/[*?]/.test(path)) {
      problems.push(
        problem("path-wildcard", `The path ${path} has a wildcard.`, {
          pointer: "/paths",
          hint: "Name the folder or the files.",
        }),
      );
    } else if (leaves(path)) problems.push(escapes(path));
  }
  problems.push(...promptTrouble(task, among));
  if (!among.roles.has(task.agent)) {
    problems.push(
      problem("unknown-role", `There is no role ${JSON.stringify(task.agent)}.`, {
        pointer: "/agent",
        hint: `There are ${among.roleNames().join(", ")}; write .workflow/agents/<role>.md for your own.`,
      }),
    );
  }
  problems.push(...reviewTrouble(task, among));
  if (task.agent === "command" && !task.execution.command) {
    problems.push(
      problem("no-command", "The agent is command, but execution.command is missing.", {
        pointer: "/execution",
        hint: 'Add "command": "…".',
      }),
    );
  }
  const wait = task.execution.next_attempt_at;
  if (wait && !isInstant(wait)) {
    problems.push(
      problem("bad-instant", `next_attempt_at ${JSON.stringify(wait)} is not a time.`, {
        pointer: "/execution/next_attempt_at",
        hint: "Such as 2026-11-21T14:05:00Z.",
      }),
    );
  }
  return problems;
}

/** A prompt file must be there as long as the task is still to be run. */
function promptTrouble({ status, execution }: Task, { promptFile }: Among): Problem[] {
  const { prompt_file: name } = execution;
  if (!name) return [];
  const pointer = "/execution/prompt_file";
  const is = leaves(name) ? "outside" : (promptFile?.(name) ?? "there");
  if (is === "outside") {
    const hint = "Give a path relative to the session's folder or to the repository's root.";
    return [problem("path-escapes", `The prompt file ${name} leaves the repository.`, { pointer, hint })];
  }
  if (is === "there" || status !== "pending") return [];
  const text = `There is no prompt file ${name}, neither in the session's folder nor in the repository.`;
  const hint = "Put a text of at most 1 MiB there, or name another file.";
  return [problem("missing-prompt", text, { pointer, hint })];
}

/** Whether a path names what is not in the repository, by its form alone. */
export function leaves(path: string): boolean {
  return (
    path.startsWith("/") ||
    path.startsWith("~") ||
    /^[A-Za-z]:[\\/]/.test(path) ||
    path.split(/[\\/]/).includes("..") ||
    path.includes("\0")
  );
}

function escapes(path: string): Problem {
  return problem("path-escapes", `The path ${path} leaves the repository.`, {
    pointer: "/paths",
    hint: "Give a path relative to the repository's root.",
  });
}

function idExists(id: TaskId, existing: Task): Problem {
  return problem("id-exists", `The id ${id} is taken by "${existing.title}".`, {
    pointer: "/id",
    hint: "Leave the id out, and the next free one is given.",
  });
}

function byName(a: Drop, b: Drop): number {
  if (a.idByName && b.idByName && isTaskId(a.idByName)) return compareTaskIds(a.idByName, b.idByName);
  return a.file.localeCompare(b.file, "en", { numeric: true });
}
