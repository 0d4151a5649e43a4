/** What HEAD names, without starting git: asked at the start of each attempt. Format: gitrepository-layout(5). */
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The branch that HEAD names, from the file alone; null where it is on none. */
export function headBranch(gitDir: string): string | null {
  try {
    return /^ref: refs\/heads\/([^\0\n]+)\n?$/.exec(readFileSync(join(gitDir, "HEAD"), "utf8"))?.[1] ?? null;
  } catch {
    return null;
  }
}

/** The commit of HEAD, from the files alone; null where that needs more (an unborn branch, packed or other refs). */
export function headCommit(gitDir: string): string | null {
  try {
    const head = readFileSync(join(gitDir, "HEAD"), "utf8").trim();
    if (/^[0-9a-f]{40,64}$/.test(head)) return head;
    const ref = /^ref: (refs\/[^\0]+)$/.exec(head)?.[1];
    if (!ref) return null;
    const commit = readFileSync(join(gitDir, ref), "utf8").trim();
    return /^[0-9a-f]{40,64}$/.test(commit) ? commit : null;
  } catch {
    return null;
  }
}
