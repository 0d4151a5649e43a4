/** Sessions and their markers as they are on disk. */
import { lstatSync, readFileSync } from "node:fs";
import { isSessionId, type SessionId } from "../../model/ids.ts";
import { newSession, type SessionFile } from "../../model/session.ts";
import { at, placeOf } from "../../store/paths.ts";
import { entriesOf, isObject } from "./tasks-on-disk.ts";

export interface SessionsOnDisk {
  /** In order of their names; `status` is what the markers say, whatever the daemon has come to write. */
  sessions: SessionFile[];
  /** Sessions with a marker, newest first. */
  active: SessionId[];
}

export function readSessions(folder: string): SessionsOnDisk {
  const names: SessionId[] = [];
  const markers: { session: SessionId; changedAt: number }[] = [];
  for (const entry of entriesOf(folder)) {
    if (entry.isDirectory() && isSessionId(entry.name)) names.push(entry.name);
    const place = placeOf(entry.name);
    if (place.kind !== "marker") continue;
    const stat = lstatSync(`${folder}/${entry.name}`, { throwIfNoEntry: false });
    if (stat) markers.push({ session: place.session, changedAt: stat.mtimeMs });
  }
  markers.sort((a, b) => b.changedAt - a.changedAt || a.session.localeCompare(b.session));
  const active = markers.map(({ session }) => session).filter((session) => names.includes(session));
  return { sessions: names.sort().map((id) => readSession(folder, id, active.includes(id))), active };
}

function readSession(folder: string, id: SessionId, active: boolean): SessionFile {
  const base = newSession(id, new Date(0).toISOString());
  let given: Record<string, unknown> = {};
  try {
    const value: unknown = JSON.parse(readFileSync(`${folder}/${at.sessionFile(id)}`, "utf8"));
    if (isObject(value)) given = value;
  } catch {
    // None yet, or a broken one: `cox status` shows its report.
  }
  const progress = isObject(given["progress"]) ? given["progress"] : {};
  const current = Array.isArray(progress["current_tasks"]) ? progress["current_tasks"] : [];
  const text = (key: "project" | "type" | "current_phase") => (typeof given[key] === "string" ? given[key] : base[key]);
  return {
    ...base,
    ...given,
    session_id: id,
    project: text("project"),
    type: text("type") as SessionFile["type"],
    current_phase: text("current_phase") as SessionFile["current_phase"],
    status: active ? "active" : given["status"] === "completed" ? "completed" : "paused",
    progress: { completed_phases: [], ...progress, current_tasks: current.filter((task) => typeof task === "string") },
  };
}
