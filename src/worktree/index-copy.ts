/** An index of our own beside the worktree's: what was left locked, or was damaged, is in nobody's way. */
import { copyFileSync, existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { git, tryGit } from "./git.ts";
import type { Place } from "./place.ts";

/** A copy of the worktree's index, which knows which files are as they were; made anew where that is broken. */
export async function takeIndex({ ground }: Place, index: string, head: string): Promise<void> {
  rmSync(`${index}.lock`, { force: true });
  const its = join(ground.gitDir, "index");
  if (existsSync(its)) {
    copyFileSync(its, index);
    if ((await tryGit({ ...ground, index }, ["ls-files", "--stage", "-z", "--", "."])).code === 0) return;
  }
  rmSync(index, { force: true });
  await git({ ...ground, index }, ["read-tree", "-v", head]);
}
