/** What a task has changed, for its reviewer: in its worktree, or among its paths in the repository itself. */
import type { Change } from "../agent/review-prompt.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { pathsOf, type Task } from "../model/task.ts";
import { changedFiles, diffArguments, treeIn, type Span } from "../worktree/difference.ts";
import { commitOf, disarm, git, groundOf, type Ground } from "../worktree/git.ts";
import type { Workspace } from "./workspace.ts";

export async function changeOf(workspace: Workspace, task: Task, response: ResponseFile | undefined): Promise<Change> {
  const { commonDir, gitDir, repository } = workspace;
  const shared = groundOf(commonDir);
  const { work } = response ?? {};
  if (work) {
    if (!work.commit) return { none: "Nothing: the code is as it was. Judge what was reported." };
    return difference(shared, { base: work.base, tip: work.commit }, { paths: [], where: "worktree" });
  }
  const { settings, cannot } = await disarm(shared);
  if (cannot !== undefined) return { none: "The repository's configuration would have git run a program." };
  const ground = { gitDir, workTree: repository, disarmed: settings };
  const { tree } = await treeIn(ground);
  const base =
    (await commitOf(ground, "HEAD")) ?? (await git(ground, ["hash-object", "-t", "tree", "--stdin", "-w"], ""));
  return difference(ground, { base, tip: tree }, { paths: pathsOf(task), where: "working tree" });
}

async function difference(
  ground: Ground,
  span: Span,
  { paths, where }: { paths: string[]; where: "worktree" | "working tree" },
): Promise<Change> {
  const isMeant = (path: string) =>
    paths.length === 0 || paths.some((each) => each === "." || path === each || path.startsWith(`${each}/`));
  const files = (await changedFiles(ground, span)).map(({ path }) => path).filter(isMeant);
  if (files.length === 0) return { none: "Nothing: the code is as it was. Judge what was reported." };
  const diff = await git(ground, [...diffArguments(span), ...paths]);
  return { diff, files, where };
}
