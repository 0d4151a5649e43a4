/** `.worktreeinclude`: files that git ignores and a worktree needs all the same (`.env`), as gitignore patterns. */
import { constants, existsSync, lstatSync } from "node:fs";
import { cp } from "node:fs/promises";
import { join } from "node:path";
import { gitList, tryGit, type Ground } from "./git.ts";

const INCLUDE_FILE = ".worktreeinclude";

/**
 * Copies what the file names and git ignores; what is in the worktree already stays as it is. Returns the paths that
 * are named and ignored, and those that are named and not ignored: they would be committed, and are not copied.
 */
export async function copyIncluded(
  user: Ground & { workTree: string },
  workTree: string,
): Promise<{ copied: string[]; notIgnored: string[] }> {
  if (!isFile(join(user.workTree, INCLUDE_FILE))) return { copied: [], notIgnored: [] };
  const named = (
    await gitList(user, ["ls-files", "-z", "--others", "--ignored", `--exclude-from=${INCLUDE_FILE}`])
  ).filter((path) => path !== ".workflow" && !path.startsWith(".workflow/") && !path.endsWith("/"));
  if (named.length === 0) return { copied: [], notIgnored: [] };
  const asked = named.map((path) => `./${path}\0`).join(""); // no path begins as a pattern does
  const { stdout } = await tryGit(user, ["check-ignore", "-z", "--stdin", "--no-index"], asked);
  const ignored = new Set(stdout.split("\0").map((path) => path.slice("./".length)));
  const copied = named.filter((path) => ignored.has(path));
  for (const path of copied) {
    const to = join(workTree, path);
    if (existsSync(to)) continue;
    await cp(join(user.workTree, path), to, {
      recursive: false,
      verbatimSymlinks: true,
      preserveTimestamps: true,
      errorOnExist: false,
      force: false,
      mode: constants.COPYFILE_FICLONE,
    });
  }
  return { copied, notIgnored: named.filter((path) => !ignored.has(path)) };
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
