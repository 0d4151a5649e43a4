/** What `cox uninstall` would remove, and what keeps it from that. Looks only. */
import { readdirSync, realpathSync, statSync } from "node:fs";
import { join, sep } from "node:path";
import { excludedBy, git, trackedUnder, type Repository } from "../../ledger/git.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import type { LedgerPlace } from "./ledger-place.ts";
import { readTasks } from "./tasks-on-disk.ts";
import { readSessions } from "./sessions-on-disk.ts";

export interface Worktree {
  path: string;
  /** Why it must stay: work that is nowhere else. */
  holds?: string;
}

export interface Installed {
  lines: { file: string; line: string }[];
  /** Another working tree of the repository that has a workspace, and needs the lines. */
  neededBy: string | null;
  refs: { name: string; commit: string }[];
  /** Refs under refs/cox/rescue/ with work that no branch has. */
  rescued: string[];
  /** Absolute; null when there is none. */
  workspace: string | null;
  /** Files in it that the code's branch tracks. */
  tracked: string[];
  /** Tasks whose agent may be at work. */
  running: string[];
  worktrees: Worktree[];
}

export async function findInstalled({ repository, ref }: LedgerPlace): Promise<Installed> {
  const { root, commonDir, bare } = repository;
  const folder = join(root, WORKSPACE);
  const there = !bare && statSync(folder, { throwIfNoEntry: false })?.isDirectory() === true;
  const trees = await workingTrees(repository);
  const { refs, rescued } = await refsOf(repository, ref);
  const elsewhere = trees.find(
    ({ path }) =>
      path !== root && !isInside(folder, path) && statSync(join(path, WORKSPACE), { throwIfNoEntry: false }),
  );
  return {
    lines: await excludedBy(commonDir),
    neededBy: elsewhere?.path ?? null,
    refs,
    rescued,
    workspace: there ? folder : null,
    tracked: there ? await trackedUnder(repository, WORKSPACE) : [],
    running: there ? runningIn(folder) : [],
    worktrees: await Promise.all(
      trees
        .filter(({ path }) => isInside(join(folder, RUN, "worktrees"), path))
        .map((tree) => judged(repository, tree)),
    ),
  };
}

interface WorkingTree {
  path: string;
  head: string;
  branch: string | null;
  locked: boolean;
}

async function workingTrees({ commonDir }: Repository): Promise<WorkingTree[]> {
  const listed = await git(["worktree", "list", "--porcelain", "-z"], { cwd: commonDir, gitDir: commonDir });
  if (listed.code !== 0) throw new Error(`git worktree list failed: ${listed.stderr}`);
  return listed.stdout
    .toString()
    .split("\0\0")
    .filter(Boolean)
    .map((block) => {
      const facts = new Map(block.split("\0").map((line) => [line.split(" ", 1)[0] ?? "", line.replace(/^\S+ ?/, "")]));
      const branch = facts.get("branch") ?? null;
      return { path: facts.get("worktree") ?? "", head: facts.get("HEAD") ?? "", branch, locked: facts.has("locked") };
    });
}

async function judged({ commonDir }: Repository, tree: WorkingTree): Promise<Worktree> {
  const { path, head, branch, locked } = tree;
  if (locked) return { path, holds: "it is locked" };
  if (!statSync(path, { throwIfNoEntry: false })) return { path };
  const status = await git(["status", "--porcelain", "--untracked-files=all"], { cwd: path });
  if (status.code !== 0) return { path, holds: "git status failed in it" };
  if (status.stdout.length > 0) return { path, holds: "it has changes that are not committed" };
  // Its own branch stays, but is nobody's until it is merged.
  const others = await git(["for-each-ref", "--format=%(refname)", "--contains", head, "refs/heads/"], {
    cwd: commonDir,
    gitDir: commonDir,
  });
  const merged = namesIn(others.stdout).some((name) => name !== branch);
  return merged ? { path } : { path, holds: `its commits are merged into no other branch` };
}

const PLACES = ["refs/cox/", "refs/cox-remotes/", "refs/cox-moved/"];

/** Of the main working tree: all that is no other one's. Of a linked one: its own. */
async function refsOf(repository: Repository, ref: string): Promise<Pick<Installed, "refs" | "rescued">> {
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const linked = repository.gitDir !== repository.commonDir;
  const listed = await git(["for-each-ref", "--format=%(objectname) %(refname)", ...PLACES, ref], own);
  if (listed.code !== 0) throw new Error(`git for-each-ref failed: ${listed.stderr}`);
  const rescued: string[] = [];
  const refs: Installed["refs"] = [];
  for (const line of namesIn(listed.stdout)) {
    const [commit = "", name = ""] = line.split(" ");
    // What was fetched of a remote's ledger belongs to its namesake here.
    const namesake = name.replace(/^refs\/cox-(?:remotes\/[^/]+|moved)\//, "refs/cox/");
    const others = linked
      ? !namesake.startsWith(ref.replace(/[^/]+$/, ""))
      : namesake.startsWith("refs/cox/worktrees/");
    if (others) continue;
    if (name.startsWith("refs/cox/rescue/")) {
      const held = await git(["for-each-ref", "--contains", commit, "--format=%(refname)", "refs/heads/"], own);
      if (held.stdout.length === 0) {
        rescued.push(name);
        continue;
      }
    }
    refs.push({ name, commit });
  }
  return { refs, rescued };
}

function namesIn(output: Buffer): string[] {
  return output.toString().split("\n").filter(Boolean);
}

/** A run's folder is kept for a while after its end: only with a task that says it is running does it count. */
function runningIn(folder: string): string[] {
  const runs = new Set<string>();
  try {
    for (const name of readdirSync(join(folder, RUN, "attempts"))) runs.add(name);
  } catch {
    return [];
  }
  return readSessions(folder).sessions.flatMap(({ session_id: session }) =>
    readTasks(folder, session)
      .tasks.filter((task) => task.status === "active" && runs.has(task.task()?.execution.last_attempt?.run_id ?? ""))
      .map(({ id }) => `${session}/${id}`),
  );
}

function isInside(folder: string, path: string): boolean {
  const real = statSync(folder, { throwIfNoEntry: false }) ? realpathSync(folder) : folder;
  return path.startsWith(`${real}${sep}`) || path.startsWith(`${folder}${sep}`);
}
