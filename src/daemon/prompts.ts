/** Gathers what a prompt is made of: the role, the task, the results of its dependencies. */
import { join } from "node:path";
import { composePrompt, type PromptParts } from "../agent/prompt.ts";
import type { ResponseFile } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { attemptName, compareTaskIds, type RunId, type SessionId, type TaskId } from "../model/ids.ts";
import { defaultResponse } from "../machine/people.ts";
import { isolationOf } from "../machine/overlap.ts";
import type { Role } from "../model/role.ts";
import { newSession } from "../model/session.ts";
import type { LastAttempt, Task } from "../model/task.ts";
import { instant } from "../model/time.ts";
import type { Change } from "../model/transition.ts";
import { readPromptFile } from "../store/escaping.ts";
import { at, WORKSPACE } from "../store/paths.ts";
import { fillPrompt } from "../workflow/fill.ts";
import { askedFor } from "./planning.ts";
import { readResponse, valuesFor, type Newest } from "./step-values.ts";
import type { Workspace } from "./workspace.ts";

/** What is decided in the same moment and neither in the state nor on disk yet. */
export interface Upcoming {
  changes: readonly Change[];
  /** Responses of attempts that ended, by run; those that people wrote, as `<session>/<attempt>`. */
  responses: ReadonlyMap<RunId, ResponseFile>;
  answers: ReadonlyMap<string, ResponseFile>;
  /** Dropped texts. */
  texts: readonly { path: string; content: Buffer }[];
}

/**
 * `task` is as its file stands with the new attempt begun. Where its prompt file cannot be had, the prompt says only
 * that, and {@link refusedPrompt} knows it: nobody is asked half of it.
 */
export async function promptFor(
  workspace: Workspace,
  what: { session: SessionId; task: Task; attempt: number },
  upcoming: Upcoming,
): Promise<string> {
  const { session, attempt } = what;
  const last = lastAttemptBefore(workspace, what, upcoming);
  const task = last ? { ...what.task, execution: { ...what.task.execution, last_attempt: last } } : what.task;
  const role = workspace.roles.get(task.agent);
  const file = workspace.state.sessions.get(session)?.file ?? newSession(session, instant(0));
  const words =
    last?.run_id && last.outcome === "failure" ? await wordsOf(workspace, session, task.id, last, upcoming) : undefined;
  const newest = newestOf(workspace, session, upcoming);
  const base = baseFor(workspace, task, role);
  const asked = askedFor(workspace, { session, task, base });
  const parts: PromptParts = {
    ...(asked ? { asked } : {}),
    ...(words === undefined ? {} : { lastWords: words }),
    continues: what.task.execution.last_attempt?.continued !== undefined,
    task,
    attempt,
    session: file,
    role: role ?? { name: task.agent, description: "", runner: "human", prompt: "", origin: "" },
    results: await resultsFor(task, base, { session, newest }),
  };
  const name = task.execution.prompt_file;
  if (!name) return composePrompt(parts);
  const dropped = upcoming.texts.find(({ path }) => path === `${session}/${name}`);
  const { repository, folder } = workspace;
  const read = dropped ?? readPromptFile(name, { repository, workspace: folder, session });
  if (typeof read !== "string") {
    const text = read.content.toString("utf8");
    if (!task.execution.workflow) return composePrompt({ ...parts, text });
    const values = await valuesFor(workspace, { session, task, text, kind: "prompt", base }, newest);
    const filled = fillPrompt(text, values);
    if ("missing" in filled) return `${NOT_ASKED}In the text of ${task.id} ${filled.missing}.\n`;
    const { quoted } = filled.ok;
    const told = new Set(quoted.flatMap(({ name, from }) => (name.includes(".") ? [] : from.task)));
    const results = parts.results.filter(({ task: id }) => !told.has(id));
    return composePrompt({ ...parts, text: filled.ok.text, values: quoted, results });
  }
  const why =
    read === "outside"
      ? `The prompt file ${JSON.stringify(name)} leaves the repository.`
      : `The prompt file ${JSON.stringify(name)} is neither in the session's folder nor in the repository.`;
  // A person sees what is missing, and can ask.
  return role?.runner === "human" ? composePrompt({ ...parts, text: why }) : `${NOT_ASKED}${why}\n`;
}

