/** That a reviewer changes nothing: how the code was before, and what becomes of what it changed all the same. */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AttemptEnd } from "../model/attempt.ts";
import { changedFiles, treeIn } from "../worktree/difference.ts";
import { commitOf } from "../worktree/git.ts";
import { findPlace, type Shop } from "../worktree/place.ts";
import { putBack } from "../worktree/put-back.ts";
import type { Live } from "./live.ts";
import { reviewIn } from "./reviewing.ts";
import { named } from "./work-words.ts";
import type { Workspace } from "./workspace.ts";

/** In the review's folder, so that the next daemon knows it too. */
const BEFORE = "before-review.json";

/** The commit in a worktree, or the tree of the files in the repository itself. */
interface Before {
  tip?: string | null;
  tree?: string;
}

type Shops = { shop: () => Promise<Shop> };

export async function watchReview(workspace: Workspace, shops: Shops, { runDir, place }: Live): Promise<void> {
  const before: Before = place
    ? { tip: await commitOf(place.ground, "HEAD") }
    : { tree: (await treeIn(await repositoryOf(workspace, shops))).tree };
  await writeFile(join(runDir, BEFORE), JSON.stringify(before));
}

/** What came of a review whose run has ended. */
export async function reviewed(
  workspace: Workspace,
  shops: Shops,
  live: Live,
  end: AttemptEnd,
): Promise<ReturnType<typeof reviewIn>> {
  const noticed = await unwatch(workspace, shops, live);
  for (const text of noticed) workspace.log.say("warn", text);
  return reviewIn(noticed.length > 0 ? { ...end, noticed } : end);
}

/** What a person should know. What was changed in a worktree is undone; the repository itself is left alone. */
async function unwatch(workspace: Workspace, shops: Shops, live: Live): Promise<string[]> {
  const { run, runDir, place } = live;
  try {
    const { tip, tree } = JSON.parse(await readFile(join(runDir, BEFORE), "utf8")) as Before;
    const found = place && findPlace(await shops.shop(), place.session, place.task);
    if (found && tip) {
      const put = await putBack(found, { tip, why: `changed by ${run.role}, who was to review`, at: new Date() });
      if ("cannot" in put) return [`${run.role} changed files in the worktree, and they stay there: ${put.cannot}.`];
      if (put.paths.length === 0 && !put.kept) return [];
      const kept = put.kept ? ` They are kept as ${put.kept} (cox rescue).` : "";
      return [`${run.role} was to change nothing and changed ${named(put.paths)}: that is undone.${kept}`];
    }
    if (!tree) return [];
    const ground = await repositoryOf(workspace, shops);
    const now = (await treeIn(ground)).tree;
    const paths = (await changedFiles(ground, { base: tree, tip: now })).map(({ path }) => path);
    if (paths.length === 0) return [];
    return [`While ${run.role} reviewed it, these files changed, and are left as they are: ${named(paths)}.`];
  } catch (error) {
    return [`Whether ${run.role} changed files cannot be told: ${(error as Error).message}`];
  }
}

async function repositoryOf({ gitDir, repository }: Workspace, shops: Shops) {
  const { disarmed } = await shops.shop();
  return { gitDir, workTree: repository, ...(disarmed ? { disarmed } : {}) };
}
