/** Names of sessions, tasks and attempts: their grammar, order and labels. SPEC sections 2 and 3.1. */

/** `WFS-` and a topic in lower case with hyphens. */
export type SessionId = string;
/** `impl-N` or `impl-N.M`. */
export type TaskId = string;
/** A UUID made once for each start of an agent; the marker `COX_RUN_ID` in its environment. */
export type RunId = string;
/** `<session>/<task>`: a task among all sessions. */
export type TaskKey = string;

const SESSION = /^WFS-[a-z0-9]+(?:-[a-z0-9]+)*$/;
const TASK = /^impl-(0|[1-9]\d{0,8})(?:\.([1-9]\d{0,8}))?$/;
const ATTEMPT = /^(impl-\d+(?:\.\d+)?)-a(\d+)$/;
const LONGEST_SLUG = 60;

export function isSessionId(text: string): boolean {
  return text.length <= LONGEST_SLUG + 12 && SESSION.test(text);
}

export function isTaskId(text: string): boolean {
  return TASK.test(text);
}

export function taskKey(session: SessionId, task: TaskId): TaskKey {
  return `${session}/${task}`;
}

/** `impl-2.1` → `impl-2`; `impl-2` → null. */
export function parentOf(id: TaskId): TaskId | null {
  const dot = id.indexOf(".");
  return dot === -1 ? null : id.slice(0, dot);
}

/** The numbers of an id, `[2, 1]` for `impl-2.1` and `[2, 0]` for `impl-2`: what tasks are ordered by. */
export function taskNumbers(id: TaskId): [number, number] {
  const match = TASK.exec(id);
  return match ? [Number(match[1]), Number(match[2] ?? 0)] : [0, 0];
}

export function compareTaskIds(a: TaskId, b: TaskId): number {
  const [a1, a2] = taskNumbers(a);
  const [b1, b2] = taskNumbers(b);
  return a1 - b1 || a2 - b2;
}

/** How views name a task: `impl-1.2` → `IMPL-001.2` (the older layout's label). */
export function taskLabel(id: TaskId): string {
  const [main, sub] = id.slice("impl-".length).split(".");
  return `IMPL-${(main ?? "").padStart(3, "0")}${sub === undefined ? "" : `.${sub}`}`;
}

/** `impl-1`, 2 → `impl-1-a2`: the base name of everything that belongs to one attempt. */
export function attemptName(task: TaskId, attempt: number): string {
  return `${task}-a${attempt}`;
}

/** The reverse of {@link attemptName}; undefined for any other name. */
export function parseAttemptName(name: string): { task: TaskId; attempt: number } | undefined {
  const match = ATTEMPT.exec(name);
  if (!match?.[1] || !isTaskId(match[1])) return undefined;
  return { task: match[1], attempt: Number(match[2]) };
}

/** "User Auth System" → `user-auth-system`; letters of other scripts fold to their base letter or fall away. */
function slug(topic: string): string {
  const plain = topic
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/^wfs-/, "")
    .replace(/[^a-z0-9]+/g, "-")
    .slice(0, LONGEST_SLUG)
    .replace(/^-+|-+$/g, "");
  return plain || "session";
}

/** The session id for a topic; a conflict with `taken` adds `-002`, `-003`, … */
export function sessionIdFor(topic: string, taken: (id: SessionId) => boolean): SessionId {
  const base = `WFS-${slug(topic)}`;
  if (!taken(base)) return base;
  for (let n = 2; ; n++) {
    const id = `${base}-${String(n).padStart(3, "0")}`;
    if (!taken(id)) return id;
  }
}
