/** From the ledger back to the disk, byte for byte: no filter, no line-ending conversion, no link followed. */
import { randomUUID } from "node:crypto";
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { openObjects } from "./cat-file.ts";
import { findRepository, git } from "./git.ts";
import { badPath } from "./message.ts";

export interface Skipped {
  path: string;
  why: string;
  /** The repository has not got what was recorded, or not as it was. */
  damaged?: true;
}

export interface Restored {
  /** The commit that was restored. */
  commit: string;
  written: number;
  /** Files that had these bytes already. */
  unchanged: number;
  /** What could not be, or must not be, written. */
  skipped: Skipped[];
}

/**
 * Writes every recorded file under `targetDir` (a `.workflow`), each whole or not at all; files that the ledger does
 * not know stay as they are. Not synced: running it again is the recovery. The caller pauses the sessions it brings
 * back. Undefined when there is no such ledger or commit.
 */
export async function restoreFiles(where: {
  repository: string;
  ref: string;
  targetDir: string;
  commit?: string;
  /** Which recorded paths (relative to `.workflow/`); all without it. */
  only?: (path: string) => boolean;
}): Promise<Restored | undefined> {
  const found = await findRepository(where.repository);
  if ("problem" in found) return undefined;
  const gitDir = found.ok.commonDir;
  const own = { cwd: gitDir, gitDir };
  const named = await git(
    ["rev-parse", "--quiet", "--verify", "--end-of-options", `${where.commit ?? where.ref}^{commit}`],
    own,
  );
  if (named.code !== 0) return undefined;
  const commit = named.stdout.toString().trim();
  const tree = await git(["ls-tree", "-r", "-z", "--full-tree", commit, ".workflow/"], own);
  if (tree.code !== 0) throw new Error(`the ledger could not be read: ${tree.stderr}`);

  const restored: Restored = { commit, written: 0, unchanged: 0, skipped: [] };
  const objects = openObjects(gitDir);
  const scratch = join(where.targetDir, ".run", `restore-${randomUUID()}`);
  try {
    const blocked = await makeFolders(where.targetDir, `.run/${scratch.slice(scratch.lastIndexOf("/") + 1)}`);
    if (blocked) throw new Error(`${blocked} is in the way of ${scratch}`);
    for (const line of tree.stdout.toString().split("\0").filter(Boolean)) {
      const [, mode = "", id = "", path = ""] = /^(\d+) \w+ ([0-9a-f]+)\t\.workflow\/(.*)$/s.exec(line) ?? [];
      if (where.only?.(path) === false) continue;
      const why =
        badPath(path) ?? (mode.startsWith("100") ? await obstacle(where.targetDir, path) : "it is not a regular file");
      if (why) {
        restored.skipped.push({ path, why });
        continue;
      }
      const content = (await objects.get(id).catch(() => null))?.content;
      if (!content) {
        // All the others can still be had.
        restored.skipped.push({ path, why: `git cannot read its content, ${id}`, damaged: true });
        continue;
      }
      const changed = await place({ target: join(where.targetDir, path), content, temporary: join(scratch, "file") });
      restored[changed ? "written" : "unchanged"]++;
    }
  } finally {
    await objects.close();
    await rm(scratch, { recursive: true, force: true });
  }
  return restored;
}

/** Why the file cannot be put there: a link or a file stands where a folder has to be, or a folder where the file. */
async function obstacle(targetDir: string, path: string): Promise<string | undefined> {
  const blocked = await makeFolders(targetDir, dirname(path));
  if (blocked) return `${blocked} is not a folder`;
  const there = await lstat(join(targetDir, path)).catch(() => null);
  return there?.isDirectory() ? "a folder has its name" : undefined;
}

/** Makes the folders of a relative path one by one, following no link; the first that is something else, if any. */
async function makeFolders(top: string, path: string): Promise<string | undefined> {
  await mkdir(top, { recursive: true });
  let folder = top;
  for (const part of ["", ...path.split("/").filter((part) => part !== ".")]) {
    folder = join(folder, part);
    await mkdir(folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!(await lstat(folder)).isDirectory()) return folder;
  }
  return undefined;
}

async function place(file: { target: string; content: Buffer; temporary: string }): Promise<boolean> {
  const regular = (await lstat(file.target).catch(() => null))?.isFile() ?? false;
  if (regular && (await readFile(file.target)).equals(file.content)) return false;
  await writeFile(file.temporary, file.content, { flag: "wx" });
  await rename(file.temporary, file.target); // in place of a link, never through it
  return true;
}
