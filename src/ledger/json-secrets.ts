/**
 * Secrets in JSON: strings and numbers are replaced so that JSON stays JSON, and Coxswain's own words stay. Only for
 * texts in which something was found; ordinary ones never come here.
 */
import { isJson, tokensOf, type Token } from "./json-tokens.ts";
import { isOwn, OWN_KEYS } from "./own-words.ts";
import { joinStreamed, mayStream } from "./streamed-secrets.ts";

type Redact = (text: string) => { text: string; count: number };

/** Undefined for what is no JSON: neither a document nor lines of them. */
export function redactJson(text: string, redact: Redact): { text: string; count: number } | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  if (isJson(text)) return redactDocument(text, redact);
  return redactLines(text, redact);
}

function redactLines(text: string, redact: Redact): { text: string; count: number } | undefined {
  const lines = text.split("\n");
  if (!lines.every((line) => line.trim() === "" || (/^\s*[[{]/.test(line) && isJson(line)))) return undefined;
  const clean = joinStreamed(lines, redact).map((line) =>
    line.trim() === "" ? { text: line, count: 0 } : redactDocument(line, redact),
  );
  return {
    text: clean.map((line) => line.text).join("\n"),
    count: clean.reduce((sum, line) => sum + line.count, 0),
  };
}

function redactDocument(text: string, redact: Redact): { text: string; count: number } {
  const tokens = tokensOf(text);
  const cover = coverFor(text);
  const covered: string[] = [];
  let count = 0;
  let masked = "";
  let done = 0;
  for (const { start, end, place, is } of tokens) {
    const raw = text.slice(start, end);
    let instead: string | undefined;
    if (is === "key") instead = OWN_KEYS.has(raw.slice(1, -1)) ? raw : undefined;
    else if (isOwn(place, is === "string" ? raw.slice(1, -1) : raw)) instead = raw;
    if (instead === undefined) {
      const look = HIDING.test(raw) || mayStream(raw);
      const clean = is === "number" ? numberWithout(raw, redact) : look ? plainString(raw, redact) : undefined;
      if (clean) ({ text: instead, count } = { text: clean.text, count: count + clean.count });
    }
    if (instead === undefined || cover === undefined) continue;
    masked += `${text.slice(done, start)}"${cover}${covered.length}${cover}"`;
    covered.push(instead);
    done = end;
  }
  const clean = redact(masked + text.slice(done));
  const result =
    cover === undefined
      ? clean.text
      : clean.text.replace(new RegExp(`"${cover}(\\d+)${cover}"`, "g"), (_all, at) => covered[Number(at)] ?? '""');
  if (isJson(result)) return { text: result, count: count + clean.count };
  return stringByString(text, tokens, redact);
}

/** Where a replaced place did not respect the form: each string for itself, which always can be done. */
function stringByString(text: string, tokens: readonly Token[], redact: Redact): { text: string; count: number } {
  let result = "";
  let done = 0;
  let count = 0;
  for (const { start, end, place, is } of tokens) {
    const raw = text.slice(start, end);
    if (is === "key" ? OWN_KEYS.has(raw.slice(1, -1)) : isOwn(place, is === "string" ? raw.slice(1, -1) : raw))
      continue;
    const clean = is === "number" ? numberWithout(raw, redact) : plainString(raw, redact);
    if (!clean) continue;
    result += text.slice(done, start) + clean.text;
    count += clean.count;
    done = end;
  }
  return { text: result + text.slice(done), count };
}

/** The letters of a secret may be written as escapes; then it is found in what they stand for. */
const HIDING = /\\u(?!001b)[0-9a-f]{4}|\\\//i;

/** Whether a JSON text has to be looked through string by string although nothing was found in it as a whole. */
export function mayHide(text: string): boolean {
  return /^\s*[[{]/.test(text) && (HIDING.test(text) || mayStream(text));
}

function plainString(raw: string, redact: Redact): { text: string; count: number } | undefined {
  const text = JSON.parse(raw) as string;
  const clean = (mayStream(text) && redactLines(text, redact)) || redact(text);
  return clean.count === 0 ? undefined : { text: JSON.stringify(clean.text), count: clean.count };
}

/** What replaces a number has to be a string. */
function numberWithout(raw: string, redact: Redact): { text: string; count: number } | undefined {
  if (raw.length < 6) return undefined;
  const clean = redact(raw);
  return clean.count === 0 ? undefined : { text: JSON.stringify(clean.text), count: clean.count };
}

/** A character that the text does not have, which no form of a secret takes. */
function coverFor(text: string): string | undefined {
  for (let code = 0xe000; code < 0xe100; code++) {
    const cover = String.fromCharCode(code);
    if (!text.includes(cover)) return cover;
  }
  return undefined;
}
