/**
 * What an agent left in its worktree becomes commits on the task's branch: its own are kept, the rest is one more. Made
 * with an index of its own, so that no lock that was left behind is in the way. SPEC section 8.
 */
import { lstatSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Work } from "../model/attempt.ts";
import { commitOf, git, gitList, GitFailed, moveRefs, tryGit, type Ground } from "./git.ts";
import { headOf, isMerged, sessionBranch, taskBranch, type Place } from "./place.ts";
import { plainText } from "./plain.ts";
import { remakeIndex, takeIndex } from "./index-copy.ts";
import { keepCommit } from "./rescue.ts";

export interface Limits {
  /** Larger files are left out, in bytes. */
  maxBytes: number;
  /** Why a file is not to be committed by where it is, what it is called or holds (null: it is deleted); undefined: it may be. */
  refusal(path: string, read: (() => Buffer) | null): Promise<string | undefined>;
}

export type Committed =
  | {
      ok: {
        /** The tip of the task's branch. */
        tip: string;
        /**
         * What the worktree held beyond the base: `nothing` to commit, with HEAD on the task's branch; `one` commit of ours,
         * right on the base; or anything else.
         */
        held: "nothing" | "one" | "more";
        withheld: NonNullable<Work["withheld"]>;
      };
    }
  /** A merge that began here is not resolved in these files. */
  | { unresolved: string[] };

/** Where a worktree and its session's branch stand before its work is committed. Full object names. */
export interface Standing {
  sessionTip: string;
  head: string;
  /** The tree of `head`. */
  tree: string;
  /** What the work started from: the last commit that both have. */
  base: string;
}

/** Undefined where HEAD names no commit. */
export async function standingOf({ ground, session }: Place): Promise<Standing | undefined> {
  const names = [`${headOf(sessionBranch(session))}^{commit}`, "HEAD^{commit}", "HEAD^{tree}"];
  const { code, stdout } = await tryGit(ground, ["rev-parse", "--end-of-options", ...names]);
  const [sessionTip = "", head = "", tree = ""] = stdout.split("\n").filter((line) => !line.startsWith("--"));
  if (code !== 0) return undefined;
  if (sessionTip === head) return { sessionTip, head, tree, base: head };
  const found = await tryGit(ground, ["merge-base", sessionTip, head]);
  return { sessionTip, head, tree, base: found.stdout.trim() || sessionTip };
}

/**
 * `message`: the whole commit message, trailers included. Where HEAD is still at the base, all that is on the branch is
 * what is committed here.
 */
export async function commitWork(
  place: Place,
  of: { message: string; limits: Limits; standing: Standing },
): Promise<Committed> {
  const { shared, ground } = place;
  const { head, base } = of.standing;
  const index = join(ground.gitDir, "cox-index");
  const own = { ...ground, index };
  try {
    const { status, closed } = await statusIn(place, own, head);
    const merging = mergeHead(ground.gitDir);
    const unresolved = status.filter(({ state, path }) => UNMERGED.has(state) && hasMarks(join(ground.workTree, path)));
    if (unresolved.length > 0) return { unresolved: unresolved.map(({ path }) => path) };
    const withheld = await addAll(own, { workTree: ground.workTree, status, limits: of.limits });
    withheld.push(...closed.map((path) => ({ path, why: NOT_READ })), ...(await committedAlready(place, of)));
    let tip = head;
    if (status.length > 0 || merging) {
      const tree = await git(own, ["write-tree"]);
      const parents = [head, ...(merging ? [merging] : [])].flatMap((parent) => ["-p", parent]);
      if (tree !== of.standing.tree || merging)
        tip = await git(shared, ["commit-tree", tree, ...parents, "-F", "-"], of.message);
      renameSync(index, join(ground.gitDir, "index"));
    }
    const isThere = await settleBranch(place, { tip, head, onTop: head === base });
    for (const name of ["index.lock", ...(merging ? ["MERGE_HEAD", "MERGE_MSG", "MERGE_MODE"] : [])])
      rmSync(join(ground.gitDir, name), { force: true });
    const nothing = isThere && status.length === 0 && !merging;
    const one = tip !== head && head === base && !merging;
    return { ok: { tip, held: nothing ? "nothing" : one ? "one" : "more", withheld } };
  } finally {
    rmSync(index, { force: true });
    rmSync(`${index}.lock`, { force: true });
  }
}

interface Entry {
  /** As `git status --porcelain=v1` has it: two letters. */
  state: string;
  path: string;
}

const NOT_READ = "it may not be read";
const UNMERGED = new Set(["DD", "AU", "UD", "UA", "DU", "AA", "UU"]);

