/** A session's file as two machines have changed it, merged. SPEC sections 4 and 13. */
import { typeFor, type SessionFile, type SessionStatus } from "../model/session.ts";
import { equal } from "./merge.ts";

/**
 * Where a session is active is each machine's own decision, like its markers, which are never recorded: what arrives
 * makes none active, and pauses none that is active here. That it is completed is about the work, and goes for all.
 */
export function mergeSession(of: {
  base: SessionFile | null;
  ours: SessionFile | null;
  theirs: SessionFile;
}): SessionFile {
  const { base, ours, theirs } = of;
  if (!ours) return { ...standing(theirs), progress: { ...theirs.progress, current_tasks: [] } };
  const theirsIsLater = (theirs.updated_at ?? "") > (ours.updated_at ?? "");
  const [was, here, there] = [base, ours, theirs].map((file) => (file ?? {}) as Record<string, unknown>) as [
    Record<string, unknown>,
    Record<string, unknown>,
    Record<string, unknown>,
  ];
  const merged: Record<string, unknown> = {};
  for (const key of new Set([
    ...Object.keys(theirsIsLater ? there : here),
    ...Object.keys(here),
    ...Object.keys(there),
  ])) {
    const byOurs = equal(there[key], was[key]) || (!equal(here[key], was[key]) && !theirsIsLater);
    const value = byOurs ? here[key] : there[key];
    if (value !== undefined) merged[key] = value;
  }
  const file = merged as unknown as SessionFile;
  const cost = sumOf("cost_usd", { base, ours, theirs });
  const tokens = sumOf("tokens", { base, ours, theirs });
  return {
    ...file,
    status: statusOf(base?.status, ours.status, theirs.status),
    type: typeFor(0, typeFor(TASKS[theirs.type], ours.type)),
    progress: { ...file.progress, current_tasks: ours.progress.current_tasks },
    ...(cost === undefined ? {} : { cost_usd: cost }),
    ...(tokens === undefined ? {} : { tokens }),
  };
}

function standing(file: SessionFile): SessionFile {
  return file.status === "active" ? { ...file, status: "paused" } : file;
}

function statusOf(was: SessionStatus | undefined, ours: SessionStatus, theirs: SessionStatus): SessionStatus {
  if (theirs === "completed" && was !== "completed") return "completed";
  if (theirs !== "completed" && was === "completed" && ours === "completed") return "paused";
  return ours;
}

/** As many tasks as make a session of that type. */
const TASKS = { simple: 0, medium: 5, complex: 16 } as const;

/** What both have spent since. */
function sumOf(
  what: "cost_usd" | "tokens",
  { base, ours, theirs }: { base: SessionFile | null; ours: SessionFile; theirs: SessionFile },
): number | undefined {
  const [was = 0, here, there] = [base?.[what], ours[what], theirs[what]];
  if (here === undefined || here === was) return there ?? here;
  if (there === undefined || there === was || there === here) return here;
  return Math.max(here, there, here + there - was);
}
