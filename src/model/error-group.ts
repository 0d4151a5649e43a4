/** Failures in the groups that people think in, and what helps with each. For display: no decision is made by it. */
import { classIn } from "./pattern.ts";

export const ERROR_GROUPS = [
  "timeout",
  "network",
  "permission",
  "missing dependency",
  "API error",
  "rate limit",
  "authentication",
  "other",
] as const;
export type ErrorGroup = (typeof ERROR_GROUPS)[number];

/** By the class; where that says little (a command's exit code), by what programs say in such a case. */
export function groupOf(signature: string): ErrorGroup {
  switch (classIn(signature)) {
    case "timeout":
    case "stalled":
      return "timeout";
    case "network":
      return "network";
    case "permission":
      return "permission";
    case "overloaded":
      return "API error";
    case "rate-limit":
    case "usage-limit":
      return "rate limit";
    case "auth":
      return "authentication";
    case "invalid":
      return said(signature) ?? (/^invalid:(?:exit|[^:]*: The response file)/.test(signature) ? "other" : "API error");
    default:
      return said(signature) ?? "other";
  }
}

const SAID: readonly (readonly [ErrorGroup, RegExp])[] = [
  [
    "missing dependency",
    /\bnot found\b|cannot find (?:module|package)|no module named|ModuleNotFoundError|MODULE_NOT_FOUND|command not found|No such file or directory|\bENOENT\b/i,
  ],
  ["permission", /permission denied|\bEACCES\b|\bEPERM\b|operation not permitted|may not be executed/i],
  ["authentication", /\b401\b|unauthori[sz]ed|not logged in|invalid api key|authentication failed/i],
  ["rate limit", /\b429\b|too many requests|rate limit/i],
  [
    "network",
    /\bECONN(?:REFUSED|RESET|ABORTED)\b|\bENOTFOUND\b|\bEAI_AGAIN\b|\bEHOSTUNREACH\b|could not resolve|connection (?:refused|reset)|network is unreachable/i,
  ],
  ["timeout", /\bETIMEDOUT\b|timed? ?out|did not end within/i],
];

function said(signature: string): ErrorGroup | undefined {
  return SAID.find(([, pattern]) => pattern.test(signature))?.[0];
}

/** What to do, as `recommended_action` names it, and in a sentence. */
export const SUGGESTIONS: Record<ErrorGroup, { action: string; fix: string }> = {
  timeout: {
    action: "raise_the_limit_or_split_the_task",
    fix: "Give it more time (execution.timeout, agent.silence), or split the task into smaller ones.",
  },
  network: {
    action: "retry_with_backoff",
    fix: "It is tried again by itself. If it stays: check the connection, the proxy and the host's name; cox doctor.",
  },
  permission: {
    action: "allow_what_it_needs",
    fix: "Allow the tool in the role (tools, permission_mode), or mend the rights of the file; then cox retry.",
  },
  "missing dependency": {
    action: "install_what_is_missing",
    fix: "Install what it names, or put it on the PATH that the daemon was started with (cox restart); then cox retry.",
  },
  "API error": {
    action: "retry_with_backoff",
    fix: "The service's trouble passes and is tried again. A refused request: name another model, or shorten the task.",
  },
  "rate limit": {
    action: "wait_for_the_reset",
    fix: "It goes on by itself; cox status says when. If it is frequent: lower concurrency, or use another model.",
  },
  authentication: {
    action: "log_in",
    fix: "Log in (claude, then /login), or set the key where the daemon is started (cox restart); then cox retry.",
  },
  other: {
    action: "look_at_the_response",
    fix: "Read what it said: cox logs <task>, responses/<attempt>.json; mend the cause, then cox retry.",
  },
};
