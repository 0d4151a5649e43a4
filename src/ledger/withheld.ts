/** What stays of a text that could not be looked through for secrets. */
import { isOwn, OWN_KEYS } from "./own-words.ts";

const WITHHELD = "[withheld: redaction failed]";
/** A shorter number is no secret. */
const SHORTEST = 6;

/** Of a JSON object its form stays, with what can hold no secret: Coxswain's own keys, words, ids, times and figures. */
export function withheld(text: string): string {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== "object" || value === null) return WITHHELD;
    return `${JSON.stringify(without(value, []), null, 2)}\n`;
  } catch {
    return WITHHELD;
  }
}

function without(value: unknown, path: readonly string[]): unknown {
  if (Array.isArray(value)) return value.map((inner) => without(inner, [...path, "*"]));
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, inner], n): [string, unknown] => {
      const own = OWN_KEYS.has(key);
      return [own ? key : `[withheld:${n + 1}]`, without(inner, [...path, own ? key : "*"])];
    });
    return Object.fromEntries(entries);
  }
  if (typeof value !== "string" && typeof value !== "number") return value;
  if (isOwn(path.join("/"), value)) return value;
  return typeof value === "number" && String(value).length < SHORTEST ? value : WITHHELD;
}
