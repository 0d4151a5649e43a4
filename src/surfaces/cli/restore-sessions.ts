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

export interface StoodDown {
  sessions: { session: string; tasks: number; status: string }[];
  /** Tasks (`WFS-x/impl-1`) that were running when they were recorded, and are pending now. */
  requeued: string[];
}

/** `written`: the paths that were brought back; nothing else is touched. No agent is at work for one of the `copies`. */
export async function standDown(
  folder: string,
  { written, copies }: { written: readonly string[]; copies: ReadonlySet<SessionId> },
): Promise<StoodDown> {
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
      const task = file?.value as Task | undefined;
      // An agent whose folder is still there may still be at work: the daemon finds it again.
      const atWork = !copies.has(place.session) && runs.has(task?.execution?.last_attempt?.run_id ?? "");
      if (!file || task?.status !== "active" || atWork) continue;
      writes.push({ path, content: formatJson(withState(task, { status: "pending" }), file.text) });
      requeued.push(`${place.session}/${place.id}`);
    }
  }
  await writeFiles(folder, writes, true);
  return { sessions: sessions.sort((a, b) => a.session.localeCompare(b.session)), requeued };
}

function read(folder: string, path: string): { value: Record<string, unknown>; text: string } | undefined {
  const content = readRegular(join(folder, path))?.content;
  const parsed = content && parseJson(content);
  return parsed && "ok" in parsed ? { value: parsed.ok, text: parsed.text } : undefined;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
