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

/** Empty where the branch brought the list itself along: whoever wrote that trusts on nobody's behalf. */
export function readTrusted(workspace: Workspace): Record<string, string> {
  return isTracked(trackedFiles(workspace), TRUSTED) ? {} : listed(workspace.folder);
}

export function isListTracked(workspace: Workspace): boolean {
  return isTracked(trackedFiles(workspace), TRUSTED);
}

/** Whether a file with that content may be obeyed; not if git cannot tell. `path` is relative to `.workflow/`. */
export function mayObey(workspace: Workspace, path: string, content: Buffer): boolean {
  try {
    const tracked = trackedFiles(workspace);
    if (!isTracked(tracked, path)) return true;
    return !isTracked(tracked, TRUSTED) && listed(workspace.folder)[path] === hashOf(content);
  } catch {
    return false;
  }
}

/** Files under `.workflow/` that the code's branch tracks and whose content is not trusted; relative to `.workflow/`. */
export function untrustedFiles(workspace: Workspace): string[] {
  const tracked = trackedFiles(workspace);
  const trusted = isTracked(tracked, TRUSTED) ? {} : listed(workspace.folder);
  return tracked.filter((path) => {
    if (path === TRUSTED) return true;
    if (path.startsWith(`${RUN}/`)) return false;
    try {
      return trusted[path] !== hashOf(readFileSync(join(workspace.folder, path)));
    } catch {
      return false; // not there: nothing that could be obeyed
    }
  });
}

/** What makes of such a file one that is obeyed, or none. */
export function howToTrust(path: string): string {
  return path === TRUSTED
    ? `it lists what somebody else trusts: git rm -f ${WORKSPACE}/${path}`
    : `read it, then: cox trust ${WORKSPACE}/${path}`;
}

function listed(folder: string): Record<string, string> {
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

/** Also what is inside of a tracked link or submodule: the empty path is `.workflow` itself. */
function isTracked(tracked: readonly string[], path: string): boolean {
  return tracked.some((one) => one === "" || one === path || path.startsWith(`${one}/`));
}

function trackedFiles(workspace: Workspace): string[] {
  if (!mayTrack(workspace)) return [];
  const args = ["-c", "core.fsmonitor=false", "--literal-pathspecs", "ls-files", "-z", "--", WORKSPACE];
  const stdout = execFileSync("git", args, {
    cwd: workspace.repository,
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

const hashOf = (content: Buffer) => createHash("sha256").update(content).digest("hex");
