/** What leads out of the repository, by a symbolic link or by its name. SPEC section 3.3. */
import { realpathSync } from "node:fs";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { readRegular } from "./scan.ts";

/** Declared paths that a symbolic link leads out. */
export function escaping(paths: string, repository: string): string[] {
  const root = realpathSync(repository);
  return paths
    .split(";")
    .map((path) => path.trim())
    .filter((path) => path !== "" && !path.startsWith("/") && !path.split("/").includes(".."))
    .filter((path) => !isWithin(realOf(join(root, path)), root));
}

/** How a task's prompt file stands: {@link readPromptFile} without its text. */
export function promptFileIs(...of: Parameters<typeof readPromptFile>): "there" | "outside" | "missing" {
  const read = readPromptFile(...of);
  return typeof read === "string" ? read : "there";
}

/**
 * A task's prompt file: in the session's folder, else in the repository. Its real place counts; what leads out is never
 * opened. Missing is also what is no regular file, may not be read, or is larger than 1 MiB.
 */
export function readPromptFile(
  name: string,
  { repository, workspace, session }: { repository: string; workspace: string; session: string },
): { content: Buffer } | "outside" | "missing" {
  if (isAbsolute(name) || name.split("/").includes("..") || name.includes("\0")) return "outside";
  const root = realpathSync(repository);
  const own = join(realOf(workspace), session);
  for (const folder of [own, root]) {
    const path = join(folder, name);
    const nearest = realOf(path);
    if (!isWithin(nearest, root) && !isWithin(nearest, own)) return "outside";
    // Where there is no such file, the nearest may be another one.
    const read = realpathOf(path) === nearest ? readRegular(nearest) : undefined;
    if (read) return read;
  }
  return "missing";
}

function isWithin(path: string, root: string): boolean {
  return relative(root, path).split(sep)[0] !== "..";
}

/** The real place of a path, or of its nearest folder that exists. */
function realOf(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    const real = realpathOf(at);
    if (real !== undefined || dirname(at) === at) return real ?? at;
  }
}

function realpathOf(path: string): string | undefined {
  try {
    return realpathSync(path);
  } catch {
    return undefined;
  }
}
