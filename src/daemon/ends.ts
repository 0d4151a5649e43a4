/** Ends of attempts that their output does not tell of. */
import { NO_FACTS, type AttemptEnd } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";

export function broken({ message }: Error): AttemptEnd {
  return { ...NO_FACTS, outcome: "failure", result: "", error: { class: "unknown", message } };
}

export function failed(end: AttemptEnd, error: Failure): AttemptEnd {
  const { outcome: _outcome, result, ...facts } = end;
  return end.outcome === "failure" ? end : { ...facts, outcome: "failure", result, error };
}
