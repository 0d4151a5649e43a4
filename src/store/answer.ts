/** What people answer, against what was asked: choices, or a form by a JSON Schema. */
import { createRequire } from "node:module";
import type { ErrorObject, ValidateFunction } from "ajv";
import { closest } from "../model/closest.ts";
import { problem, type Problem } from "../problems.ts";

export interface Question {
  choices?: readonly string[];
  form?: Record<string, unknown>;
  time_limit?: string;
  default?: unknown;
}

/** As a response has it. */
export interface Answer {
  result: string;
  structured?: unknown;
}

/** A text, or an object; of a form's fields. Pointers are into what was given. */
export function checkAnswer(question: Question, given: unknown): { ok: Answer } | { problems: Problem[] } {
  const { choices, form } = question;
  if (form) return fits(form, given);
  if (choices) return chosen(choices, given);
  if (typeof given === "string" && given.trim() !== "") return { ok: { result: given.trim() } };
  if (given === undefined || given === null || typeof given === "string")
    return { problems: [problem("bad-response", "The answer is empty.", { hint: "Write what came of it." })] };
  return { ok: { result: JSON.stringify(given), structured: given } };
}

function chosen(choices: readonly string[], given: unknown): { ok: Answer } | { problems: Problem[] } {
  const text = typeof given === "string" ? given.trim() : "";
  const same = choices.filter((choice) => choice.toLowerCase() === text.toLowerCase());
  const choice = choices.find((each) => each === text) ?? (same.length === 1 ? same[0] : undefined);
  if (choice !== undefined) return { ok: { result: choice } };
  const near = closest(text, choices);
  const what =
    text === "" ? "The answer is none of the choices." : `${JSON.stringify(shown(text))} is none of the choices.`;
  const hint = near ? `Did you mean ${near}? They are ${choices.join(", ")}.` : `Answer one of ${choices.join(", ")}.`;
  return { problems: [problem("bad-response", what, { hint })] };
}

const shown = (text: string) => (text.length > 100 ? `${text.slice(0, 100)}…` : text);

function fits(form: Record<string, unknown>, given: unknown): { ok: Answer } | { problems: Problem[] } {
  const hint = `Answer with an object of the form's fields: ${fieldsOf(form).join(", ") || "see execution.form"}.`;
  if (typeof given !== "object" || given === null || Array.isArray(given))
    return { problems: [problem("bad-response", "The answer is no object.", { hint })] };
  const compiled = compile(form);
  // Nobody could answer it otherwise.
  if ("wrong" in compiled || compiled.ok(given)) return { ok: { result: JSON.stringify(given), structured: given } };
  const found = new Map((compiled.ok.errors ?? []).map((error) => [told(error), error.instancePath]));
  return { problems: [...found].map(([message, pointer]) => problem("bad-response", message, { pointer, hint })) };
}

function told({ keyword, instancePath, message, params }: ErrorObject): string {
  const field = instancePath.slice(1).replaceAll("/", ".") || "The answer";
  if (keyword === "required") return `${String(params["missingProperty"])} is missing.`;
  if (keyword === "enum") return `${field} must be one of ${(params["allowedValues"] as unknown[]).join(", ")}.`;
  if (keyword === "additionalProperties") return `There is no field ${String(params["additionalProperty"])}.`;
  return `${field} ${message ?? "is not as the form wants it"}.`;
}

export function fieldsOf(form: Record<string, unknown>): string[] {
  const properties = form["properties"];
  return typeof properties === "object" && properties !== null ? Object.keys(properties) : [];
}

/** What is wrong with the question itself. Pointers are into `execution`. */
export function questionTrouble(question: Question): Problem[] {
  const { choices, form, time_limit: limit, default: otherwise } = question;
  const found: Problem[] = [];
  const wrong = (pointer: string, message: string, hint: string) =>
    found.push(problem("wrong-value", message, { pointer, hint }));
  const compiled = form ? compile(form) : undefined;
  if (form && choices) wrong("/choices", "A question has choices or a form.", "Make the choices an enum of the form.");
  if (compiled && "wrong" in compiled)
    wrong(
      "/form",
      `The form is no JSON Schema: ${compiled.wrong}.`,
      'Such as {"properties": {"version": {"type": "string"}}, "required": ["version"]}.',
    );
  if (otherwise === undefined || found.length > 0) return found;
  if (limit === undefined)
    wrong("/default", "A default is taken when time is up, and there is no limit.", "Give a time_limit, such as 2d.");
  const checked = checkAnswer(question, otherwise);
  if ("problems" in checked)
    for (const { message, hint } of checked.problems)
      wrong("/default", `The default does not do: ${message}`, hint ?? "Change it.");
  return found;
}

const compiledForms = new WeakMap<object, Compiled>();
type Compiled = { ok: ValidateFunction } | { wrong: string };

/** To load ajv takes a tenth of a second, and few have a form. */
function compile(form: Record<string, unknown>): Compiled {
  const known = compiledForms.get(form);
  if (known) return known;
  const { Ajv2020 } = createRequire(import.meta.url)("ajv/dist/2020.js") as typeof import("ajv/dist/2020.js");
  const ajv = new Ajv2020({ allErrors: true, verbose: true, strict: false, logger: false, ownProperties: true });
  let compiled: Compiled;
  try {
    const { $schema: _schema, ...schema } = form;
    compiled = { ok: ajv.compile({ type: "object", ...schema }) };
  } catch (error) {
    compiled = { wrong: (error as Error).message };
  }
  compiledForms.set(form, compiled);
  return compiled;
}
