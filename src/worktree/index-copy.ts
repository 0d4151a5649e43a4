/** An index of our own beside the worktree's: what was left locked, or was damaged, is in nobody's way. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { git } from "./git.ts";
import type { Place } from "./place.ts";
import { copyPlain } from "./plain.ts";

/** A copy of the worktree's index, which knows which files are as they were. */
export function takeIndex({ ground }: Place, index: string): void {
  rmSync(`${index}.lock`, { force: true });
  rmSync(index, { force: true });
  copyPlain(join(ground.gitDir, "index"), index);
}

/** For one that git cannot read. */
export async function remakeIndex({ ground }: Place, index: string, head: string): Promise<void> {
  rmSync(`${index}.lock`, { force: true });
  rmSync(index, { force: true });
  await git({ ...ground, index }, ["read-tree", "-v", head]);
}
