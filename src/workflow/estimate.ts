/** How long a run may take and what it may cost, from attempts that there were. An estimate, with what it rests on. */
import type { Task } from "../model/task.ts";

/** `n`: so many attempts it rests on; 0: nothing is known. Duration in ms, cost in US dollars. */
export interface Estimate {
  of: "step" | "role" | null;
  n: number;
  duration_ms: number | null;
  cost_usd: number | null;
}

/** From what the same step of the same workflow took before, else from tasks of its role and model. */
export function estimateOf(step: Task, past: readonly Task[]): Estimate {
  const { workflow, model } = step.execution;
  const did = past.filter(
    ({ execution: { last_attempt: last } }) => last?.outcome === "success" && last.duration_ms != null,
  );
  const same = did.filter(
    ({ execution: { workflow: of } }) =>
      of?.step !== undefined && of.step === workflow?.step && of.name === workflow.name,
  );
  const alike = did.filter(
    ({ agent, execution }) => agent === step.agent && (model ?? null) === (execution.model ?? null),
  );
  const [of, found] =
    same.length > 0 ? (["step", same] as const) : (["role", step.agent === "command" ? [] : alike] as const);
  if (found.length === 0) return { of: null, n: 0, duration_ms: null, cost_usd: null };
  const lasts = found.flatMap(({ execution }) => execution.last_attempt ?? []);
  const duration_ms = median(lasts.map((last) => last.duration_ms ?? 0));
  return { of, n: found.length, duration_ms, cost_usd: median(lasts.map((last) => last.cost_usd ?? 0)) };
}

/** The whole: the longest way through what waits for each other, and the sum of what all cost. `steps`: in any order. */
export function estimateOfRun(
  steps: readonly Task[],
  of: (step: Task) => Estimate,
): { duration_ms: number; cost_usd: number; known: number; n: number } {
  const ends = new Map<string, number>();
  const byId = new Map(steps.map((step) => [step.id, step]));
  for (const first of steps) {
    const open = [first];
    for (let step = open.at(-1); step; step = open.at(-1)) {
      const needs = step.relations.dependencies.flatMap((id) => byId.get(id) ?? []);
      const missing = needs.filter(({ id }) => !ends.has(id));
      open.push(...missing);
      if (missing.length > 0) continue;
      open.pop();
      ends.set(step.id, Math.max(0, ...needs.map(({ id }) => ends.get(id) ?? 0)) + (of(step).duration_ms ?? 0));
    }
  }
  const all = steps.map(of);
  const cost = all.reduce((sum, { cost_usd }) => sum + (cost_usd ?? 0), 0);
  return {
    duration_ms: Math.max(0, ...ends.values()),
    cost_usd: Math.round(cost * 1e6) / 1e6,
    known: all.filter(({ n }) => n > 0).length,
    n: all.reduce((sum, { n }) => sum + n, 0),
  };
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? 0) + upper) / 2;
}