/**
 * What differs from HEAD, in an index of our own; a worktree's index that is broken is made anew. `closed`: folders that
 * may not be read, of which git knows nothing.
 */
async function statusIn(
  place: Place,
  own: Ground & { index: string },
  head: string,
): Promise<{ status: Entry[]; closed: string[] }> {
  takeIndex(place, own.index);
  const args = ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"];
  let found = await tryGit(own, args);
  if (found.code !== 0) {
    await remakeIndex(place, own.index, head);
    found = await tryGit(own, args);
    if (found.code !== 0) throw new GitFailed(args, found);
  }
  const entries = found.stdout.split("\0").filter(Boolean);
  return {
    status: entries.map((entry) => ({ state: entry.slice(0, 2), path: entry.slice(3) })),
    closed: [...found.stderr.matchAll(/^warning: could not open directory '(.+)': /gm)].map(([, path = ""]) => path),
  };
}

function mergeHead(gitDir: string): string | undefined {
  const text = plainText(join(gitDir, "MERGE_HEAD"))?.trim();
  return text !== undefined && /^[0-9a-f]{40,64}$/.test(text) ? text : undefined;
}

/** Whether a conflict's marks still stand there; a file that somebody mended without `git add` is resolved. */
function hasMarks(path: string): boolean {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isFile()) return false;
  const text = readFileSync(path, "latin1");
  return /^<{7} /m.test(text) && /^>{7} /m.test(text);
}

/** Everything that differs into the index, except what may not be committed. */
async function addAll(
  own: Ground,
  { workTree, status, limits }: { workTree: string; status: readonly Entry[]; limits: Limits },
): Promise<NonNullable<Work["withheld"]>> {
  const withheld: NonNullable<Work["withheld"]> = [];
  const wanted: string[] = [];
  for (const { state, path } of status) {
    const why = await refused(join(workTree, path), path, limits);
    if (why !== undefined) withheld.push({ path, why });
    // What `git rm` and `git mv` took out of the index is nowhere any more, for `git add` too.
    else if (state !== "D ") wanted.push(path);
  }
  if (wanted.length > 0) {
    const input = `${wanted.join("\0")}\0`;
    const args = ["add", "--all", "--verbose", "--ignore-errors"];
    const added = await tryGit(own, [...args, "--pathspec-from-file=-", "--pathspec-file-nul"], input);
    if (added.code !== 0) withheld.push(...(await unreadable(own, wanted)));
  }
  // What an agent has put into the index itself (`git add -f`) is among what differs, and is taken out again.
  if (withheld.length > 0) await leaveAsAtHead(own, withheld);
  return withheld;
}

/** What an agent has committed itself, and should not have: taking it out would rewrite its history. */
async function committedAlready(
  { ground }: Place,
  { limits, standing }: { limits: Limits; standing: Standing },
): Promise<NonNullable<Work["withheld"]>> {
  const { head, base } = standing;
  if (head === base) return [];
  const told = await gitList(ground, ["diff-tree", "-r", "-z", "--name-status", "--no-renames", base, head]);
  const found: NonNullable<Work["withheld"]> = [];
  for (let place = 0; place + 1 < told.length; place += 2) {
    const [kind, path = ""] = told.slice(place, place + 2);
    const why = await refused(join(ground.workTree, path), path, limits, kind === "D");
    if (why !== undefined) found.push({ path, why: `${why}; the agent has committed it` });
  }
  return found;
}

async function refused(
  full: string,
  path: string,
  limits: Limits,
  deleted = !lstatSync(full, { throwIfNoEntry: false }),
): Promise<string | undefined> {
  if (deleted) return limits.refusal(path, null);
  const stat = lstatSync(full, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    // git lists a folder only where it is a repository: its content would be lost behind a link.
    return "it is a repository of its own";
  }
  if (stat && !stat.isFile() && !stat.isSymbolicLink()) return "it is neither a file nor a symbolic link";
  if (stat?.isFile() && stat.size > limits.maxBytes)
    return `it has ${Math.round(stat.size / 1e6)} MB, more than ${Math.round(limits.maxBytes / 1e6)} MB`;
  try {
    return await limits.refusal(path, () => (stat?.isFile() ? readFileSync(full) : Buffer.alloc(0)));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EACCES") throw error;
    return NOT_READ;
  }
}

/** What git could not add, one by one. */
async function unreadable(own: Ground, wanted: readonly string[]): Promise<NonNullable<Work["withheld"]>> {
  const left: { path: string; why: string }[] = [];
  for (const path of wanted) {
    const one = await tryGit(own, ["add", "--all", "--verbose", "--", path]);
    if (one.code !== 0) left.push({ path, why: one.stderr.split("\n")[0] ?? "git cannot read it" });
  }
  return left;
}

