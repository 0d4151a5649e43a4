/** Gathers what a prompt is made of: the role, the task, the results of its dependencies. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { composePrompt, type PromptParts } from "../agent/prompt.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, compareTaskIds, type SessionId } from "../model/ids.ts";
import { newSession } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { instant } from "../model/time.ts";
import { at, WORKSPACE } from "../store/paths.ts";
import { readRegular } from "../store/scan.ts";
import type { Workspace } from "./workspace.ts";

interface Text {
  path: string;
  content: Buffer;
}

export async function promptFor(
  workspace: Workspace,
  what: { session: SessionId; task: Task; attempt: number; /** Dropped texts that are not in their place yet. */ texts: readonly Text[] },
): Promise<string> {
  const { session, task, attempt } = what;
  const role = workspace.roles.get(task.agent);
  const file = workspace.state.sessions.get(session)?.file ?? newSession(session, instant(0));
  const parts: PromptParts = {
    task,
    attempt,
    session: file,
    role: role ?? { name: task.agent, description: "", runner: "human", prompt: "", origin: "" },
    results: await resultsFor(workspace, session, task),
  };
  const own = `${session}/${task.execution.prompt_file ?? ""}`;
  const text = what.texts.find(({ path }) => path === own)?.content.toString("utf8") ?? promptText(workspace, session, task);
  return composePrompt(text === undefined ? parts : { ...parts, text });
}

/** The text of the task's prompt file: a plain file in the session's folder or the repository, never outside. */
function promptText(workspace: Workspace, session: SessionId, task: Task): string | undefined {
  const name = task.execution.prompt_file;
  if (!name || name.startsWith("/") || name.split("/").includes("..")) return undefined;
  const places = [join(workspace.folder, session, name), join(workspace.repository, name)];
  for (const place of places) {
    const read = readRegular(place);
    if (read) return read.content.toString("utf8");
  }
  return undefined;
}

async function resultsFor(workspace: Workspace, session: SessionId, task: Task): Promise<PromptParts["results"]> {
  const tasks = workspace.state.sessions.get(session)?.tasks;
  const results: PromptParts["results"] = [];
  for (const id of [...task.relations.dependencies].sort(compareTaskIds)) {
    const dependency = tasks?.get(id);
    const attempt = dependency?.execution.last_attempt?.attempt;
    if (!dependency || attempt === undefined) continue;
    const path = at.response(session, attemptName(id, attempt));
    const response = await readResponse(join(workspace.folder, path));
    if (!response) continue;
    results.push({ task: id, title: dependency.title, attempt, result: response.result ?? "", file: `${WORKSPACE}/${path}` });
  }
  return results;
}

async function readResponse(path: string): Promise<ResponseFile | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as ResponseFile;
  } catch {
    return undefined;
  }
}
