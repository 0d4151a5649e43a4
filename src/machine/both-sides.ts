/**
 * The tasks of a session as two machines have changed them, merged. Where only one side changed something, that counts;
 * of two states the later one; a field that both changed differently is a conflict, and needs a person. Nothing that
 * was changed is dropped. SPEC section 7.
 */
import { compareTaskIds, parentOf, taskNumbers, type TaskId } from "../model/ids.ts";
import { withExecution, withState, type Task } from "../model/task.ts";
import { equal, isObject } from "./merge.ts";

/** Who had the last word about a task on one side: that commit, and when. Seconds since 1970. */
export interface Word {
  commit: string;
  at: number;
  movedAt: number;
}

export interface Sides {
  /** What they changed since the histories parted: as it was then, and as they have it. */
  changed: ReadonlyMap<TaskId, { base: Task | null; theirs: Task | null }>;
  /** All of our tasks. */
  ours: ReadonlyMap<TaskId, Task>;
  /** For tasks that both sides changed. */
  words: ReadonlyMap<TaskId, { ours: Word; theirs: Word }>;
  /** The highest number ever given here. */
  highest: number;
  /** Whether the run is one of this machine's. */
  isOwnRun: (runId: string) => boolean;
}

export interface MergedTasks {
  /** What is otherwise than we have it; null: it goes. */
  tasks: Map<TaskId, Task | null>;
  /** Fields that both sides changed differently. */
  conflicts: Map<TaskId, string[]>;
  /** Tasks that got another number, since both sides had given theirs: from → to. */
  renumbered: { side: "ours" | "theirs"; from: TaskId; to: TaskId }[];
}

export function mergeTasks(sides: Sides): MergedTasks {
  const apart = apartFrom(sides);
  const merged: MergedTasks = { tasks: new Map(), conflicts: new Map(), renumbered: apart.renumbered };
  const put = (id: TaskId, task: Task | null) => {
    const mine = sides.ours.get(id) ?? null;
    const here = task && standDown(task, sides.isOwnRun);
    if (here ? !mine || !equal(here, mine) : mine) merged.tasks.set(id, here);
  };
  for (const [id, task] of apart.ours) if (sides.ours.get(id) !== task) put(id, task);
  for (const [id, { base, theirs }] of apart.changed) {
    const words = sides.words.get(id);
    const { task, conflict } = mergeTask({ base, ours: apart.ours.get(id) ?? null, theirs, words });
    put(id, task);
    if (conflict.length > 0) merged.conflicts.set(id, conflict);
  }
  return merged;
}

/** An agent that is at work elsewhere is neither adopted nor started here. */
function standDown(task: Task, isOwnRun: (runId: string) => boolean): Task {
  if (task.status !== "active") return task;
  const run = task.execution.last_attempt?.run_id;
  return run && isOwnRun(run) ? task : withState(task, { status: "blocked", reason: "elsewhere" });
}

/** To be at work elsewhere is to be at work: it is no change that anybody made. */
function asTold(task: Task | null): Task | null {
  const elsewhere = task?.status === "blocked" && task.execution.reason === "elsewhere";
  return task && elsewhere ? withState(task, { status: "active" }) : task;
}

interface OneTask {
  base: Task | null;
  ours: Task | null;
  theirs: Task | null;
  words: { ours: Word; theirs: Word } | undefined;
}

function mergeTask(of: OneTask): { task: Task | null; conflict: string[] } {
  const [base, ours, theirs] = [asTold(of.base), asTold(of.ours), asTold(of.theirs)];
  if (!theirs || !ours) {
    // What one side deleted goes, unless the other has changed it.
    const left = ours ?? theirs;
    return { task: left && base && equal(left, base) ? null : left, conflict: [] };
  }
  if (equal(ours, theirs) || (base && equal(theirs, base))) return { task: ours, conflict: [] };
  if (base && equal(ours, base)) return { task: theirs, conflict: [] };
  return mergeFields({ base, ours, theirs }, of.words);
}

