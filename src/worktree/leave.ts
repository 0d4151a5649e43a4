/** Away with a worktree, and never with work. */
import { existsSync, rmdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname } from "node:path";
import { commitOf, moveRefs } from "./git.ts";
import { exclusively, headOf, isMerged, sessionBranch, taskBranch, type Place } from "./place.ts";
import { rescue } from "./rescue.ts";

export type Left = { removed: true; kept?: string } | { stays: string };

/**
 * Removes a worktree that nothing runs in. What is in it and on no branch is kept under `refs/cox/rescue/` first; where
 * that cannot be, it stays. `pristine`: it is known to hold nothing that the task's branch has not.
 */
export async function removePlace(place: Place, of: { why: string; at: Date; pristine?: boolean }): Promise<Left> {
  const rescued = of.pristine ? { safe: true } : await rescue(place, of);
  if ("cannot" in rescued) return { stays: rescued.cannot };
  const trouble = await exclusively(() => takeAway(place));
  if (trouble !== undefined) return { stays: trouble };
  return "kept" in rescued ? { removed: true, kept: rescued.kept } : { removed: true };
}

/** As `git worktree remove --force` does, which says nothing and takes its time. */
async function takeAway({ ground }: Place): Promise<string | undefined> {
  try {
    await rm(ground.workTree, { recursive: true, force: true, maxRetries: 2 });
  } catch (error) {
    return (error as Error).message;
  }
  await rm(ground.gitDir, { recursive: true, force: true, maxRetries: 2 });
  try {
    const linked = dirname(ground.gitDir);
    if (existsSync(linked)) rmdirSync(linked);
  } catch {
    // Other worktrees are there.
  }
  return undefined;
}

/** The branch of a task that has committed nothing goes: all of it is in the session's. `tip`: where it is known to be. */
export async function dropEmptyBranch({ shared, session, task }: Place, tip?: string): Promise<void> {
  const ref = headOf(taskBranch(session, task));
  const from = tip ?? (await commitOf(shared, ref));
  if (!from) return;
  if (tip === undefined) {
    const into = await commitOf(shared, headOf(sessionBranch(session)));
    if (!into || !(await isMerged(shared, from, into))) return;
  }
  await moveRefs(shared, [{ ref, from, to: null }]);
}
