/**
 * The reading of Claude Code's `stream-json` output: pure, from structure only. Known: versions 2.1.197 and 2.1.329;
 * unknown lines and fields are ignored. Of several result lines the last one counts.
 */
import type { AttemptEnd, AttemptFacts, PermissionDenial, Tokens } from "../model/attempt.ts";
import { failureOf, failureWithoutResult, sessionIsGone, type Signs } from "./claude-failure.ts";
import { plus } from "../model/spent.ts";
import { ALL_TOLD, estimateOf, heardOf, tokensIn, type Untold } from "./claude-cost.ts";
import {
  blocksOf,
  costSinceLast,
  limitOf,
  linesOf,
  number,
  object,
  objects,
  string,
  type Line,
} from "./claude-lines.ts";
import type { RunOutput } from "./runner.ts";

export { followClaude } from "./claude-progress.ts";

/** How the run ended. `structured` says that an answer by schema was asked for. */
export function readClaude(output: RunOutput, { structured = false }: { structured?: boolean } = {}): AttemptEnd {
  const heard = listen(output.stdout);
  const { result } = heard;
  const facts = factsOf(heard);
  if (result === undefined) {
    return {
      ...facts,
      outcome: "failure",
      result: heard.lastText,
      error: failureWithoutResult(output, heard.signs.worked),
    };
  }
  const text = string(result.result) ?? heard.lastText;
  const failed = result.is_error === true || result.subtype !== "success" || heard.signs.apiError !== undefined;
  if (failed) {
    // Without its conversation there is nothing to resume.
    const gone = sessionIsGone(result) ? { agent_session: null } : {};
    return { ...facts, ...gone, outcome: "failure", result: text, error: failureOf(result, heard.signs) };
  }
  if (result.num_turns === 0) {
    return {
      ...facts,
      outcome: "failure",
      result: text,
      error: {
        class: "invalid",
        message: "Claude Code took the prompt for one of its own commands: no turn was made.",
        hint: "Let the prompt begin with words instead of a slash, then `cox retry`.",
      },
    };
  }
  if (heard.toolUses.size > 0 && [...heard.toolUses].every((id) => heard.denied.has(id))) {
    const names = [...new Set(facts.permission_denials.map((denial) => denial.tool_name))].join(", ");
    return {
      ...facts,
      outcome: "failure",
      result: text,
      error: {
        class: "permission",
        message: `Everything the agent tried was denied (${names}).`,
        hint: "Allow it in the role (`allowed_tools`, `permission_mode`) or give the task to another role, then `cox retry`.",
      },
    };
  }
  if (structured && result.structured_output === undefined) {
    return {
      ...facts,
      outcome: "failure",
      result: text,
      error: {
        class: "unknown",
        message: "The agent answered in prose; execution.response_schema asks for a structured answer.",
      },
    };
  }
  const answer = result.structured_output === undefined ? {} : { structured: result.structured_output };
  return { ...facts, outcome: "success", result: text, ...answer };
}

interface Heard {
  result: Line | undefined;
  signs: Signs;
  session: string | undefined;
  model: string | undefined;
  /** Of the model's own last words. */
  lastText: string;
  /** By message id: a message is told in several lines, each with the usage so far. */
  usage: Map<string, Line>;
  untold: Untold;
  toolUses: Set<string>;
  denied: Set<string>;
  denials: PermissionDenial[];
  /** Of this process alone, where the version tells it. */
  costSinceStart: number | undefined;
}

function listen(stdout: string): Heard {
  const heard: Heard = {
    result: undefined,
    signs: { apiError: undefined, limit: { rejected: false, warned: false }, worked: false },
    session: undefined,
    model: undefined,
    lastText: "",
    usage: new Map(),
    untold: ALL_TOLD,
    toolUses: new Set(),
    denied: new Set(),
    denials: [],
    costSinceStart: undefined,
  };
  for (const line of linesOf(stdout)) {
    heard.session = string(line.session_id) ?? heard.session;
    switch (line.type) {
      case "system":
        if (line.subtype === "init") heard.model = string(line.model) ?? heard.model;
        break;
      case "assistant":
        hearAssistant(heard, line);
        break;
      case "rate_limit_event":
        heard.signs.limit = limitOf(line);
        break;
      case "result":
        hearResult(heard, line);
        break;
    }
  }
  return heard;
}

