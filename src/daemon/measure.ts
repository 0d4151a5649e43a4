/** What finished attempts leave in the metrics. */
import type { MetricsLine } from "../history/metrics.ts";
import type { Event } from "../machine/event.ts";
import type { State } from "../machine/state.ts";
import type { Instant } from "../model/time.ts";

export function metricsOf(events: readonly Event[], state: State, now: Instant): MetricsLine[] {
  return events.flatMap((event): MetricsLine[] => {
    if (event.type !== "ended" || event.merging) return [];
    const { session, id: task, attempt, runId: run_id, end } = event;
    const known = state.sessions.get(session)?.tasks.get(task);
    const facts = end.kind === "finished" ? end.end : end.facts;
    const failed = end.kind === "finished" && end.end.outcome === "failure" ? end.end.error.class : null;
    return [
      {
        timestamp: now,
        session,
        task,
        attempt,
        run_id,
        role: event.role ?? known?.agent ?? "unknown",
        type: known?.type ?? null,
        model: facts.model,
        outcome: end.kind === "stopped" ? "stopped" : end.end.outcome,
        error_class: failed,
        duration_ms: end.durationMs,
        cost_usd: facts.cost_usd,
        tokens: facts.tokens,
        turns: facts.turns,
      },
    ];
  });
}
