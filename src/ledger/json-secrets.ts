/**
 * Secrets in JSON: strings and numbers are replaced so that JSON stays JSON, and Coxswain's own words stay. Only for
 * texts in which something was found; ordinary ones never come here.
 */
import { isOwn, OWN_KEYS } from "./own-words.ts";

type Redact = (text: string) => { text: string; count: number };

interface Token {
  start: number;
  end: number;
  /** Keys that lead to a value, joined by `/`; of a key the place where it stands. */
  place: string;
  is: "key" | "string" | "number";
}

/** Undefined for what is no JSON: neither a document nor lines of them. */
export function redactJson(text: string, redact: Redact): { text: string; count: number } | undefined {
  if (!/^\s*[[{]/.test(text)) return undefined;
  if (isJson(text)) return redactDocument(text, redact);
  const lines = text.split("\n");
  if (!lines.every((line) => line.trim() === "" || (/^\s*[[{]/.test(line) && isJson(line)))) return undefined;
  const clean = lines.map((line) => (line.trim() === "" ? { text: line, count: 0 } : redactDocument(line, redact)));
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
      const clean =
        is === "number" ? numberWithout(raw, redact) : HIDING.test(raw) ? plainString(raw, redact) : undefined;
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

/** Whether a JSON text has to be looked through string by string. */
export function mayHide(text: string): boolean {
  return HIDING.test(text) && /^\s*[[{]/.test(text);
}

function plainString(raw: string, redact: Redact): { text: string; count: number } | undefined {
  const clean = redact(JSON.parse(raw) as string);
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

const TOKEN = /\s+|[[\]{},:]|"[^"\\]*(?:\\.[^"\\]*)*"|[^\s"[\]{},:]+/y;

/** Of a text that is JSON. */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  const path: { list: boolean; key: string }[] = [];
  const placeNow = () => path.map(({ list, key }) => (list ? "*" : key)).join("/");
  let keyNext = false;
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match; match = TOKEN.exec(text)) {
    const [raw] = match;
    const end = TOKEN.lastIndex;
    const token = { start: end - raw.length, end };
    if (raw.trim() === "") continue;
    if (raw === "{" || raw === "[") {
      path.push({ list: raw === "[", key: "" });
      keyNext = raw === "{";
    } else if (raw === "}" || raw === "]") {
      path.pop();
      keyNext = false;
    } else if (raw === ",") keyNext = path.at(-1)?.list === false;
    else if (raw === ":") keyNext = false;
    else if (keyNext) {
      const top = path.at(-1);
      if (top) top.key = raw.slice(1, -1).replaceAll("/", "~");
      tokens.push({ ...token, place: placeNow(), is: "key" });
    } else if (raw.startsWith('"')) tokens.push({ ...token, place: placeNow(), is: "string" });
    else if (/^-?\d/.test(raw)) tokens.push({ ...token, place: placeNow(), is: "number" });
  }
  return tokens;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
