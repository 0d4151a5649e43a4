/** Pages that people wrote themselves where a view belongs, as in sessions of the older layout: kept beside it, once. */
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { readRegular } from "../store/scan.ts";
import { GENERATED } from "../views/markdown.ts";

/** `IMPL_PLAN.md` → `IMPL_PLAN.own.md`; returns the new name, or undefined where there was nothing to keep. */
export function keepOwnPage(workspace: string, path: string): string | undefined {
  const own = path.replace(/\.md$/, ".own.md");
  const place = join(workspace, path);
  const text = readRegular(place)?.content.toString("utf8");
  if (text === undefined || text.trim() === "" || text.startsWith(GENERATED) || existsSync(join(workspace, own)))
    return undefined;
  renameSync(place, join(workspace, own));
  return own;
}
