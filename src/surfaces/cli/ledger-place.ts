/** Where this repository's ledger is, and what it holds: read by git alone, so that it works beside a daemon. */
import { createHash } from "node:crypto";
import { basename, join } from "node:path";
import { behindMarks } from "../../ledger/as-recorded.ts";
import { findRepository, git, type Repository } from "../../ledger/git.ts";
import { redactBytes } from "../../ledger/redact-bytes.ts";
import { redactor } from "../../ledger/redact.ts";
import { at, WORKSPACE } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import { readText } from "./tasks-on-disk.ts";
import type { Workspace } from "./context.ts";

export interface LedgerPlace {
  repository: Repository;
  /** Full name of the ref. */
  ref: string;
  /** Newest commit; null for a ledger that has not begun. */
  tip: string | null;
}

export async function findLedger(
  dir: string,
  environment: NodeJS.ProcessEnv,
): Promise<{ ok: LedgerPlace } | { trouble: Trouble }> {
  const found = await findRepository(dir);
  if ("problem" in found) {
    const { code, message, hint } = found.problem;
    return { trouble: { exit: code === "no-repository" ? 3 : 1, what: message, todo: hint } };
  }
  const repository = found.ok;
  const { root, gitDir } = repository;
  const workspace = { repository: root, folder: join(root, WORKSPACE), gitDir };
  const ref = refIn(repository, await refNamed(workspace, environment));
  return { ok: { repository, ref, tip: await commitAt(repository, ref) } };
}

export const USUAL_REF = "refs/cox/ledger";

/** As the settings name it. Where they say nothing of the ledger they are not read: that takes longer than all the rest. */
async function refNamed(workspace: Workspace, environment: NodeJS.ProcessEnv): Promise<string> {
  const said = (readText(join(workspace.folder, at.config)) ?? "").replace(/^\s*#.*$/gm, "");
  // A backslash may stand for any letter of a key.
  if (environment["COX_LEDGER_REF"] === undefined && !/ledger|\\/.test(said)) return USUAL_REF;
  const { settingsOf } = await import("./settings.ts");
  return settingsOf(workspace, environment).config.ledger.ref;
}

/** The commit that a name stands for; null when there is none. */
export async function commitAt(repository: Repository, name: string): Promise<string | null> {
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const named = await git(["rev-parse", "--quiet", "--verify", "--end-of-options", `${name}^{commit}`], own);
  return named.code === 0 ? named.stdout.toString().trim() : null;
}

/** Path (relative to `.workflow/`) → blob id, at a commit. */
export async function recordedFiles(repository: Repository, commit: string): Promise<Map<string, string>> {
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const tree = await git(["ls-tree", "-r", "-z", "--full-tree", commit, `${WORKSPACE}/`], own);
  if (tree.code !== 0) throw new Error(`the ledger could not be read: ${tree.stderr}`);
  const files = new Map<string, string>();
  for (const line of tree.stdout.toString().split("\0")) {
    const match = /^100\d+ blob ([0-9a-f]+)\t\.workflow\/(.*)$/s.exec(line);
    if (match?.[1] && match[2]) files.set(match[2], match[1]);
  }
  return files;
}

/**
 * Whether a file is as it was recorded, but for the places that were redacted: only the daemon knows all secrets, so those
 * that were known by their value alone are told from the record.
 */
export async function isAsRecorded(repository: Repository, id: string, content: Buffer): Promise<boolean> {
  const bytes = redactBytes(content, (text) => redact(text).text);
  const recorded = createHash(repository.objectFormat).update(`blob ${bytes.length}\0`).update(bytes).digest("hex");
  if (recorded === id) return true;
  const own = { cwd: repository.commonDir, gitDir: repository.commonDir };
  const blob = await git(["cat-file", "blob", id], own);
  return blob.code === 0 && behindMarks(blob.stdout.toString("latin1"), content.toString("latin1")) !== undefined;
}

const redact = redactor([]);

/** Each linked working tree has a ledger of its own. */
function refIn(repository: Repository, ref: string): string {
  if (repository.gitDir === repository.commonDir) return ref;
  const name = basename(repository.gitDir).replace(/[^A-Za-z0-9_-]+/g, "-");
  const hash = createHash("sha256").update(repository.gitDir).digest("hex").slice(0, 8);
  return ref.replace(/^refs\/cox\//, `refs/cox/worktrees/${/^[A-Za-z0-9]/.test(name) ? name : hash}/`);
}
