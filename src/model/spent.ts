/** What work has cost: US dollars at list prices, and tokens of every kind together. */
import type { AttemptFacts, Tokens } from "./attempt.ts";

export interface Spent {
  usd: number;
  tokens: number;
}

/** The most that may be spent; null: no limit. */
export interface Allowance {
  usd: number | null;
  tokens: number | null;
}

export const NOTHING: Spent = { usd: 0, tokens: 0 };

/** To a millionth of a dollar, so that sums of fractions stay readable. */
export function plus(a: Spent, b: Spent): Spent {
  return { usd: Math.round((a.usd + b.usd) * 1e6) / 1e6, tokens: a.tokens + b.tokens };
}

export function allTokens({ input, output, cache_read, cache_write }: Tokens): number {
  return input + output + cache_read + cache_write;
}

export function spentBy(facts: Pick<AttemptFacts, "cost_usd" | "tokens">): Spent {
  return { usd: facts.cost_usd ?? 0, tokens: facts.tokens ? allTokens(facts.tokens) : 0 };
}

/** Which of the two is used up, if one is. */
export function usedUp(spent: Spent, { usd, tokens }: Allowance): "usd" | "tokens" | undefined {
  if (usd !== null && spent.usd >= usd) return "usd";
  return tokens !== null && spent.tokens >= tokens ? "tokens" : undefined;
}
