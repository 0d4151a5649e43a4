/**
 * What a run of Claude Code has cost while it has not said so itself: it does only in its result line, which a run that
 * is stopped or killed never writes. From the usage of its messages and Anthropic's list prices, which are the same
 * multiples of the price of input for all models: output 5, cache write 1.25, cache read 0.1.
 */
import type { Tokens } from "../model/attempt.ts";
import { allTokens, NOTHING, plus, type Spent } from "../model/spent.ts";
import { blocksOf, number, object, string, type Line } from "./claude-lines.ts";

/** US dollars for a million tokens of input. What is not known counts as the dearest. */
const INPUT_PRICES: readonly [RegExp, number][] = [
  [/haiku/, 1],
  [/sonnet/, 3],
];
const DEAREST = 5;
/** Rounded up: a message's usage is told when it begins, and says nothing of most of its output. */
const CHARACTERS_PER_TOKEN = 3.5;

function estimated({ model, tokens }: Untold["recent"][number]): Spent {
  const price = INPUT_PRICES.find(([name]) => model !== undefined && name.test(model))?.[1] ?? DEAREST;
  const { input, output, cache_read, cache_write } = tokens;
  const weighted = input + 5 * output + 1.25 * cache_write + 0.1 * cache_read;
  return { usd: Math.round(weighted * price) / 1e6, tokens: allTokens(tokens) };
}

export function tokensIn(usage: Line): Tokens {
  return {
    input: number(usage.input_tokens) ?? 0,
    output: number(usage.output_tokens) ?? 0,
    cache_read: number(usage.cache_read_input_tokens) ?? 0,
    cache_write: number(usage.cache_creation_input_tokens) ?? 0,
  };
}

/** Of one `assistant` line: what was read for it, and what is written in it, whichever its usage or its text says more of. */
function tokensOfLine(line: Line): Tokens | undefined {
  const usage = object(object(line.message)?.usage);
  if (!usage) return undefined;
  const written = blocksOf(line).reduce((sum, block) => sum + JSON.stringify(block).length, 0);
  const tokens = tokensIn(usage);
  return { ...tokens, output: Math.max(tokens.output, Math.ceil(written / CHARACTERS_PER_TOKEN)) };
}

function larger(a: Tokens, b: Tokens): Tokens {
  return {
    input: Math.max(a.input, b.input),
    output: Math.max(a.output, b.output),
    cache_read: Math.max(a.cache_read, b.cache_read),
    cache_write: Math.max(a.cache_write, b.cache_write),
  };
}

/** Messages that no result has told the cost of. */
export interface Untold {
  /** Of those that are no longer among the recent ones. */
  before: Spent;
  /** A message is told in several lines, those of subagents in between. */
  recent: { id: string; model: string | undefined; tokens: Tokens }[];
}

export const ALL_TOLD: Untold = { before: NOTHING, recent: [] };
const MOST_RECENT = 16;

/** With one more `assistant` line. */
export function heardOf(untold: Untold, line: Line): Untold {
  const tokens = tokensOfLine(line);
  if (!tokens) return untold;
  const message = object(line.message);
  const id = string(message?.id) ?? "";
  const known = untold.recent.find((one) => one.id === id);
  const now = { id, model: string(message?.model), tokens: known ? larger(known.tokens, tokens) : tokens };
  const recent = [...untold.recent.filter((one) => one !== known), now];
  const old = recent.splice(0, Math.max(0, recent.length - MOST_RECENT));
  return { before: old.reduce((sum, one) => plus(sum, estimated(one)), untold.before), recent };
}

export function estimateOf({ before, recent }: Untold): Spent {
  return recent.reduce((sum, one) => plus(sum, estimated(one)), before);
}
