/** `cox list`: the tasks of a session, one a line. */
import { done, refused, type Command } from "./command.ts";
import { compareTaskIds } from "../../model/ids.ts";
import { at } from "../../store/paths.ts";
import { currentSession, findSession } from "./naming.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { readTasks, type FaultyFile, type TaskOnDisk, type TasksOnDisk } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";
import type { Paint, Style } from "./output.ts";

const STATUSES = ["pending", "active", "completed", "blocked", "container"];
export const COLOURS: Record<TaskOnDisk["status"], Style> = {
  pending: "cyan",
  active: "green",
  completed: "dim",
  blocked: "red",
  container: "bold",
};

export const command: Command = {
  where: "workspace",
  description: "Lists the tasks of the active session, in order of their ids.",
  options: [
    { name: "session", value: "session", text: "of this session", is: "session" },
    {
      name: "status",
      value: "status",
      text: "only these: pending, active, completed, blocked, container; , between",
      is: STATUSES,
    },
    { name: "all", text: "of all sessions" },
    { name: "names", text: "only the names, as commands take them" },
  ],
  example: "cox list --status blocked",
  async run(input, { workspace, paint, json }) {
    const wanted = input
      .text("status")
      ?.split(",")
      .map((status) => status.trim());
    const unknown = wanted?.find((status) => !STATUSES.includes(status));
    if (unknown !== undefined)
      return refused({
        exit: 2,
        what: `There is no status ${JSON.stringify(unknown)}.`,
        todo: `There are ${STATUSES.join(", ")}.`,
      });
    const { sessions } = readSessions(workspace.folder);
    const written = input.text("session");
    if (!input.flag("all") && written === undefined && sessions.length === 0)
      return done('There are no tasks yet. Add one: cox add "title"', { tasks: [] });
    const one = input.flag("all")
      ? null
      : written === undefined
        ? currentSession(workspace)
        : findSession(workspace, written);
    if (one && "trouble" in one) return refused(one.trouble);
    const chosen = one ? [one.ok] : sessions.map(({ session_id }) => session_id);
    const read = chosen.map((session) => readTasks(workspace.folder, session));
    const tasks = read.flatMap((each) => each.tasks).filter(({ status }) => !wanted || wanted.includes(status));
    if (json) return done("", { tasks: tasks.map(factsOf), files: read.flatMap(({ faulty }) => faulty.map(faultOf)) });
    const current = currentSession(workspace);
    const short = one && "ok" in current ? current.ok : null;
    const name = (task: TaskOnDisk | FaultyFile) => (task.session === short ? task.id : `${task.session}/${task.id}`);
    if (input.flag("names")) return done(tasks.map(name).join("\n"), null);
    // Files that are no tasks have no status.
    const lines = wanted ? tasks : read.flatMap(inOrder);
    if (lines.length === 0)
      return done(
        wanted ? `No task is ${wanted.join(" or ")}.` : 'There are no tasks yet. Add one: cox add "title"',
        null,
      );
    const width = lines.reduce((most, each) => Math.max(most, name(each).length), 0);
    return done(
      lines
        .map((each) => {
          const padded = name(each).padEnd(width);
          return "is" in each ? faultLine(each, padded, paint) : lineOf(each, padded, paint);
        })
        .join("\n"),
      null,
    );
  },
};

function lineOf(task: TaskOnDisk, name: string, paint: Paint): string {
  const { status } = task;
  const reason = status === "blocked" ? (task.task()?.execution.reason ?? "cancelled") : undefined;
  const state = reason ? `blocked (${oneLine(reason, 20)})` : status;
  return `${name}  ${paint(COLOURS[status], state.padEnd(9))}  ${oneLine(task.title, 100)}`;
}

function inOrder({ tasks, faulty }: TasksOnDisk): (TaskOnDisk | FaultyFile)[] {
  return faulty.length === 0 ? tasks : [...tasks, ...faulty].sort((a, b) => compareTaskIds(a.id, b.id));
}

function faultLine({ id, path, is, reported }: FaultyFile, name: string, paint: Paint): string {
  const say = reported ? `see .task/${at.report(`${id}.json`)}` : `cox validate .workflow/${path} says why`;
  return `${name}  ${paint("red", is.padEnd(9))}  ${say}`;
}

function faultOf({ session, id, path, is, reported }: FaultyFile): Record<string, unknown> {
  const file = `.workflow/${path}`;
  return { session, id, file, is, report: reported ? at.report(file) : null };
}

function factsOf(task: TaskOnDisk): Record<string, unknown> {
  const whole = task.task();
  const execution = whole?.execution;
  return {
    session: task.session,
    id: task.id,
    title: task.title,
    status: task.status,
    reason: execution?.reason ?? null,
    type: whole?.type ?? null,
    agent: whole?.agent ?? null,
    dependencies: whole?.relations.dependencies ?? [],
    attempts: execution?.attempts ?? 0,
    next_attempt_at: execution?.next_attempt_at ?? null,
    file: `.workflow/${task.session}/.task/${task.id}.json`,
  };
}
