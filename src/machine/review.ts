/**
 * Reviews. Work whose gates have passed waits, `pending` for the reason `review`, until each reviewer was asked, one after
 * another: a review is a further run of the same task, and of the same attempt. What has to be mended goes back to who
 * did the work, as what its gates find does.
 */
import type { Work } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import type { GivenReview, Review, Reviewers, Reviews, ReviewWish } from "../model/review.ts";
import type { Role } from "../model/role.ts";
import { NOTHING, plus, type Spent } from "../model/spent.ts";
import { withExecution, type LastAttempt, type Task, type TaskState } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import type { Run } from "../model/transition.ts";
import { mergesOnly } from "./attempt.ts";
import type { RunEnd } from "./event.ts";
import type { Lent, Policy } from "./policy.ts";
import { afterFailure } from "./retry.ts";

export interface Settled {
  settled: Task;
  state: TaskState;
}

/** Who reviews the task's work. What holds for the workspace is meant for agents' work, not for a reviewer's own, nor for a plan, which a person approves. */
export function reviewersOf(task: Task, { review, roles }: Pick<Policy, "review" | "roles">): Reviewers {
  const own = task.execution.review;
  if (own !== undefined) return asked(own, review);
  const wanted = asked(review.types[task.type] ?? [...review.by], review);
  const isAgents =
    task.agent !== "command" && task.execution.plan !== "required" && roles.get(task.agent)?.runner !== "human";
  return isAgents && !wanted.by.includes(task.agent) ? wanted : { ...wanted, by: [] };
}

function asked(wish: ReviewWish, { rule, maxRounds }: Policy["review"]): Reviewers {
  if (typeof wish === "string") return { by: [wish], rule, maxRounds };
  if (Array.isArray(wish)) return { by: wish, rule, maxRounds };
  return { by: [wish.by].flat(), rule: wish.rule ?? rule, maxRounds: wish.max_rounds ?? maxRounds };
}

/** Whether the work of the last attempt is with its reviewers, or has just come from them. */
export function isInReview({ execution: { last_attempt: last, reviews } }: Task): boolean {
  return last?.outcome === "success" && reviews?.attempt === last.attempt && reviews.accepted !== true;
}

/** What follows when an attempt has succeeded: reviewers, a person's approval, the merge of what is not merged yet. */
export function afterWork(task: Task, work: Work | undefined, policy: Policy): Settled {
  const attempt = task.execution.last_attempt?.attempt ?? task.execution.attempts;
  const { reviews: before } = task.execution;
  const reviews: Reviews = { attempt, begun: 0, rounds: before?.rounds ?? 0, given: [] };
  if (reviewersOf(task, policy).by.length > 0)
    return { settled: withExecution(task, { reviews }), state: { status: "pending", reason: "review" } };
  // Somebody has just taken its reviewers away: it was held back for them.
  const held = Boolean(work?.commit) && work?.merged === null && task.execution.approve !== "after";
  return held ? passed(withExecution(task, { reviews })) : passed(task);
}

/** Who is to review next; undefined when all have. */
export function nextReviewer(task: Task, policy: Policy): string | undefined {
  const left = (task.execution.reviews?.given ?? []).map(({ role }) => role);
  return reviewersOf(task, policy).by.find((role) => {
    const place = left.indexOf(role);
    if (place >= 0) left.splice(place, 1);
    return place < 0;
  });
}

/** The task as its reviewer has it: none of what its own agent is given. */
export function forReviewer(task: Task, role: string): Task {
  const { attempts, last_attempt, budget_usd, budget_tokens, spent } = task.execution;
  const all = { attempts, budget_usd, budget_tokens, spent };
  const execution = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
  const { continued: _continued, ...last } = last_attempt ?? {};
  return {
    ...task,
    agent: role,
    execution: { ...execution, attempts, last_attempt: last_attempt && (last as LastAttempt) },
  };
}

/** The last attempt goes on, with its reviewer. */
export function beginsReview(task: Task, { runId, role, now }: { runId: string; role: Role; now: Instant }): Task {
  const { last_attempt: last, reviews } = task.execution;
  if (!last || !reviews) return task;
  const { ended_at: _ended, ...rest } = last;
  const review = reviews.begun + 1;
  return withExecution(task, {
    last_attempt: {
      ...rest,
      run_id: runId,
      reviewing: { role: role.name, review, started_at: now, run_id: last.run_id },
    },
    reviews: { ...reviews, begun: review },
  });
}

/** The attempt as it was before the review, with what that has cost. */
export function withoutReviewer(task: Task, last: LastAttempt, spent: Spent, now: Instant): Task {
  const { reviewing, ...rest } = last;
  const sum = plus(task.execution.spent ?? NOTHING, spent);
  return withExecution(task, {
    ...(sum.usd + sum.tokens > 0 ? { spent: sum } : {}),
    last_attempt: { ...rest, run_id: reviewing?.run_id ?? null, ended_at: now },
  });
}

