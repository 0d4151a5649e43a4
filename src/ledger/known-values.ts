/** Secrets known by their value: as they are, and as they appear in base64, in URLs and in JSON strings. */

import { BREAK, breaksIn } from "./broken-lines.ts";

/** Shorter values are ignored: they stand in many a text. */
export const SHORTEST = 6;
/** A line of a value that has several is looked for by itself, if it is as long as this. */
const LONG_LINE = 16;
/** A place that was replaced already: no value is looked for in it. */
const MARK = String.raw`\[redacted:[a-z-]{1,30}\]`;

/** Replaces the values, broken over lines too; those under 6 characters are ignored. */
export function knownValues(values: readonly string[]): (text: string, mark: (kind: string) => string) => string {
  const forms = formsOf(values);
  if (forms.length === 0) return (text) => text;
  const known = anyOf(forms, escaped);
  const around = new Set(
    forms.flatMap((form) => Array.from({ length: Math.max(0, form.length - 3) }, (_, n) => form.slice(n, n + 4))),
  );
  let broken: RegExp | undefined;
  const replace = (text: string, form: RegExp, mark: (kind: string) => string) =>
    text.replace(form, (found: string, at: number) => {
      if (found.startsWith("[redacted:") && found.endsWith("]")) return found;
      const quote = NUMBER.test(found) ? quoteFor(text, at, at + found.length) : "";
      return `${quote}${mark("value")}${quote}`;
    });
  return (before, mark) => {
    const text = replace(before, known, mark);
    if (!isBroken(text, around)) return text;
    broken ??= anyOf(forms, (form) => Array.from(form, escaped).join(`(?:${BREAK})?`));
    return replace(text, broken, mark);
  };
}

/** Whether anywhere the two characters before a line break and the two after it stand side by side in a value. */
function isBroken(text: string, around: ReadonlySet<string>): boolean {
  for (const { start, end } of breaksIn(text))
    if (around.has(text.slice(start - 2, start) + text.slice(end, end + 2))) return true;
  return false;
}

/** Of a value that has several lines; a part of it may be all that is printed. */
export function longLines(value: string): string[] {
  if (!value.includes("\n")) return [];
  return value.split(/\r?\n/).filter((line) => line.length >= LONG_LINE && !line.startsWith("-----"));
}

function anyOf(forms: readonly string[], written: (form: string) => string): RegExp {
  const longestFirst = forms.toSorted((a, b) => b.length - a.length);
  return new RegExp([MARK, ...longestFirst.map(written)].join("|"), "g");
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
}

const NUMBER = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i;

/** A number behind a quoted name is JSON, perhaps inside a string of JSON: what replaces it has to be a string. */
function quoteFor(text: string, start: number, end: number): string {
  const [, quote = ""] = /(\\{0,7}")\s{0,4}:\s{0,4}$/.exec(text.slice(Math.max(0, start - 20), start)) ?? [];
  return quote && /^\s*(?:[,}\]]|\\{1,7}[nrt]|$)/.test(text.slice(end, end + 40)) ? quote : "";
}

function formsOf(values: readonly string[]): string[] {
  const forms = new Set<string>();
  for (const value of values.flatMap((whole) => [whole, ...longLines(whole)])) {
    const plain = value.trim();
    if (plain.length < SHORTEST) continue;
    const once = JSON.stringify(plain).slice(1, -1);
    const twice = JSON.stringify(once).slice(1, -1);
    const url = encodeURIComponent(plain.toWellFormed());
    const html = plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    for (const form of [plain, once, twice, url, url.replaceAll("%20", "+"), html]) forms.add(form);
    for (const form of base64Forms(plain)) if (form.length >= 8) forms.add(form);
  }
  return [...forms];
}

function base64Forms(value: string): string[] {
  const bytes = new TextEncoder().encode(value);
  const forms: string[] = [];
  for (const offset of [0, 1, 2]) {
    // The characters that depend on nothing but the value: whole groups of three bytes.
    const start = offset === 0 ? 0 : 3 - offset;
    const whole = bytes.subarray(start, start + 3 * Math.floor((bytes.length - start) / 3));
    const rest = offset === 0 ? encode64(bytes) : encode64(whole);
    for (const form of [rest, encode64(whole)])
      forms.push(form, form.replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, ""));
  }
  return forms;
}

function encode64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
}
