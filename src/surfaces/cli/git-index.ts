/** A look into git's index without git. Format: gitformat-index(5). */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { WORKSPACE } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";

/** Whether the index could name such a file: told without git, which would take longer than all the rest of `cox status`. */
export function mayTrack({ gitDir }: Pick<Workspace, "gitDir">): boolean {
  try {
    const index = readFileSync(join(gitDir, "index"));
    // Version 4 shortens names by what they have in common with the one before; a split index holds them elsewhere.
    if (index.readUInt32BE(4) > 3 || readdirSync(gitDir).some((name) => name.startsWith("sharedindex."))) return true;
    // Without a slash: the folder itself may be tracked, as a submodule.
    return index.includes(WORKSPACE);
  } catch (error) {
    // An index that cannot be read could name anything.
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}