async function leaveAsAtHead(own: Ground, withheld: readonly { path: string }[]): Promise<void> {
  const input = `${withheld.map(({ path }) => path.replace(/\/$/, "")).join("\0")}\0`;
  const args = ["reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", "HEAD"];
  const outcome = await tryGit(own, args, input);
  if (outcome.code !== 0) throw new GitFailed(args, outcome);
}

/**
 * The task's branch names the tip, and the worktree is on it; a tip that was there before and is in neither is kept.
 * `onTop`: where the worktree is on the branch, all of it is in the tip. Returns whether the worktree was on the branch.
 */
async function settleBranch(
  { ground, shared, session, task }: Place,
  { tip, head, onTop }: { tip: string; head: string; onTop: boolean },
): Promise<boolean> {
  const ref = headOf(taskBranch(session, task));
  const isThere = plainText(join(ground.gitDir, "HEAD"))?.trim() === `ref: ${ref}`;
  if (isThere && tip === head) return true;
  const before = isThere && onTop ? undefined : await commitOf(shared, ref);
  if (before && !(await isMerged(shared, before, tip)))
    await keepCommit(shared, { session, task, commit: before, why: "the branch before the agent moved away from it" });
  if (before !== tip) {
    const moved = await moveRefs(shared, [{ ref, from: before, to: tip }]);
    if ("refused" in moved)
      throw new Error(`The branch ${taskBranch(session, task)} cannot be moved: ${moved.refused}`);
  }
  if (!isThere) await git(ground, ["symbolic-ref", "-m", "cox: on the task's branch", "HEAD", ref]);
  return isThere;
}

/** What the task's branch has that its base has not, for the record. */
export async function workOf(
  { shared, session, task }: Place,
  of: { base: string; tip: string; merged: string | null },
): Promise<Work> {
  const { base, tip, merged } = of;
  const branch = taskBranch(session, task);
  if (tip === base) return { branch, base, commit: null, merged: null, commits: [], files: [] };
  const range = `${base}..${tip}`;
  const diff = ["diff-tree", "-r", "-z", "--raw", "--numstat", "--no-renames", "--no-abbrev", "--no-textconv"];
  const [ids, told] = await Promise.all([
    git(shared, ["rev-list", "--reverse", "--no-merges", "--max-count=1000", range]),
    gitList(shared, [...diff, base, tip]),
  ]);
  const commits = ids.split("\n").filter(Boolean);
  const patches = await patchIds(shared, commits);
  const known = commits.map((id) => ({ id, patch: patches.get(id) ?? null }));
  return { branch, base, commit: tip, merged, commits: known, files: filesIn(told) };
}

/** Of `git diff-tree -z --raw --numstat`: for each file first its blobs, then, at the end, its lines. */
function filesIn(told: readonly string[]): Work["files"] {
  const files = new Map<string, Work["files"][number]>();
  for (let place = 0; place < told.length; place++) {
    const entry = told[place] ?? "";
    if (entry.startsWith(":")) {
      const [, , , blob = "", kind = ""] = entry.split(" ");
      const path = told[++place] ?? "";
      if (files.size < MOST_FILES)
        files.set(path, { path, blob: kind === "D" ? null : blob, added: null, deleted: null });
    } else {
      const [added = "-", deleted = "-", ...path] = entry.split("\t");
      const file = files.get(path.join("\t"));
      if (file) Object.assign(file, { added: count(added), deleted: count(deleted) });
    }
  }
  return [...files.values()];
}

/** A change of more files is known by its commits. */
const MOST_FILES = 5000;
const MOST_PATCH_BYTES = 20 * 1024 * 1024;

/** `git patch-id --stable` of each: what a change is known by after a rebase. */
async function patchIds(shared: Ground, commits: readonly string[]): Promise<Map<string, string>> {
  if (commits.length === 0) return new Map();
  const args = ["diff-tree", "--stdin", "-p", "--no-ext-diff", "--no-textconv", "--full-index"];
  const patch = await tryGit(shared, args, `${commits.join("\n")}\n`);
  if (patch.code !== 0 || patch.stdout.length > MOST_PATCH_BYTES) return new Map();
  const { stdout } = await tryGit(shared, ["patch-id", "--stable"], patch.stdout);
  return new Map(
    stdout
      .split("\n")
      .filter(Boolean)
      .map((line) => {
        const [id = "", commit = ""] = line.split(" ");
        return [commit, id];
      }),
  );
}

function count(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}
