/** What follows when an agent has ended. SPEC sections 3.4 and 9. */
import type { AttemptFacts } from "../model/attempt.ts";
import { taskKey, type SessionId } from "../model/ids.ts";
import type { ErrorPattern } from "../model/pattern.ts";
import { NOTHING, plus, spentBy, type Spent } from "../model/spent.ts";
import { withExecution, type BlockedReason, type LastAttempt, type Task, type TaskState } from "../model/task.ts";
import { toMs } from "../model/time.ts";
import type { Run } from "../model/transition.ts";
import { breakerKeyOf, onFailure, onSuccess } from "./breaker.ts";
import type { Draft } from "./draft.ts";
import type { Event, RunEnd } from "./event.ts";
import { ACCOUNT, Purse, turnsOf } from "./budget.ts";
import { addPlanned, doneBy } from "./planned.ts";
import { hinted, isHopeless, met, patternFor, recovered, signatureFor } from "./patterns.ts";
import { today, type Lent, type Policy } from "./policy.ts";
import { afterReview, afterWork, withoutReviewer } from "./review.ts";
import { afterFailure, countsForBreaker, limitEnds } from "./retry.ts";

export function ended(draft: Draft, event: Extract<Event, { type: "ended" }>, policy: Policy, lent: Lent): void {
  const { session, id, attempt, runId } = event;
  const run = draft.run(session, id);
  // Late news of an older attempt is nothing.
  if (!run || run.runId !== runId) return;
  draft.add({ of: "run-ended", session, id });
  const spent = spentIn(run, event.end);
  charge(draft, session, spent, lent);
  if (!run.merging) followBreaker(draft, run, event.end, policy, lent);

  const task = draft.task(session, id);
  const last = task?.execution.last_attempt;
  if (!task || last?.run_id !== runId) return;
  if (task.status !== "active") {
    // A person took the task away from its agent: what it cost and where it stood are facts all the same.
    const after = run.review
      ? withoutReviewer(task, last, spent, lent.now)
      : withLast(task, last, { end: event.end, spent }, lent);
    draft.add({ of: "task-edit", session, id, by: "daemon", fields: ["execution.last_attempt"], after });
    return;
  }
  const charged = run.review
    ? withoutReviewer(task, last, spent, lent.now)
    : withWork(run, withLast(task, last, { end: event.end, spent }, lent), event.end, last);
  const over = overAfter(draft, { session, task: charged, end: event.end, spent }, policy, lent);
  const noted = over || run.review ? { task: charged } : learn(draft, charged, event.end, lent);
  const { settled, state } = over
    ? {
        settled: withExecution(charged, { over_budget: over }),
        state: { status: "blocked", reason: "budget" } as const,
      }
    : run.review
      ? afterReview(charged, { run, end: event.end }, policy, lent)
      : settle(noted.task, event.end, policy, { ...lent, known: noted.known, merging: run.merging === true });
  const facts = event.end.kind === "finished" ? event.end.end : event.end.facts;
  const reached = state.status === "completed" ? doneBy(settled, event.plan) : state;
  draft.add({
    of: "task",
    session,
    id,
    from: "active",
    to: reached.status,
    by: "daemon",
    attempt,
    facts: factsOf(facts),
    after: stateful(settled, reached),
  });
  if (state.status === "completed") addPlanned(draft, { session, id, plan: event.plan, by: "daemon" });
}

/** Where its work is; a merge without an agent leaves all else of the attempt as it was. */
function withWork(run: Run, task: Task, end: RunEnd, before: LastAttempt): Task {
  const { work } = end.kind === "finished" ? end.end : end.facts;
  const { branch, commit } = task.execution;
  const found = work ? { branch: work.branch, commit: work.commit ?? undefined } : { branch, commit };
  const last = task.execution.last_attempt;
  if (!run.merging || !last) return withExecution(task, found);
  const { merging: _merging, ...rest } = before;
  const { ended_at = null, outcome = null, error = null } = last;
  // One that was stopped said nothing about the work.
  const how = end.kind === "stopped" ? { ended_at } : { ended_at, outcome, error };
  return withExecution(task, { ...found, last_attempt: { ...rest, ...how } });
}

