/** Away with a worktree, and never with work. */
import { existsSync, rmSync } from "node:fs";
import { commitOf, moveRefs, tryGit, type Ground } from "./git.ts";
import { exclusively, headOf, isMerged, sessionBranch, taskBranch, type Place } from "./place.ts";
import { rescue } from "./rescue.ts";

export type Left = { removed: true; kept?: string } | { stays: string };

/**
 * Removes a worktree that nothing runs in. What is in it and on no branch is kept under `refs/cox/rescue/` first; where
 * that cannot be, it stays.
 */
export async function removePlace(place: Place, of: { why: string; at: Date }): Promise<Left> {
  const rescued = await rescue(place, of);
  if ("cannot" in rescued) return { stays: rescued.cannot };
  const { ground, shared } = place;
  const outcome = await exclusively(() =>
    tryGit(shared, ["worktree", "remove", "--force", "--force", ground.workTree]),
  );
  if (existsSync(ground.workTree)) rmSync(ground.workTree, { recursive: true, force: true });
  if (existsSync(ground.gitDir)) {
    if (outcome.code !== 0 && existsSync(ground.workTree)) return { stays: outcome.stderr };
    rmSync(ground.gitDir, { recursive: true, force: true });
  }
  return "kept" in rescued ? { removed: true, kept: rescued.kept } : { removed: true };
}

/** A branch that has nothing of its own goes: all of it is in the session's branch, and was there from the beginning. */
export async function dropEmptyBranch(shared: Ground, place: Place, base: string): Promise<void> {
  const ref = headOf(taskBranch(place.session, place.task));
  const tip = await commitOf(shared, ref);
  const session = await commitOf(shared, headOf(sessionBranch(place.session)));
  if (!tip || tip !== base || !session || !(await isMerged(shared, tip, session))) return;
  await moveRefs(shared, [{ ref, from: tip, to: null }]);
}
