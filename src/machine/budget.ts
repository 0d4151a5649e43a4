/** What may be spent, by an attempt, a task, a session, a day: agents are stopped at the limit, tasks wait for a higher one. SPEC section 9. */
import { taskKey, type SessionId, type TaskId, type TaskKey } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { NOTHING, plus, usedUp, type Allowance, type Spent } from "../model/spent.ts";
import { withExecution, type Execution, type Task } from "../model/task.ts";
import type { Run } from "../model/transition.ts";
import type { Draft } from "./draft.ts";
import type { Event } from "./event.ts";
import { today, type Lent, type Policy } from "./policy.ts";
import { allowedToRun, liveOf, ownTask, spentInRun } from "./runs.ts";
import { move, stopRun } from "./steering.ts";

export type OverBudget = NonNullable<Execution["over_budget"]>;

/** The account that every Claude Code agent uses, until there are several. */
export const ACCOUNT = "claude";

export function progressed(draft: Draft, event: Extract<Event, { type: "progress" }>): void {
  const { session, id, runId, seen, answered, warned } = event;
  const run = draft.run(session, id);
  if (!run || run.runId !== runId) return;
  const before = run.seen ?? NOTHING;
  if (before.usd !== seen.usd || before.tokens !== seen.tokens) draft.add({ of: "run-progress", session, id, seen });
  if (answered && !draft.isProven(ACCOUNT)) draft.add({ of: "proven", account: ACCOUNT, proven: true });
  const known = draft.warning(ACCOUNT);
  if (warned && warned !== known) draft.add({ of: "warning", account: ACCOUNT, until: warned });
}

/** Stops agents whose budget is used up, and lets tasks go whose budget was raised. */
export function keepBudgets(draft: Draft, policy: Policy, lent: Lent): void {
  const purse = new Purse(draft, policy, lent);
  for (const run of draft.runs()) {
    if (run.stopping) continue;
    const task = draft.task(run.session, run.id);
    if (task?.status === "active" && purse.over(run.session, task, run)) stopRun(draft, run, "budget");
  }
  if (draft.draining) return;
  for (const session of draft.sessionIds()) {
    if (purse.overAll(session)) continue;
    for (const task of draft.overBudget(session)) {
      if (isStillOver(task, purse.over(session, task), policy)) continue;
      move(
        draft,
        session,
        withExecution(task, { over_budget: undefined, failures: undefined }),
        { status: "pending" },
        "daemon",
      );
    }
  }
}

/** What is left for one more attempt, in US dollars; null: as much as it takes. */
export function leftFor(
  task: Task,
  of: { session: Spent & Pick<SessionFile, "budget_usd">; day: Spent; run?: { spent: Spent; allowed: Allowance } },
  { budget }: Pick<Policy, "budget">,
): number | null {
  const own = allowedTo(task, budget);
  const session = allowedIn(of.session, budget);
  const lefts = [
    budget.attempt.usd,
    own.usd === null ? null : own.usd - (task.execution.spent?.usd ?? 0),
    session.usd === null ? null : session.usd - of.session.usd,
    budget.day.usd === null ? null : budget.day.usd - of.day.usd,
    of.run === undefined || of.run.allowed.usd === null ? null : of.run.allowed.usd - of.run.spent.usd,
  ].filter((left) => left !== null);
  return lefts.length === 0 ? null : Math.max(0, Math.min(...lefts));
}

/** What the task may cost: its own word goes before the settings'. */
function allowedTo({ execution }: Task, { task }: Policy["budget"]): Allowance {
  return { usd: execution.budget_usd ?? task.usd, tokens: execution.budget_tokens ?? task.tokens };
}

/** The same of a session. */
function allowedIn(file: Pick<SessionFile, "budget_usd" | "budget_tokens">, { session }: Policy["budget"]): Allowance {
  return { usd: file.budget_usd ?? session.usd, tokens: file.budget_tokens ?? session.tokens };
}

