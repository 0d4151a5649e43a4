/** What may start now. SPEC sections 3.4, 4, 8 and 9. */
import { taskKey, type SessionId } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import { stateOf, withExecution, type Task, type TaskState } from "../model/task.ts";
import { instant, toMs, type Instant } from "../model/time.ts";
import type { Breaker, Run } from "../model/transition.ts";
import { begun, beginsMerge, mergesOnly, startsClean } from "./attempt.ts";
import { ACCOUNT, Purse } from "./budget.ts";
import { breakerKey, onStart, permits, withoutLostProbe } from "./breaker.ts";
import type { Draft } from "./draft.ts";
import { isolationOf, mayClash, writesOf } from "./overlap.ts";
import { hasRoom } from "./parts.ts";
import { today, type Lent, type Policy } from "./policy.ts";
import { beginsReview, cannotReview, concluded, forReviewer, isInReview, nextReviewer } from "./review.ts";
import { askPerson } from "./people.ts";
import { isFull } from "./runs.ts";
import { startsBefore } from "./state.ts";
import { move } from "./steering.ts";

export function schedule(draft: Draft, policy: Policy, lent: Lent): void {
  if (draft.draining) return;
  let wake: Instant | undefined;
  const later = (at: Instant | null | undefined) => {
    if (at && (!wake || at < wake)) wake = at;
  };
  const live = draft.runs();
  const purse = new Purse(draft, policy, lent);
  /** Roles, tools and paths that clash with an agent that lives: what is known of one task holds for all like it. */
  const clashing = new Set<string>();
  for (const [session, found] of inOrder(draft, policy)) {
    const due = reviewDue(found, policy);
    const { task } = due;
    const role = policy.roles.get(due.reviewer ?? task.agent);
    // People need no slot: behind a full house only they are looked for.
    const needsSlot = role !== undefined && role.runner !== "human" && task.execution.approve !== "before";
    const claim = `${task.agent}\n${task.execution.isolation}\n${task.paths}\n${task.execution.tools?.join()}`;
    if (needsSlot && (live.length >= policy.concurrency || clashing.has(claim))) continue;
    if (draft.run(session, task.id)) continue; // its agent is still being stopped
    if (!hasRoom(draft, { session, task, live })) continue;
    const state = stateOf(task);
    if (state.status === "pending" && state.nextAttemptAt && waits(task, state.nextAttemptAt, lent.now)) {
      later(instant(toMs(state.nextAttemptAt)));
      continue;
    }
    if (due.stops) {
      move(draft, session, task, due.stops, "daemon");
      continue;
    }
    if (!role) {
      move(draft, session, task, { status: "blocked", reason: "invalid" }, "daemon");
      continue;
    }
    if (task.execution.approve === "before" && task.execution.approved !== true) {
      move(draft, session, task, { status: "blocked", reason: "awaiting-approval" }, "daemon");
      continue;
    }
    if (mergesOnly(task)) {
      if (live.length < policy.concurrency) live.push(startMerge(draft, { session, task, role }, lent));
      continue;
    }
    if (role.runner === "human") {
      askPerson(draft, session, task, lent);
      continue;
    }
    const over = purse.over(session, task);
    if (over) {
      const waits = withExecution(task, { over_budget: over });
      move(draft, session, waits, { status: "blocked", reason: "budget" }, "daemon");
      if (over.of === "day") later(today(lent).ends);
      continue;
    }
    if (live.length >= policy.concurrency || isFull(draft, live, { session, step: task })) continue;
    // What is reviewed lies where it was made, and stays as it is meanwhile.
    const maker = policy.roles.get(task.agent) ?? role;
    const isolation = isolationOf(task, maker, policy);
    const writes = writesOf(task, maker, isolation);
    if (live.some((run) => mayClash(run.writes, writes))) {
      clashing.add(claim);
      continue;
    }
    const started = due.reviewer === undefined ? task : forReviewer(task, role.name);
    const service = serviceBlocks(draft, role, started, policy, lent.now);
    const blockedUntil =
      service === undefined && role.runner === "claude" ? accountFull(draft, live, policy, lent.now) : service;
    if (blockedUntil !== undefined) {
      later(blockedUntil);
      continue;
    }
    live.push(
      start(draft, { session, task, role, writes, isolation, reviews: due.reviewer !== undefined }, policy, lent),
    );
  }
  if (draft.sessionIds().some((session) => draft.overBudget(session).some(waitsForTomorrow))) later(today(lent).ends);
  if (wake) draft.act({ do: "wake", at: wake });
}

/** What was to wait for some minutes does not wait for hours because the clock was set back since its attempt ended. */
function waits({ execution }: Task, until: string, now: Instant): boolean {
  const ended = toMs(execution.last_attempt?.ended_at ?? now);
  const wasShort = toMs(until) - ended <= SHORT_MS;
  return toMs(until) > toMs(now) && !(wasShort && ended > toMs(now));
}

const SHORT_MS = 600_000;

const waitsForTomorrow = (task: Task) => task.execution.over_budget?.of === "day";

/**
 * Few agents of an account run near its limit, one until it is known to get answers, and starts are spread. Undefined: one
 * more may start. Otherwise from when on it may be asked again.
 */
