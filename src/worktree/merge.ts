/**
 * The merge queue's work: exactly the tree that passed comes into the session's branch, by compare-and-swap. Nothing is
 * checked out for it, except to look at the result once more. SPEC section 8.
 */
import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { commitOf, git, moveRefs, tryGit, type Ground } from "./git.ts";
import { headOf, isMerged, sessionBranch, type Place } from "./place.ts";
import { plainText } from "./plain.ts";

export type Candidate =
  /** All of it is in the session's branch already. */
  | { done: string }
  /** To be published; `same`: its tree is the task's own, which passed. */
  | { commit: string; onto: string; same: boolean }
  | { conflicts: string[]; onto: string };

/**
 * What the session's branch would be with the task's work. `message`: of the merge commit; `base`: is in the tip; `onto`:
 * where the session's branch is thought to be, absent: to be asked; `plain`: the tip is one commit of ours, on the base.
 */
export async function candidateFor(
  { shared, session }: Place,
  of: { tip: string; message: string; base: string; onto?: string; plain?: boolean },
): Promise<Candidate> {
  const { tip, message } = of;
  const onto = of.onto ?? (await commitOf(shared, headOf(sessionBranch(session))));
  if (!onto) throw new Error(`The branch ${sessionBranch(session)} is gone.`);
  if (of.plain && onto === of.base) return { commit: tip, onto, same: true };
  if (tip === onto) return { done: onto };
  if (onto !== of.base && (await isMerged(shared, tip, onto))) return { done: onto };
  if (onto === of.base || (await isMerged(shared, onto, tip))) {
    // One commit of ours says itself where it comes from; what an agent committed is told by the merge.
    const facts = await git(shared, ["log", "-1", "--format=%P%n%(trailers:key=Cox-Task,valueonly)", tip]);
    const [parents = "", task] = facts.split("\n");
    if (parents.split(" ")[0] === onto && task) return { commit: tip, onto, same: true };
    const tree = await git(shared, ["rev-parse", `${tip}^{tree}`]);
    return { commit: await mergeCommit(shared, { tree, onto, tip, message }), onto, same: true };
  }
  const merged = await tryGit(shared, ["merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", onto, tip]);
  const [tree = "", ...paths] = merged.stdout.split("\0").filter((each) => each !== "");
  if (merged.code === 1) return { conflicts: [...new Set(paths)].sort(), onto };
  if (merged.code !== 0) throw new Error(`git merge-tree failed: ${merged.stderr}`);
  return { commit: await mergeCommit(shared, { tree, onto, tip, message }), onto, same: false };
}

function mergeCommit(
  shared: Ground,
  of: { tree: string; onto: string; tip: string; message: string },
): Promise<string> {
  return git(shared, ["commit-tree", of.tree, "-p", of.onto, "-p", of.tip, "-F", "-"], of.message);
}

/** Whether the session's branch was still where it had been, and is there now. */
export async function publish({ shared, session }: Place, of: { commit: string; onto: string }): Promise<boolean> {
  const moved = await moveRefs(shared, [{ ref: headOf(sessionBranch(session)), from: of.onto, to: of.commit }]);
  return "ok" in moved;
}

/** Where else the branch is checked out: it is not moved under anybody's feet. Read from the files: asked at each merge. */
export function checkedOutAt({ shared, ground }: Place, branch: string): string | undefined {
  const linked = join(shared.gitDir, "worktrees");
  const admins = existsSync(linked) ? readdirSync(linked).map((name) => join(linked, name)) : [];
  for (const admin of [shared.gitDir, ...admins]) {
    if (admin === ground.gitDir || textOf(join(admin, "HEAD")) !== `ref: ${headOf(branch)}`) continue;
    return admin === shared.gitDir ? dirname(shared.gitDir) : dirname(textOf(join(admin, "gitdir")));
  }
  return undefined;
}

const textOf = (path: string) => plainText(path)?.trim() ?? "";

/** Puts a commit that has the task's branch as its ancestor into the worktree, whose files are all committed. */
export async function moveWorktree({ ground }: Place, commit: string): Promise<void> {
  await git(ground, ["merge", "--ff-only", "--no-verify", "--no-autostash", commit]);
}

/** Begins the merge in the worktree and leaves the conflicts there, for an agent or a person to resolve. */
export async function leaveConflict({ ground }: Place, onto: string): Promise<void> {
  await tryGit(ground, ["merge", "--no-ff", "--no-commit", "--no-verify", "--no-autostash", onto]);
}
