/** No unmerged work is ever deleted: what a worktree holds is kept under `refs/cox/rescue/` first. SPEC section 8. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import type { SessionId, TaskId } from "../model/ids.ts";
import { commitOf, git, gitList, moveRefs, tryGit, type Ground } from "./git.ts";
import { remakeIndex, takeIndex } from "./index-copy.ts";
import { headOf, isMerged, sessionBranch, taskBranch, type Place } from "./place.ts";

const RESCUE = "refs/cox/rescue/";

/** What became of it: nothing was there that is not elsewhere, it is kept under a ref, or it cannot be kept. */
export type Rescued = { safe: true } | { kept: string } | { cannot: string };

/**
 * Keeps all that the worktree holds and no branch does: its commits, its index, its files, tracked or not (files that
 * git ignores are not kept). The worktree stays as it is.
 */
export async function rescue(place: Place, of: { why: string; at: Date }): Promise<Rescued> {
  const { shared, session, task, ground } = place;
  const head = (await commitOf(ground, "HEAD")) ?? (await commitOf(shared, headOf(taskBranch(session, task))));
  if (!head) return { cannot: "its worktree has no commit" };
  const index = join(ground.gitDir, "cox-rescue-index");
  const own = { ...ground, index };
  try {
    takeIndex(place, index);
    const status = await tryGit(own, ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]);
    if (status.code !== 0) await remakeIndex(place, index, head);
    else if (status.stdout === "" && (await isOnBranch(place, head))) return { safe: true };
    const staged = await tryGit(own, ["write-tree"]); // fails where a merge is not resolved
    const { code, stderr } = await tryGit(own, ["add", "--all", "--verbose", "--", "."]);
    if (code !== 0) return { cannot: `git cannot read all of it: ${stderr.split("\n")[0]}` };
    const inner = (await gitList(own, ["ls-files", "--stage", "-z"])).filter((line) => line.startsWith("160000 "));
    const known = new Set(
      (await gitList(shared, ["ls-tree", "-r", "-z", head])).filter((line) => line.startsWith("160000 ")).map(pathIn),
    );
    const repository = inner.map(pathIn).find((path) => !known.has(path));
    if (repository !== undefined) return { cannot: `${repository} in it is a repository of its own` };
    const tree = await git(own, ["write-tree"]);
    const headTree = await git(shared, ["rev-parse", `${head}^{tree}`]);
    const indexTree = staged.code === 0 ? staged.stdout.trim() : tree;
    if (tree === headTree && indexTree === tree && (await isOnBranch(place, head))) return { safe: true };
    const trailers = `Cox-Session: ${session}\nCox-Task: ${task}`;
    const parents = ["-p", head];
    if (indexTree !== tree && indexTree !== headTree) {
      const kept = await git(shared, ["commit-tree", indexTree, "-p", head, "-F", "-"], `index of ${task}\n`);
      parents.push("-p", kept);
    }
    const message = `${session} ${task}: ${of.why}\n\n${trailers}\n`;
    const commit = await git(shared, ["commit-tree", tree, ...parents, "-F", "-"], message);
    return { kept: await keepUnder(shared, { session, task, commit, at: of.at }) };
  } finally {
    rmSync(index, { force: true });
    rmSync(`${index}.lock`, { force: true });
  }
}

/** A commit that would be on no branch any more. */
export async function keepCommit(
  shared: Ground,
  of: { session: SessionId; task: TaskId; commit: string; why: string },
): Promise<string> {
  const tree = await git(shared, ["rev-parse", `${of.commit}^{tree}`]);
  const message = `${of.session} ${of.task}: ${of.why}\n\nCox-Session: ${of.session}\nCox-Task: ${of.task}\n`;
  const commit = await git(shared, ["commit-tree", tree, "-p", of.commit, "-F", "-"], message);
  return keepUnder(shared, { ...of, commit, at: new Date() });
}

async function keepUnder(
  shared: Ground,
  of: { session: SessionId; task: TaskId; commit: string; at: Date },
): Promise<string> {
  const time = of.at.toISOString().replace(/[-:]|\.\d+/g, "");
  for (let number = 1; ; number++) {
    const ref = `${RESCUE}${of.session}/${of.task}/${time}${number === 1 ? "" : `-${number}`}`;
    const moved = await moveRefs(shared, [{ ref, from: null, to: of.commit }]);
    if ("ok" in moved) return ref;
    if (!(await commitOf(shared, ref))) throw new Error(`${ref} cannot be made: ${moved.refused}`);
  }
}

/** Whether a commit is on the task's or the session's branch, which stay. */
async function isOnBranch({ shared, session, task }: Place, commit: string): Promise<boolean> {
  for (const branch of [taskBranch(session, task), sessionBranch(session)]) {
    const tip = await commitOf(shared, headOf(branch));
    if (tip && (await isMerged(shared, commit, tip))) return true;
  }
  return false;
}

function pathIn(line: string): string {
  return line.slice(line.indexOf("\t") + 1);
}
