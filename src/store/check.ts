/** Checks against the schemas, in words: all problems at once, with what would be right. By ajv, compiled beforehand. */
import type { ErrorObject, ValidateFunction } from "ajv";
import type { WrittenConfig } from "../config.ts";
import type { PatternsFile } from "../model/pattern.ts";
import type { Plan } from "../model/plan.ts";
import type { Review } from "../model/review.ts";
import type { SessionFile } from "../model/session.ts";
import type { TaskDrop } from "../model/task.ts";
import type { WorkflowFile } from "../model/workflow.ts";
import { problem, type Problem } from "../problems.ts";
import { closest } from "../model/closest.ts";
import { questionTrouble } from "./answer.ts";
import { SCHEMAS } from "./schemas.js";
import { config, patterns, plan, review, session, taskDrop, workflow } from "./validators.js";

/** Unknown keys of a task are kept; only those that are probably misspelt, or belong elsewhere, are problems. */
export function checkTaskDrop(value: unknown): { ok: TaskDrop } | { problems: Problem[] } {
  const checked = check<TaskDrop>(taskDrop, value, misspeltKeys(value, SCHEMAS["task-drop.schema.json"], ""));
  if ("problems" in checked || !checked.ok.execution) return checked;
  const trouble = questionTrouble(checked.ok.execution);
  return trouble.length === 0
    ? checked
    : { problems: trouble.map((found) => ({ ...found, pointer: `/execution${found.pointer ?? ""}` })) };
}

export function checkSession(value: unknown): { ok: SessionFile } | { problems: Problem[] } {
  return check<SessionFile>(session, value, []);
}

export function checkPatterns(value: unknown): { ok: PatternsFile } | { problems: Problem[] } {
  return check<PatternsFile>(patterns, value, misspeltKeys(value, SCHEMAS["patterns.schema.json"], ""));
}

/** Unknown settings are refused. */
export function checkConfig(value: unknown): { ok: WrittenConfig } | { problems: Problem[] } {
  return check<WrittenConfig>(config, value, unknownKeys(value, SCHEMAS["config.schema.json"], ""));
}

/** Unknown keys are refused: only the form is checked, see `workflow/check.ts` for what its steps say. */
export function checkWorkflow(value: unknown): { ok: WorkflowFile } | { problems: Problem[] } {
  return check<WorkflowFile>(workflow, value, []);
}

/** Unknown keys are refused: only the form is checked, see `workflow/plan.ts` for what its tasks say. */
export function checkPlan(value: unknown): { ok: Plan } | { problems: Problem[] } {
  return check<Plan>(plan, value, []);
}

/** What a reviewer has answered; more than was asked for is left alone. */
export function checkReview(value: unknown): { ok: Review } | { problems: Problem[] } {
  return check<Review>(review, value, []);
}

function check<T>(validate: ValidateFunction, value: unknown, more: Problem[]): { ok: T } | { problems: Problem[] } {
  const problems = validate(value) ? [] : inWords(validate.errors ?? []);
  problems.push(...more);
  return problems.length === 0 ? { ok: value as T } : { problems };
}

/** ajv's errors, one for each place. */
function inWords(errors: ErrorObject[]): Problem[] {
  const byPlace = new Map<string, Problem>();
  for (const error of withoutNullBranches(errors)) {
    const pointer = pointerOf(error);
    if (!byPlace.has(pointer)) byPlace.set(pointer, inWord(error, pointer));
  }
  return [...byPlace.values()];
}

/** Where the field is that is missing, or the key that there is not. */
function pointerOf({ keyword, instancePath, params }: ErrorObject): string {
  if (keyword === "required") return `${instancePath}/${String(params["missingProperty"])}`;
  if (keyword !== "additionalProperties") return instancePath;
  return `${instancePath}/${escaped(String(params["additionalProperty"]))}`;
}

const escaped = (key: string) => key.replaceAll("~", "~0").replaceAll("/", "~1");

