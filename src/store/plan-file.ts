/** A plan: as its file has it, or as an agent has answered. Only its form is looked at here. */
import type { Plan } from "../model/plan.ts";
import { problem, type Problem } from "../problems.ts";
import { checkPlan } from "./check.ts";
import { SCHEMAS } from "./schemas.js";
import { formatJson, locate, parseJson } from "./json-file.ts";

/** Where an editor finds what may stand in a plan, as seen from `plans/`. */
const PLAN_SCHEMA = "../../.run/schemas/plan.schema.json";
const MOST_BYTES = 512 * 1024;

export type ReadPlan = { ok: Plan; text: string } | { problems: Problem[]; unfinished: boolean };

/** Problems have line and column. */
export function readPlan(content: Buffer): ReadPlan {
  const parsed = parseJson(content);
  if ("problems" in parsed) return parsed;
  const checked = checkPlan(parsed.ok);
  if ("problems" in checked) return { problems: locate(parsed.text, checked.problems), unfinished: false };
  return { ok: checked.ok, text: parsed.text };
}

/** The text of a plan's file. */
export function planText(plan: Plan): string {
  return formatJson({ $schema: PLAN_SCHEMA, ...plan });
}

/** What an agent is asked to answer by. One that need not plan says what it did, or why it is to be split. */
export function answerSchema(plan: "required" | "allowed"): Record<string, unknown> {
  const { $id: _id, $schema: _schema, ...schema } = SCHEMAS["plan.schema.json"] as Record<string, unknown>;
  const { $schema: _own, ...properties } = schema["properties"] as Record<string, object>;
  if (plan === "required") return { ...schema, properties };
  const tasks = {
    ...properties["tasks"],
    minItems: 0,
    description: "Only where it was too much for one task and was not done: what it shall be split into.",
  };
  const summary = { ...properties["summary"], description: "What was done; or why it is to be split." };
  return { ...schema, properties: { ...properties, summary, tasks }, required: ["summary"] };
}

/** What an answer proposes: nothing, where it has no tasks and needs none. */
export function planIn(
  answer: unknown,
  needed: boolean,
): { ok: Plan } | { none: string | undefined } | { problems: Problem[] } {
  if (typeof answer !== "object" || answer === null || Array.isArray(answer)) {
    if (!needed) return { none: undefined };
    const hint = "Answer by the JSON Schema, with its tasks.";
    return { problems: [problem("bad-plan", "The answer is prose, and no plan.", { hint })] };
  }
  const { tasks, summary } = answer as { tasks?: unknown; summary?: unknown };
  const hasTasks = tasks !== undefined && !(Array.isArray(tasks) && tasks.length === 0);
  if (!needed && !hasTasks) return { none: typeof summary === "string" ? summary : undefined };
  if (Buffer.byteLength(JSON.stringify(answer)) > MOST_BYTES)
    return { problems: [problem("bad-plan", "The plan has more than 512 kB.", { hint: "Say less in each task." })] };
  return checkPlan(answer);
}

/** What was answered in words, where that is JSON all the same. */
export function answerIn(text: string): unknown {
  const bare = /^\s*```(?:json)?\n([\s\S]*?)\n```\s*$/.exec(text)?.[1] ?? text;
  if (!bare.trimStart().startsWith("{")) return undefined;
  try {
    return JSON.parse(bare) as unknown;
  } catch {
    return undefined;
  }
}