/** A task that had used all its turns goes on when it may take more of them. */
function isStillOver(task: Task, over: OverBudget | undefined, policy: Policy): boolean {
  const before = task.execution.over_budget;
  if (over || !before) return true;
  if (before.unit === "turns") return (turnsOf(task, policy) ?? Number.POSITIVE_INFINITY) <= before.limit;
  if (before.of !== "attempt") return false;
  return (policy.budget.attempt[before.unit] ?? Number.POSITIVE_INFINITY) <= before.limit;
}

export function turnsOf(task: Task, policy: Policy): number | undefined {
  return task.execution.max_turns ?? policy.roles.get(task.agent)?.max_turns;
}

/** All sums that one decision needs, each made once. */
export class Purse {
  private readonly draft: Draft;
  private readonly policy: Policy;
  private readonly lent: Lent;
  private readonly sums = new Map<SessionId, Spent>();
  private readonly ofRuns = new Map<TaskKey, Spent>();
  private all: Spent | undefined;

  constructor(draft: Draft, policy: Policy, lent: Lent) {
    this.draft = draft;
    this.policy = policy;
    this.lent = lent;
  }

  /** The budget that leaves nothing for this task, or for this run of it. */
  over(session: SessionId, task: Task, run?: Run): OverBudget | undefined {
    const { spent = NOTHING } = task.execution;
    const seen = run?.seen ?? NOTHING;
    const own = allowedTo(task, this.policy.budget);
    const ofTask = overOf("task", plus(spent, seen), own);
    return this.overAttempt(seen) ?? ofTask ?? this.overRun(session, task) ?? this.overAll(session);
  }

  /** The budget of the workflow's run that it is a step of. */
  private overRun(session: SessionId, step: Task): OverBudget | undefined {
    const taskOf = (id: TaskId) => this.draft.task(session, id);
    const own = ownTask(step, taskOf);
    const allowed = own && allowedToRun(own, step);
    if (!own || !allowed || (allowed.usd === null && allowed.tokens === null)) return undefined;
    const key = taskKey(session, own.id);
    let spent = this.ofRuns.get(key);
    if (!spent) {
      const steps = this.draft.children(session, own.id).flatMap((id) => taskOf(id) ?? []);
      this.ofRuns.set(key, (spent = spentInRun(steps, liveOf(this.draft.runs(), session, own.id))));
    }
    return overOf("run", spent, allowed);
  }

  overAttempt(spent: Spent): OverBudget | undefined {
    return overOf("attempt", spent, this.policy.budget.attempt);
  }

  /** The budget of the session or of the day, if it is used up. */
  overAll(session: SessionId): OverBudget | undefined {
    return this.overSession(session) ?? overOf("day", this.spentToday(), this.policy.budget.day);
  }

  private overSession(session: SessionId): OverBudget | undefined {
    const file = this.draft.session(session);
    if (!file) return undefined;
    const own = allowedIn(file, this.policy.budget);
    if (own.usd === null && own.tokens === null) return undefined;
    let spent = this.sums.get(session);
    if (!spent) {
      const live = this.draft.runs().filter((run) => run.session === session);
      spent = live.reduce((sum, { seen }) => plus(sum, seen ?? NOTHING), {
        usd: file.cost_usd ?? 0,
        tokens: file.tokens ?? 0,
      });
      this.sums.set(session, spent);
    }
    return overOf("session", spent, own);
  }

  private spentToday(): Spent {
    this.all ??= this.draft
      .runs()
      .reduce((sum, { seen }) => plus(sum, seen ?? NOTHING), this.draft.spentOn(today(this.lent).name));
    return this.all;
  }
}

function overOf(of: OverBudget["of"], spent: Spent, allowance: Allowance): OverBudget | undefined {
  const unit = usedUp(spent, allowance);
  return unit && { of, unit, limit: allowance[unit] ?? 0 };
}
