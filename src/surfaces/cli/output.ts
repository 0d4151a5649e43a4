/** Printing: colour only where a person sees it, nothing from strangers that a terminal would obey, no noise at a closed pipe. */
import { plain } from "../../model/plain.ts";
import { problemLine } from "../../problems.ts";
import type { Outcome, Trouble } from "./command.ts";

const STYLES = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
} as const;
export type Style = keyof typeof STYLES;
export type Paint = (style: Style, text: string) => string;

/** Exactly the sequences of {@link STYLES}. */
const OWN = /(\u001b\[(?:1|2|22|31|32|33|36|39)m)/;
/** What JSON allows raw, but terminals and old parsers do not take well. */
const AWKWARD = /[\u007f-\u009f\u2028-\u202e\u2066-\u2069]/g;

export interface Output {
  paint: Paint;
  write: (text: string) => void;
  /** On standard error. */
  complain: (text: string) => void;
}

export function openOutput(environment: NodeJS.ProcessEnv, wanted: { color: boolean; json: boolean }): Output {
  const colored = (stream: NodeJS.WriteStream) =>
    wanted.color && !wanted.json && stream.isTTY && !environment["NO_COLOR"] && environment["TERM"] !== "dumb";
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(process.exitCode ?? 0);
      throw error;
    });
  }
  const [out, err] = [colored(process.stdout), colored(process.stderr)];
  return {
    paint: (style, text) => (out ? `\u001b[${STYLES[style][0]}m${text}\u001b[${STYLES[style][1]}m` : text),
    write: (text) => void process.stdout.write(safe(text, out)),
    complain: (text) => void process.stderr.write(safe(text, err)),
  };
}

/** The text with no control sequence but our own colours, and those only where they are wanted. */
export function safe(text: string, color: boolean): string {
  if (!color) return plain(text);
  return text
    .split(OWN)
    .map((part, place) => (place % 2 === 1 ? part : plain(part)))
    .join("");
}

/** One JSON document with a line break at its end; every awkward character escaped. */
function jsonText(value: unknown): string {
  const text = JSON.stringify(value, null, 2).replace(
    AWKWARD,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  return `${text}\n`;
}

/** Prints what a command came to; with `--json` exactly one document, also when it failed. */
export function printOutcome(outcome: Outcome, output: Output, json: boolean): void {
  const { trouble } = outcome;
  if (json) {
    if (outcome.json !== undefined) output.write(jsonText(outcome.json));
    else if (trouble) output.write(jsonText({ error: errorFacts(trouble) }));
  } else if (outcome.text !== "") output.write(outcome.text.endsWith("\n") ? outcome.text : `${outcome.text}\n`);
  if (trouble) output.complain(troubleText(trouble));
}

export function troubleText(trouble: Trouble): string {
  const lines = [
    `cox: ${trouble.what}`,
    ...(trouble.why ? [`  why: ${trouble.why}`] : []),
    ...(trouble.problems ?? []).map((problem) => `  - ${problemLine(problem)}`),
    ...(trouble.todo ? [`  do:  ${trouble.todo}`] : []),
  ];
  return `${lines.join("\n")}\n`;
}

function errorFacts({ exit, what, why, todo, problems, facts }: Trouble): Record<string, unknown> {
  return {
    exit,
    what,
    ...(why === undefined ? {} : { why }),
    ...(todo === undefined ? {} : { do: todo }),
    ...(problems === undefined ? {} : { problems }),
    ...facts,
  };
}
