/** `cox add`: a task file, complete, in the session's `.task/`. */
import { lstatSync, rmSync } from "node:fs";
import { join } from "node:path";
import { takeIn } from "../../machine/intake.ts";
import { isTaskId, parseAttemptName, taskNumbers, type SessionId, type TaskId } from "../../model/ids.ts";
import type { Task, TaskDrop } from "../../model/task.ts";
import type { Problem } from "../../problems.ts";
import { formatJson } from "../../store/json-file.ts";
import { at } from "../../store/paths.ts";
import { ADD_OPTIONS, describedTask, type Described } from "./add-options.ts";
import { done, refused, type Command, type Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { createFile, exclusively, touchMarker } from "./edit.ts";
import { escaping } from "../../store/escaping.ts";
import { makeSession } from "./make-session.ts";
import { findSession, noneActive } from "./naming.ts";
import { roleNames } from "./role-names.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { entriesOf, readTasks, type TasksOnDisk } from "./tasks-on-disk.ts";
import { oneLine } from "./text.ts";

const FIRST_TOPIC = "main";

export const command: Command = {
  where: "workspace",
  description:
    "Adds a task to the active session: the same as a file in its .task/ folder. All that is not given is filled in.",
  arguments: [{ name: "title", text: "what is to be done, in a sentence", optional: true }],
  options: ADD_OPTIONS,
  example: 'cox add "fix the flaky test in src/queue" --verify "npm test" --depends impl-1',
  async run(input, { workspace, dir, paint, environment }) {
    const described = describedTask(input, dir);
    if ("trouble" in described) return refused(described.trouble);
    const { checkTaskDrop } = await import("../../store/check.ts");
    const checked = checkTaskDrop(described.ok.drop);
    if ("problems" in checked) return refused(notAdded(checked.problems));
    const added = await exclusively(workspace, () =>
      add(workspace, input.text("session"), { ...described.ok, drop: checked.ok, environment }),
    );
    if ("trouble" in added) return refused(added.trouble);
    const { session, task, madeSession, active } = added;
    const daemon = await daemonOf(workspace);
    const file = `.workflow/${at.task(session, task.id)}`;
    const acts = !active
      ? `${session} is not active: cox switch ${session} lets it run.`
      : daemon.up
        ? "The daemon is up and takes it from here."
        : "No daemon is up: cox start runs it.";
    const lines = [
      ...(madeSession ? [`Made the session ${session}, and it is active.`] : []),
      `Added ${paint("bold", active ? task.id : `${session}/${task.id}`)} (${task.agent}): ${oneLine(task.title)}`,
      paint("dim", `The file: ${file}`),
      acts,
    ];
    return done(lines.join("\n"), {
      session,
      task: task.id,
      file,
      made_session: madeSession,
      active,
      daemon: daemon.up ? "up" : "down",
      value: task,
    });
  },
};

interface Added {
  session: SessionId;
  task: Task;
  madeSession: boolean;
  active: boolean;
}

export async function add(
  workspace: Workspace,
  written: string | undefined,
  described: Described & { drop: TaskDrop; environment: NodeJS.ProcessEnv },
): Promise<Added | { trouble: Trouble }> {
  const chosen = sessionFor(workspace, written);
  if ("trouble" in chosen) return chosen;
  const existing = chosen.ok;
  for (;;) {
    const taken = taskFor(workspace, existing ?? `WFS-${FIRST_TOPIC}`, described);
    if ("trouble" in taken) return taken;
    // Only now: a task that is refused makes no session.
    const session =
      existing ?? (await makeSession(workspace, FIRST_TOPIC, { active: true, environment: described.environment }));
    const task = await create(workspace, session, taken.ok, described.prompt);
    if (!task) continue; // the daemon has just given this id to a dropped file
    if (existing === null) await touchMarker(workspace, session, []);
    const active = existing === null || readSessions(workspace.folder).active.includes(session);
    return { session, task, madeSession: existing === null, active };
  }
}

/** Null: there is none at all yet. */
function sessionFor(
  workspace: Workspace,
  written: string | undefined,
): { ok: SessionId | null } | { trouble: Trouble } {
  if (written !== undefined) return findSession(workspace, written);
  const { sessions, active } = readSessions(workspace.folder);
  if (active[0] !== undefined) return { ok: active[0] };
  return sessions.length === 0 ? { ok: null } : { trouble: noneActive(sessions.map(({ session_id }) => session_id)) };
}

function taskFor(
  workspace: Workspace,
  session: SessionId,
  { drop, parent }: Described & { drop: TaskDrop },
): { ok: Task } | { trouble: Trouble } {
  const tasks = readTasks(workspace.folder, session);
  const ids = usedIds(workspace, session);
  const id =
    parent === undefined
      ? drop.id
      : `${parent}.${Math.max(0, ...ids.filter((each) => each.startsWith(`${parent}.`)).map((each) => taskNumbers(each)[1])) + 1}`;
  // What has the name cannot be told from here, and is not written over.
  if (id !== undefined && !tasks.byId.has(id) && isThere(workspace, at.task(session, id)))
    return {
      trouble: {
        exit: 4,
        what: `.workflow/${at.task(session, id)} is there already, and is no task.`,
        todo: `cox validate .workflow/${at.task(session, id)} says why; or leave the id out.`,
      },
    };
  const roles = roleNames(workspace.folder);
  const result = takeIn(
    [
      {
        file: "the task",
        sha256: "",
        drop: id === undefined ? drop : { id, ...drop },
        idByName: null,
        escaping: escaping(drop.paths ?? "", workspace.repository),
      },
    ],
    {
      session,
      taskOf: taskOf(tasks),
      highest: ids.reduce((most, each) => Math.max(most, taskNumbers(each)[0]), 0),
      roles,
      roleNames: () => [...roles],
    },
  );
  const [accepted] = result.accepted;
  if (!accepted) return { trouble: notAdded(result.refused.flatMap(({ problems }) => problems)) };
  // What it came from is for the daemon to say, when it has seen the file.
  const { source: _source, ...run } = accepted.task.execution;
  // In the order of SPEC 3.1, whatever the order of the options.
  const {
    id: given,
    title,
    status,
    type,
    agent,
    paths,
    context,
    relations,
    execution: _execution,
    implementation,
    ...unknown
  } = accepted.task;
  return {
    ok: {
      id: given,
      title,
      status,
      type,
      agent,
      paths,
      context,
      relations,
      execution: run,
      implementation,
      ...unknown,
    },
  };
}

/** Null when the id has been taken meanwhile. The prompt is there before the task that needs it. */
async function create(
  workspace: Workspace,
  session: SessionId,
  given: Task,
  prompt: string | undefined,
): Promise<Task | null> {
  // Not .md: that would be a task of its own (SPEC 3.3).
  const promptFile = `prompts/${given.id}.prompt`;
  const task = prompt === undefined ? given : { ...given, execution: { ...given.execution, prompt_file: promptFile } };
  if (prompt !== undefined && !(await createFile(workspace, `${session}/${promptFile}`, prompt))) {
    rmSync(join(workspace.folder, session, promptFile));
    return create(workspace, session, given, prompt);
  }
  return (await createFile(workspace, at.task(session, task.id), formatJson(task))) ? task : null;
}

/** Ids that are not given again: of all that is named like a task, and those that attempts are left of. */
function usedIds(workspace: Workspace, session: SessionId): TaskId[] {
  const namesIn = (name: string) => entriesOf(join(workspace.folder, session, name)).map((entry) => entry.name);
  const attempts = ["prompts", "responses"].flatMap(namesIn);
  return [
    ...namesIn(".task")
      .map((name) => name.replace(/\.json$/, ""))
      .filter(isTaskId),
    ...attempts.flatMap((name) => parseAttemptName(name.replace(/\.(md|json)$/, ""))?.task ?? []),
  ];
}

function isThere(workspace: Workspace, path: string): boolean {
  return lstatSync(join(workspace.folder, path), { throwIfNoEntry: false }) !== undefined;
}

function taskOf(tasks: TasksOnDisk): (id: TaskId) => Task | undefined {
  return (id) => tasks.byId.get(id)?.task() ?? undefined;
}

export function notAdded(problems: Problem[]): Trouble {
  return {
    exit: 2,
    what: "The task was not added.",
    problems: problems.map((found) =>
      found.code === "no-command" ? { ...found, hint: 'Give it: --command "npm test".' } : found,
    ),
    todo: "Mend that and try again; cox add --help shows the options.",
  };
}
