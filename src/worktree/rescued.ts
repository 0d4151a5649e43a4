/** Work that was kept under `refs/cox/rescue/`: what there is, and how it comes back. SPEC section 8. */
import { lstatSync, readdirSync } from "node:fs";
import { instant, type Instant } from "../model/time.ts";
import { commitOf, git, moveRefs, tryGit, type Ground } from "./git.ts";
import { adminOf } from "./place.ts";

const RESCUE = "refs/cox/rescue/";

export interface Kept {
  /** Full name. */
  ref: string;
  /** `WFS-x/impl-1/<time>`. */
  name: string;
  session: string;
  task: string;
  at: Instant;
  /** Its tree is what lay in the worktree. */
  commit: string;
  /** What was checked out there. */
  head: string | null;
  /** A commit of what was staged, where that was something else. */
  index: string | null;
  /** Why it was kept. */
  said: string;
}

/** The latest first. */
export async function keptIn(ground: Ground): Promise<Kept[]> {
  const format = "--format=%(refname)%00%(objectname)%00%(parent)%00%(committerdate:unix)%00%(contents:subject)%00";
  const fields = (
    await git(ground, ["for-each-ref", "--sort=-committerdate", "--sort=-refname", format, RESCUE])
  ).split("\0");
  const found: Kept[] = [];
  for (let place = 0; place + 5 <= fields.length; place += 5) {
    const [ref = "", commit = "", parents = "", seconds = "", subject = ""] = fields.slice(place, place + 5);
    const name = ref.trim().slice(RESCUE.length);
    const [session = "", task = ""] = name.split("/");
    const [head = null, index = null] = parents.split(" ").filter(Boolean);
    // Coxswain's own subjects begin with whose it is.
    const said = subject.replace(`${session} ${task}: `, "");
    found.push({
      ref: ref.trim(),
      name,
      session,
      task,
      at: instant(Number(seconds) * 1000),
      commit,
      head,
      index,
      said,
    });
  }
  return found.sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : a.ref < b.ref ? 1 : -1));
}

/** A branch at what was kept, its first parent what was checked out; one that is there already must be the same. */
export async function asBranch(ground: Ground, kept: Kept, branch: string): Promise<{ ok: true } | { taken: string }> {
  const ref = `refs/heads/${branch}`;
  const moved = await moveRefs(ground, [{ ref, from: null, to: kept.commit }]);
  if ("ok" in moved) return { ok: true };
  const there = await commitOf(ground, ref);
  return there === kept.commit ? { ok: true } : { taken: there ?? moved.refused };
}

/** A new worktree, on no branch: commit, index and files are as they were. Nothing is written where something is. */
export async function asWorktree(
  ground: Ground,
  commonDir: string,
  kept: Kept,
  folder: string,
): Promise<{ ok: true } | { refused: string }> {
  const stat = lstatSync(folder, { throwIfNoEntry: false });
  if (stat && !stat.isDirectory()) return { refused: "It is not a folder." };
  if (stat && readdirSync(folder).length > 0) return { refused: "It is not empty." };
  const shared: Ground = { gitDir: commonDir, ...(ground.disarmed ? { disarmed: ground.disarmed } : {}) };
  const head = kept.head ?? kept.commit;
  const made = await tryGit(shared, ["worktree", "add", "--detach", "--no-checkout", folder, head]);
  if (made.code !== 0) return { refused: made.stderr.replace(/^fatal: /, "") };
  const gitDir = adminOf(commonDir, folder);
  if (gitDir === undefined) throw new Error(`git made a worktree at ${folder} and does not know it`);
  const own = { ...shared, gitDir, workTree: folder };
  await git(own, ["read-tree", "--reset", "-u", "-v", kept.commit]);
  // What was not staged is not; what was not tracked is not.
  await git(own, ["read-tree", "--reset", "-v", kept.index ?? head]);
  await tryGit(own, ["update-index", "--refresh"]);
  return { ok: true };
}

export async function dropKept(ground: Ground, kept: Kept): Promise<{ ok: true } | { refused: string }> {
  return moveRefs(ground, [{ ref: kept.ref, from: kept.commit, to: null }]);
}
