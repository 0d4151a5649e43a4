/** `cox validate`: every problem of files, with line and column; of the whole workspace without any named. */
import { lstatSync, realpathSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { taskNumbers, type SessionId } from "../../model/ids.ts";
import type { Task } from "../../model/task.ts";
import { problem, problemLine, type Problem } from "../../problems.ts";
import { MAX_BYTES } from "../../store/json-file.ts";
import { at, isWorkflowDrop, placeOf, type Place } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { workflowNames } from "../../store/workflow-file.ts";
import { done, refused, type Command, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { checkFile, type Among } from "./check-file.ts";
import { roleNames } from "./role-names.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { entriesOf, readTasks, type TasksOnDisk } from "./tasks-on-disk.ts";

interface Checked {
  /** As the person may type it. */
  file: string;
  problems: Problem[];
}

export const command: Command = {
  where: "anywhere",
  description:
    "Checks task, session, role and settings files: every problem with line and column. Without files: the whole workspace.\nExit 1 if anything is wrong.",
  arguments: [
    {
      name: "file",
      text: "files to check; also some that have not been dropped yet",
      optional: true,
      variadic: true,
      is: "file",
    },
  ],
  example: "cox validate .workflow/inbox/first.json",
  async run(input, context) {
    const { workspace, dir } = context;
    const written = input.list("file");
    const checked: Checked[] = [];
    const among = workspace && amongOf(workspace);
    if (written.length === 0) {
      if (!workspace)
        return refused({
          exit: 3,
          what: `${dir} is not in a workspace.`,
          todo: "Name the files to check, or run cox init.",
        });
      for (const [path, place] of filesOf(workspace.folder)) {
        checked.push(...checkedFile(join(workspace.folder, path), `.workflow/${path}`, place, among));
      }
    }
    for (const file of written) {
      const path = resolve(dir, file);
      checked.push(...checkedFile(path, file, placeFor(path, workspace), among));
    }
    return told(checked, context);
  },
};

function checkedFile(path: string, file: string, place: Place, among: Among | null): Checked[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (!stat) return [{ file, problems: [problem("not-a-file", "There is no such file.")] }];
  if (!stat.isFile())
    return [
      {
        file,
        problems: [
          problem("not-a-file", "It is not a regular file, and is never opened.", { hint: "Put a file in its place." }),
        ],
      },
    ];
  if (stat.size > MAX_BYTES)
    return [{ file, problems: [problem("too-large", `The file has ${stat.size} bytes; 1 MiB is the most.`)] }];
  const read = readRegular(path);
  if (!read) return [{ file, problems: [problem("not-a-file", "It cannot be read.")] }];
  const problems = checkFile(read.content, place, among);
  return problems === undefined ? [] : [{ file, problems }];
}

/** What a named file is: by its place in the workspace, elsewhere by its name. */
function placeFor(path: string, workspace: Workspace | null): Place {
  if (workspace) {
    const real = realDir(path);
    const inside = relative(realpathSync(workspace.folder), real).split(sep).join("/");
    if (!inside.startsWith("..")) {
      if (/^workflows\/[^/]+\.ya?ml$/.test(inside)) return { kind: "inbox", name: inside };
      const place = placeOf(inside);
      if (place.kind !== "ignored") return place;
    }
  }
  const name = path.slice(path.lastIndexOf(sep) + 1);
  if (isWorkflowDrop(name)) return isWorkflow(path) ? { kind: "inbox", name } : { kind: "config" };
  if (name === "workflow-session.json") return { kind: "session-file", session: dirname(path).split(sep).at(-1) ?? "" };
  return name.endsWith(".md")
    ? { kind: "role", name }
    : { kind: "inbox", name: name.endsWith(".json") ? name : `${name}.json` };
}

function isWorkflow(path: string): boolean {
  return /^steps[ \t]*:/m.test(readRegular(path)?.content.toString("utf8") ?? "");
}

function realDir(path: string): string {
  try {
    return join(realpathSync(dirname(path)), path.slice(path.lastIndexOf(sep) + 1));
  } catch {
    return path;
  }
}

/** Every file of the workspace that a person may have written. */
function* filesOf(folder: string): Generator<[string, Place]> {
  const folders = ["", "inbox/", "agents/", "errors/"];
  for (const { session_id } of readSessions(folder).sessions)
    folders.push(...["", ".task/", "responses/", "plans/"].map((name) => `${session_id}/${name}`));
  for (const inside of folders) {
    for (const { name } of entriesOf(join(folder, inside))) {
      const place = placeOf(`${inside}${name}`);
      if (["config", "session-file", "task", "inbox", "role", "response", "plan", "patterns"].includes(place.kind))
        yield [`${inside}${name}`, place];
    }
  }
  for (const name of workflowNames(folder)) yield [at.workflow(name), { kind: "inbox", name: `${name}.yaml` }];
}

function amongOf(workspace: Workspace): Among {
  const known = new Map<string, TasksOnDisk>();
  const parsed = new Map<string, Task | undefined>();
  const tasksOf = (session: SessionId | null): TasksOnDisk | undefined => {
    const [chosen] = session === null ? readSessions(workspace.folder).active : [session];
    if (chosen === undefined) return undefined;
    const tasks = known.get(chosen) ?? readTasks(workspace.folder, chosen);
    known.set(chosen, tasks);
    return tasks;
  };
  return {
    repository: workspace.repository,
    roles: roleNames(workspace.folder),
    highest: (session) =>
      [...(tasksOf(session)?.byId.keys() ?? [])].reduce((most, id) => Math.max(most, taskNumbers(id)[0]), 0),
    taskOf: (session, id) => {
      const task = tasksOf(session)?.byId.get(id);
      const key = `${task?.session}/${id}`;
      if (!parsed.has(key)) parsed.set(key, task?.task() ?? undefined);
      return parsed.get(key);
    },
  };
}

function told(checked: Checked[], { paint }: Context): Outcome {
  const wrong = checked.filter(({ problems }) => problems.length > 0);
  const json = { ok: wrong.length === 0, checked: checked.length, files: checked };
  const count = `${checked.length} ${checked.length === 1 ? "file" : "files"}`;
  if (wrong.length === 0) return done(`${paint("green", "✓")} ${count} checked, nothing is wrong.`, json);
  const lines = wrong.flatMap(({ file, problems }) => problems.map((found) => problemLine(found, file)));
  return { exit: 1, json, text: [...lines, "", `${count} checked, ${wrong.length} with problems.`].join("\n") };
}