/** What follows when a reviewer's run has ended. */
export function afterReview(task: Task, { run, end }: { run: Run; end: RunEnd }, policy: Policy, lent: Lent): Settled {
  const { reviews } = task.execution;
  if (!reviews) return { settled: task, state: { status: "pending" } };
  const again: TaskState = { status: "pending", reason: "review" };
  if (end.kind === "stopped") {
    if (end.why !== "timeout" && end.why !== "stalled") return { settled: task, state: again };
    const message = `Its review by ${run.role} was stopped: ${end.why}.`;
    return brokenOff(task, { class: end.why, message }, policy, lent);
  }
  if (end.end.outcome === "failure") return brokenOff(task, end.end.error, policy, lent);
  if (!end.review) return brokenOff(task, { class: "unknown", message: `${run.role} gave no review.` }, policy, lent);
  const { failures: _failures, error: _error, ...rest } = reviews;
  const facts = { role: run.role, review: run.review ?? reviews.begun, run_id: run.runId, cost_usd: end.end.cost_usd };
  const { noticed } = end.end;
  const given: GivenReview = { ...facts, ...end.review, ...(noticed ? { noticed } : {}) };
  const after = withExecution(task, { reviews: { ...rest, given: [...rest.given, given] } });
  return nextReviewer(after, policy) === undefined ? concluded(after, policy) : { settled: after, state: again };
}

/** What becomes of the work once all reviewers were asked. */
export function concluded(task: Task, policy: Policy): Settled {
  const { last_attempt: last, reviews } = task.execution;
  if (!last || !reviews) return { settled: task, state: { status: "pending" } };
  const { rule, maxRounds } = reviewersOf(task, policy);
  const yes = reviews.given.filter(accepts).length;
  const all = reviews.given.length;
  if (rule === "all" ? yes === all : yes * 2 > all || all === 0) return passed(task);
  const rounds = reviews.rounds + 1;
  const hint = "cox retry gives its agent the findings once more; `execution.review: []` does without a review.";
  const settled = withExecution(task, {
    reviews: { ...reviews, rounds },
    last_attempt: { ...last, outcome: "failure", error: { class: "rejected", message: objections(reviews), hint } },
  });
  return { settled, state: rounds > maxRounds ? { status: "blocked", reason: "rejected" } : { status: "pending" } };
}

/** Whether a reviewer lets the work pass: whatever the verdict says, not with what must not stay so. */
export function accepts({ verdict, findings, acceptance }: Review): boolean {
  return (
    verdict === "accept" && findings.every(({ severity }) => severity !== "must") && acceptance.every(({ met }) => met)
  );
}

/** Nobody objects to the work. */
function passed(task: Task): Settled {
  const { reviews, approve } = task.execution;
  const settled = reviews ? withExecution(task, { reviews: { ...reviews, accepted: true } }) : task;
  if (approve === "after") return { settled, state: { status: "blocked", reason: "awaiting-approval" } };
  // Work that is on no branch is where it belongs.
  const merges = reviews !== undefined && Boolean(settled.execution.commit) && mergesOnly(settled);
  return { settled, state: merges ? { status: "pending" } : { status: "completed" } };
}

/** A reviewer's failure is none of the work's: the review is tried again as its class says. */
function brokenOff(task: Task, error: Failure, policy: Policy, lent: Lent): Settled {
  const { reviews } = task.execution;
  if (!reviews) return { settled: task, state: { status: "pending" } };
  const counted = withExecution(task, { failures: reviews.failures, max_attempts: undefined });
  const { failures, state } = afterFailure(counted, error, policy, lent);
  const { failures: _before, ...rest } = reviews;
  const after = { ...rest, ...(failures > 0 ? { failures } : {}), error };
  return { settled: withExecution(task, { reviews: after }), state };
}

/** What its agent is told. */
function objections({ given }: Reviews): string {
  return given
    .flatMap((review) => {
      const must = review.findings.filter(({ severity }) => severity === "must");
      const open = review.acceptance.filter(({ met }) => !met);
      if (accepts(review)) return [];
      return [
        `${review.role} does not accept the work${review.summary ? `: ${review.summary}` : "."}`,
        ...must.map(({ file, line, what, why }) => `- must${placeOf(file, line)}: ${what} ${why}`),
        ...open.map(({ criterion, evidence }) => `- not met: ${criterion}${evidence ? ` (${evidence})` : ""}`),
      ];
    })
    .join("\n");
}

/** ` src/a.ts:12`. */
export function placeOf(file: string | null | undefined, line: number | null | undefined): string {
  if (!file) return "";
  return ` ${file}${line ? `:${line}` : ""}`;
}

/** Why a role cannot review; undefined where it can. */
export function cannotReview(role: Role | undefined, name: string): Failure | undefined {
  const hint = "Correct execution.review (or `review` in config.yaml), then cox retry.";
  if (!role) return { class: "invalid", message: `There is no role ${name} that could review it.`, hint };
  if (role.runner === "human")
    return { class: "invalid", message: "A person reviews by approving: `approve: after`.", hint };
  if (role.name === "command")
    return { class: "invalid", message: "The role command has no command of its own to review with.", hint };
  return undefined;
}

/** A person's new beginning: what its reviewers said is done with, unless only they were still to be asked. */
export function reviewsAfresh(task: Task): Reviews | undefined {
  const { reviews, last_attempt: last } = task.execution;
  if (!reviews || (!isInReview(task) && !last?.reviewing)) return undefined;
  const { failures: _failures, error: _error, ...rest } = reviews;
  return rest;
}
