/** A worktree in which nothing was to be changed: whether it was, and everything as it was before. */
import { commitOf, git, moveRefs, tryGit } from "./git.ts";
import { changedFiles, treeIn } from "./difference.ts";
import { headOf, taskBranch, type Place } from "./place.ts";
import { keepCommit, rescue } from "./rescue.ts";

/** `kept`: where what was changed is kept. `cannot`: it could not be kept, so it lies there still. */
export type PutBack = { paths: string[]; kept?: string } | { cannot: string };

/**
 * The worktree at `tip` with all its files as that commit has them; what git ignores stays. What was otherwise is kept under
 * `refs/cox/rescue/` first.
 */
export async function putBack(place: Place, of: { tip: string; why: string; at: Date }): Promise<PutBack> {
  const { ground, shared, session, task } = place;
  const branch = headOf(taskBranch(session, task));
  const [head, onBranch] = await Promise.all([commitOf(ground, "HEAD"), commitOf(shared, branch)]);
  const status = await tryGit(ground, ["status", "--porcelain", "-z", "--untracked-files=all"]);
  if (head === of.tip && onBranch === of.tip && status.code === 0 && status.stdout === "") return { paths: [] };
  const { tree } = await treeIn(ground);
  const paths = (await changedFiles(shared, { base: of.tip, tip: tree })).map(({ path }) => path);
  const rescued = await rescue(place, of);
  if ("cannot" in rescued) return rescued;
  let kept = "kept" in rescued ? rescued.kept : undefined;
  for (const commit of new Set([head, onBranch]))
    if (commit && commit !== of.tip && !kept) kept = await keepCommit(shared, { session, task, commit, why: of.why });
  await git(ground, ["checkout", "--quiet", "--force", "--detach", of.tip]);
  if (onBranch !== of.tip) await moveRefs(shared, [{ ref: branch, from: onBranch, to: of.tip }]);
  await git(ground, ["checkout", "--quiet", "--force", taskBranch(session, task)]);
  await git(ground, ["clean", "--quiet", "-d", "--force", "--force"]);
  return { paths, ...(kept === undefined ? {} : { kept }) };
}
