/**
 * What an agent left in its worktree becomes commits on the task's branch: its own are kept, the rest is one more. Made
 * with an index of its own, so that no lock that was left behind is in the way. SPEC section 8.
 */
import { lstatSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Work } from "../model/attempt.ts";
import { commitOf, git, gitList, GitFailed, moveRefs, tryGit, type Ground } from "./git.ts";
import { headOf, isMerged, taskBranch, type Place } from "./place.ts";
import { takeIndex } from "./index-copy.ts";
import { keepCommit } from "./rescue.ts";

export interface Limits {
  /** Larger files are left out, in bytes. */
  maxBytes: number;
  /** Why a file is not to be committed by where it is, what it is called or holds; undefined: it may be. */
  refusal(path: string, read: () => Buffer): Promise<string | undefined>;
}

export type Committed =
  | {
      ok: {
        /** The tip of the task's branch. */
        tip: string;
        /** The commit that was made of what was not committed; null where the agent had committed it all. */
        made: string | null;
        withheld: NonNullable<Work["withheld"]>;
      };
    }
  /** A merge that began here is not resolved in these files. */
  | { unresolved: string[] }
  | { broken: string };

/** `message`: the whole commit message, trailers included. */
export async function commitWork(
  place: Place,
  of: { message: string; limits: Limits; base: string },
): Promise<Committed> {
  const { shared } = place;
  const head = await commitOf(place.ground, "HEAD");
  if (!head) return { broken: "HEAD of its worktree names no commit." };
  const index = join(place.ground.gitDir, "cox-index");
  const own = { ...place.ground, index };
  try {
    await takeIndex(place, index, head);
    const merging = mergeHead(place.ground.gitDir);
    const unresolved = await stillUnresolved(place, own);
    if (unresolved.length > 0) return { unresolved };
    const withheld = [...(await addAll(place, own, of.limits)), ...(await committedAlready(place, head, of))];
    const tree = await git(own, ["write-tree"]);
    const before = await git(shared, ["rev-parse", `${head}^{tree}`]);
    let tip = head;
    let made: string | null = null;
    if (tree !== before || merging) {
      const parents = [head, ...(merging ? [merging] : [])].flatMap((parent) => ["-p", parent]);
      made = await git(shared, ["commit-tree", tree, ...parents, "-F", "-"], of.message);
      tip = made;
    }
    await settleBranch(place, tip);
    renameSync(index, join(place.ground.gitDir, "index"));
    for (const name of ["index.lock", ...(merging ? ["MERGE_HEAD", "MERGE_MSG", "MERGE_MODE"] : [])])
      rmSync(join(place.ground.gitDir, name), { force: true });
    return { ok: { tip, made, withheld } };
  } finally {
    rmSync(index, { force: true });
    rmSync(`${index}.lock`, { force: true });
  }
}

function mergeHead(gitDir: string): string | undefined {
  try {
    const text = readFileSync(join(gitDir, "MERGE_HEAD"), "utf8").trim();
    return /^[0-9a-f]{40,64}$/.test(text) ? text : undefined;
  } catch {
    return undefined;
  }
}

/** Files of a merge in which a conflict's marks still stand; one that somebody mended without `git add` is resolved. */
async function stillUnresolved({ ground }: Place, own: Ground): Promise<string[]> {
  const entries = await gitList(own, ["ls-files", "--unmerged", "-z"]);
  const paths = new Set(entries.map((entry) => entry.slice(entry.indexOf("\t") + 1)));
  return [...paths].filter((path) => {
    const full = join(ground.workTree, path);
    const stat = lstatSync(full, { throwIfNoEntry: false });
    if (!stat?.isFile()) return false;
    const text = readFileSync(full, "latin1");
    return /^<{7} /m.test(text) && /^>{7} /m.test(text);
  });
}

/** Everything that git does not ignore into the index, except what may not be committed. */
async function addAll(place: Place, own: Ground, limits: Limits): Promise<NonNullable<Work["withheld"]>> {
  const { workTree } = place.ground;
  const status = await gitList(own, ["status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames"]);
  const withheld: NonNullable<Work["withheld"]> = [];
  const wanted: string[] = [];
  for (const entry of status) {
    const path = entry.slice(3);
    const why = await refused(join(workTree, path), path, limits);
    if (why === undefined) wanted.push(path);
    else withheld.push({ path, why });
  }
  if (wanted.length > 0) {
    const input = `${wanted.join("\0")}\0`;
    const args = ["add", "--all", "--verbose", "--ignore-errors"];
    const added = await tryGit(own, [...args, "--pathspec-from-file=-", "--pathspec-file-nul"], input);
    if (added.code !== 0) withheld.push(...(await unreadable(own, wanted, added.stderr)));
  }
  // What is in the index of an agent's own making (`git add -f`) is looked at as well.
  const staged = await gitList(own, ["diff-index", "--cached", "--name-only", "--no-renames", "-z", "HEAD"]);
  const known = new Set(status.map((entry) => entry.slice(3)));
  for (const path of staged.filter((each) => !known.has(each))) {
    const why = await refused(join(workTree, path), path, limits);
    if (why !== undefined) withheld.push({ path, why });
  }
  if (withheld.length > 0) await leaveAsAtHead(own, withheld);
  return withheld;
}

