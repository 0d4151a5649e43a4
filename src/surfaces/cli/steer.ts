/** What retry, cancel, approve and reject have in common: one task's file is read, changed and saved. */
import type { Task } from "../../model/task.ts";
import { done, refused, type Argument, type Outcome, type Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf, whoActs } from "./daemon-state.ts";
import { exclusively, saveJson, withFields } from "./edit.ts";
import { findTask, type NamedTask } from "./naming.ts";

export const TASK_ARGUMENT: Argument = {
  name: "task",
  text: "impl-1 in the active session, or WFS-topic/impl-1",
  is: "task",
};

export type Steer =
  /** `same` is how a person would have done it by hand. A field of `execution` that is undefined is removed. */
  | { status?: Task["status"]; execution: Record<string, unknown>; said: string; same: string }
  /** It is so already. */
  | { said: string }
  | { trouble: Trouble };

export async function steer(
  written: string | undefined,
  context: Context & { workspace: Workspace },
  decide: (named: NamedTask) => Steer,
): Promise<Outcome> {
  const { workspace, paint } = context;
  const steered = await exclusively(workspace, async () => {
    const found = findTask(workspace, written ?? "");
    if ("trouble" in found) return found;
    const steer = decide(found.ok);
    if ("trouble" in steer) return steer;
    if ("same" in steer) await save(workspace, found.ok, steer);
    return { named: found.ok, steer };
  });
  if ("trouble" in steered) return refused(steered.trouble);
  const { named, steer } = steered;
  const daemon = await daemonOf(workspace);
  const changed = "same" in steer;
  const file = `.workflow/${named.path}`;
  const json = {
    session: named.session,
    task: named.id,
    changed,
    status: changed ? (steer.status ?? named.task.status) : named.task.status,
    file,
    daemon: daemon.up ? "up" : "down",
  };
  if (!changed) return done(steer.said, json);
  return done([steer.said, paint("dim", `The same as: ${steer.same} in ${file}`), whoActs(daemon)].join("\n"), json);
}

async function save(
  workspace: Workspace,
  named: NamedTask,
  change: { status?: string; execution: Record<string, unknown> },
): Promise<void> {
  const value = JSON.parse(named.text) as Record<string, unknown>;
  const execution = withFields((value["execution"] ?? {}) as Record<string, unknown>, change.execution);
  const changed = withFields(value, { ...(change.status ? { status: change.status } : {}), execution });
  await saveJson(workspace, { path: named.path, value: changed, like: named.text });
}