function hearAssistant(heard: Heard, line: Line): void {
  const message = object(line.message);
  if (message === undefined) return;
  if (message.model === "<synthetic>") {
    heard.signs.apiError = string(line.error);
    return;
  }
  heard.signs.apiError = undefined;
  heard.signs.worked = true;
  // A subagent's words are not the agent's, its use of tools and tokens is.
  const own = typeof line.parent_tool_use_id !== "string";
  if (own) heard.model = string(message.model) ?? heard.model;
  const usage = object(message.usage);
  if (usage) heard.usage.set(string(message.id) ?? `line-${heard.usage.size}`, usage);
  heard.untold = heardOf(heard.untold, line);
  for (const block of blocksOf(line)) {
    if (block.type === "text" && own) heard.lastText = string(block.text) ?? heard.lastText;
    if (block.type === "tool_use" && typeof block.id === "string") heard.toolUses.add(block.id);
  }
}

function hearResult(heard: Heard, line: Line): void {
  heard.result = line;
  heard.untold = ALL_TOLD;
  for (const denial of objects(line.permission_denials)) {
    const id = string(denial.tool_use_id);
    if (id !== undefined) {
      if (heard.denied.has(id)) continue;
      heard.denied.add(id);
    }
    heard.denials.push({
      tool_name: string(denial.tool_name) ?? "?",
      ...(denial.tool_input === undefined ? {} : { tool_input: denial.tool_input }),
    });
  }
  const cost = costSinceLast(line);
  if (cost !== undefined) heard.costSinceStart = (heard.costSinceStart ?? 0) + cost;
}

function factsOf(heard: Heard): AttemptFacts {
  const { result } = heard;
  return {
    agent_session: heard.session ?? null,
    model: mainModel(result) ?? heard.model ?? null,
    // total_cost_usd adds up over all runs of a resumed session; the other field does not, where it exists.
    cost_usd: costOf(heard),
    tokens: tokensOf(heard),
    turns: number(result?.num_turns) ?? (heard.usage.size > 0 ? heard.usage.size : null),
    permission_denials: heard.denials,
  };
}

/** What its results say; for what came after the last one, or for all of a run that was cut off, an estimate. */
function costOf({ costSinceStart, result, untold }: Heard): number | null {
  const told = costSinceStart ?? number(result?.total_cost_usd);
  if (untold.recent.length === 0) return told ?? null;
  return plus(estimateOf(untold), { usd: told ?? 0, tokens: 0 }).usd;
}

/** The model that wrote the most: after a fallback there are several. */
function mainModel(result: Line | undefined): string | undefined {
  const usage = object(result?.model_usage_since_last_result) ?? object(result?.modelUsage) ?? {};
  const written = (name: string) => number(object(usage[name])?.outputTokens) ?? 0;
  return Object.keys(usage).sort((a, b) => written(b) - written(a))[0];
}

/** From the result; a run that was cut off has only what its messages said when they began. */
function tokensOf({ result, usage }: Heard): Tokens | null {
  const total = sum(result === undefined ? [] : [object(result.usage) ?? {}]);
  if (Object.values(total).some((count) => count > 0)) return total;
  if (usage.size > 0) return sum(usage.values());
  return result === undefined ? null : total;
}

function sum(usages: Iterable<Line>): Tokens {
  const total: Tokens = { input: 0, output: 0, cache_read: 0, cache_write: 0 };
  for (const usage of usages) {
    const tokens = tokensIn(usage);
    for (const kind of ["input", "output", "cache_read", "cache_write"] as const) total[kind] += tokens[kind];
  }
  return total;
}
