/** What a run comes to: texts by name, with names of variables and results in them. */
import { closest } from "../model/closest.ts";
import type { Step, WorkflowFile } from "../model/workflow.ts";
import { problem } from "../problems.ts";
import type { Finding } from "./finding.ts";
import { textOf, valueOf, type Values } from "./fill.ts";
import { nameOf, namesIn, partsOf } from "./template.ts";
import { varsOf } from "./vars.ts";

/** Longer ones stand in a file. */
const MOST_OF_AN_OUTPUT = 16_384;

export function outputsFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const ids = steps.map(({ id }) => id);
  const results = steps.flatMap(({ says }) => says.output_variable ?? []);
  const known = [...Object.keys(varsOf(file)), ...results];
  return Object.entries(file.outputs ?? {}).flatMap(([output, text]) =>
    namesIn(text, "prompt").flatMap((part): Finding[] => {
      const { name, path } = part;
      const wrong = (message: string, hint: string): Finding[] => [
        { problem: problem("unknown-name", message, { hint }), path: ["outputs", output], text: nameOf(part) },
      ];
      const shown = `{${nameOf(part)}}`;
      if (name === "session" && path.length === 0) return [];
      if (name === "run" && ["id", "cause"].includes(path.join("."))) return [];
      if (name === "steps") {
        const [id = "", field = "", ...more] = path;
        if (ids.includes(id) && ["outcome", "file"].includes(field) && more.length === 0) return [];
        const near = closest(id, ids);
        return wrong(`There is no ${shown}.`, `Write {steps.${near ?? "<id>"}.outcome}, or .file.`);
      }
      if (known.includes(name)) return [];
      const near = closest(name, known);
      return wrong(
        `There is no ${shown}.`,
        near ? `Did you mean {${near}}?` : `There are ${known.join(", ") || "no names"}.`,
      );
    }),
  );
}

/**
 * An output's value: that of a name which stands alone, else a text. Null where one of its names has no value. What is
 * large is not copied: where it stands is named.
 */
export function outputOf(template: string, values: Values): unknown {
  const value = wholeOf(template, values);
  if ((JSON.stringify(value) ?? "").length <= MOST_OF_AN_OUTPUT) return value;
  const [file] = partsOf(template, "prompt").flatMap((part) => {
    const of = "name" in part ? values.get(nameOf(part)) : undefined;
    return typeof of === "object" && of.from ? [of.from.file] : [];
  });
  return file === undefined ? null : { file };
}

function wholeOf(template: string, values: Values): unknown {
  const parts = partsOf(template, "prompt");
  const missing = parts.some((part) => "name" in part && typeof (values.get(nameOf(part)) ?? "") === "string");
  if (missing) return null;
  const [only, ...more] = parts;
  if (only && "name" in only && more.length === 0) return valueOf(values, nameOf(only)).value;
  return parts.map((part) => ("text" in part ? part.text : textOf(valueOf(values, nameOf(part))))).join("");
}
