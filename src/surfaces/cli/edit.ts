/** Changing files as a person would: one command at a time, whole or not at all, in the form that the file has. */
import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { link, mkdir, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { SessionId } from "../../model/ids.ts";
import { syncFolder, writeFiles } from "../../store/files.ts";
import { formatJson } from "../../store/json-file.ts";
import { at, RUN } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";
import type { Trouble } from "./command.ts";

const LOCK_STALE_MS = 10_000;
const LOCK_WAITS = { retries: 400, factor: 1.1, minTimeout: 5, maxTimeout: 60, randomize: true };

/** Runs `body` while no other command changes the workspace. The daemon is not kept out: it merges what people save. */
export async function exclusively<T>(workspace: Workspace, body: () => Promise<T>): Promise<T | { trouble: Trouble }> {
  const { lock } = (await import("proper-lockfile")).default;
  const folder = join(workspace.folder, RUN, "locks");
  await mkdir(folder, { recursive: true });
  let release: () => Promise<void>;
  try {
    release = await lock(workspace.folder, {
      lockfilePath: join(folder, "commands.lock"),
      realpath: false,
      stale: LOCK_STALE_MS,
      retries: LOCK_WAITS,
      // Only possible after this process slept for longer than the section takes: the write itself is atomic.
      onCompromised: () => {},
    });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ELOCKED") throw error;
    return {
      trouble: {
        exit: 4,
        what: "Another command is changing this workspace.",
        why: `It holds ${folder}.`,
        todo: "Try again when it is done.",
      },
    };
  }
  try {
    return await body();
  } finally {
    await release().catch(() => {});
  }
}

/** Saves a JSON file in the indentation of the text that it replaces. */
export async function saveJson(
  workspace: Workspace,
  file: { path: string; value: unknown; like?: string },
): Promise<void> {
  await writeFiles(workspace.folder, [{ path: file.path, content: formatJson(file.value, file.like) }], true);
}

/** Makes a file that must not exist yet, complete from its first moment on; false when the name is taken. */
export async function createFile(workspace: Workspace, path: string, content: string): Promise<boolean> {
  const to = join(workspace.folder, path);
  const from = join(workspace.folder, RUN, "tmp", randomUUID());
  await Promise.all([mkdir(dirname(from), { recursive: true }), mkdir(dirname(to), { recursive: true })]);
  try {
    const handle = await open(from, "wx", 0o644);
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    // Unlike a rename, a link never replaces anything.
    await link(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    await rm(from, { force: true });
  }
  await syncFolder(dirname(to));
  return true;
}

/** Makes the marker the newest one; markers of the `others` go. */
export async function touchMarker(
  workspace: Workspace,
  session: SessionId,
  others: readonly SessionId[],
): Promise<void> {
  const marker = join(workspace.folder, at.marker(session));
  const handle = await open(marker, constants.O_CREAT | constants.O_WRONLY | constants.O_NOFOLLOW, 0o644);
  try {
    const now = new Date();
    await handle.utimes(now, now);
  } finally {
    await handle.close();
  }
  for (const other of others) if (other !== session) await removeMarker(workspace, other);
}

export async function removeMarker(workspace: Workspace, session: SessionId): Promise<void> {
  await rm(join(workspace.folder, at.marker(session)), { force: true });
}

/** The object with some fields set (undefined: removed) where they stand, new ones at the end. */
export function withFields(value: Record<string, unknown>, fields: Record<string, unknown>): Record<string, unknown> {
  const changed: Record<string, unknown> = { ...value };
  for (const [key, field] of Object.entries(fields)) {
    if (field === undefined) delete changed[key];
    else changed[key] = field;
  }
  return changed;
}
