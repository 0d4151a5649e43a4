/** Workflows that come along, to begin with. */
import { readdirSync, readFileSync } from "node:fs";
import { closest } from "../../model/closest.ts";
import type { Trouble } from "./command.ts";

/** The same from `src/` and from `dist/`. */
const FOLDER = new URL("../../../examples/workflows/", import.meta.url);

export function exampleNames(): string[] {
  try {
    return readdirSync(FOLDER)
      .flatMap((file) => (file.endsWith(".yaml") ? [file.slice(0, -".yaml".length)] : []))
      .sort();
  } catch {
    return [];
  }
}

export function exampleText(name: string): { ok: string } | { trouble: Trouble } {
  const names = exampleNames();
  if (names.includes(name)) return { ok: readFileSync(new URL(`${name}.yaml`, FOLDER), "utf8") };
  const near = closest(name, names);
  const todo = near ? `Did you mean ${near}?` : `There are ${names.join(", ")}.`;
  return { trouble: { exit: 2, what: `There is no example ${JSON.stringify(name)}.`, todo } };
}
