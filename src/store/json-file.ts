/** JSON that people write: every problem with its place, and an edit that keeps order, unknown keys and indentation. */
import { parseTree, visit, type Node } from "jsonc-parser";
import { problem, type Problem } from "../problems.ts";
import { withWrittenNumbers } from "./json-numbers.ts";
import { syntaxTrouble } from "./json-syntax.ts";

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
    return wrong(
      problem("too-large", `The file has ${bytes.length} bytes; 1 MiB is the most.`, {
        hint: "Put long texts into files and name them.",
      }),
    );
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
  } catch {
    return syntaxProblem(text);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return wrong(
      problem("not-an-object", "The file must hold one JSON object.", {
        hint: 'At least {"title": "…"}.',
        line: 1,
        column: 1,
      }),
    );
  }
  const problems = keyProblems(text);
  return problems.length > 0 ? { problems: fewOf(problems), unfinished: false } : { ok: value as Json, text };
}

/** Adds line and column to problems that have a JSON pointer; of very many only the first are told. */
export function locate(text: string, problems: Problem[]): Problem[] {
  const tree = problems.some((p) => p.pointer !== undefined) ? parseTree(text) : undefined;
  return fewOf(problems).map((p) => {
    const node = tree && p.pointer !== undefined ? nodeAt(tree, p.pointer) : undefined;
    return node ? { ...p, ...lineAndColumn(text, node.offset) } : p;
  });
}

const MOST_TOLD = 100;

function fewOf(problems: Problem[]): Problem[] {
  const rest = problems.length - MOST_TOLD;
  return rest <= 0
    ? problems
    : [...problems.slice(0, MOST_TOLD), problem("wrong-value", `There are ${rest} problems more.`)];
}

/**
 * The object as text, in the indentation and with the line ends of the text it replaces (two spaces where there is none
 * to go by), and with its numbers as they stand there (`1.10`). Known limit: keys such as "1" come first, in numeric order.
 */
export function formatJson(value: unknown, like?: string): string {
  const indent = like === undefined ? undefined : /\n([ \t]+)\S/.exec(like)?.[1];
  const text = `${JSON.stringify(like === undefined ? value : withWrittenNumbers(value, like), null, indent ?? 2)}\n`;
  return like?.includes("\r\n") ? text.replaceAll("\n", "\r\n") : text;
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

function syntaxProblem(text: string): ParsedJson {
  const { offset, expected } = syntaxTrouble(text) ?? { offset: text.length, expected: "something else" };
  const found = text.charAt(offset);
  const end = text.trimEnd().length;
  const message = `The file is not valid JSON: ${found === "" ? "it ends" : `${nameOf(found)} stands`} where ${expected} is expected.`;
  const place = lineAndColumn(text, Math.min(offset, end));
  return {
    problems: [problem("not-json", message, { ...place, hint: hintFor(text, offset) })],
    unfinished: found === "",
  };
}

function nameOf(character: string): string {
  if (character === "\n" || character === "\r") return "a line break";
  if (character === "\t") return "a tab";
  const code = character.charCodeAt(0);
  return code < 32 || code === 127
    ? `the control character ${code}`
    : character === '"'
      ? "a double quote"
      : `"${character}"`;
}

function hintFor(text: string, offset: number): string {
  const found = text.charAt(offset);
  if (found === "'" || found === "\u201c" || found === "\u201d") return "JSON knows only straight double quotes.";
  if (found === "/" || found === "#") return "JSON has no comments.";
  if ((found === "}" || found === "]") && /,\s*$/.test(text.slice(Math.max(0, offset - 200), offset)))
    return "Remove the comma before it.";
  if (found === "\n" || found === "\r") return "Close the text, or write \\n for a line break in it.";
  return found === "" ? "Write the rest." : "Mend it here.";
}

function keyProblems(text: string): Problem[] {
  const problems: Problem[] = [];
  const open: Set<string>[] = [];
  visit(text, {
    onObjectBegin: () => void open.push(new Set()),
    onObjectEnd: () => void open.pop(),
    onObjectProperty: (key, _offset, _length, line, character, pathTo) => {
      const keys = open.at(-1);
      const wrong = FORBIDDEN.has(key) || keys?.has(key);
      if (wrong) {
        const place = { pointer: pointerOf([...pathTo(), key]), line: line + 1, column: character + 1 };
        if (FORBIDDEN.has(key))
          problems.push(problem("forbidden-key", `The key ${key} is not allowed.`, { ...place, hint: "Remove it." }));
        else
          problems.push(
            problem("duplicate-key", `The key ${JSON.stringify(key)} stands twice in one object.`, {
              ...place,
              hint: "Keep one of them.",
            }),
          );
      }
      keys?.add(key);
    },
  });
  return problems;
}

function pointerOf(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");
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

function lineAndColumn(text: string, offset: number): { line: number; column: number } {
  let line = 1;
  let start = 0;
  for (let end = text.indexOf("\n"); end !== -1 && end < offset; end = text.indexOf("\n", start)) {
    line++;
    start = end + 1;
  }
  return { line, column: offset - start + 1 };
}
