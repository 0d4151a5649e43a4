/** What an agent does with its time, and what it prints at the end: as Claude Code prints it, or as a shell command does. */
import type { Chance } from "./chance.ts";

export interface Ending {
  how: string;
  ms: number;
  stdout: string;
  stderr: string;
  code: number;
  /** US dollars: all its calls, and the dearest of them. */
  costs: number;
  dearest: number;
  /** Whether what it cost can be read from its output. */
  tells: boolean;
  leavesChild: boolean;
}

interface Asked {
  chance: Chance;
  costs: Chance;
  command: { program: string; args: readonly string[]; runId: string };
  healthy: boolean;
  now: number;
}

const TROUBLE = [
  "overloaded",
  "network",
  "rate-limit",
  "usage-limit",
  "dies",
  "dies",
  "hangs",
  "breaks-off",
  "auth",
  "refused",
] as const;

export function script({ chance, costs, command, healthy, now }: Asked): Ending {
  const ms = chance.is(0.3) ? chance.between(200, 5000) : chance.wait(8 * 60_000) + 1000;
  const fails = chance.is(0.28);
  const trouble = chance.of(TROUBLE);
  const how = fails && !healthy ? trouble : "succeeds";
  const leavesChild = chance.is(0.1) && !healthy;
  const calls = callsOf(costs, command.args);
  const base = { ms: healthy ? ms / 20 : ms, stderr: "", leavesChild, costs: 0, dearest: 0 };
  if (!command.program.endsWith("claude")) {
    const code = how === "succeeds" ? 0 : how === "dies" ? 137 : 1;
    return {
      ...base,
      how: how === "hangs" ? "hangs" : code === 0 ? "succeeds" : "fails",
      stdout: "did it\n",
      code,
      tells: false,
    };
  }
  const asks = how === "succeeds" || how === "breaks-off" || how === "dies" || how === "hangs";
  const all = asks ? calls.costs : [];
  const sum = Math.round(all.reduce((total, cost) => total + cost, 0) * 1e4) / 1e4;
  const ended = { ...base, costs: sum, dearest: Math.max(0, ...all) };
  const over = calls.overBudget && how === "succeeds";
  const { lines, code } = told(over ? "budget" : how, { runId: command.runId, calls: all.length, sum, now });
  return { ...ended, how: over ? "budget" : how, stdout: lines, code, tells: how !== "dies" && how !== "hangs" };
}

/** What it asks the model for, one call after another, until the work is done or the budget is used up. */
function callsOf(costs: Chance, args: readonly string[]): { costs: number[]; overBudget: boolean } {
  const place = args.indexOf("--max-budget-usd");
  const budget = place === -1 ? Number.POSITIVE_INFINITY : Number(args[place + 1]);
  const wanted = costs.whole(1, 6);
  const made: number[] = [];
  let sum = 0;
  for (let call = 0; call < wanted; call++) {
    const cost = Math.round(costs.between(0.01, 0.6) * 1e4) / 1e4;
    if (sum >= budget) return { costs: made, overBudget: true };
    made.push(cost);
    sum += cost;
  }
  return { costs: made, overBudget: sum >= budget };
}

interface Facts {
  runId: string;
  calls: number;
  sum: number;
  now: number;
}

/** The lines of `--output-format stream-json`. */
function told(how: string, { runId, calls, sum, now }: Facts): { lines: string; code: number } {
  const lines: object[] = [{ type: "system", subtype: "init", model: "simulated", session_id: runId }];
  for (let call = 1; call <= calls; call++) {
    const usage = { input_tokens: 10, output_tokens: 5, cache_read_input_tokens: 0, cache_creation_input_tokens: 0 };
    const content = [{ type: "text", text: "working" }];
    const message = { id: `m${call}`, role: "assistant", model: "simulated", content, usage };
    lines.push({ type: "assistant", message, parent_tool_use_id: null });
  }
  const result = (more: object) =>
    lines.push({
      type: "result",
      session_id: runId,
      num_turns: Math.max(1, calls),
      total_cost_usd: sum,
      usage: {},
      ...more,
    });
  const service = (error: string, more: object) => {
    const message = { id: "synthetic", role: "assistant", model: "<synthetic>", content: [] };
    lines.push({ type: "assistant", message, error });
    result({ subtype: "success", is_error: true, result: error, ...more });
  };
  let code = 1;
  switch (how) {
    case "succeeds":
      code = 0;
      result({ subtype: "success", is_error: false, result: "done" });
      break;
    case "budget":
      result({ subtype: "error_max_budget_usd", is_error: true, errors: ["too dear"] });
      break;
    case "breaks-off":
      result({ subtype: "error_during_execution", is_error: true, errors: ["broke off"] });
      break;
    case "usage-limit": {
      const resetsAt = Math.ceil((now + 2_400_000) / 1000);
      lines.push({ type: "rate_limit_event", rate_limit_info: { status: "rejected", resetsAt } });
      service("rate_limit", { api_error_status: 429, api_error: "usage_limit_reached" });
      break;
    }
    case "rate-limit":
      service("rate_limit", { api_error_status: 429 });
      break;
    case "network":
      service("server_error", { api_error_status: null, api_error: "connection_failed" });
      break;
    case "overloaded":
      service("server_error", { api_error_status: 529 });
      break;
    case "auth":
      service("authentication_failed", { api_error_status: 401 });
      break;
    case "refused":
      service("invalid_request", { api_error_status: 400 });
      break;
    default:
      code = 137;
  }
  return { lines: lines.map((line) => `${JSON.stringify(line)}\n`).join(""), code };
}
