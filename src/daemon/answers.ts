/** Responses that people write. SPEC sections 5 and 6. */
import type { ResponseFile } from "../model/attempt.ts";
import { problem, type Problem } from "../problems.ts";
import { parseJson } from "../store/json-file.ts";

/** A JSON response may be partial: `{"result": "…"}` is a success; markdown is the result itself. */
export function readAnswer(from: {
  content: Buffer;
  format: "json" | "md";
  task: string;
  attempt: number;
}): { ok: ResponseFile } | { problems: Problem[]; unfinished: boolean } {
  const { content, format, task, attempt } = from;
  if (format === "md") {
    const result = content.toString("utf8").trim();
    if (result !== "") return { ok: answer(task, attempt, { result }) };
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
  const told = typeof result === "string" && result.trim() !== "" ? result : "A person said that it failed.";
  const message = (error as { message?: unknown } | undefined)?.message;
  return {
    ok: answer(task, attempt, {
      result: typeof result === "string" ? result : result === undefined ? "" : JSON.stringify(result),
      outcome: outcome ?? "success",
      ...(structured === undefined ? {} : { structured }),
      ...(outcome === "failure"
        ? { error: { class: "unknown" as const, message: typeof message === "string" ? message : told } }
        : {}),
    }),
  };
}

function answer(task: string, attempt: number, given: Partial<ResponseFile>): ResponseFile {
  return {
    task,
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
