/** JSON that people write: every problem with its place, and an edit that keeps order, unknown keys and indentation. */
import { parseTree, visit, type Node } from "jsonc-parser";
import { problem, type Problem } from "../problems.ts";

export const MAX_BYTES = 1024 * 1024;
const MAX_DEPTH = 64;
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

export type Json = Record<string, unknown>;

export type ParsedJson =
  | { ok: Json; text: string }
  | { problems: Problem[]; /** The text stops in mid-value, as a file in the making does. */ unfinished: boolean };

/** Parses one object from bytes; all problems at once, each with line and column. */
export function parseJson(bytes: Buffer): ParsedJson {
  if (bytes.length > MAX_BYTES) {
    return wrong(problem("too-large", `The file has ${bytes.length} bytes; 1 MiB is the most.`, { hint: "Put long texts into files and name them." }));
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return wrong(problem("not-utf8", "The file is not UTF-8 text.", { hint: "Save it as UTF-8." }));
  }
  if (text.trim() === "") return { problems: [problem("empty-file", "The file is empty.")], unfinished: true };
  const depth = tooDeep(text);
  if (depth) return wrong(depth);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return syntaxProblem(text, error as Error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong(problem("not-an-object", "The file must hold one JSON object.", { hint: 'At least {"title": "…"}.', line: 1, column: 1 }));
  }
  const problems = keyProblems(text);
  return problems.length > 0 ? { problems, unfinished: false } : { ok: value as Json, text };
}

/** Adds line and column to problems that have a JSON pointer. */
export function locate(text: string, problems: Problem[]): Problem[] {
  const tree = problems.some((p) => p.pointer !== undefined) ? parseTree(text) : undefined;
  return problems.map((p) => {
    const node = tree && p.pointer !== undefined ? nodeAt(tree, p.pointer) : undefined;
    return node ? { ...p, ...lineAndColumn(text, node.offset) } : p;
  });
}

/** The object as text, in the indentation of the text it replaces (two spaces where there is none to go by). */
export function formatJson(value: unknown, like?: string): string {
  const indent = like === undefined ? undefined : /\n([ \t]+)\S/.exec(like)?.[1];
  return `${JSON.stringify(value, null, indent ?? 2)}\n`;
}

function wrong(...problems: Problem[]): ParsedJson {
  return { problems, unfinished: false };
}

/** Brackets are counted before any parser recurses into them. */
function tooDeep(text: string): Problem | undefined {
  let depth = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 92) i++;
      else if (c === 34) inString = false;
    } else if (c === 34) inString = true;
    else if (c === 123 || c === 91) {
      if (++depth > MAX_DEPTH) {
        return problem("too-deep", `The file nests deeper than ${MAX_DEPTH} levels.`, lineAndColumn(text, i));
      }
    } else if (c === 125 || c === 93) depth--;
  }
  return undefined;
}

function syntaxProblem(text: string, error: Error): ParsedJson {
  let first: { offset: number } | undefined;
  visit(
    text,
    { onError: (_code, offset) => (first ??= { offset }) },
    { disallowComments: true, allowTrailingComma: false, allowEmptyContent: false },
  );
  const end = text.trimEnd().length;
  const unfinished = /end of JSON input|Unterminated string/i.test(error.message) || (first?.offset ?? 0) >= end;
  const message = `The file is not valid JSON: ${error.message.replace(/ in JSON at position.*| \(line.*|"\.\.\..*/s, "")}.`;
  return {
    problems: [problem("not-json", message, { ...lineAndColumn(text, Math.min(first?.offset ?? end, end)), hint: "Mend it here." })],
    unfinished,
  };
}

function keyProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  const open: Set<string>[] = [];
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key, offset, _length, line, character) => {
      const keys = open.at(-1);
      const place = { line: line + 1, column: character + 1 };
      if (FORBIDDEN.has(key)) problems.push(problem("forbidden-key", `The key ${key} is not allowed.`, { ...place, hint: "Remove it." }));
      if (keys?.has(key)) problems.push(problem("duplicate-key", `The key "${key}" stands twice in one object.`, { ...place, hint: "Keep one of them." }));
      keys?.add(key);
      void offset;
    },
  });
  return problems;
}

function nodeAt(tree: Node, pointer: string): Node | undefined {
  let node: Node | undefined = tree;
  for (const raw of pointer.split("/").slice(1)) {
    const key = raw.replaceAll("~1", "/").replaceAll("~0", "~");
    const found: Node | undefined =
      node?.type === "array"
        ? node.children?.[Number(key)]
        : node?.children?.find((property) => property.children?.[0]?.value === key)?.children?.[1];
    if (!found) return node;
    node = found;
  }
  return node;
}

export function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset);
  const line = before.split("\n").length;
  return { line, column: offset - before.lastIndexOf("\n") };
}
