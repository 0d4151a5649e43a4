/** What a drop leaves out, filled in. SPEC section 3.1. */
import { parentOf, type SessionId, type TaskId } from "../model/ids.ts";
import type { Task, TaskDrop, TaskType } from "../model/task.ts";
import type { Drop } from "./intake.ts";

/** Where an editor finds what may stand in a task's file, as seen from `.task/`. */
const TASK_SCHEMA = "../../.run/schemas/task.schema.json";

/** The whole task that a drop means. Key order and unknown keys of the drop stay; what is missing comes after. */
export function filledIn(drop: Drop, id: TaskId, session: SessionId): Task {
  const { drop: written } = drop;
  const type = written.type ?? typeFrom(written.title);
  const { relations } = written;
  const agent = written.agent ?? (isQuestion(written) ? "human" : agentFrom(type, written.title));
  return {
    ...(written.id === undefined ? { id } : {}),
    ...written,
    status: written.status ?? "pending",
    type,
    agent,
    paths: written.paths ?? "",
    context: completed(written.context, { requirements: [], scope: [], acceptance: [], inherited_from: session }),
    relations: { ...completed(relations, { parent: null, subtasks: [], dependencies: [] }), parent: parentOf(id) },
    execution: {
      ...completed(written.execution, { ...planningOf(agent, written.execution), attempts: 0, last_attempt: null }),
      source: { file: drop.file, sha256: drop.sha256 },
    },
    implementation: completed(written.implementation, { files: [], context_notes: {}, analysis_source: "manual" }),
    $schema: written.$schema ?? TASK_SCHEMA,
  } as Task;
}

/** A planner answers by a plan, and a plan is approved by a person, unless the drop says otherwise. */
function planningOf(
  agent: string,
  written: Drop["drop"]["execution"] = {},
): Pick<Task["execution"], "plan" | "approve"> {
  const { plan, approved, response_schema, workflow } = written;
  const isPlanner = agent === "planning-agent" && response_schema === undefined && workflow === undefined;
  const is = plan ?? (isPlanner ? "required" : undefined);
  if (is === undefined) return {};
  return { plan: is, ...(is === "required" && approved !== true ? { approve: "after" } : {}) };
}

/** Only people choose, and fill in forms. */
function isQuestion({ execution }: TaskDrop): boolean {
  return execution?.choices !== undefined || execution?.form !== undefined;
}

/** What is written, in its own order, and after it what is missing. */
function completed(written: object | undefined, missing: object): object {
  const result: Record<string, unknown> = { ...written };
  for (const [key, value] of Object.entries(missing)) if (result[key] === undefined) result[key] = value;
  return result;
}

function typeFrom(title: string): TaskType {
  if (/\b(fix(es|ed)?|bugs?|bugfix|repair|broken|crash(es)?|regression|flaky)\b/i.test(title)) return "bugfix";
  if (/\b(refactor(ing)?|clean ?up|rename|restructure|simplify|extract|split)\b/i.test(title)) return "refactor";
  if (/\b(tests?|testing|coverage|spec)\b/i.test(title)) return "test";
  if (/\b(docs?|document(ation)?|readme|changelog|comments)\b/i.test(title)) return "docs";
  return "feature";
}

/**
 * A word in the middle of a title is mostly about something else ("the pricing plan", "review comments"), and planning and
 * reviewing agents cannot write: so it counts where the title begins with it or leaves no doubt.
 */
function agentFrom(type: TaskType, title: string): string {
  if (/^\s*(plan|design|architect|decompose|outline|break down)\b/i.test(title) || PLANNING.test(title))
    return "planning-agent";
  if (type === "test") return "code-review-test-agent";
  if (/^\s*(code )?(review|audit|inspect)/i.test(title)) return "review-agent";
  if (type === "feature" && /\b(review(s|ing)?|audit(s|ing)?|inspect(s|ing)?)\b/i.test(title)) return "review-agent";
  return "code-developer";
}

const PLANNING =
  /\b(planning|roadmap|decompos(e|ition)|(implementation|project|migration|release) plan|plan (for|how|out))\b/i;
