/** Whether the ledger's story has a gap: for every task, each `Cox-From` is the `Cox-To` before. SPEC section 7. */
import type { LogEntry } from "../../ledger/log.ts";
import { taskKey, type TaskKey } from "../../model/ids.ts";

/** Where a story breaks off, in sentences. `newestFirst`: as `readLog` gives it. `statusOf`: as the files say, null for no file. */
export function chainBreaks(
  newestFirst: readonly Pick<LogEntry, "session" | "task" | "from" | "to" | "commit">[],
  statusOf: (key: TaskKey) => string | null,
): string[] {
  const breaks: string[] = [];
  const now = new Map<TaskKey, string>();
  for (const { session, task, from, to, commit } of [...newestFirst].reverse()) {
    if (session === null || task === null || from === null || to === null) continue;
    const key = taskKey(session, task);
    const before = now.get(key) ?? "new";
    const expected = before === "deleted" ? "new" : before;
    if (from !== expected) breaks.push(`${key} was ${expected}, but ${commit.slice(0, 12)} says ${from} -> ${to}.`);
    now.set(key, to);
  }
  for (const [key, last] of now) {
    const status = statusOf(key) ?? "deleted";
    if (status !== last) breaks.push(`${key} is ${status} in its file, but ${last} in the ledger.`);
  }
  return breaks;
}
