/** What landing a session comes to, before anything is done: which commit, which files, what is in the way. */
import { existsSync, lstatSync } from "node:fs";
import { join } from "node:path";
import { commitsIn } from "./commits.ts";
import { commitOf, git, gitList, tryGit, type Ground } from "./git.ts";
import { adminOf } from "./place.ts";
import { plainText } from "./plain.ts";
import { landedBy, LANDED, makersOf, nameOf, trailersOf, type Maker } from "./trailers.ts";

/** Commits that are to be joined: where the target stands, and what is landed. */
export interface Join {
  target: string;
  tip: string;
}

export type Joined =
  /** `tree`: what the target then has. `files`: paths that differ from what it has now. */
  { tree: string; files: string[] } | { conflicts: string[] } | { refused: string };

/** Merges in memory: no working tree, no index and no branch is touched. */
export async function joinOf(ground: Ground, { target, tip }: Join): Promise<Joined> {
  const args = ["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", target, tip];
  const { code, stdout, stderr } = await tryGit(ground, args);
  if (code !== 0 && code !== 1) {
    const old = /usage: git merge-tree|unknown option/.test(stderr);
    return { refused: old ? "This git cannot merge without a working tree: it takes 2.38 or newer." : stderr };
  }
  const [tree = "", ...conflicts] = stdout.split("\0").filter(Boolean);
  if (code === 1) return { conflicts };
  return { tree, files: await filesBetween(ground, target, tree) };
}

async function filesBetween(ground: Ground, one: string, other: string): Promise<string[]> {
  return gitList(ground, ["diff-tree", "-r", "-z", "--name-only", "--no-renames", one, other]);
}

/** What a git command that was begun and not ended has left; null where there is none. */
export function underWay(gitDir: string): string | null {
  for (const [file, name] of UNDER_WAY) if (existsSync(join(gitDir, file))) return name;
  return null;
}

const UNDER_WAY = [
  ["MERGE_HEAD", "merge"],
  ["rebase-merge", "rebase"],
  ["rebase-apply", "rebase"],
  ["CHERRY_PICK_HEAD", "cherry-pick"],
  ["REVERT_HEAD", "revert"],
  ["index.lock", "git command"],
] as const;

/**
 * Files of the user's that a merge would write over, or that keep git from merging: uncommitted changes of what it
 * changes, files in the place of new ones (also those that git ignores, which `git merge` itself would write over), and,
 * but for a fast-forward, whatever is staged.
 */
export async function inTheWay(
  ground: Ground & { workTree: string },
  { target, tree, files, ff }: { target: string; tree: string; files: readonly string[]; ff: boolean },
): Promise<string[]> {
  const wanted = new Set(files);
  const staged = await gitList(ground, ["diff-index", "--cached", "-z", "--name-only", "--no-renames", target]);
  const dirty = await gitList(ground, ["diff-files", "-z", "--name-only"]);
  const changed = dirty.filter((path) => wanted.has(path));
  const tracked = new Set(await gitList(ground, ["ls-files", "-z"]));
  const fresh = new Set(
    await gitList(ground, ["diff-tree", "-r", "-z", "--name-only", "--diff-filter=A", target, tree]),
  );
  const covered = [...fresh].filter((path) => !tracked.has(path) && blocks(ground.workTree, path, tracked));
  const really = await reallyChanged(ground, changed);
  return [...new Set([...staged.filter((path) => !ff || wanted.has(path)), ...really, ...covered])].sort();
}

/** Files that were only touched are told from changed ones by their content. */
async function reallyChanged(ground: Ground, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return [];
  const found = new Set(await gitList(ground, ["diff", "--name-only", "-z", "--no-ext-diff", "--no-renames"]));
  return paths.filter((path) => found.has(path));
}

/** Whether something that git does not track stands where a new file is to be. */
function blocks(workTree: string, path: string, tracked: ReadonlySet<string>): boolean {
  const parts = path.split("/");
  for (let depth = 1; depth < parts.length; depth++) {
    const above = parts.slice(0, depth).join("/");
    const stat = lstatSync(join(workTree, above), { throwIfNoEntry: false });
    if (!stat) return false;
    if (!stat.isDirectory()) return !tracked.has(above);
  }
  return lstatSync(join(workTree, path), { throwIfNoEntry: false }) !== undefined;
}

/** Where a branch is checked out, or about to be moved by a rebase; null where it is nowhere. */
export async function heldAt(ground: Ground, commonDir: string, branch: string): Promise<string | null> {
  const listed = (await git(ground, ["worktree", "list", "--porcelain", "-z"])).split("\0\0");
  for (const entry of listed) {
    const lines = entry.split("\0");
    const folder = lines.find((line) => line.startsWith("worktree "))?.slice("worktree ".length) ?? "";
    if (lines.includes(`branch ${branch}`)) return folder;
    const admin = adminOf(commonDir, folder) ?? commonDir;
    for (const state of ["rebase-merge", "rebase-apply"]) {
      const file = join(admin, state, "head-name");
      if (plainText(file)?.trim() === branch) return folder;
    }
  }
  return null;
}

export interface Landed {
  maker: Maker;
  title: string;
}

/**
 * The tasks whose work a landing brings, oldest first: those that the commits name which the target does not have, less
 * what an earlier squash has brought.
 */
export async function landedTasks(ground: Ground, { target, tip }: Join, session: string): Promise<Landed[]> {
  const log = ["log", "-z", "--format=%B", `--grep=^${LANDED}: `, "--end-of-options", target, `^${tip}`, "--"];
  const squashes = await gitList(ground, log);
  const before: string[] = [];
  for (const message of squashes) {
    const commit = landedBy(message);
    if (commit && message.includes(session) && (await commitOf(ground, commit))) before.push(`^${commit}`);
  }
  const found = new Map<string, Landed>();
  for (const { subject, message } of (await commitsIn(ground, [tip, `^${target}`, ...before])).toReversed()) {
    for (const maker of makersOf(message)) {
      const title = /^(?:Merge )?WFS-\S+ impl-\S+: (.*)$/.exec(subject)?.[1] ?? "";
      const known = found.get(nameOf(maker));
      if (!known || (known.title === "" && title !== "")) found.set(nameOf(maker), { maker, title });
    }
  }
  return [...found.values()];
}

/** What the landing's commit says. A squash carries each task's trailers on, and the tip that it stands for. */
export function landingMessage(of: {
  session: string;
  project: string;
  tasks: readonly Landed[];
  squash: boolean;
  tip: string;
}): string {
  const { session, project, tasks, squash, tip } = of;
  const lines = tasks.map(({ maker: { task, cost_usd }, title }) => {
    const cost = cost_usd === null ? "" : ` ($${cost_usd.toFixed(2)})`;
    return `- ${task}${title === "" ? "" : `: ${title}`}${cost}`;
  });
  const trailers = squash
    ? [
        ...tasks.map(({ maker }) =>
          trailersOf(maker)
            .map(([key, value]) => `${key}: ${value}`)
            .join("\n"),
        ),
        ...(tasks.length === 0 ? [`Cox-Session: ${session}`] : []),
        `${LANDED}: ${tip}`,
      ]
    : [`Cox-Session: ${session}`];
  return (
    [`Land ${session}: ${project}`, ...(lines.length > 0 ? [lines.join("\n")] : []), trailers.join("\n")].join("\n\n") +
    "\n"
  );
}
