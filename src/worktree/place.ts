/** A worktree for each task, on a branch of its own. SPEC section 8. */
import { existsSync, lstatSync, readdirSync, renameSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionId, TaskId } from "../model/ids.ts";
import { commitOf, git, groundOf, moveRefs, tryGit, type Ground } from "./git.ts";
import { plainText } from "./plain.ts";

/** Where a task's attempts work. */
export interface Place {
  session: SessionId;
  task: TaskId;
  /** The linked worktree's own git directory and folder. */
  ground: Ground & { workTree: string };
  /** The repository it belongs to. */
  shared: Ground;
}

export interface Shop {
  /** `.git` of the repository, shared by all its worktrees. */
  commonDir: string;
  /** `.workflow/.run/worktrees`. */
  folder: string;
  /** What `disarm` found, as `-c` settings. */
  disarmed: readonly string[];
}

export const sessionBranch = (session: SessionId) => `cox/${session}/session`;
export const taskBranch = (session: SessionId, task: TaskId) => `cox/${session}/${task}`;
export const headOf = (branch: string) => `refs/heads/${branch}`;

/** Where a task's worktree is, or would be. */
export function folderOf(shop: Pick<Shop, "folder">, session: SessionId, task: TaskId): string {
  return join(shop.folder, `${session}.${task}`);
}

/** The task's worktree, if there is one. */
export function findPlace(shop: Shop, session: SessionId, task: TaskId): Place | undefined {
  const workTree = folderOf(shop, session, task);
  const gitDir = adminOf(shop.commonDir, workTree);
  // A link in its place leads to what is none of the task's.
  if (!gitDir || !lstatSync(workTree, { throwIfNoEntry: false })?.isDirectory()) return undefined;
  return placeIn(shop, { session, task, gitDir, workTree });
}

function placeIn(
  { commonDir, disarmed }: Shop,
  of: { session: SessionId; task: TaskId; gitDir: string; workTree: string },
): Place {
  const { session, task, gitDir, workTree } = of;
  return { session, task, ground: { gitDir, workTree, disarmed }, shared: { ...groundOf(commonDir), disarmed } };
}

/** All worktrees of tasks that there are. */
export function allPlaces(shop: Shop): Place[] {
  if (!existsSync(shop.folder)) return [];
  return readdirSync(shop.folder).flatMap((name) => {
    const [, session = "", task = ""] = /^(WFS-[a-z0-9-]+)\.(impl-[\d.]+)$/.exec(name) ?? [];
    return findPlace(shop, session, task) ?? [];
  });
}

/** A branch of the user's has the name that is needed for a folder of branches. */
export class InTheWay extends Error {
  readonly hint: string;
  constructor(branch: string, wanted: string) {
    super(`The branch ${branch} is in the way of ${wanted}: git cannot have both.`);
    this.hint = `Rename it (git branch -m ${branch} <other name>), then cox retry.`;
  }
}

/** The session's branch; made where the session begins if there is none yet. Returns the commit it names. */
export async function ensureSessionBranch(commonDir: string, session: SessionId, start: string): Promise<string> {
  const shared = groundOf(commonDir);
  const ref = headOf(sessionBranch(session));
  for (;;) {
    const found = await commitOf(shared, ref);
    if (found) return found;
    const made = await moveRefs(shared, [{ ref, from: null, to: start }]);
    if (!("refused" in made) || (await commitOf(shared, ref))) continue;
    for (const branch of ["cox", `cox/${session}`])
      if (await commitOf(shared, headOf(branch))) throw new InTheWay(branch, sessionBranch(session));
    throw new Error(`The branch ${sessionBranch(session)} cannot be made: ${made.refused}`);
  }
}

/** Where the branches are, as full object names; null where there is none. */
export interface Tips {
  sessionTip: string;
  tip: string | null;
}

export async function tipsOf(
  commonDir: string,
  session: SessionId,
  task: TaskId,
): Promise<{ sessionTip: string | null; tip: string | null }> {
  const [theirs, own] = [headOf(sessionBranch(session)), headOf(taskBranch(session, task))];
  const told = await git(groundOf(commonDir), ["for-each-ref", "--format=%(objectname) %(refname)", theirs, own]);
  const tips = new Map(told.split("\n").map((line) => [line.slice(line.indexOf(" ") + 1), line.split(" ")[0] ?? null]));
  return { sessionTip: tips.get(theirs) ?? null, tip: tips.get(own) ?? null };
}

/**
 * Makes the worktree on the task's branch: from the tip of the session's branch, or, where an earlier worktree left work
 * on the task's branch that is not merged, from there. `sparse`: the only folders to be checked out.
 */
