/** What is trusted, and what would need to be. SPEC section 13. */
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { gitEnvironment } from "../../ledger/git.ts";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";
import { mayTrack } from "./git-index.ts";
import { isObject } from "./tasks-on-disk.ts";

/** JSON: path relative to `.workflow/` → SHA-256 of the content that is trusted, in hexadecimal. */
export const TRUSTED = `${RUN}/trust.json`;

export function readTrusted(folder: string): Record<string, string> {
  try {
    const value: unknown = JSON.parse(readFileSync(join(folder, TRUSTED), "utf8"));
    if (!isObject(value)) return {};
    return Object.fromEntries(
      Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
    );
  } catch {
    return {};
  }
}

/** Files under `.workflow/` that the code's branch tracks and whose content is not trusted; relative to `.workflow/`. */
export function untrustedFiles(workspace: Workspace): string[] {
  if (!mayTrack(workspace)) return [];
  const trusted = readTrusted(workspace.folder);
  return trackedFiles(workspace).filter((path) => {
    if (path.startsWith(`${RUN}/`)) return false;
    try {
      return (
        trusted[path] !==
        createHash("sha256")
          .update(readFileSync(join(workspace.folder, path)))
          .digest("hex")
      );
    } catch {
      return false; // not there: nothing that could be obeyed
    }
  });
}

function trackedFiles({ repository }: Workspace): string[] {
  const args = ["-c", "core.fsmonitor=false", "--literal-pathspecs", "ls-files", "-z", "--", WORKSPACE];
  const stdout = execFileSync("git", args, {
    cwd: repository,
    env: gitEnvironment(false),
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    maxBuffer: 1 << 28,
  });
  return stdout
    .split("\0")
    .filter(Boolean)
    .map((path) => path.slice(WORKSPACE.length + 1));
}
