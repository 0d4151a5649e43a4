/** What a run is given: declared variables, their types and defaults. */
import { closest } from "../model/closest.ts";
import type { Vars, VarType, WorkflowFile } from "../model/workflow.ts";
import { problem, type Problem } from "../problems.ts";
import { OWN_NAMES, stepsOf, textsOf } from "./steps.ts";
import { namesIn } from "./template.ts";

export interface Declared {
  type: VarType;
  /** Undefined: a run must give it. */
  fallback: unknown;
  description: string;
  choices?: readonly (string | number | boolean)[];
}

/** A workflow without `vars` takes every name that no step of it makes. */
export function isDeclaring({ vars }: Pick<WorkflowFile, "vars">): boolean {
  return vars !== undefined;
}

export function declaredVars({ vars = {} }: Pick<WorkflowFile, "vars">): Record<string, Declared> {
  return Object.fromEntries(
    Object.entries(vars).map(([name, said]): [string, Declared] => {
      if (typeof said !== "object") return [name, { type: typeOf(said), fallback: said, description: "" }];
      const { default: fallback, enum: choices } = said;
      const declared = {
        type: said.type ?? typeOf(fallback ?? choices?.[0]),
        fallback: said.required === true ? undefined : fallback,
        description: said.description ?? "",
      };
      return [name, choices ? { ...declared, choices } : declared];
    }),
  );
}

/** All that a run can be given: what is declared, or else what its texts name. */
export function varsOf(file: WorkflowFile): Record<string, Declared> {
  if (isDeclaring(file)) return declaredVars(file);
  const steps = stepsOf(file);
  const known = new Set<string>([...OWN_NAMES, ...steps.flatMap(({ says }) => says.output_variable ?? [])]);
  const texts = file.steps.flatMap((step, place) => textsOf(step, steps[place]));
  const lists = new Set(
    file.steps.flatMap(({ for_each }) => (typeof for_each === "string" ? wholeNames(for_each) : [])),
  );
  const names = texts.flatMap(({ text, kind }) => namesIn(text, kind).map(({ name }) => name));
  const given = [...new Set(names)].filter((name) => !known.has(name));
  const declared = (name: string): Declared => ({
    ...{ type: lists.has(name) ? "list" : "string", fallback: undefined, description: "" },
  });
  return Object.fromEntries(given.map((name) => [name, declared(name)]));
}

/** The variables of a run from what it is given: texts become what their type says. */
export function varsFor(file: WorkflowFile, given: Vars): { ok: Vars } | { problems: Problem[] } {
  const declared = varsOf(file);
  const names = Object.keys(declared);
  const problems: Problem[] = [];
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(declared, name)) continue;
    const near = closest(name, names);
    const hint = near ? `Did you mean ${near}?` : names.length > 0 ? `It takes ${names.join(", ")}.` : "It takes none.";
    problems.push(problem("unknown-name", `The workflow has no variable ${name}.`, { pointer: `/vars/${name}`, hint }));
  }
  const vars: [string, unknown][] = [];
  for (const [name, { type, fallback, choices, description }] of Object.entries(declared)) {
    const value = Object.hasOwn(given, name) ? given[name] : fallback;
    if (value === undefined) {
      const hint = `Give it: --var ${name}=….${description ? ` ${description}` : ""}`;
      problems.push(problem("missing-variable", `The variable ${name} has no value.`, { hint }));
      continue;
    }
    const fits = asType(value, type);
    const pointer = `/vars/${name}`;
    if ("wrong" in fits)
      problems.push(problem("wrong-value", `The variable ${name} is not ${fits.wrong}.`, { pointer }));
    else if (choices && !choices.includes(fits.ok as string))
      problems.push(problem("wrong-value", `The variable ${name} can be ${choices.join(", ")}.`, { pointer }));
    else vars.push([name, fits.ok]);
  }
  return problems.length > 0 ? { problems } : { ok: Object.fromEntries(vars) };
}

/** A text that a command line or a form gives for a number, a list, … is read as JSON. */
export function asType(value: unknown, type: VarType): { ok: unknown } | { wrong: string } {
  if (type === "string")
    return ["string", "number", "boolean"].includes(typeof value) ? { ok: String(value) } : { wrong: "a text" };
  const read = typeof value === "string" ? fromJson(value) : value;
  switch (type) {
    case "number":
      return typeof read === "number" ? { ok: read } : { wrong: "a number" };
    case "integer":
      return Number.isSafeInteger(read) ? { ok: read } : { wrong: "a whole number" };
    case "boolean":
      return typeof read === "boolean" ? { ok: read } : { wrong: "true or false" };
    case "list":
      return Array.isArray(read) ? { ok: read } : { wrong: "a list" };
    case "object":
      return typeof read === "object" && read !== null && !Array.isArray(read) ? { ok: read } : { wrong: "an object" };
  }
}

/** `{files}` as a whole; a field of something is no list of its own. */
function wholeNames(text: string): string[] {
  return namesIn(text, "prompt").flatMap(({ name, path }) => (path.length === 0 ? [name] : []));
}

function typeOf(value: unknown): VarType {
  if (typeof value === "number" || typeof value === "boolean") return typeof value as "number" | "boolean";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "object" : "string";
}

function fromJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