/** The budget that this attempt was ended for, or ended by itself for. */
function overAfter(
  draft: Draft,
  { session, task, end, spent }: { session: SessionId; task: Task; end: RunEnd; spent: Spent },
  policy: Policy,
  lent: Lent,
): Task["execution"]["over_budget"] {
  const purse = new Purse(draft, policy, lent);
  if (end.kind === "stopped")
    return end.why === "budget" ? (purse.overAttempt(spent) ?? purse.over(session, task)) : undefined;
  if (end.end.outcome === "success" || end.end.error.class !== "budget") return undefined;
  const turns = turnsOf(task, policy);
  if (turns !== undefined && (end.end.turns ?? 0) >= turns) return { of: "attempt", unit: "turns", limit: turns };
  return purse.overAttempt(spent) ?? purse.over(session, task);
}

/** What a failure is known by goes on record with it; a success is one more that came after such a failure. */
function learn(draft: Draft, task: Task, end: RunEnd, lent: Lent): { task: Task; known?: ErrorPattern } {
  const error = task.execution.last_attempt?.error;
  const { failed_with: before } = task.execution;
  if (error) {
    const signature = signatureFor(task, error, end);
    const known = patternFor(draft.patterns, signature);
    draft.add({ of: "patterns", after: met(draft.patterns, { signature, error }, lent.now) });
    const failed = withExecution(task, { failed_with: signature });
    return known ? { task: isHopeless(known) ? hinted(failed) : failed, known } : { task: failed };
  }
  if (end.kind === "stopped" || before === undefined) return { task };
  const after = recovered(draft.patterns, before);
  if (after !== draft.patterns) draft.add({ of: "patterns", after });
  return { task: withExecution(task, { failed_with: undefined }) };
}

type Settling = Lent & { known: ErrorPattern | undefined; merging: boolean };

function settle(task: Task, end: RunEnd, policy: Policy, lent: Settling): { settled: Task; state: TaskState } {
  if (end.kind === "stopped") {
    // Stopped by the daemon for its own reasons: the attempt does not count.
    if (end.why !== "timeout" && end.why !== "stalled") {
      return { settled: lent.merging ? task : uncounted(task), state: { status: "pending" } };
    }
    return failed(task, { class: end.why, message: STOPPED[end.why] }, policy, lent);
  }
  if (end.end.outcome === "success") {
    const settled = withExecution(task, { failures: undefined });
    return lent.merging ? { settled, state: { status: "completed" } } : afterWork(settled, end.end.work, policy);
  }
  return failed(task, end.end.error, policy, lent);
}

function failed(
  task: Task,
  error: NonNullable<LastAttempt["error"]>,
  policy: Policy,
  lent: Settling,
): { settled: Task; state: TaskState } {
  const verdict = afterFailure(task, error, policy, lent, lent.known);
  const other = verdict.state.status === "blocked" ? fallbackFor(task, verdict.state.reason, policy) : undefined;
  if (other) return { settled: handedTo(other, task), state: { status: "pending" } };
  const counted = withExecution(task, { failures: verdict.failures || undefined });
  return { settled: verdict.counts ? counted : uncounted(counted), state: verdict.state };
}

/** The role that tries next what this one has given up; one that was tried already is not asked again. */
function fallbackFor(task: Task, reason: BlockedReason, { roles, fallbackAgent }: Policy): string | undefined {
  const other = task.execution.fallback_agent ?? fallbackAgent;
  if (!other || other === task.agent || !roles.has(other) || task.execution.fell_back_from) return undefined;
  return reason === "budget" || reason === "conflict" ? undefined : other;
}

function handedTo(other: string, task: Task): Task {
  const last = task.execution.last_attempt;
  return withExecution(
    { ...task, agent: other },
    {
      failures: undefined,
      fell_back_from: task.agent,
      // What another role said is no conversation of this one.
      last_attempt: last && { ...last, agent_session: null },
    },
  );
}

function withLast(task: Task, last: LastAttempt, { end, spent }: { end: RunEnd; spent: Spent }, lent: Lent): Task {
  const facts = end.kind === "finished" ? end.end : end.facts;
  const outcome = end.kind === "stopped" ? "stopped" : end.end.outcome;
  const stopError =
    end.kind === "stopped" && (end.why === "timeout" || end.why === "stalled" || end.why === "budget")
      ? { class: end.why, message: STOPPED[end.why] }
      : null;
  const sum = plus(task.execution.spent ?? NOTHING, spent);
  return withExecution(task, {
    ...(sum.usd + sum.tokens > 0 ? { spent: sum } : {}),
    last_attempt: {
      ...last,
      agent_session: facts.agent_session ?? (isGone(end) ? null : (last.agent_session ?? null)),
      ended_at: lent.now,
      outcome,
      error: end.kind === "finished" && end.end.outcome === "failure" ? end.end.error : stopError,
      cost_usd: facts.cost_usd,
      tokens: facts.tokens,
      turns: facts.turns,
      duration_ms: end.durationMs,
      model: facts.model ?? last.model ?? null,
    },
  });
}

