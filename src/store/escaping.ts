/** Declared paths that a symbolic link leads out of the repository. SPEC section 3.3. */
import { realpathSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";

export function escaping(paths: string, repository: string): string[] {
  const root = realpathSync(repository);
  return paths
    .split(";")
    .map((path) => path.trim())
    .filter((path) => path !== "" && !path.startsWith("/") && !path.split("/").includes(".."))
    .filter((path) => relative(root, realOf(join(root, path))).split(sep)[0] === "..");
}

/** The real place of a path, or of its nearest folder that exists. */
function realOf(path: string): string {
  for (let at = path; ; at = dirname(at)) {
    try {
      return realpathSync(at);
    } catch {
      if (dirname(at) === at) return at;
    }
  }
}
