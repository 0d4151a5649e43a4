/**
 * Why a run of Claude Code failed, in the classes of SPEC section 9, from fields of its output alone. A run that ended
 * with `subtype: "success"` may still be an error: `is_error`, the synthetic assistant line's `error` and the HTTP
 * status decide, never the exit code and never what the model wrote.
 */
import type { Failure, FailureClass } from "../model/failure.ts";
import { number, string, type Line } from "./claude-lines.ts";
import { excerpt, firstLine } from "./excerpt.ts";
import type { ProcessEnd, RunOutput } from "./runner.ts";

/** What the lines before the result said about errors. */
export interface Signs {
  /** `assistant.error` of the last assistant line, where that line is Claude Code's own and not the model's. */
  apiError: string | undefined;
  limit: { rejected: boolean; warned: boolean; until?: string };
  /** Whether anything but the result was heard: an assistant's line. */
  worked: boolean;
}

/** The failure that a `result` line tells of. */
export function failureOf(result: Line, signs: Signs): Failure {
  const said = excerpt(string(result.result) || errorsOf(result), 500);
  switch (result.subtype) {
    case "error_max_turns":
      return {
        class: "budget",
        message: `The agent used all its turns. ${said}`.trim(),
        hint: "Its work so far is kept. Raise execution.max_turns (or split the task), then `cox retry`.",
      };
    case "error_max_budget_usd":
      return {
        class: "budget",
        message: `The agent used all its budget. ${said}`.trim(),
        hint: "Its work so far is kept. Raise execution.budget_usd (or split the task), then `cox retry`.",
      };
    case "error_max_structured_output_retries":
      return {
        class: "invalid",
        message: `The agent could not give an answer that satisfies execution.response_schema. ${said}`.trim(),
        hint: "Check the schema (simpler, fewer required fields), then `cox retry`.",
      };
    case "error_during_execution":
      return signs.worked
        ? { class: "crash", message: `Claude Code broke off in mid run. ${said}`.trim() }
        : startupFailure(result, said);
    default:
      return apiFailure(result, signs, said);
  }
}

/** The failure of a run that left no result line. */
export function failureWithoutResult(output: RunOutput, worked: boolean): Failure {
  const complaint = firstLine(output.stderr, 500);
  if (!worked && complaint !== "" && output.end.kind === "exited" && output.end.code > 0 && output.end.code < 128) {
    return badInvocation(complaint);
  }
  return {
    class: "crash",
    message: `Claude Code ended without a result: ${endText(output.end)}.${complaint ? ` ${complaint}` : ""}`,
  };
}

function errorsOf(result: Line): string {
  return Array.isArray(result.errors) ? result.errors.filter((error) => typeof error === "string").join(" ") : "";
}

/** Nothing was asked of the model: the program refused to begin. */
function startupFailure(result: Line, said: string): Failure {
  if (result.startup_failure_reason === "bypass_root") {
    return {
      class: "permission",
      message: said,
      hint: "Run the daemon as another user, or give the role `permission_mode: acceptEdits`, then `cox retry`.",
    };
  }
  if (sessionIsGone(result)) {
    return {
      class: "unknown",
      message: said,
      hint: "The conversation cannot be continued; the next attempt starts afresh.",
    };
  }
  // Aborted while it waited for its first answer: not the invocation's fault.
  if (number(result.num_turns) !== 0 || result.terminal_reason !== undefined) {
    return { class: "crash", message: `Claude Code broke off before its first answer. ${said}`.trim() };
  }
  return badInvocation(said || "Claude Code could not start.");
}

/** `--resume` of a conversation that was never saved: the program's own fixed words, there is no field for it. */
export function sessionIsGone(result: Line): boolean {
  return errorsOf(result).startsWith("No conversation found with session ID");
}

function badInvocation(complaint: string): Failure {
  if (complaint.startsWith("No conversation found with session ID")) {
    return {
      class: "unknown",
      message: complaint,
      hint: "The conversation cannot be continued; the next attempt starts afresh.",
    };
  }
  return {
    class: "invalid",
    message: `Claude Code refused to start: ${complaint}`,
    hint: "Check the role's and the task's settings (model, tools, permission_mode, response_schema), then `cox retry`.",
  };
}

/** An error of the service: by Claude Code's name for it, else by HTTP status. */
function apiFailure(result: Line, signs: Signs, said: string): Failure {
  const status = number(result.api_error_status);
  const failureClass = apiClass(result, signs, status);
  const failure: Failure = {
    class: failureClass,
    message: said || `The service answered with an error${status ? ` (${status})` : ""}.`,
  };
  const hint = hintFor(failureClass, result, signs);
  if (hint !== undefined) failure.hint = hint;
  if (failureClass === "usage-limit" && signs.limit.until !== undefined) failure.retry_at = signs.limit.until;
  return failure;
}

function apiClass(result: Line, signs: Signs, status: number | undefined): FailureClass {
  const limited = signs.apiError === "rate_limit" || status === 429;
  if (result.api_error === "usage_limit_reached" || (limited && signs.limit.rejected)) return "usage-limit";
  if (result.api_error === "connection_failed") return "network";
  if (result.api_error === "max_output_tokens" || result.stop_reason === "refusal") return "invalid";
  switch (signs.apiError) {
    case "authentication_failed":
    case "billing_error":
    case "account_on_hold":
    case "verification_required":
    case "oauth_org_not_allowed":
      return "auth";
    case "rate_limit":
      return "rate-limit";
    case "invalid_request":
    case "model_not_found":
    case "max_output_tokens":
      return "invalid";
    case "overloaded":
      return "overloaded";
    case "server_error":
      // Without a status no answer came at all: refused, reset, timed out.
      return status === undefined ? "network" : "overloaded";
    default:
      return byStatus(status);
  }
}

/** Every 5xx is the service's trouble and passes: `overloaded`. 408 is a connection that was too slow. */
function byStatus(status: number | undefined): FailureClass {
  if (status === undefined) return "unknown";
  if (status === 401 || status === 402 || status === 403) return "auth";
  if (status === 408) return "network";
  if (status === 429) return "rate-limit";
  if (status >= 500) return "overloaded";
  return status >= 400 ? "invalid" : "unknown";
}

function hintFor(failureClass: FailureClass, result: Line, signs: Signs): string | undefined {
  switch (failureClass) {
    case "auth":
      return signs.apiError === "billing_error"
        ? "See to the account's credit or billing at the place that pays for it (`cox doctor` names it), then `cox retry`."
        : "Run `claude` and log in (/login), or set ANTHROPIC_API_KEY where the daemon is started, then `cox retry`.";
    case "usage-limit":
      return "Tasks of this account wait until the limit is reset; nothing has to be done.";
    case "invalid":
      if (signs.apiError === "model_not_found" || result.api_error_status === 404) {
        return "Name a model that this account may use (execution.model, the role's model or agent.model), then `cox retry`.";
      }
      if (result.stop_reason === "refusal")
        return "Say the task in other words or choose another model, then `cox retry`.";
      if (result.terminal_reason === "prompt_too_long") return "Shorten the task or split it, then `cox retry`.";
      return "Change the task (shorter, split, other model) so that the request is accepted, then `cox retry`.";
    default:
      return undefined;
  }
}

function endText(end: ProcessEnd): string {
  switch (end.kind) {
    case "exited":
      return end.code > 128 ? `it was stopped (exit ${end.code})` : `exit ${end.code}`;
    case "signalled":
      return `it was stopped by ${end.signal}`;
    case "vanished":
      return "its process is gone";
  }
}
