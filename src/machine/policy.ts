/** What decisions are made by: the settings as numbers, the roles, and what the world lends (time, chance, identity). */
import type { Config } from "../config.ts";
import type { RunId } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import { parseDuration, type Instant } from "../model/time.ts";

/** Durations in milliseconds. */
export interface Policy {
  concurrency: number;
  maxActiveSessions: number;
  retry: { attempts: number; base: number; rateLimit: number; usageMargin: number; verifyRounds: number };
  breaker: { failures: number; window: number; open: number };
  roles: ReadonlyMap<string, Role>;
  model: string | null;
}

/** Time, chance and identity, as arguments. */
export interface Lent {
  now: Instant;
  /** 0 ≤ x < 1. */
  chance: () => number;
  runId: () => RunId;
}

export function policyOf(config: Config, roles: ReadonlyMap<string, Role>): Policy {
  const ms = (text: string) => parseDuration(text) ?? 0;
  return {
    concurrency: config.concurrency,
    maxActiveSessions: config.max_active_sessions,
    retry: {
      attempts: config.retry.attempts,
      base: ms(config.retry.base),
      rateLimit: ms(config.retry.rate_limit),
      usageMargin: ms(config.retry.usage_margin),
      verifyRounds: config.retry.verify_rounds,
    },
    breaker: { failures: config.breaker.failures, window: ms(config.breaker.window), open: ms(config.breaker.open) },
    roles,
    model: config.agent.model,
  };
}