async function wordsOf(
  { folder }: Workspace,
  session: SessionId,
  id: TaskId,
  last: LastAttempt,
  { responses }: Upcoming,
): Promise<string | undefined> {
  const fresh = last.run_id ? responses.get(last.run_id) : undefined;
  return (fresh ?? (await readResponse(join(folder, at.response(session, attemptName(id, last.attempt))))))?.result;
}

/** Why there was no prompt to make, from what {@link promptFor} made instead; undefined for a prompt. */
export function refusedPrompt(prompt: string): Failure | undefined {
  if (!prompt.startsWith(NOT_ASKED)) return undefined;
  const hint = "Correct the file that execution.prompt_file names, or what names it, then `cox retry`.";
  return { class: "invalid", message: prompt.slice(NOT_ASKED.length).trim(), hint };
}

/** No prompt begins like this: each begins with its task's id. */
const NOT_ASKED = "# Not asked\n\n";

/** How the attempt before this one went: the task's file no longer tells. */
function lastAttemptBefore(
  { state }: Workspace,
  { session, task, attempt }: { session: SessionId; task: Task; attempt: number },
  { changes }: Upcoming,
): LastAttempt | undefined {
  const known = state.sessions.get(session)?.tasks.get(task.id);
  const decided = changes.flatMap((change) =>
    change.of === "task" && isOf(change, session, task.id) && change.after ? [change.after] : [],
  );
  const versions = [known, ...decided].flatMap((version) => version?.execution.last_attempt ?? []);
  return versions.findLast((last) => last.attempt < attempt && last.ended_at);
}

function isOf(change: { session: SessionId; id: TaskId }, session: SessionId, id: TaskId): boolean {
  return change.session === session && change.id === id;
}

/** From where an agent finds the workspace: in a worktree there is none. */
function baseFor({ folder, policy }: Workspace, task: Task, role: Role | undefined): string {
  return role && isolationOf(task, role, policy) === "worktree" ? folder : WORKSPACE;
}

export function newestOf(
  { folder, state }: Workspace,
  session: SessionId,
  { changes, responses, answers }: Omit<Upcoming, "texts">,
): Newest {
  return {
    taskOf: (id) => {
      const decided = changes.findLast(
        (change) => (change.of === "task" || change.of === "task-edit") && isOf(change, session, id),
      );
      const now = decided?.of === "task" || decided?.of === "task-edit" ? decided.after : undefined;
      return now ?? state.sessions.get(session)?.tasks.get(id);
    },
    responseOf: async (task) => {
      const { id, execution } = task;
      const { last_attempt: last } = execution;
      if (!last) return undefined;
      const name = attemptName(id, last.attempt);
      const fresh = answers.get(`${session}/${name}`) ?? (last.run_id ? responses.get(last.run_id) : undefined);
      return fresh ?? defaultResponse(task) ?? readResponse(join(folder, at.response(session, name)));
    },
  };
}

async function resultsFor(
  task: Task,
  base: string,
  { session, newest }: { session: SessionId; newest: Newest },
): Promise<PromptParts["results"]> {
  const results: PromptParts["results"] = [];
  for (const id of [...task.relations.dependencies].sort(compareTaskIds)) {
    const dependency = newest.taskOf(id);
    const last = dependency?.execution.last_attempt;
    if (!dependency || !last) continue;
    const response = await newest.responseOf(dependency);
    if (!response) continue;
    const { attempt } = last;
    const file = `${base}/${at.response(session, attemptName(id, attempt))}`;
    results.push({ task: id, title: dependency.title, attempt, result: response.result ?? "", file });
  }
  return results;
}
