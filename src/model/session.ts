/** What a session is. SPEC section 4. */
import type { SessionId } from "./ids.ts";
import type { PHASES, SESSION_STATUSES, SESSION_TYPES, SessionShape } from "./session-schema.ts";
import type { Instant } from "./time.ts";

export type SessionStatus = (typeof SESSION_STATUSES)[number];
export type SessionType = (typeof SESSION_TYPES)[number];
export type Phase = (typeof PHASES)[number];
/** `workflow-session.json` as it stands, unknown keys included. */
export type SessionFile = SessionShape;

const ORDER: readonly SessionType[] = ["simple", "medium", "complex"];

/** The session's type for a number of tasks: rises with it, never falls below what the file says. */
export function typeFor(tasks: number, atLeast: SessionType): SessionType {
  const byCount: SessionType = tasks > 15 ? "complex" : tasks >= 5 ? "medium" : "simple";
  return ORDER.indexOf(byCount) > ORDER.indexOf(atLeast) ? byCount : atLeast;
}

/** Where an editor finds what may stand in a session's file. */
const SESSION_SCHEMA = "../.run/schemas/session.schema.json";

/** A session's file when there is none yet, or none that can be read. */
export function newSession(id: SessionId, at: Instant, project?: string): SessionFile {
  return {
    $schema: SESSION_SCHEMA,
    session_id: id,
    project: project ?? id.slice("WFS-".length).replaceAll("-", " "),
    type: "simple",
    current_phase: "PLAN",
    status: "paused",
    progress: { completed_phases: [], current_tasks: [] },
    created_at: at,
    updated_at: at,
  };
}
