/** A new session's folder, complete from its first moment on. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { sessionIdFor, type SessionId } from "../../model/ids.ts";
import { newSession } from "../../model/session.ts";
import { syncFolder } from "../../store/files.ts";
import { formatJson } from "../../store/json-file.ts";
import { at, RUN, WORKSPACE } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";

/**
 * Free names are found by trying: `WFS-topic`, `WFS-topic-002`, … A name is taken as well where the ledger has such a
 * session or the repository its branch: of a workspace that was deleted, or of another working tree. Call it inside
 * {@link exclusively}.
 */
export async function makeSession(
  workspace: Workspace,
  topic: string,
  more: { active: boolean; budgetUsd?: number; environment: NodeJS.ProcessEnv },
): Promise<SessionId> {
  const elsewhere = await knownToGit(workspace, more.environment);
  const taken = (id: SessionId) => elsewhere.has(id) || existsSync(join(workspace.folder, id));
  for (;;) {
    const id = sessionIdFor(topic, taken);
    const base = newSession(id, new Date().toISOString(), topic);
    const file = {
      ...base,
      status: more.active ? "active" : "paused",
      ...(more.budgetUsd === undefined ? {} : { budget_usd: more.budgetUsd }),
    };
    const staged = join(workspace.folder, RUN, "tmp", randomUUID());
    const inStaged = join(staged, at.sessionFile(id).slice(id.length + 1));
    try {
      await mkdir(join(staged, ".task"), { recursive: true });
      await writeFile(inStaged, formatJson(file), { flush: true });
      await rename(staged, join(workspace.folder, id));
      await syncFolder(dirname(join(workspace.folder, id)));
      return id;
    } catch (error) {
      if (!["ENOTEMPTY", "EEXIST", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    } finally {
      await rm(staged, { recursive: true, force: true });
    }
  }
}

async function knownToGit({ repository, gitDir }: Workspace, environment: NodeJS.ProcessEnv): Promise<Set<string>> {
  // Asked for a new session alone: no other command waits for them to be loaded.
  const [{ findLedger }, { git }] = await Promise.all([import("./ledger-place.ts"), import("../../ledger/git.ts")]);
  const place = await findLedger(repository, environment);
  const tip = "ok" in place ? place.ok.tip : null;
  const options = { cwd: repository, gitDir };
  const [refs, recorded] = await Promise.all([
    git(["for-each-ref", "--format=%(refname:lstrip=3)", "refs/heads/cox/"], options),
    tip === null ? null : git(["ls-tree", "--name-only", "--full-tree", tip, `${WORKSPACE}/`], options),
  ]);
  const branches = refs.stdout.toString().split("\n");
  const folders = recorded?.stdout.toString().split("\n") ?? [];
  return new Set([...branches.map((name) => name.split("/")[0] ?? ""), ...folders.map((path) => basename(path))]);
}
