/** Whether the ledger's story has a gap: for every task, each `Cox-From` is the `Cox-To` before. SPEC section 7. */
import type { LogEntry } from "../../ledger/log.ts";
import { taskKey, type TaskKey } from "../../model/ids.ts";

/**
 * Where a story breaks off, in sentences. `newestFirst`: as `readLog` gives the ledger's own line. `statusOf`: as the files
 * say, null for no file. `tasks`: those that have a file, and so must have a story. `cut`: the beginning is not there (a
 * shallow fetch), and each task's first transition may begin anywhere.
 */
export function chainBreaks(
  newestFirst: readonly Pick<LogEntry, "session" | "task" | "from" | "to" | "commit">[],
  statusOf: (key: TaskKey) => string | null,
  { tasks = [], cut = false }: { tasks?: Iterable<TaskKey>; cut?: boolean } = {},
): string[] {
  const breaks: string[] = [];
  const now = new Map<TaskKey, string>();
  for (const { session, task, from, to, commit } of [...newestFirst].reverse()) {
    if (session === null || task === null || from === null || to === null) continue;
    const key = taskKey(session, task);
    const before = now.get(key) ?? (cut ? from : "new");
    const expected = before === "deleted" ? "new" : before;
    if (from !== expected) breaks.push(`${key} was ${expected}, but ${commit.slice(0, 12)} says ${from} -> ${to}.`);
    now.set(key, to);
  }
  for (const key of tasks)
    if (!now.has(key) && !cut) breaks.push(`${key} has a file, but no transition in the ledger.`);
  for (const [key, last] of now) {
    const status = statusOf(key) ?? "deleted";
    if (status !== last) breaks.push(`${key} is ${status} in its file, but ${last} in the ledger.`);
  }
  return breaks;
}
