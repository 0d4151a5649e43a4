/** A workflow's file: read, and checked as a whole; every problem with line and column. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, visit, type Document, type Node } from "yaml";
import { closest } from "../model/closest.ts";
import type { Vars, WorkflowFile } from "../model/workflow.ts";
import { problem, type Problem } from "../problems.ts";
import { findingsIn } from "../workflow/check.ts";
import type { Finding } from "../workflow/finding.ts";
import { nestedFindings, type Named } from "../workflow/nested.ts";
import { questionTrouble } from "./answer.ts";
import { checkWorkflow } from "./check.ts";
import { at as placeAt } from "./paths.ts";
import { readRegular } from "./scan.ts";

const MAX_WORKFLOW_BYTES = 256 * 1024;
const MAX_DEPTH = 32;
const MAX_KEYS = 1000;
const MOST_TOLD = 100;
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

export type ReadWorkflow = { ok: WorkflowFile } | { problems: Problem[] };

/** The text of another workflow, by its name; or why there is none. */
export type OtherWorkflows = (name: string) => string | Problem;

/** `roles`: those that there are, where they are known; and so with the workflows that it may run. */
export function readWorkflow(text: string, roles?: Iterable<string>, others?: OtherWorkflows): ReadWorkflow {
  const yaml = readYaml(text);
  if ("problems" in yaml) return yaml;
  const { document, source, place } = yaml;
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  const checked = checkWorkflow(value ?? {});
  const findings: Finding[] =
    "problems" in checked
      ? checked.problems.map((found) => ({ problem: found, path: pathOf(found.pointer) }))
      : [
          ...findingsIn(checked.ok, roles, questionTrouble),
          ...(others ? nestedFindings(checked.ok, namedBy(others, roles)) : []),
        ];
  const told = findings
    .slice(0, MOST_TOLD)
    .map((found) => ({ ...found.problem, ...at(document, found, source, place) }));
  if (told.length > 0) return { problems: told };
  return checked as { ok: WorkflowFile };
}

function namedBy(others: OtherWorkflows, roles: Iterable<string> | undefined): Named {
  const known = new Map<string, ReturnType<Named>>();
  const read = (name: string): ReturnType<Named> => {
    const text = others(name);
    if (typeof text !== "string") return { code: text.code, message: text.message, hint: text.hint ?? "" };
    const inner = readWorkflow(text, roles);
    if ("ok" in inner) return inner;
    const [first] = inner.problems;
    const message = `In the workflow ${name}, line ${first?.line}, column ${first?.column}: ${first?.message}`;
    return { code: "wrong-value", message, hint: first?.hint ?? "Mend it there." };
  };
  return (name) => {
    const result = known.get(name) ?? read(name);
    known.set(name, result);
    return result;
  };
}

/** The workflows of a workspace, as they are on disk. `mayRun` says what is not to be used. */
export function workflowsIn(
  folder: string,
  mayRun: (path: string, content: Buffer) => Problem | undefined,
): OtherWorkflows {
  return (name) => {
    const path = placeAt.workflow(name);
    const found = readRegular(join(folder, path));
    if (found) return mayRun(path, found.content) ?? found.content.toString("utf8");
    const near = closest(name, workflowNames(folder));
    const hint = near ? `Did you mean ${near}?` : `Put it there: .workflow/${path}.`;
    return problem("unknown-workflow", `There is no workflow ${name}.`, { pointer: "/workflow", hint });
  };
}

export function workflowNames(folder: string): string[] {
  try {
    return readdirSync(join(folder, "workflows"))
      .flatMap((name) => (/^\w[\w-]*\.yaml$/.test(name) ? [name.slice(0, -".yaml".length)] : []))
      .sort();
  } catch {
    return [];
  }
}

/** Variables for a run, in YAML or JSON: one object. */
export function readVars(text: string): { ok: Vars } | { problems: Problem[] } {
  const read = readYaml(text);
  if ("problems" in read) return read;
  const value: unknown = read.document.toJS({ maxAliasCount: 0 });
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return { ok: value as Vars };
  const hint = "Write name: value, one a line.";
  return { problems: [problem("not-an-object", "The file must hold one object.", { line: 1, column: 1, hint })] };
}

