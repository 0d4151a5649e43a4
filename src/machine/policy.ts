/** What decisions are made by: the settings as numbers, the roles, and what the world lends (time, chance, identity). */
import type { Config } from "../config.ts";
import type { RunId, SessionId } from "../model/ids.ts";
import type { ReviewRule, ReviewWish } from "../model/review.ts";
import type { Role } from "../model/role.ts";
import type { Allowance } from "../model/spent.ts";
import type { TaskType } from "../model/task.ts";
import { instant, parseDuration, toMs, type Instant } from "../model/time.ts";

/** Durations in milliseconds. */
export interface Policy {
  /** Most agents at once; where it is `auto` the most there may be, of which the daemon allows what there is room for. */
  concurrency: number;
  maxActiveSessions: number;
  retry: {
    attempts: number;
    base: number;
    rateLimit: number;
    usageMargin: number;
    verifyRounds: number;
    conflictRounds: number;
  };
  breaker: { failures: number; window: number; open: number };
  /** How long sessions stay on disk. */
  retention: { completed: number; failed: number };
  roles: ReadonlyMap<string, Role>;
  /** Where attempts work, unless the task or the role says otherwise. */
  isolation: "worktree" | "none";
  /** Whether the repository has a commit that a worktree can start from. */
  hasCommits: boolean;
  /** What a further attempt finds in its worktree. */
  worktreeRetry: "auto" | "continue" | "clean";
  /** Whether a conflict is given to the task's agent first. */
  onConflict: "block" | "agent";
  model: string | null;
  /** Role that tries what another one has given up. */
  fallbackAgent: string | null;
  /** Least time between two starts of Claude Code. */
  stagger: number;
  /** How long the first agent of an account runs alone until it gets an answer. */
  probe: number;
  /** Agents at once of an account that is near its usage limit. */
  warnedConcurrency: number;
  review: {
    by: readonly string[];
    types: Readonly<Partial<Record<TaskType, ReviewWish>>>;
    rule: ReviewRule;
    maxRounds: number;
  };
  budget: { attempt: Allowance; task: Allowance; session: Allowance; day: Allowance };
  /** Sessions of which nothing may start now. */
  resting?: { has(session: SessionId): boolean };
}

/** Time, chance and identity, as arguments. */
export interface Lent {
  now: Instant;
  /** 0 ≤ x < 1. */
  chance: () => number;
  runId: () => RunId;
  /** The branch that is checked out; null where HEAD is on none. */
  branch?: string | null;
  /** The day it is where the user lives, and when it ends; without it a day of UTC. */
  day?: { name: string; ends: Instant };
}

export function today({ now, day }: Lent): { name: string; ends: Instant } {
  if (day) return day;
  const name = now.slice(0, 10);
  return { name, ends: instant(toMs(`${name}T00:00:00.000Z`) + 86_400_000) };
}

export function policyOf(config: Config, roles: ReadonlyMap<string, Role>, hasCommits = false): Policy {
  const ms = (text: string) => parseDuration(text) ?? 0;
  return {
    concurrency: config.concurrency === "auto" ? config.max_concurrency : config.concurrency,
    maxActiveSessions: config.max_active_sessions,
    retry: {
      attempts: config.retry.attempts,
      base: ms(config.retry.base),
      rateLimit: ms(config.retry.rate_limit),
      usageMargin: ms(config.retry.usage_margin),
      verifyRounds: config.retry.verify_rounds,
      conflictRounds: config.retry.conflict_rounds,
    },
    breaker: { failures: config.breaker.failures, window: ms(config.breaker.window), open: ms(config.breaker.open) },
    retention: { completed: ms(config.retention.completed), failed: ms(config.retention.failed) },
    roles,
    isolation: config.isolation,
    hasCommits,
    worktreeRetry: config.worktree.retry,
    onConflict: config.on_conflict,
    model: config.agent.model,
    fallbackAgent: config.agent.fallback_agent,
    stagger: ms(config.agent.stagger),
    probe: ms(config.agent.probe),
    warnedConcurrency: config.agent.warned_concurrency,
    review: {
      by: config.review.by,
      types: config.review.types,
      rule: config.review.rule,
      maxRounds: config.review.max_rounds,
    },
    budget: {
      attempt: { usd: config.budget.attempt_usd, tokens: config.budget.attempt_tokens },
      task: { usd: config.budget.task_usd, tokens: config.budget.task_tokens },
      session: { usd: config.budget.session_usd, tokens: config.budget.session_tokens },
      day: { usd: config.budget.day_usd, tokens: config.budget.day_tokens },
    },
  };
}
