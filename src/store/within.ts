/** Whether a path below `.workflow/` can be gone along without following a link out of it. SPEC section 13. */
import { lstatSync } from "node:fs";
import { join } from "node:path";

/** The first of the path's folders that is there and is no folder (a link is none); undefined where there is no such. */
export function blockedAt(top: string, path: string): string | undefined {
  let at = top;
  for (const part of path.split("/").slice(0, -1)) {
    at = join(at, part);
    const stat = lstatSync(at, { throwIfNoEntry: false });
    if (!stat) return undefined;
    if (!stat.isDirectory()) return at;
  }
  return undefined;
}