/** What tells how a task went: of two, the later one counts as a whole. */
const COURSE = [
  "attempts",
  "last_attempt",
  "failures",
  "spent",
  "over_budget",
  "fell_back_from",
  "reviews",
  "next_attempt_at",
  "due_at",
  "reason",
  "conflict",
  "approved",
  "branch",
  "commit",
];
const NESTED = new Set(["context", "execution", "implementation", "relations"]);

type Json = Record<string, unknown>;

function mergeFields(
  { base, ours, theirs }: { base: Task | null; ours: Task; theirs: Task },
  words: OneTask["words"],
): { task: Task; conflict: string[] } {
  // Who is later is told the same on both machines, so that both come to the same.
  const theirsIsLater = words !== undefined && isLater(words.theirs, words.ours, "at");
  const [later, earlier] = theirsIsLater ? [theirs, ours] : [ours, theirs];
  const conflict: string[] = [];
  const content = mergeObjects(
    { base: base && contentOf(base), later: contentOf(later), earlier: contentOf(earlier) },
    "",
    conflict,
  );
  const state = courseBy(base, ours, theirs, words);
  const task = withCourse(content, state);
  task.execution.attempts = Math.max(ours.execution.attempts, theirs.execution.attempts);
  if (conflict.length === 0) return { task, conflict };
  const blocked = withState(task, { status: "blocked", reason: "conflict" });
  const versions = words ? [words.ours, words.theirs].sort((a, b) => (isLater(a, b, "at") ? 1 : -1)) : [];
  const told = tellConflict(conflict, versions);
  return { task: withExecution(blocked, { conflict: told }), conflict };
}

function isLater(a: Word, b: Word, by: "at" | "movedAt"): boolean {
  return a[by] === b[by] ? a.commit > b.commit : a[by] > b[by];
}

function tellConflict(fields: string[], versions: Word[]): NonNullable<Task["execution"]["conflict"]> {
  const [first, second] = versions.map(({ commit }) => commit.slice(0, 12));
  const message =
    `${fields.join(", ")} ${fields.length === 1 ? "was" : "were"} changed on two machines: in ${first}, and later in ` +
    `${second}, which stands here now.`;
  return { fields, versions: versions.map(({ commit }) => commit), message };
}

/** The state, and how it came to it, of the side that changed it; of both, of the one that changed it later. */
function courseBy(base: Task | null, ours: Task, theirs: Task, words: OneTask["words"]): Task {
  const [was, here, there] = [base && courseOf(base), courseOf(ours), courseOf(theirs)];
  if (equal(here, there)) return ours;
  if (was && equal(here, was)) return theirs;
  if (was && equal(there, was)) return ours;
  return words && isLater(words.theirs, words.ours, "movedAt") ? theirs : ours;
}

function courseOf(task: Task): Json {
  const execution = task.execution as unknown as Json;
  const kept = COURSE.filter((key) => execution[key] !== undefined).map((key) => [key, execution[key]]);
  return { status: task.status, ...Object.fromEntries(kept) };
}

/** What the task asks for. Subtasks follow from the ids, and where it came from stays a fact of each side. */
function contentOf(task: Task): Json {
  const execution = Object.entries(task.execution).filter(([key]) => !COURSE.includes(key));
  return { ...task, execution: Object.fromEntries(execution) };
}

function withCourse(content: Json, from: Task): Task {
  const { status, ...course } = courseOf(from);
  const execution = { ...(content["execution"] as Json), ...course };
  return { ...content, status, execution } as unknown as Task;
}

