/** Failures learned over time: met again, recovered from, and what a person says about them. SPEC section 9. */
import { groupOf, SUGGESTIONS } from "../model/error-group.ts";
import type { Failure } from "../model/failure.ts";
import { classIn, programIn, signatureOf, type ErrorPattern, type PatternsFile } from "../model/pattern.ts";
import { withExecution, withState, type Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { RunEnd } from "./event.ts";
import type { Draft } from "./draft.ts";

/** Beyond this the one that was not met for longest is forgotten. */
export const MOST_PATTERNS = 500;

/** Never tried again, unless a person says so: what they need is a change. */
const NEVER = new Set<Failure["class"]>(["auth", "invalid", "permission", "budget", "conflict"]);

export function patternFor(file: PatternsFile, signature: string): ErrorPattern | undefined {
  return file.patterns.find((pattern) => pattern.error_signature === signature);
}

/** What a failed attempt of this task is known by. */
export function signatureFor(task: Task, error: Failure, end?: RunEnd): string {
  const { command } = task.execution;
  const gate = error.class === "verify" ? /^The gate `([^`]*)`/.exec(error.message)?.[1] : undefined;
  const facts = end?.kind === "finished" ? end.end : end?.facts;
  const denied = error.class === "permission" ? facts?.permission_denials[0]?.tool_name : undefined;
  const started = gate ?? (task.agent === "command" ? command : undefined);
  const message = (end?.kind === "finished" ? end.told : undefined) ?? error.message;
  return signatureOf(
    { class: error.class, message },
    denied ?? (started === undefined ? undefined : programIn(started)),
  );
}

/** The file once this failure was met. What a person has written about it stays. */
export function met(file: PatternsFile, { signature, error }: { signature: string; error: Failure }, now: Instant) {
  const known = patternFor(file, signature);
  if (known) {
    const occurrence_count = (known.occurrence_count ?? 0) + 1;
    return withPattern(file, { ...known, occurrence_count, first_seen: known.first_seen ?? now, last_seen: now });
  }
  const pattern: ErrorPattern = {
    error_signature: signature,
    occurrence_count: 1,
    first_seen: now,
    last_seen: now,
    recoverable: isRecoverable(error.class),
    recommended_action: actionFor(signature),
    notes: "",
    recovered_count: 0,
  };
  return { ...file, patterns: [...bounded(file.patterns), pattern] };
}

/** The file once a task that had failed like this has succeeded. */
export function recovered(file: PatternsFile, signature: string): PatternsFile {
  const known = patternFor(file, signature);
  if (!known) return file;
  return withPattern(file, { ...known, recovered_count: (known.recovered_count ?? 0) + 1 });
}

/** A person's save: what waits to be tried again in vain does not wait. */
export function patternsEdited(draft: Draft, file: PatternsFile): void {
  draft.add({ of: "patterns", after: file });
  const hopeless = new Set(file.patterns.filter(isHopeless).map((pattern) => pattern.error_signature));
  if (hopeless.size === 0) return;
  for (const session of draft.sessionIds()) {
    for (const task of [...draft.tasks(session)]) {
      const { reason, failed_with: signature } = task.execution;
      if (task.status !== "pending" || reason !== "backoff" || !signature || !hopeless.has(signature)) continue;
      const after = withState(hinted(task), { status: "blocked", reason: "failed" });
      draft.add({ of: "task", session, id: task.id, from: "pending", to: "blocked", by: "daemon", after });
    }
  }
}

export function isHopeless(pattern: ErrorPattern): boolean {
  return pattern.recoverable === false;
}

/** The task whose last failure is known to be in vain says what to do. */
export function hinted(task: Task): Task {
  const last = task.execution.last_attempt;
  if (!last?.error || last.error.hint) return task;
  return withExecution(task, { last_attempt: { ...last, error: { ...last.error, hint: HINT } } });
}

const HINT =
  "errors/patterns.json says that trying again is in vain (recoverable: false). Mend the cause (`cox errors` suggests how), then `cox retry`.";

/**
 * A save and what was learned meanwhile, as one. `older` are versions before the current one, newest first: the save was
 * made from the first whose counts it has. All that the save changed is the person's, save the counts, which are facts.
 */
export function mergePatterns(saved: PatternsFile, current: PatternsFile, older: readonly PatternsFile[]) {
  const base = [current, ...older].find((version) => isFrom(saved, version));
  // Whoever empties the list has seen it.
  if (base === current || saved.patterns.length === 0) return saved;
  const newest = saved.patterns.reduce((latest, { last_seen: at = "" }) => (at > latest ? at : latest), "");
  const patterns = saved.patterns.map((pattern): ErrorPattern => {
    const now = patternFor(current, pattern.error_signature);
    const was = base && patternFor(base, pattern.error_signature);
    return now ? { ...pattern, ...learned(pattern, was ?? pattern, now) } : pattern;
  });
  const since = current.patterns.filter(
    ({ error_signature: signature, first_seen = "" }) =>
      !patternFor(saved, signature) && (base ? !patternFor(base, signature) : first_seen > newest),
  );
  return { ...saved, patterns: [...patterns, ...since] };
}

const FACTS = ["occurrence_count", "recovered_count", "last_seen", "first_seen"] as const;

/** The facts of a pattern that the save left as they were: as they stand now. */
function learned(saved: ErrorPattern, was: ErrorPattern, now: ErrorPattern): Partial<ErrorPattern> {
  return Object.fromEntries(
    FACTS.flatMap((key) => (saved[key] === was[key] && now[key] !== undefined ? [[key, now[key]]] : [])),
  );
}

function isFrom(saved: PatternsFile, version: PatternsFile): boolean {
  const known = new Map(version.patterns.map((pattern) => [pattern.error_signature, pattern]));
  const both = saved.patterns.filter(({ error_signature: signature }) => known.has(signature));
  if (both.length === 0) return version.patterns.length === 0;
  return both.every((pattern) => {
    const other = known.get(pattern.error_signature);
    return other?.occurrence_count === pattern.occurrence_count && other?.recovered_count === pattern.recovered_count;
  });
}

function withPattern(file: PatternsFile, pattern: ErrorPattern): PatternsFile {
  const { error_signature: signature } = pattern;
  return { ...file, patterns: file.patterns.map((each) => (each.error_signature === signature ? pattern : each)) };
}

/** Room for one more: of those that nobody has written anything about, the oldest goes first. */
function bounded(patterns: readonly ErrorPattern[]): readonly ErrorPattern[] {
  if (patterns.length < MOST_PATTERNS) return patterns;
  const age = (a: ErrorPattern, b: ErrorPattern) =>
    Number(isWrittenAbout(a)) - Number(isWrittenAbout(b)) || (a.last_seen ?? "").localeCompare(b.last_seen ?? "");
  const gone = new Set(patterns.toSorted(age).slice(0, patterns.length - MOST_PATTERNS + 1));
  return patterns.filter((pattern) => !gone.has(pattern));
}

function isWrittenAbout(pattern: ErrorPattern): boolean {
  const { error_signature: signature, notes, recommended_action: action, recoverable } = pattern;
  return Boolean(notes) || action !== actionFor(signature) || recoverable !== isRecoverable(classIn(signature));
}

function isRecoverable(kind: Failure["class"] | undefined): boolean {
  return kind === undefined || !NEVER.has(kind);
}

function actionFor(signature: string): string {
  return SUGGESTIONS[groupOf(signature)].action;
}