/** A conversation that cannot be continued: nothing was said in it, for a reason of its own. */
function isGone(end: RunEnd): boolean {
  return end.kind === "finished" && end.end.outcome === "failure" && end.end.error.class === "unknown";
}

const STOPPED = {
  timeout: "The time limit was reached.",
  stalled: "It was silent for too long.",
  budget: "A budget was used up.",
};

function uncounted(task: Task): Task {
  return withExecution(task, { attempts: Math.max(0, task.execution.attempts - 1) });
}

/** The state onto the task, keeping what `withState` would not know. */
function stateful(task: Task, state: TaskState): Task {
  return {
    ...withExecution(task, {
      reason: state.status === "pending" || state.status === "blocked" ? state.reason : undefined,
      next_attempt_at: state.status === "pending" ? state.nextAttemptAt : undefined,
    }),
    status: state.status,
  };
}

function factsOf(facts: AttemptFacts): Partial<AttemptFacts> {
  const { agent_session, model, cost_usd, work } = facts;
  return { agent_session, model, cost_usd, ...(work ? { work } : {}) };
}

/** One that was stopped may tell less at its end than was seen of it before: that was spent all the same. */
function spentIn({ seen = NOTHING }: Run, end: RunEnd): Spent {
  if (end.kind === "finished") return spentBy(end.end);
  const told = spentBy(end.facts);
  return { usd: Math.max(told.usd, seen.usd), tokens: Math.max(told.tokens, seen.tokens) };
}

/** What it cost is the session's and the day's, whatever became of it. */
function charge(draft: Draft, session: SessionId, spent: Spent, lent: Lent): void {
  if (spent.usd + spent.tokens === 0) return;
  const day = today(lent).name;
  draft.add({ of: "spent", day, spent: plus(draft.spentOn(day), spent) });
  const file = draft.session(session);
  if (!file) return;
  const sum = plus({ usd: file.cost_usd ?? 0, tokens: file.tokens ?? 0 }, spent);
  draft.add({
    of: "session-file",
    session,
    after: {
      ...file,
      ...(sum.usd > 0 ? { cost_usd: sum.usd } : {}),
      ...(sum.tokens > 0 ? { tokens: sum.tokens } : {}),
    },
  });
}

function followBreaker(draft: Draft, run: Run, end: RunEnd, policy: Policy, lent: Lent): void {
  if (end.kind === "finished" && end.end.outcome === "failure" && end.end.error.class === "usage-limit") {
    const until = limitEnds(end.end.error, policy, lent);
    const before = draft.limit(ACCOUNT);
    if (!before || toMs(until) > toMs(before)) draft.add({ of: "limit", account: ACCOUNT, until });
    // After it one agent finds out whether it is over.
    if (draft.isProven(ACCOUNT)) draft.add({ of: "proven", account: ACCOUNT, proven: false });
  }
  const key = breakerKeyOf(run);
  if (!key) return;
  const before = draft.breaker(key);
  const probe = before.state === "half-open" && before.probe === taskKey(run.session, run.id);
  // While one attempt decides, the end of another that began earlier says nothing.
  if (before.state === "half-open" && !probe) return;
  const bad =
    end.kind === "finished"
      ? end.end.outcome === "failure" && countsForBreaker(end.end.error.class)
      : end.why === "timeout" || end.why === "stalled";
  if (bad) return draft.add({ of: "breaker", key, breaker: onFailure(before, lent.now, policy) });
  if (end.kind === "stopped") {
    // The probe told nothing: the next attempt decides instead.
    if (probe) draft.add({ of: "breaker", key, breaker: { state: "open", until: lent.now } });
    return;
  }
  if (probe || (before.state === "closed" && before.failures.length > 0 && end.end.outcome === "success")) {
    draft.add({ of: "breaker", key, breaker: onSuccess() });
  }
}