/** What an agent has committed itself, and should not have: taking it out would rewrite its history. */
async function committedAlready(
  { ground }: Place,
  head: string,
  { base, limits }: { base: string; limits: Limits },
): Promise<NonNullable<Work["withheld"]>> {
  if (head === base) return [];
  const paths = await gitList(ground, [
    "diff-tree",
    "-r",
    "-z",
    "--name-only",
    "--no-renames",
    "--diff-filter=d",
    base,
    head,
  ]);
  const found: NonNullable<Work["withheld"]> = [];
  for (const path of paths) {
    const why = await refused(join(ground.workTree, path), path, limits);
    if (why !== undefined) found.push({ path, why: `${why}; the agent has committed it` });
  }
  return found;
}

async function refused(full: string, path: string, limits: Limits): Promise<string | undefined> {
  const stat = lstatSync(full, { throwIfNoEntry: false });
  if (stat?.isDirectory()) {
    // git lists a folder only where it is a repository: its content would be lost behind a link.
    return "it is a repository of its own";
  }
  if (stat && !stat.isFile() && !stat.isSymbolicLink()) return "it is neither a file nor a symbolic link";
  if (stat?.isFile() && stat.size > limits.maxBytes)
    return `it has ${Math.round(stat.size / 1e6)} MB, more than ${Math.round(limits.maxBytes / 1e6)} MB`;
  return limits.refusal(path, () => (stat?.isFile() ? readFileSync(full) : Buffer.alloc(0)));
}

/** What git could not add, one by one. */
async function unreadable(
  own: Ground,
  wanted: readonly string[],
  said: string,
): Promise<{ path: string; why: string }[]> {
  const left: { path: string; why: string }[] = [];
  for (const path of wanted) {
    const one = await tryGit(own, ["add", "--all", "--verbose", "--", path]);
    if (one.code !== 0) left.push({ path, why: one.stderr.split("\n")[0] ?? "git cannot read it" });
  }
  if (left.length === 0 && said === "") return [];
  return left;
}

async function leaveAsAtHead(own: Ground, withheld: readonly { path: string }[]): Promise<void> {
  const input = `${withheld.map(({ path }) => path.replace(/\/$/, "")).join("\0")}\0`;
  const args = ["reset", "-q", "--pathspec-from-file=-", "--pathspec-file-nul", "HEAD"];
  const outcome = await tryGit(own, args, input);
  if (outcome.code !== 0) throw new GitFailed(args, outcome);
}

/** The task's branch names the tip, and the worktree is on it; a tip that was there before and is in neither is kept. */
async function settleBranch({ ground, shared, session, task }: Place, tip: string): Promise<void> {
  const ref = headOf(taskBranch(session, task));
  const before = await commitOf(shared, ref);
  if (before && !(await isMerged(shared, before, tip)))
    await keepCommit(shared, { session, task, commit: before, why: "the branch before the agent moved away from it" });
  if (before !== tip) {
    const moved = await moveRefs(shared, [{ ref, from: before, to: tip }]);
    if ("refused" in moved)
      throw new Error(`The branch ${taskBranch(session, task)} cannot be moved: ${moved.refused}`);
  }
  const head = readFileSync(join(ground.gitDir, "HEAD"), "utf8").trim();
  if (head !== `ref: ${ref}`) await git(ground, ["symbolic-ref", "-m", "cox: on the task's branch", "HEAD", ref]);
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
  const [ids, raw, numbers] = await Promise.all([
    git(shared, ["rev-list", "--reverse", "--no-merges", "--max-count=1000", range]),
    gitList(shared, ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", base, tip]),
    gitList(shared, ["diff-tree", "-r", "-z", "--numstat", "--no-renames", "--no-textconv", base, tip]),
  ]);
  const commits = ids.split("\n").filter(Boolean);
  const patches = await patchIds(shared, commits);
  const lines = new Map(
    numbers.map((entry) => {
      const [added = "-", deleted = "-", path = ""] = entry.split("\t");
      return [path, { added: count(added), deleted: count(deleted) }] as const;
    }),
  );
  const files: Work["files"] = [];
  for (let place = 0; place + 1 < raw.length && files.length < MOST_FILES; place += 2) {
    const [, , , blob = "", kind = ""] = (raw[place] ?? "").split(" ");
    const path = raw[place + 1] ?? "";
    files.push({ path, blob: kind === "D" ? null : blob, ...(lines.get(path) ?? { added: null, deleted: null }) });
  }
  const merging = commits.length === 0 ? null : merged;
  return {
    branch,
    base,
    commit: tip,
    merged: merging ?? merged,
    commits: commits.map((id) => ({ id, patch: patches.get(id) ?? null })),
    files,
  };
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