export async function makePlace(
  shop: Shop,
  of: { session: SessionId; task: TaskId; sparse?: readonly string[]; workers?: number } & Tips,
): Promise<Place> {
  const { session, task, sessionTip, sparse, tip } = of;
  const shared: Ground = { ...groundOf(shop.commonDir), disarmed: shop.disarmed };
  const workTree = folderOf(shop, session, task);
  const branch = taskBranch(session, task);
  if (lstatSync(workTree, { throwIfNoEntry: false })) renameSync(workTree, await freeName(`${workTree}.left`)); // no git stands behind it
  await mkdir(dirname(workTree), { recursive: true });
  const goesOn = tip !== null && !(await isMerged(shared, tip, sessionTip));
  // A worktree whose folder somebody removed is still registered, with the branch checked out: -B would refuse.
  const registered = adminOf(shop.commonDir, workTree) !== undefined;
  const moves = registered && !goesOn && tip !== sessionTip;
  const moved = moves ? await moveRefs(shared, [{ ref: headOf(branch), from: tip, to: sessionTip }]) : null;
  if (moved && "refused" in moved) throw new Error(`The branch ${branch} cannot be moved: ${moved.refused}`);
  const from = goesOn || registered ? [workTree, branch] : ["--no-track", "-B", branch, workTree, sessionTip];
  const force = registered ? ["--force", "--force"] : []; // twice: for one that is locked
  const bare = sparse && sparse.length > 0 ? ["--no-checkout"] : [];
  const workers = of.workers === undefined ? [] : ["-c", `checkout.workers=${of.workers}`];
  await exclusively(() => git(shared, [...workers, "worktree", "add", ...force, ...bare, ...from]));
  const gitDir = adminOf(shop.commonDir, workTree);
  if (!gitDir) throw new Error(`git made a worktree at ${workTree} and does not know it.`);
  const place = placeIn(shop, { session, task, gitDir, workTree });
  if (bare.length > 0 && sparse) await checkOutOnly(place, sparse);
  return place;
}

/** Cone of folders, kept in this worktree alone: `git sparse-checkout` would change the configuration that all share. */
async function checkOutOnly({ ground }: Place, folders: readonly string[]): Promise<void> {
  const lines = ["/*", "!/*/"];
  const parents = new Set<string>();
  for (const folder of folders) {
    const parts = folder.split("/").filter(Boolean);
    for (let depth = 1; depth < parts.length; depth++) parents.add(`/${parts.slice(0, depth).join("/")}/`);
  }
  for (const parent of [...parents].sort()) lines.push(parent, `!${parent}*/`);
  for (const folder of folders) lines.push(`/${folder.replace(/^\/+|\/+$/g, "")}/`);
  await mkdir(join(ground.gitDir, "info"), { recursive: true });
  await writeFile(join(ground.gitDir, "info", "sparse-checkout"), `${lines.join("\n")}\n`);
  const cone = ["-c", "core.sparseCheckout=true", "-c", "core.sparseCheckoutCone=true"];
  await git(ground, [...cone, "read-tree", "-m", "-u", "-v", "HEAD"]);
}

/** Whether all of a commit is in another one. */
export async function isMerged(ground: Ground, commit: string, into: string): Promise<boolean> {
  if (commit === into) return true;
  // Said aloud: for a silent answer simple-git waits a while.
  const { stdout } = await tryGit(ground, ["merge-base", commit, into]);
  return stdout.trim() === commit;
}

/** The git directory of the worktree that is at this path: git keeps there where it belongs. */
export function adminOf(commonDir: string, workTree: string): string | undefined {
  const folder = join(commonDir, "worktrees");
  if (!existsSync(folder)) return undefined;
  const wanted = resolve(workTree, ".git");
  return readdirSync(folder)
    .map((name) => join(folder, name))
    .find((admin) => {
      const text = plainText(join(admin, "gitdir"));
      return text !== undefined && resolve(admin, text.trim()) === wanted;
    });
}

async function freeName(path: string): Promise<string> {
  for (let number = 1; ; number++) if (!existsSync(`${path}-${number}`)) return `${path}-${number}`;
}

let before: Promise<unknown> = Promise.resolve();
const TRIES = 4;

/**
 * One after another, and again when something was in the way: of sixteen `git worktree add` at once some fail
 * ("failed to read …/commondir"), and the user may be adding one too.
 */
export function exclusively<T>(work: () => Promise<T>): Promise<T> {
  const turn = before.then(async () => {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        if (tries === TRIES) throw error;
        await pause(50 * 2 ** tries);
      }
    }
  });
  before = turn.catch(() => {});
  return turn;
}
