/**
 * Values put in the place of names, in one pass: what a value says is never looked at again. In a prompt, what another
 * task has reported is quoted below the text; in a command, no value is ever read as a command.
 */
import { plain } from "../model/plain.ts";
import type { StepKind } from "../model/workflow.ts";
import { nameOf, namesIn, partsOf } from "./template.ts";

/** What a name stands for. `from`: the task that reported it; such words are a stranger's. */
export interface Value {
  value: unknown;
  /** As it was written, where that is a text. */
  text?: string;
  from?: { task: string; title: string; attempt: number; file: string };
}

/** By name as it stands in the text; a text instead says why there is none. */
export type Values = ReadonlyMap<string, Value | string>;

/** What a task has reported, as a value: structured, or its text, which may be JSON. */
export function reported(response: { result: string; structured?: unknown }, from: NonNullable<Value["from"]>): Value {
  if (response.structured !== undefined) return { value: response.structured, from };
  const text = response.result.trimEnd();
  try {
    return { value: JSON.parse(text) as unknown, text, from };
  } catch {
    return { value: text, text, from };
  }
}

/** A field of a value, by its own keys and places of lists; a text says why there is none. */
export function fieldOf(value: Value, path: readonly string[]): Value | string {
  let at: unknown = value.value;
  for (const key of path) {
    if (typeof at !== "object" || at === null || !Object.hasOwn(at, key)) return `there is no field ${key}`;
    at = (at as Record<string, unknown>)[key];
  }
  if (path.length === 0) return value;
  return { value: at ?? null, ...(value.from ? { from: value.from } : {}) };
}

export interface Quoted {
  name: string;
  text: string;
  from: NonNullable<Value["from"]>;
}

export type Filled<T> = { ok: T } | { missing: string };

/** What a shell takes as one argument is 128 kB at most: https://man7.org/linux/man-pages/man2/execve.2.html */
const MOST_OF_A_COMMAND = 120_000;

export function fillPrompt(
  template: string,
  values: Values,
  kind: StepKind = "prompt",
): Filled<{ text: string; quoted: Quoted[] }> {
  const missing = missingIn(template, kind, values);
  if (missing !== undefined) return { missing };
  const quoted = new Map<string, Quoted>();
  const text = partsOf(template, kind).map((part) => {
    if ("text" in part) return part.text;
    const name = nameOf(part);
    const value = valueOf(values, name);
    if (!value.from || isPlainly(value.value)) return plain(textOf(value));
    quoted.set(name, { name, text: textOf(value), from: value.from });
    return `\`${name}\` (quoted below)`;
  });
  return { ok: { text: text.join(""), quoted: [...quoted.values()] } };
}

/** Each value is a shell variable of its own, set before the command: whatever it holds, it is never parsed. */
export function fillCommand(template: string, values: Values): Filled<string> {
  const missing = missingIn(template, "run", values);
  if (missing !== undefined) return { missing };
  const variables = new Map<string, string>();
  let script = "";
  for (const part of partsOf(template, "run")) {
    if ("text" in part) {
      script += part.text;
      continue;
    }
    const name = nameOf(part);
    if (part.name === "env") {
      script += expansion(part.path[0] ?? "", script);
      continue;
    }
    const known = [...variables.keys()].indexOf(name);
    const variable = `cox_${known === -1 ? variables.size + 1 : known + 1}`;
    if (known === -1) variables.set(name, textOf(valueOf(values, name)));
    script += expansion(variable, script);
  }
  const settings = [...variables.values()].map((text, place) => `cox_${place + 1}=${quote(text)}\n`);
  const whole = settings.join("") + script;
  const bytes = new TextEncoder().encode(whole).length;
  if (bytes <= MOST_OF_A_COMMAND) return { ok: whole };
  return {
    missing: `the values make ${bytes} bytes, more than a shell takes: read {steps.<id>.file} instead`,
  };
}

/**
 * A shell command that runs Python, inline or of a file ending in .py. `values`: the file with the step's values, as
 * JSON; the Python finds them under that name, and at the path in COX_VALUES. `script`: where inline Python is put.
 */
export function pythonCommand(python: string, { values, script }: { values: string; script: string }): string {
  const file = isPythonFile(python) ? python.trim() : undefined;
  return [
    "command -v python3 >/dev/null || { echo 'This step is Python, and there is no python3 on the PATH: install it, then cox retry.' >&2; exit 127; }",
    `COX_VALUES=${quote(values)} exec python3 -c ${quote(BEGINNING)} ${quote(file ?? script)}${file === undefined ? "" : " file"}`,
  ].join("\n");
}

export function isPythonFile(python: string): boolean {
  return /^\S.*\.py$/.test(python.trim()) && !python.trim().includes("\n");
}

/** The values are read, never spliced: what they say is nowhere read as Python. */
const BEGINNING = `import json, os, runpy, sys
with open(os.environ["COX_VALUES"], encoding="utf-8") as found:
    values = json.load(found)
script, *of_a_file = sys.argv[1:]
sys.argv = [script]
if of_a_file:
    sys.path[0] = os.path.dirname(os.path.abspath(script))
runpy.run_path(script, {"values": values}, "__main__")`;

/** What a workflow is given that another runs: a name alone stands for its value as it is, any other text is a text. */
export function givenTo(template: string, values: Values): Filled<Value> {
  const missing = missingIn(template, "prompt", values);
  if (missing !== undefined) return { missing };
  const parts = partsOf(template, "prompt");
  const named = namesIn(template, "prompt").map((part) => valueOf(values, nameOf(part)));
  const [only] = parts;
  if (only && parts.length === 1 && "name" in only) return { ok: valueOf(values, nameOf(only)) };
  const text = parts.map((part) => ("text" in part ? part.text : textOf(valueOf(values, nameOf(part))))).join("");
  const from = named.find((value) => value.from)?.from;
  return { ok: { value: text, ...(from ? { from } : {}) } };
}

function missingIn(template: string, kind: StepKind, values: Values): string | undefined {
  for (const part of namesIn(template, kind)) {
    const value = values.get(nameOf(part));
    if (value === undefined) return `{${nameOf(part)}} stands for nothing`;
    if (typeof value === "string") return `{${nameOf(part)}}: ${value}`;
  }
  return undefined;
}

export function valueOf(values: Values, name: string): Value {
  const value = values.get(name);
  return value === undefined || typeof value === "string" ? { value: "" } : value;
}

const isPlainly = (value: unknown) => value === null || typeof value === "number" || typeof value === "boolean";

export function textOf({ value, text }: Value): string {
  if (text !== undefined) return text;
  return typeof value === "string" ? value : JSON.stringify(value);
}

function quote(text: string): string {
  return `'${text.replaceAll("\0", "").replaceAll("'", "'\\''")}'`;
}

/** The variable's value as one word, also where the command has opened quotes itself. */
function expansion(variable: string, before: string): string {
  const open = openQuote(before);
  if (open === '"') return `\${${variable}}`;
  return open === "'" ? `'"\${${variable}}"'` : `"\${${variable}}"`;
}

function openQuote(script: string): string | undefined {
  let open: string | undefined;
  for (let i = 0; i < script.length; i++) {
    const char = script[i];
    if (open === "'") open = char === "'" ? undefined : open;
    else if (char === "\\") i++;
    else if (open === '"') open = char === '"' ? undefined : open;
    else if (char === "'" || char === '"') open = char;
    else if (char === "#" && (i === 0 || /[\s;&|(]/.test(script[i - 1] ?? ""))) {
      const end = script.indexOf("\n", i);
      if (end === -1) return undefined;
      i = end;
    }
  }
  return open;
}
