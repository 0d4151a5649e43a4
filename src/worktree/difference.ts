/** What a task or a session changed: which two states of the code, and how they differ. */
import { lstatSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { commitOf, git, gitList, tryGit, type Ground } from "./git.ts";
import { headOf, sessionBranch, taskBranch } from "./place.ts";
import { copyPlain } from "./plain.ts";

/** Two commits or trees. */
export interface Span {
  base: string;
  tip: string;
}

export interface ChangedFile {
  path: string;
  /** What it was called before, where it was renamed or copied. */
  from: string | null;
  /** `A` added, `D` deleted, `M` modified, `T` another type, `R` renamed, `C` copied. */
  change: string;
  /** Lines; null where it is not text. */
  added: number | null;
  deleted: number | null;
}

/** Nothing but git's own reading of the content: no program that attributes or settings name. */
const PLAIN = ["--no-ext-diff", "--no-textconv", "--no-color", "-M"];

/** The patch, or with `--stat`, `--name-only` and the like what those print. */
export function diffArguments({ base, tip }: Span, flags: readonly string[] = []): string[] {
  return ["diff", ...PLAIN, ...flags, base, tip, "--"];
}

export async function changedFiles(ground: Ground, span: Span): Promise<ChangedFile[]> {
  const raw = (await git(ground, diffArguments(span, ["--raw", "--numstat", "-z", "--no-abbrev"]))).split("\0");
  const found = new Map<string, ChangedFile>();
  for (let place = 0; place < raw.length;) {
    const entry = raw[place++] ?? "";
    const change = /^:\d+ \d+ [0-9a-f]+ [0-9a-f]+ ([A-Z])\d*$/.exec(entry)?.[1];
    if (change !== undefined) {
      const first = raw[place++] ?? "";
      const from = change === "R" || change === "C" ? first : null;
      const path = from === null ? first : (raw[place++] ?? "");
      found.set(path, { path, from, change, added: null, deleted: null });
      continue;
    }
    const [, added = "-", deleted = "-", name] = /^(\d+|-)\t(\d+|-)\t(.*)$/s.exec(entry) ?? [];
    if (name === undefined) continue;
    // Of a renamed file both names follow.
    const path = name === "" ? (raw[(place += 2) - 1] ?? "") : name;
    const file = found.get(path);
    if (!file) continue;
    file.added = added === "-" ? null : Number(added);
    file.deleted = deleted === "-" ? null : Number(deleted);
  }
  return [...found.values()];
}

/**
 * What a task's branch holds, and what it began from: as was recorded of the work, else where it left the session's
 * branch, of which it may be a part by now. Null where neither branch nor commit is there.
 */
export async function spanOfTask(
  ground: Ground,
  of: { session: string; task: string; base?: string | null; commit?: string | null },
): Promise<Span | null> {
  const tip =
    (await commitOf(ground, headOf(taskBranch(of.session, of.task)))) ??
    (of.commit && (await commitOf(ground, of.commit)));
  if (!tip) return null;
  const recorded = of.base ? await commitOf(ground, of.base) : null;
  if (recorded && (await forkOf(ground, recorded, tip)) === recorded) return { base: recorded, tip };
  const session = await commitOf(ground, headOf(sessionBranch(of.session)));
  if (!session) return null;
  const fork = await forkOf(ground, session, tip);
  if (fork !== tip) return fork === null ? null : { base: fork, tip };
  // It is merged: what its merge found there is what it was merged into.
  const path = ["rev-list", "--ancestry-path", "--merges", "--topo-order", "--parents", `${tip}..${session}`];
  const merges = (await git(ground, path)).split("\n").map((line) => line.split(" "));
  const merge = merges.findLast(([, ...parents]) => parents.slice(1).includes(tip));
  const into = merge?.[1];
  const base = into === undefined ? tip : await forkOf(ground, into, tip);
  return base === null ? null : { base, tip };
}

/** Where two commits left each other; null where they have nothing in common. */
export async function forkOf(ground: Ground, one: string, other: string): Promise<string | null> {
  const { code, stdout } = await tryGit(ground, ["merge-base", one, other]);
  return code === 0 ? stdout.trim() : null;
}

/** Larger files are not read only to be shown. */
const MOST_BYTES = 50_000_000;

/** The tree of what lies in a worktree, tracked or not; its index stays as it is. `left`: files that were too large. */
export async function treeIn(ground: Ground & { workTree: string }): Promise<{ tree: string; left: string[] }> {
  const folder = mkdtempSync(join(tmpdir(), "cox-diff-"));
  const index = join(folder, "index");
  try {
    copyPlain(join(ground.gitDir, "index"), index);
    const own = { ...ground, index };
    const listed = ["ls-files", "-z", "--deduplicate", "--modified", "--deleted", "--others", "--exclude-standard"];
    const paths = (await gitList(own, listed)).filter((path) => !path.startsWith(".workflow/"));
    const isLarge = (path: string) =>
      (lstatSync(join(ground.workTree, path), { throwIfNoEntry: false })?.size ?? 0) > MOST_BYTES;
    const left = paths.filter(isLarge);
    const taken = paths.filter((path) => !left.includes(path));
    const add = ["add", "--all", "--verbose", "--ignore-errors", "--pathspec-from-file=-", "--pathspec-file-nul"];
    if (taken.length > 0) await tryGit(own, add, taken.join("\0"));
    return { tree: await git(own, ["write-tree"]), left };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
