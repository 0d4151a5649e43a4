/** Texts that are prompts: in a session's `prompts/`, or dropped elsewhere and to be moved there. SPEC section 3.3. */
import type { Drop } from "../machine/intake.ts";
import type { SessionId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import type { Workspace } from "./workspace.ts";

/** The task whose prompt `prompts/<name>` is. */
export function taskOfPrompt({ state }: Workspace, session: SessionId, name: string): Task | undefined {
  const wanted = `prompts/${name}`;
  for (const task of state.sessions.get(session)?.tasks.values() ?? []) {
    if (task.execution.prompt_file === wanted) return task;
  }
  return undefined;
}

export function isPromptOf(path: string, session: SessionId): boolean {
  return path.startsWith(`${session}/prompts/`);
}

/** A text's task names the file that holds its prompt: in the session, wherever it was dropped. `path` is that file. */
export function withPromptFile(drop: Drop, session: SessionId): { drop: Drop; path: string } {
  const file = `prompts/${drop.file.slice(drop.file.lastIndexOf("/") + 1)}`;
  return { drop: { ...drop, drop: { ...drop.drop, execution: { prompt_file: file } } }, path: `${session}/${file}` };
}