/** Of something that may also be null, or a plain value, what is wrong with it is of use, not that it is no other kind. */
function withoutNullBranches(errors: ErrorObject[]): ErrorObject[] {
  const useless = new Set<ErrorObject>();
  for (const union of errors.filter(({ keyword }) => keyword === "anyOf")) {
    const inside = errors.filter(
      (error) =>
        error.schemaPath.startsWith(`${union.schemaPath}/`) && isWithin(error.instancePath, union.instancePath),
    );
    const nulls = inside.filter(({ keyword, params }) => keyword === "type" && params["type"] === "null");
    if (inside.length > nulls.length) for (const error of [union, ...nulls]) useless.add(error);
    const kinds = inside.filter((error) => error.keyword === "type" && error.instancePath === union.instancePath);
    const within = (error: ErrorObject) =>
      error.instancePath !== union.instancePath || ["additionalProperties", "required"].includes(error.keyword);
    if (inside.some(within)) for (const error of kinds) useless.add(error);
  }
  return errors.filter((error) => !useless.has(error));
}

const isWithin = (pointer: string, outer: string) => pointer === outer || pointer.startsWith(`${outer}/`);

function inWord(error: ErrorObject, pointer: string): Problem {
  const field = pointer.split("/").slice(1).join(".") || "the file";
  const { params } = error;
  switch (error.keyword) {
    case "required":
      return problem("missing-field", `${field} is missing.`, { pointer: error.instancePath, hint: hintFor(field) });
    case "additionalProperties":
      return unknownKey(error, pointer, field);
    case "enum": {
      const allowed = params["allowedValues"] as string[];
      const near = typeof error.data === "string" ? closest(error.data, allowed) : undefined;
      const hint = near ? `Did you mean ${near}?` : "Write one of these.";
      return problem("wrong-value", `${field} is ${show(error.data)}; it can be ${allowed.join(", ")}.`, {
        pointer,
        hint,
      });
    }
    case "type":
      return problem("wrong-value", `${field} is ${show(error.data)}; it must be ${article(String(params["type"]))}.`, {
        pointer,
      });
    case "pattern":
      return patternProblem(error, pointer, field);
    case "minLength":
    case "minItems":
      return problem("wrong-value", `${field} is empty.`, { pointer });
    case "maxLength":
      return problem("wrong-value", `${field} has more than ${String(params["limit"])} characters.`, {
        pointer,
        hint: "Move the rest into context.requirements.",
      });
    default:
      return problem("wrong-value", `${field} ${error.message ?? "is wrong"}.`, { pointer });
  }
}

/** Words that others use for the same. */
const SYNONYMS: Readonly<Record<string, string>> = {
  agent: "role",
  command: "run",
  shell: "run",
  script: "run",
  ask: "human",
  question: "human",
  depends_on: "needs",
  dependencies: "needs",
  output: "output_variable",
  variables: "vars",
  inputs: "vars",
  environment: "env",
  foreach: "for_each",
  items: "for_each",
  loop: "for_each",
  parallel: "max_parallel",
  call: "workflow",
  uses: "workflow",
  with: "vars",
  retries: "retry",
  rounds: "repeat",
};

function unknownKey(error: ErrorObject, pointer: string, field: string): Problem {
  const key = String(error.params["additionalProperty"]);
  const known = Object.keys((error.parentSchema as SchemaNode | undefined)?.properties ?? {});
  const synonym = Object.hasOwn(SYNONYMS, key) ? SYNONYMS[key] : undefined;
  const near = synonym !== undefined && known.includes(synonym) ? synonym : closest(key, known);
  const hint =
    near === undefined
      ? `There are ${known.filter((name) => name !== "$schema").join(", ")}.`
      : `Did you mean ${near}?`;
  return problem("unknown-key", `There is no key ${field}.`, { pointer, hint });
}

