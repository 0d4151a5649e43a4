/** What a person means by `impl-1`, `WFS-user-auth/impl-1`, `user-auth`. */
import { isSessionId, isTaskId, type SessionId, type TaskId } from "../../model/ids.ts";
import type { Task } from "../../model/task.ts";
import { at } from "../../store/paths.ts";
import { closest } from "../../model/closest.ts";
import type { Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { entriesOf, isOwnFile, lenient, readText } from "./tasks-on-disk.ts";

export interface NamedTask {
  session: SessionId;
  id: TaskId;
  /** Relative to `.workflow/`. */
  path: string;
  task: Task;
  text: string;
  /** How it has to be named in further commands: short where that is enough. */
  name: string;
}

/** The task as its file stands. */
export function findTask(
  workspace: Workspace,
  written: string,
): { ok: NamedTask } | { trouble: Trouble; missing?: { session: SessionId; id: TaskId } } {
  const slash = written.lastIndexOf("/");
  const id = written.slice(slash + 1).replace(/\.json$/, "");
  if (!isTaskId(id)) {
    return {
      trouble: {
        exit: 2,
        what: `${JSON.stringify(written)} does not name a task.`,
        todo: "Tasks are named impl-1 or WFS-topic/impl-1; cox list shows them.",
      },
    };
  }
  const chosen = slash === -1 ? currentSession(workspace) : findSession(workspace, written.slice(0, slash));
  if ("trouble" in chosen) return chosen;
  const session = chosen.ok;
  const dir = `${workspace.folder}/${session}/.task`;
  const entries = entriesOf(dir);
  const entry = entries.find(({ name }) => name === `${id}.json`);
  if (!entry) {
    return {
      missing: { session, id },
      trouble: {
        exit: 1,
        what: `There is no task ${id} in ${session}.`,
        todo: `cox list --session ${session} shows its tasks.`,
      },
    };
  }
  const text = entry.isFile() ? readText(`${dir}/${id}.json`) : undefined;
  const task = text === undefined ? null : lenient(text, id);
  if (text === undefined || !task) {
    return {
      trouble: {
        exit: 1,
        what: `The file of ${id} cannot be read.`,
        why: "It is not a regular file with one JSON object.",
        todo: `cox validate .workflow/${at.task(session, id)} says what is wrong.`,
      },
    };
  }
  const isReported = entries.some(({ name }) => name === at.report(`${id}.json`));
  if (isReported && !isOwnFile(`${dir}/${id}.json`, id)) {
    const path = `.workflow/${at.task(session, id)}`;
    return {
      trouble: {
        exit: 1,
        what: `${path} is no task: it was not taken in.`,
        todo: `${at.report(path)} says why; mend the file, or remove it.`,
      },
    };
  }
  const current = currentSession(workspace);
  const name = "ok" in current && current.ok === session ? id : `${session}/${id}`;
  return { ok: { session, id, path: at.task(session, id), task, text, name } };
}

/** The session of that name; `WFS-` may be left out. */
export function findSession(workspace: Workspace, written: string): { ok: SessionId } | { trouble: Trouble } {
  const ids = readSessions(workspace.folder).sessions.map(({ session_id }) => session_id);
  for (const id of [written, `WFS-${written}`]) if (isSessionId(id) && ids.includes(id)) return { ok: id };
  const near = closest(written, ids) ?? closest(`WFS-${written}`, ids);
  return {
    trouble: {
      exit: isSessionId(written) || isSessionId(`WFS-${written}`) ? 1 : 2,
      what: `There is no session ${JSON.stringify(written)}.`,
      todo: near
        ? `Did you mean ${near}?`
        : ids.length > 0
          ? `There ${ids.length === 1 ? "is" : "are"} ${ids.slice(0, 10).join(", ")}.`
          : 'Make one: cox session new "topic".',
    },
  };
}

/** The active session; without one, the only one. */
export function currentSession(workspace: Workspace): { ok: SessionId } | { trouble: Trouble } {
  const { sessions, active } = readSessions(workspace.folder);
  const [first] = active;
  if (first !== undefined) return { ok: first };
  const [only] = sessions;
  if (only && sessions.length === 1) return { ok: only.session_id };
  return {
    trouble: only
      ? noneActive(sessions.map(({ session_id }) => session_id))
      : {
          exit: 4,
          what: "There is no session yet.",
          todo: 'Add a task: cox add "title"; the first one makes a session.',
        },
  };
}

export function noneActive(ids: readonly SessionId[]): Trouble {
  return {
    exit: 4,
    what: "No session is active.",
    why: `There are ${ids.slice(0, 10).join(", ")}${ids.length > 10 ? " and more" : ""}, and none has a marker.`,
    todo: `Activate one: cox switch ${ids[0] ?? "<session>"}; or name it: ${ids[0] ?? "<session>"}/impl-1, --session ${ids[0] ?? "<session>"}.`,
  };
}
