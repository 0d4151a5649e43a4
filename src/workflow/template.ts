/**
 * Texts of steps: `{name}` and `{name.field}` stand for values, `{{` for a brace. What else stands in braces (`{ a }`,
 * `{"a": 1}`) is text; so is, in a command, what belongs to the shell (`${HOME}`).
 */
import type { StepKind } from "../model/workflow.ts";

export type Part = { text: string } | { name: string; path: string[] };

/** `{{name}}` is a name in braces, as text. */
const TOKEN = /(\$?)(?:\{\{([A-Za-z_][\w.-]*)\}\}|(\{\{)|\{([A-Za-z_][\w-]*(?:\.[\w-]+)*)\})/g;

export function partsOf(template: string, kind: StepKind): Part[] {
  if (kind === "python") return pythonParts(template);
  if (kind === "workflow") return [{ text: template }];
  const parts: Part[] = [];
  const say = (text: string) => {
    const last = parts.at(-1);
    if (last && "text" in last) last.text += text;
    else if (text !== "") parts.push({ text });
  };
  let from = 0;
  for (const match of template.matchAll(TOKEN)) {
    const [all, dollar = "", literal, brace, reference] = match;
    say(template.slice(from, match.index) + (kind === "run" ? "" : dollar));
    from = match.index + all.length;
    if (kind === "run" && dollar) say(all);
    else if (literal !== undefined) say(`{${literal}}`);
    else if (brace !== undefined) say("{");
    else {
      const [name = "", ...path] = (reference ?? "").split(".");
      parts.push({ name, path });
    }
  }
  say(template.slice(from));
  return parts;
}

/** Braces belong to Python: there, `values["name"]` stands for a value, and the text stays as it is. */
function pythonParts(template: string): Part[] {
  const named = [...template.matchAll(/\bvalues\[\s*(["'])([A-Za-z_][\w-]*)\1\s*\]/g)].map(([, , name = ""]) => name);
  const asked = named.filter((name) => name !== "steps" && name !== "run");
  return [{ text: template }, ...asked.map((name) => ({ name, path: [] }))];
}

/** As it stands in the text, without braces. */
export function nameOf(part: { name: string; path: string[] }): string {
  return [part.name, ...part.path].join(".");
}

/** Each name of the text once, in its order. */
export function namesIn(template: string, kind: StepKind): { name: string; path: string[] }[] {
  const named = partsOf(template, kind).flatMap((part) => ("name" in part ? [part] : []));
  return [...new Map(named.map((part) => [nameOf(part), part])).values()];
}
