/** What Coxswain keeps in a session's file (phase, what runs now), as its tasks say after they came back. */
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { decide } from "../../machine/machine.ts";
import { policyOf } from "../../machine/policy.ts";
import { emptySession, emptyState, setTask } from "../../machine/state.ts";
import type { SessionId } from "../../model/ids.ts";
import { instant } from "../../model/time.ts";
import { writeFiles, type FileWrite } from "../../store/files.ts";
import { formatJson, parseJson } from "../../store/json-file.ts";
import { at } from "../../store/paths.ts";
import { defaults } from "../../store/config-file.ts";
import { readRegular } from "../../store/scan.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { readTasks } from "./tasks-on-disk.ts";

/** Of sessions that are not active, so that nothing else follows from a look at them. By the machine, as the daemon does. */
export async function deriveFacts(folder: string, restored: ReadonlySet<SessionId>): Promise<void> {
  const policy = policyOf(defaults(), new Map());
  const lent = { now: instant(Date.now()), chance: () => 0, runId: () => randomUUID() };
  const writes: FileWrite[] = [];
  for (const file of readSessions(folder).sessions) {
    const id = file.session_id;
    if (!restored.has(id) || file.status === "active") continue;
    const session = emptySession(file);
    for (const each of readTasks(folder, id).tasks) {
      const task = each.task();
      if (task) setTask(session, task.id, task);
    }
    const state = emptyState();
    state.sessions.set(id, session);
    const { changes } = decide(state, [{ type: "session-edited", file, fields: [], by: "daemon" }], policy, lent);
    const path = at.sessionFile(id);
    const content = readRegular(join(folder, path))?.content;
    const written = content && parseJson(content);
    for (const change of changes)
      if (change.of === "session-file" && written && "ok" in written) {
        const { type, current_phase, progress, updated_at } = change.after;
        writes.push({
          path,
          content: formatJson({ ...written.ok, type, current_phase, progress, updated_at }, written.text),
        });
      }
  }
  await writeFiles(folder, writes, true);
}