function mergeObjects(
  { base, later, earlier }: { base: Json | null; later: Json; earlier: Json },
  path: string,
  conflict: string[],
): Json {
  const merged: Json = {};
  for (const key of new Set([...Object.keys(later), ...Object.keys(earlier)])) {
    const name = path === "" ? key : `${path}.${key}`;
    const [was, late, early] = [base?.[key], later[key], earlier[key]];
    if (key === "status" && path === "") merged[key] = late;
    else if (name === "relations.subtasks") merged[key] = unionOf(late, early);
    else if (path === "" && NESTED.has(key) && isObject(late) && isObject(early))
      merged[key] = mergeObjects({ base: isObject(was) ? was : null, later: late, earlier: early }, key, conflict);
    else {
      const kept = equal(late, early) || equal(early, was) ? late : equal(late, was) ? early : late;
      if (kept !== undefined) merged[key] = kept;
      const both = !equal(late, early) && !equal(late, was) && !equal(early, was);
      if (both && !INCIDENTAL.has(name)) conflict.push(name);
    }
  }
  return merged;
}

/** Differences that mean nothing for the work. */
const INCIDENTAL = new Set(["$schema", "execution.source"]);

function unionOf(a: unknown, b: unknown): TaskId[] {
  const ids = [a, b].flatMap((list) => (Array.isArray(list) ? (list as TaskId[]) : []));
  return [...new Set(ids)].sort(compareTaskIds);
}

/**
 * Two machines gave the same number to two tasks: the one that nobody has begun gets another, and what waits for it on
 * its side is told. Of two that were not begun it is the later one. Where both have begun, it is left to be a conflict.
 */
function apartFrom(sides: Sides): Pick<Sides, "ours" | "changed"> & { renumbered: MergedTasks["renumbered"] } {
  const ours = new Map(sides.ours);
  const changed = new Map(sides.changed);
  const renumbered: MergedTasks["renumbered"] = [];
  const numbers = [...ours.keys(), ...changed.keys()].map((id) => taskNumbers(id)[0]);
  let highest = numbers.reduce((most, number) => Math.max(most, number), sides.highest);
  for (const [id, { base, theirs }] of sides.changed) {
    const mine = sides.ours.get(id);
    if (base || !theirs || !mine || isSame(mine, theirs)) continue;
    const words = sides.words.get(id);
    const oursIsLater = words !== undefined && isLater(words.ours, words.theirs, "at");
    const side = [oursIsLater ? "ours" : "theirs", oursIsLater ? "theirs" : "ours"].find((each) =>
      isUntouched(each === "ours" ? mine : theirs),
    ) as "ours" | "theirs" | undefined;
    if (!side) continue;
    const to = `impl-${++highest}`;
    renumbered.push({ side, from: id, to });
    if (side === "ours") {
      for (const [other, task] of ours) ours.set(other, waitingFor(task, id, to));
      ours.set(to, { ...(ours.get(id) ?? mine), id: to });
      ours.delete(id);
    } else {
      for (const [other, each] of changed)
        if (each.theirs) changed.set(other, { ...each, theirs: waitingFor(each.theirs, id, to) });
      const moved = changed.get(id)?.theirs ?? theirs;
      changed.set(to, { base: null, theirs: { ...moved, id: to } });
      changed.delete(id);
    }
  }
  return { ours, changed, renumbered };
}

/** Whether both are about the same work, whatever became of it since. */
function isSame(a: Task, b: Task): boolean {
  return a.title === b.title && a.agent === b.agent && equal(a.execution.command, b.execution.command);
}

function isUntouched(task: Task): boolean {
  const { attempts, last_attempt } = task.execution;
  const rests = task.status === "pending" || (task.status === "blocked" && task.execution.reason !== "elsewhere");
  return rests && attempts === 0 && !last_attempt && parentOf(task.id) === null && task.relations.subtasks.length === 0;
}

function waitingFor(task: Task, from: TaskId, to: TaskId): Task {
  const { dependencies } = task.relations;
  if (!dependencies.includes(from)) return task;
  return {
    ...task,
    relations: { ...task.relations, dependencies: dependencies.map((id) => (id === from ? to : id)) },
  };
}
