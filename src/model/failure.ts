/** How an attempt can fail, and how the policy sees it. SPEC section 9. */

export const FAILURE_CLASSES = [
  "network",
  "overloaded",
  "rate-limit",
  "usage-limit",
  "auth",
  "invalid",
  "timeout",
  "stalled",
  "crash",
  "permission",
  "budget",
  "verify",
  "conflict",
  "rejected",
  "unknown",
] as const;
export type FailureClass = (typeof FAILURE_CLASSES)[number];

/** Why an attempt failed: told from structure (result fields, exit status, signals, errno), never from prose. */
export interface Failure {
  class: FailureClass;
  /** What happened, in a sentence. */
  message: string;
  /** What to do next. */
  hint?: string;
  /** When trying again makes sense, where the answer named it (`resetsAt`, `retry-after`): ISO instant. */
  retry_at?: string;
}
