/** What the daemon before this one had begun and not come to record: found at start, and put in order. */
import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { isolationOf, writesOf } from "../machine/overlap.ts";
import { taskKey, type RunId, type SessionId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { instant } from "../model/time.ts";
import type { Run } from "../model/transition.ts";
import { checkTaskDrop } from "../store/check.ts";
import { writeFiles } from "../store/files.ts";
import { formatJson, parseJson } from "../store/json-file.ts";
import { at, isTextDrop, placeOf, RUN } from "../store/paths.ts";
import { readRegular, sha256, type Found } from "../store/scan.ts";
import { isTracked, type Workspace } from "./workspace.ts";

/**
 * Folders of runs that no active task stands behind. A task that was taken away from its agent gets it back as a run
 * that is being stopped, so that no second agent starts beside it; what is left are orphans.
 */
export async function takeBack(workspace: Workspace): Promise<RunId[]> {
  const { state, folder } = workspace;
  const left = new Set<RunId>(await readdir(join(folder, RUN, "attempts")).catch(() => []));
  for (const run of state.runs.values()) left.delete(run.runId);
  if (left.size === 0) return [];
  for (const [session, { tasks }] of state.sessions) {
    for (const task of tasks.values()) {
      const last = task.execution.last_attempt;
      if (!last?.run_id || last.ended_at || !left.delete(last.run_id)) continue;
      state.runs.set(taskKey(session, task.id), {
        ...runOf(workspace, session, task, last.run_id),
        stopping: "requeued",
      });
    }
  }
  return [...left];
}

/**
 * Tasks that were written to disk and never recorded: the daemon died in between, and nothing has come of them. They
 * are taken in now as if they had just been dropped, without the attempt that never began; the drop that such a task
 * was made from is done with, or it would become a second task.
 */
export async function undecided(workspace: Workspace, found: Found[]): Promise<Found[]> {
  const done = new Set<string>();
  const begun = new Map<string, Buffer>();
  for (const file of found) {
    if (file.is === "file" && file.place.kind === "session-file") await mark(workspace, file.place.session, file);
    if (file.is !== "file" || file.place.kind !== "task" || !file.place.id || isTracked(workspace.tracked, file.path))
      continue;
    if (workspace.state.sessions.get(file.place.session)?.tasks.has(file.place.id)) continue;
    const task = writtenTask(file.content);
    const whole = task?.execution.workflow?.part_of;
    if (whole !== undefined && workspace.state.sessions.get(file.place.session)?.tasks.has(whole)) {
      // What is made for a step is recorded together with the step's own task, or is made again.
      await rm(join(workspace.folder, file.path), { force: true });
      done.add(file.path);
      continue;
    }
    const source = task?.execution.source;
    if (!task || !source) continue;
    const unplanned = isUnplanned(workspace, file.place.session, source.file);
    if (unplanned || (task.execution.workflow && isThere(workspace, source))) {
      // Some of them may be missing: all are made again, from what was dropped or planned.
      await rm(join(workspace.folder, file.path), { force: true });
      done.add(file.path);
      continue;
    }
    // Its text is no drop of its own; it goes on record when the task is there.
    if (task.execution.prompt_file) done.add(`${file.place.session}/${task.execution.prompt_file}`);
    if (source.file !== file.path && (await finishFiling(workspace, file.place.session, task))) done.add(source.file);
    const { last_attempt: last } = task.execution;
    if (!last || last.ended_at) continue;
    const execution = {
      ...task.execution,
      attempts: Math.max(0, last.attempt - 1),
      last_attempt: null,
      reason: undefined,
    };
    begun.set(file.path, Buffer.from(formatJson({ ...task, status: "pending", execution })));
  }
  for (const copy of found) {
    if (copy.is !== "file" || copy.place.kind !== "prompt-drop" || done.has(copy.path)) continue;
    const drop = found.find(({ path }) => path === `inbox/${copy.place.kind === "prompt-drop" ? copy.place.name : ""}`);
    if (drop?.is !== "file" || drop.hash !== copy.hash) continue;
    // It was on its way into the session: it begins again from the inbox.
    await rm(join(workspace.folder, copy.path), { force: true });
    done.add(copy.path);
  }
  return found
    .filter(({ path }) => !done.has(path))
    .map((file) => (file.is === "file" ? { ...file, content: begun.get(file.path) ?? file.content } : file));
}

/** A session that was to be active when the daemon died, and has no marker yet, gets it; where none is, none is robbed. */
async function mark(workspace: Workspace, session: SessionId, file: { path: string; content: Buffer }): Promise<void> {
  const { state, tracked, scanner, folder } = workspace;
  if (state.sessions.has(session) || isTracked(tracked, file.path) || scanner.markers().length > 0) return;
  const parsed = parseJson(file.content);
  if ("ok" in parsed && parsed.ok["status"] === "active")
    await writeFile(join(folder, at.marker(session)), "", { flag: "a" });
}

/** Removes the drop, its text put in its place first; whether it was the one that the task was made from. */
async function finishFiling({ folder }: Workspace, session: SessionId, task: Task): Promise<boolean> {
  const { source, prompt_file: prompt } = task.execution;
  const drop = source && isThere({ folder }, source);
  if (!source || !drop) return false;
  if (isTextDrop(source.file)) {
    if (!prompt?.startsWith("prompts/") || placeOf(`${session}/${prompt}`).kind !== "prompt-drop") return false;
    if (!readRegular(join(folder, session, prompt))) {
      await writeFiles(folder, [{ path: `${session}/${prompt}`, content: drop.content }], true);
    }
  }
  await rm(join(folder, source.file), { force: true });
  return true;
}

/** From a plan whose task is not done on record: that is decided again, and makes the same tasks. */
function isUnplanned({ state }: Workspace, session: SessionId, source: string): boolean {
  const place = placeOf(source);
  if (place.kind !== "plan" || place.session !== session) return false;
  const planner = state.sessions.get(session)?.tasks.get(place.id);
  return planner !== undefined && planner.status !== "container" && planner.status !== "completed";
}

/** The drop as the task was made from it. */
function isThere(
  { folder }: Pick<Workspace, "folder">,
  source: { file: string; sha256: string },
): { content: Buffer } | undefined {
  const drop = ["inbox", "task"].includes(placeOf(source.file).kind)
    ? readRegular(join(folder, source.file))
    : undefined;
  return drop && sha256(drop.content) === source.sha256 ? drop : undefined;
}

function writtenTask(content: Buffer): Task | undefined {
  const parsed = parseJson(content);
  const checked = "ok" in parsed ? checkTaskDrop(parsed.ok) : undefined;
  return checked && "ok" in checked && checked.ok.execution ? (checked.ok as Task) : undefined;
}

/** The run of an attempt that the task's file tells of. */
export function runOf({ roles, policy }: Workspace, session: SessionId, task: Task, runId: RunId): Run {
  const role = roles.get(task.agent);
  const last = task.execution.last_attempt;
  const { reviewing } = last ?? {};
  const own = reviewing ? roles.get(reviewing.role) : role;
  const isolation = role ? isolationOf(task, role, policy) : "none";
  return {
    session,
    id: task.id,
    attempt: last?.attempt ?? task.execution.attempts,
    runId,
    role: reviewing?.role ?? task.agent,
    model: (reviewing ? undefined : task.execution.model) ?? own?.model ?? null,
    startedAt: reviewing?.started_at ?? last?.started_at ?? instant(0),
    isolation,
    ...(reviewing ? { review: reviewing.review } : {}),
    ...(last?.merging ? { merging: true } : {}),
    writes: role ? writesOf(task, role, isolation) : "any",
  };
}
