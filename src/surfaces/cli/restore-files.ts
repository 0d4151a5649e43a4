/** Recorded files back on disk: what is missing is written, what differs is left alone unless forced, links are never followed. */
import { randomUUID } from "node:crypto";
import { lstat, mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Repository } from "../../ledger/git.ts";
import { restoreFiles, type Skipped } from "../../ledger/restore.ts";
import { RUN } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { blockedAt } from "../../store/within.ts";
import { isAsRecorded, recordedFiles } from "./ledger-place.ts";
import { contentIn, pathIn, type Copies } from "./restore-copies.ts";

export interface BroughtBack {
  commit: string;
  /** Paths relative to `.workflow/`. */
  written: string[];
  /** How many stood as recorded. */
  unchanged: number;
  /** Existing files that differ, left as they are. */
  kept: string[];
  skipped: Skipped[];
}

/** Writes into `.run/` first and moves from there: a file is there whole or not at all. */
export async function bringBack(of: {
  repository: Repository;
  folder: string;
  ref: string;
  commit: string;
  force: boolean;
  /** Which recorded paths; all without it. */
  only?: (path: string) => boolean;
  copies: Copies;
}): Promise<BroughtBack> {
  const { repository, folder, ref, commit, force, copies } = of;
  const only = of.only ?? (() => true);
  const staging = join(folder, RUN, `restored-${randomUUID()}`);
  const result: BroughtBack = { commit, written: [], unchanged: 0, kept: [], skipped: [] };
  try {
    const staged = await restoreFiles({ repository: repository.root, ref, targetDir: staging, commit, only });
    if (!staged) throw new Error(`the ledger has no commit ${commit}`);
    result.skipped.push(...staged.skipped);
    const unusable = new Set(staged.skipped.map(({ path }) => path));
    for (const [path, id] of await recordedFiles(repository, commit)) {
      if (unusable.has(path) || !only(path)) continue;
      const goesTo = pathIn(copies, path);
      const target = join(folder, goesTo);
      const blocked = blockedAt(folder, goesTo);
      if (blocked !== undefined) {
        result.skipped.push({ path: goesTo, why: `${blocked} is not a folder` });
        continue;
      }
      const stat = await lstat(target).catch(() => null);
      const same =
        stat?.isFile() === true &&
        (await isAsRecorded(repository, id, readRegular(target)?.content ?? Buffer.alloc(0)));
      if (same) result.unchanged++;
      else if (stat && !force) result.kept.push(goesTo);
      else {
        const why = stat?.isDirectory() ? "a folder has its name" : await inTheWay(folder, goesTo);
        if (why) result.skipped.push({ path: goesTo, why });
        else {
          if (goesTo !== path) await rewrite(join(staging, path), (content) => contentIn(copies, path, content));
          await rename(join(staging, path), target);
          result.written.push(goesTo);
        }
      }
    }
    return result;
  } finally {
    await rm(staging, { recursive: true, force: true });
  }
}

async function rewrite(file: string, change: (content: Buffer) => Buffer): Promise<void> {
  const content = await readFile(file);
  const changed = change(content);
  if (changed !== content) await writeFile(file, changed);
}

/** Makes the folders of a path one by one, following no link; what stands where a folder has to be, if anything. */
async function inTheWay(top: string, path: string): Promise<string | undefined> {
  let at = top;
  for (const part of dirname(path)
    .split("/")
    .filter((name) => name !== ".")) {
    at = join(at, part);
    await mkdir(at).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    if (!(await lstat(at)).isDirectory()) return `${at} is not a folder`;
  }
  return undefined;
}
