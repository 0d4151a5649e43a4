/** Views and checkpoint of sessions that came back, as the files say now: a person sees them before the next start. */
import { join } from "node:path";
import type { ResponseFile } from "../../model/attempt.ts";
import { attemptName, taskNumbers, type SessionId } from "../../model/ids.ts";
import type { SessionFile } from "../../model/session.ts";
import type { Task } from "../../model/task.ts";
import { writeFiles, type FileWrite } from "../../store/files.ts";
import { at } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { implPlan } from "../../views/impl-plan.ts";
import { GENERATED } from "../../views/markdown.ts";
import { summary } from "../../views/summary.ts";
import { todoList } from "../../views/todo-list.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { isObject, readTasks } from "./tasks-on-disk.ts";

/** Pages that a person wrote where a view belongs are left alone; the daemon keeps them beside it. */
export async function rebuildViews(folder: string, restored: ReadonlySet<SessionId>): Promise<void> {
  const writes: FileWrite[] = [];
  for (const session of readSessions(folder).sessions) {
    if (!restored.has(session.session_id)) continue;
    const tasks = readTasks(folder, session.session_id).tasks.flatMap((each) => each.task() ?? []);
    for (const { path, content } of [...pagesOf(folder, session, tasks), ...checkpointOf(folder, session, tasks)]) {
      const there = readRegular(join(folder, path))?.content.toString();
      const own = path.endsWith(".md") && there !== undefined && !there.startsWith(GENERATED);
      if (!own && there !== content) writes.push({ path, content });
    }
  }
  await writeFiles(folder, writes, false);
}

interface Page {
  path: string;
  content: string;
}

function pagesOf(folder: string, session: SessionFile, tasks: Task[]): Page[] {
  const id = session.session_id;
  return [
    { path: at.todoList(id), content: todoList({ session, tasks, problems: [] }) },
    { path: at.implPlan(id), content: implPlan({ session, tasks }) },
    ...tasks
      .filter(({ status }) => status === "completed")
      .map((task) => {
        const last = task.execution.last_attempt;
        const answer = last && read(folder, at.response(id, attemptName(task.id, last.attempt)));
        const response = (answer ?? null) as ResponseFile | null;
        return { path: at.summary(id, task.id), content: summary({ session, task, response }) };
      }),
  ];
}

/** As recorded, but for the runs that are no more; made from the tasks where none was recorded at that moment. */
function checkpointOf(folder: string, session: SessionFile, tasks: Task[]): Page[] {
  const path = at.checkpoint(session.session_id);
  const recorded = read(folder, path) ?? emptyCheckpoint(session, tasks);
  const runs = Array.isArray(recorded["runs"]) ? recorded["runs"] : [];
  const active = new Set<unknown>(tasks.filter(({ status }) => status === "active").map(({ id }) => id));
  const left = runs.filter((run) => isObject(run) && active.has(run["task"]));
  return [{ path, content: `${JSON.stringify({ ...recorded, runs: left }, null, 2)}\n` }];
}

function emptyCheckpoint(session: SessionFile, tasks: Task[]): Record<string, unknown> {
  const waits = tasks
    .filter(({ status, execution }) => status === "pending" && execution.next_attempt_at)
    .map(({ id, execution }) => ({ task: id, until: execution.next_attempt_at, reason: execution.reason ?? null }));
  const highest = Math.max(0, ...tasks.map(({ id }) => taskNumbers(id)[0]));
  const { session_id, updated_at, created_at } = session;
  return {
    at: updated_at ?? created_at ?? null,
    session: session_id,
    runs: [],
    waits,
    limits: {},
    breakers: {},
    highest,
  };
}

function read(folder: string, path: string): Record<string, unknown> | undefined {
  const content = readRegular(join(folder, path))?.content;
  try {
    const value: unknown = content && JSON.parse(content.toString());
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}
