/** Conditions of steps, in CEL (https://cel.dev): parsed and type-checked beforehand, evaluated when a step could start. */
import { Environment, type ASTNode } from "@marcbachmann/cel-js";
import type { VarType } from "../model/workflow.ts";

const LONGEST_CONDITION = 1000;

/** What a condition may name: variables with their types, results, and the ids of steps. */
export interface Names {
  vars: Readonly<Record<string, VarType>>;
  outputs: readonly string[];
  /** Of the one task: its item, its number. */
  own?: readonly OwnName[];
}

export type OwnName = "item" | "index" | "round";

const TYPES: Record<VarType, string> = {
  string: "string",
  number: "dyn",
  integer: "int",
  boolean: "bool",
  list: "list",
  object: "map",
};

/** What is wrong with it, in words; else which results and steps it asks for. */
export function checkCondition(text: string, names: Names): { wrong: string } | { outputs: string[]; steps: string[] } {
  if (text.length > LONGEST_CONDITION) return { wrong: `it has more than ${LONGEST_CONDITION} characters` };
  const environment = environmentFor(names);
  const { valid, type, error } = environment.check(text);
  if (!valid) return { wrong: error ? summaryOf(error) : "it is no condition" };
  if (type !== "bool" && type !== "dyn") return { wrong: `it is a ${type}, and must be true or false` };
  const found = { outputs: new Set<string>(), steps: new Set<string>(), matches: false };
  walk(environment.parse(text).ast, (node) => {
    if (node.op === "id" && names.outputs.includes(node.args)) found.outputs.add(node.args);
    if ((node.op === "rcall" || node.op === "call") && node.args[0] === "matches") found.matches = true;
    if (node.op === "." && node.args[0].op === "id" && node.args[0].args === "steps") found.steps.add(node.args[1]);
  });
  // It would be a regular expression that backtracks, over a stranger's text.
  if (found.matches) return { wrong: "matches is not there; contains, startsWith and endsWith are" };
  return { outputs: [...found.outputs], steps: [...found.steps] };
}

/** Values as JSON has them. */
export function isMet(
  text: string,
  names: Names,
  values: Record<string, unknown>,
): { ok: boolean } | { wrong: string } {
  try {
    const result: unknown = environmentFor(names).evaluate(text, withInts(values) as Record<string, unknown>);
    return typeof result === "boolean" ? { ok: result } : { wrong: "it is neither true nor false" };
  } catch (error) {
    return { wrong: summaryOf(error as Error) };
  }
}

/** Whether it is asked of each item of a list, and not of the step. */
export function asksOfItem(text: string): boolean {
  let asks = false;
  try {
    walk(new Environment({ unlistedVariablesAreDyn: true }).parse(text).ast, (node) => {
      if (node.op === "id" && (node.args === "item" || node.args === "index")) asks = true;
    });
  } catch {
    return false; // what is wrong with it is told where it is checked
  }
  return asks;
}

function environmentFor({ vars, outputs, own = [] }: Names): Environment {
  const environment = new Environment({ unlistedVariablesAreDyn: false });
  for (const [name, type] of Object.entries(vars)) environment.registerVariable(name, TYPES[type]);
  for (const name of outputs) environment.registerVariable(name, "dyn");
  for (const name of own) environment.registerVariable(name, name === "item" ? "dyn" : "int");
  return environment
    .registerVariable("steps", "map")
    .registerVariable("run", "map")
    .registerVariable("session", "string");
}

/** CEL's whole numbers are of a type of their own, to which `+ 1` can be added. */
function withInts(value: unknown): unknown {
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(withInts);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, withInts(inner)]));
}

function walk(node: ASTNode, see: (node: ASTNode) => void): void {
  see(node);
  const inner = (value: unknown): void => {
    if (Array.isArray(value)) for (const each of value) inner(each);
    else if (typeof value === "object" && value !== null && "op" in value) walk(value as ASTNode, see);
  };
  inner(node.args);
}

const summaryOf = (error: Error) => ("summary" in error ? String(error.summary) : (error.message.split("\n")[0] ?? ""));
