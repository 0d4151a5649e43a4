/** What can be seen of a run of Claude Code while it works, from the lines it has written so far. Pure. */
import { allTokens, NOTHING, plus, type Spent } from "../model/spent.ts";
import { ALL_TOLD, estimateOf, heardOf, tokensIn, type Untold } from "./claude-cost.ts";
import { blocksOf, costSinceLast, limitOf, number, object, parseLine, string, type Line } from "./claude-lines.ts";
import { excerpt } from "./excerpt.ts";
import type { Progress } from "./runner.ts";

/** What can be seen after these further lines. */
export function followClaude(progress: Progress, lines: string[]): Progress {
  let seen: ClaudeProgress = progress;
  for (const text of lines) {
    const line = parseLine(text);
    if (line) seen = step(seen, line);
  }
  return seen;
}

/** Progress with what the reading of the next lines has to know. */
interface ClaudeProgress extends Progress {
  cwd?: string;
  message?: string;
  /** What its results have told. */
  told?: Spent;
  untold?: Untold;
}

function step(seen: ClaudeProgress, line: Line): ClaudeProgress {
  const session = string(line.session_id);
  const next: ClaudeProgress = session === undefined ? { ...seen } : { ...seen, agentSession: session };
  const set = <K extends keyof ClaudeProgress>(key: K, value: ClaudeProgress[K] | undefined) => {
    if (value !== undefined && value !== "") next[key] = value;
  };
  switch (line.type) {
    case "system":
      if (line.subtype === "init") {
        set("model", string(line.model));
        set("cwd", string(line.cwd));
      }
      if (line.subtype === "api_retry")
        set("doing", excerpt(`waits for the service (${string(line.error) ?? "no answer"})`));
      return next;
    case "assistant": {
      const message = object(line.message);
      if (message?.model === "<synthetic>") return next;
      set("model", string(message?.model));
      const id = string(message?.id);
      next.untold = heardOf(seen.untold ?? ALL_TOLD, line);
      next.spent = plus(seen.told ?? NOTHING, estimateOf(next.untold));
      if (id === undefined || id !== seen.message) next.turns = seen.turns + 1;
      set("message", id);
      for (const block of blocksOf(line)) set("doing", doing(block, seen.cwd));
      return next;
    }
    case "rate_limit_event": {
      const limit = limitOf(line);
      if (limit.rejected) set("limitedUntil", limit.until);
      else delete next.limitedUntil;
      if (limit.warned) set("warnedUntil", limit.until);
      return next;
    }
    case "result":
      next.turns = number(line.num_turns) ?? next.turns;
      next.costUsd = costOf(line, seen.costUsd);
      next.spent = next.told = {
        usd: next.costUsd ?? seen.spent?.usd ?? 0,
        tokens: Math.max(allTokens(tokensIn(object(line.usage) ?? {})), seen.spent?.tokens ?? 0),
      };
      next.untold = ALL_TOLD;
      return next;
    default:
      return next;
  }
}

function costOf(result: Line, before: number | null): number | null {
  const since = costSinceLast(result);
  return since === undefined ? (number(result.total_cost_usd) ?? before) : (before ?? 0) + since;
}

/** `Edit src/a.ts`, `Bash npm test`, or the beginning of what it says. */
function doing(block: Line, cwd: string | undefined): string | undefined {
  if (block.type === "text") return excerpt(string(block.text) ?? "", 120);
  if (block.type !== "tool_use") return undefined;
  const input = object(block.input) ?? {};
  const about = ["file_path", "notebook_path", "command", "pattern", "path", "url", "query", "description"]
    .map((key) => string(input[key]))
    .find((value) => value !== undefined && value !== "");
  const short = cwd !== undefined && about?.startsWith(`${cwd}/`) ? about.slice(cwd.length + 1) : about;
  return excerpt(`${string(block.name) ?? "?"} ${short ?? ""}`, 120);
}