function accountFull(draft: Draft, live: readonly Run[], policy: Policy, at: Instant): Instant | undefined {
  const now = toMs(at);
  const running = live.filter((run) => policy.roles.get(run.role)?.runner === "claude" && !run.merging);
  if (running.length === 0) return undefined;
  const warned = draft.warning(ACCOUNT);
  if (warned && toMs(warned) > now && running.length >= policy.warnedConcurrency) return warned;
  // One that starts in the future began before the clock was set back: nobody waits until then.
  const starts = running.map((run) => toMs(run.startedAt)).filter((start) => start <= now);
  if (starts.length === 0) return undefined;
  const alone = Math.min(...starts) + policy.probe;
  if (!draft.isProven(ACCOUNT) && alone > now) return instant(alone);
  const spread = Math.max(...starts) + policy.stagger;
  return spread > now ? instant(spread) : undefined;
}

/** Ready tasks of all active sessions, in starting order. */
function* inOrder(draft: Draft, { resting }: Policy): Generator<[SessionId, Task]> {
  const active = draft.sessionIds().filter((id) => draft.session(id)?.status === "active" && !resting?.has(id));
  const [only] = active;
  if (only !== undefined && active.length === 1) {
    for (const task of draft.ready(only)) yield [only, task];
    return;
  }
  const lines = active.map((id) => ({ id, rest: draft.ready(id), head: undefined as Task | undefined }));
  for (const line of lines) line.head = line.rest.next().value as Task | undefined;
  for (;;) {
    let first: (typeof lines)[number] | undefined;
    for (const line of lines) if (line.head && (!first?.head || startsBefore(line.head, first.head) < 0)) first = line;
    if (!first?.head) return;
    yield [first.id, first.head];
    first.head = first.rest.next().value as Task | undefined;
  }
}

/** Undefined: may start. Otherwise from when on it may be asked again; null when another event decides. */
function serviceBlocks(draft: Draft, role: Role, task: Task, policy: Policy, now: Instant): Instant | null | undefined {
  if (role.runner === "claude") {
    const limit = draft.limit(ACCOUNT);
    if (limit && toMs(limit) > toMs(now)) return limit;
  }
  const key = breakerKey(role, task, policy);
  if (!key) return undefined;
  const permit = permits(breakerNow(draft, key, now), now, policy);
  return permit.yes ? undefined : permit.until;
}

function breakerNow(draft: Draft, key: string, now: Instant): Breaker {
  return withoutLostProbe(draft.breaker(key), (probe) => draft.isAlive(probe), now);
}

function start(
  draft: Draft,
  what: { session: SessionId; task: Task; role: Role; reviews: boolean } & Pick<Run, "writes" | "isolation">,
  policy: Policy,
  lent: Lent,
): Run {
  const { session, task, role, writes, isolation, reviews } = what;
  const runId = lent.runId();
  const startedAt = lent.now;
  const own = reviews ? forReviewer(task, role.name) : task;
  const model = own.execution.model ?? role.model ?? policy.model;
  const attempt = reviews ? (task.execution.last_attempt?.attempt ?? 1) : task.execution.attempts + 1;
  const after = reviews ? beginsReview(task, { runId, role, now: startedAt }) : begun(task, attempt, runId, startedAt);
  const review = after.execution.last_attempt?.reviewing?.review;
  const clean = !reviews && isolation === "worktree" && startsClean(task, after, policy) ? { clean: true } : {};
  const about = { session, id: task.id, attempt, runId, role: role.name, model };
  const run: Run = { ...about, startedAt, isolation, ...clean, ...(review ? { review } : {}), writes };
  const key = breakerKey(role, own, policy);
  if (key) {
    const before = breakerNow(draft, key, lent.now);
    const breaker = onStart(before, taskKey(session, task.id));
    if (breaker !== before) draft.add({ of: "breaker", key, breaker });
  }
  move(draft, session, after, { status: "active" }, "daemon", { attempt });
  draft.add({ of: "run-started", run });
  draft.act({ do: "start-agent", run });
  return run;
}

/** Whether the work waits for a reviewer, and for whom; `stops`: it goes no further, for it can go on without any, or cannot. */
function reviewDue(task: Task, policy: Policy): { task: Task; reviewer?: string; stops?: TaskState } {
  if (!isInReview(task) || !task.execution.last_attempt?.ended_at) return { task };
  const reviewer = nextReviewer(task, policy);
  if (reviewer === undefined) {
    const { settled, state } = concluded(task, policy);
    return state.status === "pending" ? { task: settled } : { task: settled, stops: state };
  }
  const error = cannotReview(policy.roles.get(reviewer), reviewer);
  const { reviews } = task.execution;
  if (!error || !reviews) return { task, reviewer };
  return {
    task: withExecution(task, { reviews: { ...reviews, error } }),
    stops: { status: "blocked", reason: "invalid" },
  };
}

/** No agent and no new attempt: what the last one left, and a person approved or put in order, is merged. */
function startMerge(
  draft: Draft,
  { session, task, role }: { session: SessionId; task: Task; role: Role },
  lent: Lent,
): Run {
  const attempt = task.execution.last_attempt?.attempt ?? task.execution.attempts;
  const about = { session, id: task.id, attempt, runId: lent.runId(), role: role.name, model: null };
  const run: Run = { ...about, startedAt: lent.now, isolation: "worktree", merging: true, writes: "none" };
  move(draft, session, beginsMerge(task, run.runId, lent.now), { status: "active" }, "daemon", { attempt });
  draft.add({ of: "run-started", run });
  draft.act({ do: "start-agent", run });
  return run;
}