function patternProblem(error: ErrorObject, pointer: string, field: string): Problem {
  const pattern = String(error.params["pattern"]);
  if (pattern.includes("ms|s|m|h|d")) {
    return problem("wrong-value", `${field} is ${show(error.data)}; it must be a duration with its unit.`, {
      pointer,
      hint: "Such as 30m, 2s or 1h30m.",
    });
  }
  if (pattern.startsWith("^impl-")) {
    const third = typeof error.data === "string" && /^impl-\d+\.\d+\./.test(error.data);
    return third
      ? problem("third-level", `${field} ${show(error.data)} has a third level; two are the most.`, {
          pointer,
          hint: "Make it impl-N.M.",
        })
      : problem("bad-id", `${field} ${show(error.data)} is not an id.`, {
          pointer,
          hint: "Ids are impl-N or impl-N.M, without leading zeros.",
        });
  }
  return problem("wrong-value", `${field} is ${show(error.data)}, which has the wrong form.`, { pointer });
}

const HINTS: Record<string, string> = { title: 'Give it one: {"title": "what is to be done"}.' };
const hintFor = (field: string) => HINTS[field] ?? `Add ${field}.`;
const article = (type: string) => `${/^[aeiou]/.test(type) ? "an" : "a"} ${type}`;
const show = (value: unknown) => {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
};

type SchemaNode = { properties?: Record<string, SchemaNode>; anyOf?: SchemaNode[]; items?: SchemaNode };

function propertiesOf(schema: SchemaNode | undefined): Record<string, SchemaNode> | undefined {
  return schema?.properties ?? schema?.anyOf?.find((option) => option.properties)?.properties;
}

function misspeltKeys(value: unknown, schema: SchemaNode, path: string): Problem[] {
  return unknownIn(value, schema, path, (key, near, pointer) => {
    const part = pointer === `/${key}` ? BELONGS.get(key) : undefined;
    if (part !== undefined) {
      const text = `${key} belongs into ${part}: {"${part}": {"${key}": …}}.`;
      return problem("misplaced-key", text, {
        pointer,
        hint: "At the top of the file it has no effect: move it there.",
      });
    }
    if (near === undefined) return undefined;
    return problem("misspelt-key", `${key}: did you mean ${near}?`, { pointer, hint: "Rename the key." });
  });
}

type Part = "context" | "relations" | "execution";
type KeysOf<P extends Part> = readonly (keyof NonNullable<TaskDrop[P]>)[];

/** Keys that somebody who writes them at the top can only have meant for a part: a gate must not be skipped by it. */
const MISPLACED: { [P in Part]: KeysOf<P> } = {
  context: ["requirements", "scope", "acceptance"],
  relations: ["dependencies"],
  execution: [
    "timeout",
    "max_attempts",
    "model",
    "budget_usd",
    "max_turns",
    "priority",
    "isolation",
    "verify",
    "approve",
    "approved",
    "command",
    "prompt_file",
    "response_schema",
    "when",
    "continue_on_error",
    "env",
    "tools",
  ],
};
const BELONGS = new Map<string, string>(
  Object.entries(MISPLACED).flatMap(([part, keys]) => keys.map((key) => [key, part] as const)),
);

function unknownKeys(value: unknown, schema: SchemaNode, path: string): Problem[] {
  return unknownIn(value, schema, path, (key, near, pointer) =>
    problem("bad-config", `There is no setting ${[...pointer.split("/").slice(1, -1), key].join(".")}.`, {
      pointer,
      hint: near === undefined ? "cox config --docs lists them all." : `Did you mean ${near}?`,
    }),
  );
}

function unknownIn(
  value: unknown,
  schema: SchemaNode,
  path: string,
  tell: (key: string, near: string | undefined, pointer: string) => Problem | undefined,
): Problem[] {
  const properties = propertiesOf(schema);
  if (!properties || typeof value !== "object" || value === null || Array.isArray(value)) return [];
  const known = Object.keys(properties);
  return Object.entries(value).flatMap(([key, inner]) => {
    const pointer = `${path}/${escaped(key)}`;
    const property = Object.hasOwn(properties, key) ? properties[key] : undefined;
    if (property) return unknownIn(inner, property, pointer, tell);
    const free = known.filter((name) => !Object.hasOwn(value, name));
    return tell(key, closest(key, free), pointer) ?? [];
  });
}
