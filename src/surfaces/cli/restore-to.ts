/** `cox restore --to`: what was recorded as plain files in a folder outside, to be looked at. Nothing is started or paused. */
import { lstatSync, mkdirSync, readdirSync, realpathSync } from "node:fs";
import { rmdir } from "node:fs/promises";
import { dirname, join, sep } from "node:path";
import type { Repository } from "../../ledger/git.ts";
import { restoreFiles } from "../../ledger/restore.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import { done, refused, type Outcome, type Trouble } from "./command.ts";

export async function restoreTo(of: {
  repository: Repository;
  ref: string;
  commit: string;
  folder: string;
  only: (path: string) => boolean;
  force: boolean;
}): Promise<Outcome> {
  const { repository, folder, force } = of;
  const obstacle = inTheWay(repository, folder, force);
  if (obstacle) return refused(obstacle);
  const unmade = makeFolder(folder);
  if (unmade) return refused(unmade);
  const restored = await restoreFiles({ ...of, repository: repository.root, targetDir: folder });
  if (!restored) throw new Error(`the ledger has no commit ${of.commit}`);
  await rmdir(join(folder, RUN)).catch(() => {}); // where files are made; a person's own stays
  const { commit, written, unchanged, skipped } = restored;
  const json = { commit, folder, written, unchanged, skipped };
  const text = `Wrote ${written} file${written === 1 ? "" : "s"} as recorded in ${commit.slice(0, 12)} to ${folder}.`;
  if (skipped.length === 0) return done(text, json);
  const trouble: Trouble = {
    exit: 1,
    what: `Not written: ${skipped.map(({ path, why }) => `${path} (${why})`).join(", ")}.`,
    todo: skipped.some(({ damaged }) => damaged)
      ? "See git fsck; fetch the ledger from where it was pushed, then again."
      : "Choose another folder.",
  };
  return { exit: 1, json, text, trouble };
}

/** One by one: where a folder cannot hold another, Node makes folders for ever. */
function makeFolder(folder: string): Trouble | undefined {
  const missing: string[] = [];
  for (let at = folder; !lstatSync(at, { throwIfNoEntry: false }); at = dirname(at)) missing.unshift(at);
  try {
    for (const each of missing) mkdirSync(each);
    return undefined;
  } catch (error) {
    const todo = "Give --to a folder that can be made.";
    return { exit: 4, what: `${folder} cannot be made.`, why: (error as Error).message, todo };
  }
}

function inTheWay(repository: Repository, folder: string, force: boolean): Trouble | undefined {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory())
    return { exit: 4, what: `${folder} is not a folder.`, todo: "Give --to a folder that is empty or not there." };
  const workspace = join(repository.root, WORKSPACE);
  const real = stat ? realpathSync(folder) : folder;
  if (`${real}${sep}`.startsWith(`${workspace}${sep}`))
    return { exit: 2, what: `${folder} is in the workspace.`, todo: "Without --to it is restored there." };
  if (stat && readdirSync(folder).length > 0 && !force)
    return { exit: 4, what: `${folder} is not empty.`, todo: "Give --to another folder, or --force to write into it." };
  return undefined;
}
