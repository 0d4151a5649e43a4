/** `cox show <task> --diff`: what it changed, under all that is known of it. */
import { changedFiles, diffArguments } from "../../worktree/difference.ts";
import { git } from "../../worktree/git.ts";
import { findCode } from "./code-place.ts";
import type { Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { ofTask } from "./diff.ts";
import type { NamedTask } from "./naming.ts";
import { painted } from "./patch.ts";

export async function changesOf(
  named: NamedTask,
  context: Context & { workspace: Workspace },
): Promise<{ ok: { text: string; json: unknown } } | { trouble: Trouble }> {
  const place = await findCode(context);
  if ("trouble" in place) return place;
  const found = await ofTask(named, place.ok, context.workspace);
  if ("trouble" in found) return found;
  const { span, commit, uncommitted, left } = found.ok;
  const files = await changedFiles(place.ok.ground, span);
  const patch = context.json ? "" : await git(place.ok.ground, diffArguments(span, ["--stat", "--patch"]));
  const text = files.length === 0 ? "none" : painted(patch, context.paint);
  return { ok: { text, json: { base: span.base, commit, uncommitted, files, left } } };
}