function readYaml(text: string): { document: Document; source: string; place: Place } | { problems: Problem[] } {
  if (Buffer.byteLength(text) > MAX_WORKFLOW_BYTES)
    return {
      problems: [problem("too-large", "The file has more than 256 kB.", { hint: "Put long texts into files." })],
    };
  const source = text.replace(/^\ufeff/, "");
  const lines = new LineCounter();
  // The library's own check for duplicate keys is quadratic: keys are compared below.
  const document = parse(source, lines);
  if ("problems" in document) return document;
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  if (document.errors.length > 0)
    return {
      problems: document.errors.slice(0, MOST_TOLD).map((error) =>
        problem("not-yaml", firstLine(error.message), {
          ...place(error.pos[0]),
          hint: "Mend the YAML there; a text with a colon in it needs quotes.",
        }),
      ),
    };
  const built = builtWrong(document, place);
  return built.length > 0 ? { problems: built.slice(0, MOST_TOLD) } : { document, source, place };
}

function parse(source: string, lines: LineCounter): Document | { problems: Problem[] } {
  try {
    return parseDocument(source, { lineCounter: lines, uniqueKeys: false, version: "1.2", schema: "core" });
  } catch (error) {
    return { problems: [problem("not-yaml", firstLine((error as Error).message), { line: 1, column: 1 })] };
  }
}

type Place = (offset: number) => { line: number; column: number };

/** Keys twice, keys that programs misread, aliases, and what is too deep or too wide. */
function builtWrong(document: Document, place: Place): Problem[] {
  const problems: Problem[] = [];
  const where = (node: unknown) => {
    const start = (node as Node | null)?.range?.[0];
    return start === undefined ? {} : place(start);
  };
  visit(document, (_key, node, path) => {
    if (path.length > MAX_DEPTH && path.filter((outer) => isMap(outer) || isSeq(outer)).length > MAX_DEPTH) {
      problems.push(
        problem("too-deep", `The file nests deeper than ${MAX_DEPTH} levels.`, {
          ...where(node),
          hint: "Make it flatter.",
        }),
      );
      return visit.BREAK;
    }
    if (isAlias(node))
      problems.push(
        problem("wrong-value", "Aliases (*name) are not used in workflows.", {
          ...where(node),
          hint: "Write the value out, or put it under defaults.",
        }),
      );
    if (!isMap(node)) return undefined;
    if (node.items.length > MAX_KEYS)
      problems.push(
        problem("too-large", `An object has more than ${MAX_KEYS} keys.`, { ...where(node), hint: "Use a list." }),
      );
    const seen = new Set<string>();
    for (const { key } of node.items) {
      const name = isScalar(key) ? String(key.value) : "";
      if (!isScalar(key) || FORBIDDEN.has(name))
        problems.push(
          problem("forbidden-key", `The key ${name || "there"} cannot be used.`, { ...where(key), hint: "Rename it." }),
        );
      else if (seen.has(name))
        problems.push(
          problem("duplicate-key", `The key ${name} is there twice.`, { ...where(key), hint: "Remove one of them." }),
        );
      seen.add(name);
    }
    return undefined;
  });
  return problems;
}

/** Where in the file it is: a value, what of it is meant, a key that is unknown, else what it is missing from. */
function at(
  document: Document,
  { problem: found, path, text }: Finding,
  source: string,
  place: Place,
): Partial<Problem> {
  let node: unknown = document.contents;
  let start = (node as Node | null)?.range?.[0] ?? 0;
  for (const [depth, key] of path.entries()) {
    if (isSeq(node)) node = node.items[Number(key)];
    else if (isMap(node)) {
      const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === String(key));
      if (!pair) break;
      const last = depth === path.length - 1;
      node = last && KEYS_MEANT.has(found.code) ? pair.key : (pair.value ?? pair.key);
    } else break;
    start = (node as Node | null)?.range?.[0] ?? start;
  }
  const [from = start, to = start] = (node as Node | null)?.range ?? [];
  const inside = text === undefined ? -1 : source.slice(from, to).indexOf(`{${text}}`);
  return place(inside === -1 ? start : from + inside);
}

const KEYS_MEANT = new Set<Problem["code"]>(["unknown-key"]);

function pathOf(pointer = ""): (string | number)[] {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"));
}

/** The place comes with the problem. */
const firstLine = (text: string) => (text.split("\n")[0] ?? text).replace(/ at line \d+, column \d+:?$/, ".");
