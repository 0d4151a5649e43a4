/** A new session's folder, complete from its first moment on. */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { sessionIdFor, type SessionId } from "../../model/ids.ts";
import { newSession } from "../../model/session.ts";
import { syncFolder } from "../../store/files.ts";
import { formatJson } from "../../store/json-file.ts";
import { at, RUN } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";

/** Free names are found by trying: `WFS-topic`, `WFS-topic-002`, … Call it inside {@link exclusively}. */
export async function makeSession(
  workspace: Workspace,
  topic: string,
  more: { active: boolean; budgetUsd?: number },
): Promise<SessionId> {
  const taken = (id: SessionId) => existsSync(join(workspace.folder, id));
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
