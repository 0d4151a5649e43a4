/** What comes back from a ledger does not start by itself: sessions paused, no markers, nothing active. SPEC section 13. */
import { readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { SessionId } from "../../model/ids.ts";
import type { Task } from "../../model/task.ts";
import { withState } from "../../model/task.ts";
import { writeFiles, type FileWrite } from "../../store/files.ts";
import { formatJson, parseJson } from "../../store/json-file.ts";
import { at, placeOf, RUN } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { isObject } from "./tasks-on-disk.ts";

export interface StoodDown {
  sessions: { session: string; tasks: number; status: string }[];
  /** Tasks (`WFS-x/impl-1`) that were running when they were recorded, and are pending now. */
  requeued: string[];
}

/**
 * `written`: the paths that were brought back; nothing else is touched. No agent is at work for one of the `copies`.
 * `newest`: the newest record of a path, where an older one came back: which attempts a task has had is a fact, and no
 * number is given twice. With them the daemon takes the rest as a person's edit, not as a write of its own cut off.
 */
export async function standDown(
  folder: string,
  of: {
    written: readonly string[];
    copies: ReadonlySet<SessionId>;
    newest: (path: string) => Promise<Buffer | null>;
  },
): Promise<StoodDown> {
  const { written, copies, newest } = of;
  const writes: FileWrite[] = [];
  const sessions: StoodDown["sessions"] = [];
  const requeued: string[] = [];
  const runs = new Set(namesIn(join(folder, RUN, "attempts")));
  for (const path of written) {
    const place = placeOf(path);
    if (place.kind === "session-file") {
      const file = read(folder, path);
      const before = file?.value["status"];
      const status = before === "active" ? "paused" : typeof before === "string" ? before : "unreadable";
      if (file && before === "active") writes.push({ path, content: formatJson({ ...file.value, status }, file.text) });
      await rm(join(folder, at.marker(place.session)), { force: true });
      const tasks = namesIn(join(folder, place.session, ".task")).filter(
        (name) => placeOf(at.task(place.session, name.slice(0, -5))).kind === "task",
      );
      sessions.push({ session: place.session, tasks: tasks.length, status });
    }
    if (place.kind === "task" && place.id) {
      const file = read(folder, path);
      if (!file) continue;
      const later = copies.has(place.session) ? undefined : parsed((await newest(path)) ?? undefined);
      const task = withHistory(file.value, later?.value) as unknown as Task;
      // An agent whose folder is still there may still be at work: the daemon finds it again.
      const atWork = !copies.has(place.session) && runs.has(task?.execution?.last_attempt?.run_id ?? "");
      const stops = task.status === "active" && !atWork;
      if (stops) requeued.push(`${place.session}/${place.id}`);
      const now = stops ? withState(task, { status: "pending" }) : task;
      if (now !== (file.value as unknown)) writes.push({ path, content: formatJson(now, file.text) });
    }
  }
  await writeFiles(folder, writes, true);
  return { sessions: sessions.sort((a, b) => a.session.localeCompare(b.session)), requeued };
}

/** The task with the attempts that it had by the newest record. */
function withHistory(task: Record<string, unknown>, newest: Record<string, unknown> | undefined) {
  const [then, since] = [task["execution"], newest?.["execution"]];
  if (!isObject(then) || !isObject(since)) return task;
  const [attempts, last_attempt] = [since["attempts"], since["last_attempt"]];
  const same = attempts === then["attempts"] && JSON.stringify(last_attempt) === JSON.stringify(then["last_attempt"]);
  return same ? task : { ...task, execution: { ...then, attempts, last_attempt } };
}

function read(folder: string, path: string): { value: Record<string, unknown>; text: string } | undefined {
  return parsed(readRegular(join(folder, path))?.content);
}

function parsed(content: Buffer | undefined): { value: Record<string, unknown>; text: string } | undefined {
  const found = content && parseJson(content);
  return found && "ok" in found ? { value: found.ok, text: found.text } : undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
