/** The trailers by which a commit of the code says which attempt made it. SPEC section 8. */
import { isSessionId, isTaskId, type SessionId, type TaskId } from "../model/ids.ts";

/** An attempt, as a commit's message names it; what the message does not say is null. */
export interface Maker {
  session: SessionId;
  task: TaskId;
  attempt: number | null;
  role: string | null;
  model: string | null;
  /** US dollars at list prices. */
  cost_usd: number | null;
  /** Commit of the ledger. */
  ledger: string | null;
}

/** Names the tip of the session's branch that a squash has brought. */
export const LANDED = "Cox-Landed";

const LINE = /^(Cox-[A-Za-z-]+): (\S.*)$/;

/**
 * All the attempts that a message names, each once. Read from the whole text and not from its last paragraph alone: a
 * squash strings the messages of many commits together. `Cox-Session` begins another group, and so does `Cox-Task` after one.
 */
export function makersOf(message: string): Maker[] {
  const found = new Map<string, Maker>();
  for (const group of groupsOf(message)) {
    const [session = "", task = ""] = [group.get("Cox-Session"), group.get("Cox-Task")];
    if (!isSessionId(session) || !isTaskId(task)) continue;
    const attempt = Number(/(\d+)$/.exec(group.get("Cox-Attempt") ?? "")?.[1] ?? Number.NaN);
    const cost = Number(group.get("Cox-Cost-USD") ?? Number.NaN);
    const ledger = group.get("Cox-Ledger") ?? "";
    const maker: Maker = {
      session,
      task,
      attempt: Number.isSafeInteger(attempt) ? attempt : null,
      role: group.get("Cox-Role") ?? null,
      model: group.get("Cox-Model") ?? null,
      cost_usd: Number.isFinite(cost) ? cost : null,
      ledger: /^[0-9a-f]{40,64}$/.test(ledger) ? ledger : null,
    };
    if (!found.has(nameOf(maker))) found.set(nameOf(maker), maker);
  }
  return [...found.values()];
}

/** What a squash says it has brought; null for any other commit. */
export function landedBy(message: string): string | null {
  for (const line of message.split("\n")) {
    const [, key, value = ""] = LINE.exec(line) ?? [];
    if (key === LANDED && /^[0-9a-f]{40,64}$/.test(value)) return value;
  }
  return null;
}

export function trailersOf(maker: Maker): [string, string][] {
  const all: [string, string | number | null][] = [
    ["Cox-Session", maker.session],
    ["Cox-Task", maker.task],
    ["Cox-Attempt", maker.attempt],
    ["Cox-Role", maker.role],
    ["Cox-Model", maker.model],
    ["Cox-Cost-USD", maker.cost_usd],
    ["Cox-Ledger", maker.ledger],
  ];
  return all.flatMap(([key, value]): [string, string][] => (value === null ? [] : [[key, String(value)]]));
}

/** `WFS-x/impl-1-a2`. */
export function nameOf({ session, task, attempt }: Pick<Maker, "session" | "task" | "attempt">): string {
  return `${session}/${task}${attempt === null ? "" : `-a${attempt}`}`;
}

function groupsOf(message: string): Map<string, string>[] {
  const groups: Map<string, string>[] = [];
  let group = new Map<string, string>();
  for (const line of message.split("\n")) {
    const [, key, value] = LINE.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    if (key === "Cox-Session" || (key === "Cox-Task" && group.has(key))) {
      const session = key === "Cox-Task" ? group.get("Cox-Session") : undefined;
      group = new Map(session === undefined ? [] : [["Cox-Session", session]]);
      groups.push(group);
    }
    if (!group.has(key)) group.set(key, value.trim());
  }
  return groups;
}
