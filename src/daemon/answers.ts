/** What people answer: in a response, or in the task's file. SPEC sections 5 and 6. */
import type { Event } from "../machine/event.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, type SessionId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";
import { checkAnswer } from "../store/answer.ts";
import { locate, parseJson } from "../store/json-file.ts";
import type { Observation } from "./observation.ts";
import type { Workspace } from "./workspace.ts";

/**
 * A JSON response may be partial: `{"result": "…"}` is a success, and so are the fields of the form that was asked for;
 * markdown is the result itself.
 */
export function readAnswer(from: {
  content: Buffer;
  format: "json" | "md";
  task: Task;
  attempt: number;
}): { ok: ResponseFile } | { problems: Problem[]; unfinished: boolean } {
  const { content, format, task, attempt } = from;
  if (format === "md") {
    const result = content.toString("utf8").trim();
    if (result !== "") return checked(task, attempt, result);
    return {
      problems: [problem("empty-file", "The response has no text.", { hint: "Write what came of it." })],
      unfinished: true,
    };
  }
  const parsed = parseJson(content);
  if ("problems" in parsed) return parsed;
  const { result, outcome, structured, error } = parsed.ok;
  if (outcome !== undefined && outcome !== "success" && outcome !== "failure") {
    const hint = "Write success or failure, or leave it out.";
    return {
      problems: [problem("bad-response", `outcome is ${JSON.stringify(outcome)}.`, { pointer: "/outcome", hint })],
      unfinished: false,
    };
  }
  const text = typeof result === "string" ? result : result === undefined ? "" : JSON.stringify(result);
  if (outcome === "failure") {
    const told = typeof result === "string" && result.trim() !== "" ? result : "A person said that it failed.";
    const message = (error as { message?: unknown } | undefined)?.message;
    const why = typeof message === "string" ? message : told;
    const more = structured === undefined ? {} : { structured };
    return { ok: answer(task, attempt, { result: text, outcome, ...more, error: { class: "unknown", message: why } }) };
  }
  const { choices, form } = task.execution;
  if (!choices && !form) {
    const more = structured === undefined ? {} : { structured };
    return { ok: answer(task, attempt, { result: text, outcome: "success", ...more }) };
  }
  const isBare = form && structured === undefined && outcome === undefined && result === undefined;
  return checked(task, attempt, isBare ? parsed.ok : form ? structured : result);
}

function checked(
  task: Task,
  attempt: number,
  given: unknown,
): { ok: ResponseFile } | { problems: Problem[]; unfinished: boolean } {
  const found = checkAnswer(task.execution, given);
  return "ok" in found ? { ok: answer(task, attempt, found.ok) } : { ...found, unfinished: false };
}

/** The attempt whose answer a person may give by now, since they are asked, or will be. */
export function askedOf({ roles }: Workspace, task: Task): number | undefined {
  const { reason, last_attempt: last, attempts } = task.execution;
  if (task.status === "blocked") return reason === "awaiting-person" ? last?.attempt : undefined;
  return task.status === "pending" && roles.get(task.agent)?.runner === "human" ? attempts + 1 : undefined;
}

/** An answer in the task's file itself, which is taken out of it. */
export function answerIn(
  workspace: Workspace,
  { session, task, current }: { session: SessionId; task: Task; current: Task },
  { seen, text }: { seen: Observation; text: string },
): { task: Task; events: Event[] } | { problems: Problem[] } {
  const { answer: given, ...execution } = task.execution;
  if (given === undefined) return { task, events: [] };
  const attempt = askedOf(workspace, current);
  const refused = (problems: Problem[]) => ({
    problems: locate(
      text,
      problems.map((each) => ({ ...each, pointer: `/execution/answer${each.pointer ?? ""}` })),
    ),
  });
  if (attempt === undefined) {
    const hint = "Remove execution.answer; cox retry asks again.";
    return refused([problem("wrong-value", `${task.id} asks nobody now.`, { hint })]);
  }
  const found = checkAnswer(task.execution, given);
  if ("problems" in found) return refused(found.problems);
  const { id } = task;
  const { result } = found.ok;
  seen.answers.set(`${session}/${attemptName(id, attempt)}`, answer(task, attempt, found.ok));
  const events: Event[] = [{ type: "answered", session, id, attempt, outcome: "success", message: result }];
  return { task: { ...task, execution }, events };
}

/** Whether what a person wrote has all that was read from it in its place. */
export function saysAll(content: Buffer, { result, structured }: ResponseFile): boolean {
  const parsed = parseJson(content);
  if ("problems" in parsed) return false;
  const written = parsed.ok;
  return written["result"] === result && JSON.stringify(written["structured"]) === JSON.stringify(structured);
}

function answer({ id }: Task, attempt: number, given: Partial<ResponseFile>): ResponseFile {
  return {
    task: id,
    attempt,
    run_id: null,
    agent_session: null,
    outcome: "success",
    result: "",
    cost_usd: null,
    tokens: null,
    turns: null,
    duration_ms: null,
    model: null,
    permission_denials: [],
    ...given,
  };
}
