/**
 * Secrets that only their name gives away: `password: …`, `"client_secret": "…"`, `DB_PASSWORD=…`. Here precision
 * comes first: task files and code speak of tokens and passwords all the time without holding one.
 */

const NAME = new RegExp(
  "(?<name>secret[_-]?access[_-]?key|client[_-]?secret|access[_-]?key|account[_-]?key|private[_-]?key|signing[_-]?key|encryption[_-]?key|" +
    "api[_-]?key|auth[_-]?key|passphrase|password|passwd|secret|token|(?<=[A-Z0-9]_)(?:KEY|PWD|PASS|CREDENTIALS?))" +
    "(?:[_-]?(?:key|value|hash|base|base64))?" +
    // The name's own closing quote, the sign, the value's opening quote; quotes may be escaped in a JSON string.
    "(?<close>\\\\{0,7}[\"'])?(?<sign>\\s{0,4}(?::=|=>|[:=])\\s{0,4})(?<open>\\\\{0,7}[\"'`])?",
  "gi",
);
const LONGEST = 2048;
const STOP = /[\s"'`,;<>(){}[\]\\&|]/g;
const PUBLIC_KEY = /(?:public|primary|foreign|partition|sort|cache|ssh_known|sort)_?$/i;

export function redactAssigned(text: string, mark: (kind: string) => string): string {
  let result = "";
  let done = 0;
  let runEnd = 0;
  NAME.lastIndex = 0;
  for (let match = NAME.exec(text); match; match = NAME.exec(text)) {
    const { name = "", close, sign = "", open } = match.groups ?? {};
    const start = match.index + match[0].length;
    NAME.lastIndex = start;
    if (
      /^key$/i.test(name) &&
      (name !== "KEY" || PUBLIC_KEY.test(text.slice(Math.max(0, match.index - 12), match.index)))
    )
      continue;
    let end: number;
    if (open) end = quotedEnd(text, start, open);
    else end = runEnd = start < runEnd ? runEnd : bareEnd(text, start);
    if (end - start < 8 || end - start > LONGEST) continue;
    const value = text.slice(start, end);
    const env = sign === "=" && /[A-Z]_?$/.test(name) && name === name.toUpperCase();
    const strong = /pass|secret/i.test(name);
    const secret = open
      ? quotedSecret(value, strong)
      : bareSecret(value, { next: text[end], strong, env, tight: sign === "=" });
    if (!secret) continue;
    const replaced = mark(kindOf(name));
    // A number behind a quoted name is JSON: what replaces it has to be a string.
    const quote = !open && close?.endsWith('"') ? close : "";
    result += text.slice(done, start) + quote + replaced + quote;
    done = end;
    NAME.lastIndex = end;
  }
  return result + text.slice(done);
}

function kindOf(name: string): string {
  const plain = name.toLowerCase().replaceAll("_", "-");
  if (/pass|pwd/.test(plain)) return "password";
  if (plain.includes("secret")) return "secret";
  return plain.includes("token") ? "token" : "key";
}

/** Where a quoted value ends: at its quote, or -1 when it holds white space or does not end. */
function quotedEnd(text: string, start: number, open: string): number {
  const quote = open.at(-1);
  const escaped = open.length > 1;
  for (let i = start; i < text.length && i - start <= LONGEST; i++) {
    const c = text[i];
    if (c === quote || c === '"') return i;
    if (c === undefined || c <= " ") return -1;
    if (c !== "\\") continue;
    let next = i;
    while (text[next] === "\\") next++;
    if (escaped && (text[next] === quote || text[next] === '"')) return i;
    if (/[nrt]/.test(text[next] ?? "")) return -1;
    i = escaped ? next - 1 : i + 1;
  }
  return -1;
}

function bareEnd(text: string, start: number): number {
  STOP.lastIndex = start;
  return STOP.exec(text)?.index ?? text.length;
}

function quotedSecret(value: string, strong: boolean): boolean {
  if (!possible(value) || (!strong && /^[\d.,:_-]+$/.test(value))) return false;
  if (strong) return !/^[a-z_-]*(?:password|passwd|secret|required|string|field|input|label)[a-z_-]*$/i.test(value);
  return hasDigits(value) && !wordy(value);
}

/** A value without quotes may as well be prose or code. */
function bareSecret(
  value: string,
  given: { next: string | undefined; strong: boolean; env: boolean; tight: boolean },
): boolean {
  if (!possible(value) || given.next === "(" || given.next === "[" || given.next === "<") return false;
  if (/^[\d.,:_-]+$/.test(value)) return given.strong && /^\d+$/.test(value);
  if (/^[A-Za-z_$][\w$]*[?!]?(?:\.[A-Za-z_$][\w$]*[?!]?)+$/.test(value)) return given.env && hasDigits(value);
  if (given.env) return !/^[A-Z][A-Z_]*$/.test(value);
  if (!hasDigits(value) && !/[!@#$%^*+/=~]./.test(value.replace(/[.!?:]+$/, ""))) return false;
  // `password=hunter2-and-more`: no name in code has a hyphen.
  if (given.tight && given.strong && hasDigits(value) && /^[^_]+-[^_]+$/.test(value)) return true;
  return !wordy(value);
}

const PLACEHOLDER =
  /^(?:(.)\1+$|\$\{|\$[A-Za-z_]|%[A-Za-z_]|[@#]\{|your|my[-_]|example|changeme|change[-_]me|placeholder|redacted|undefined|required|optional|process\.|import\.meta|env[.:]|os\.|sys\.|self\.|this\.|config\.|secrets?\.|vault:|ref:|\.{0,2}\/|~\/)/i;

function possible(value: string): boolean {
  if (PLACEHOLDER.test(value) || value.includes("://") || value.includes("[redacted:")) return false;
  return !/^[\w.@-]+(?:\/[\w.@-]+)+\.[a-z]{1,5}$/i.test(value); // a file
}

function hasDigits(value: string): boolean {
  return /\d/.test(value);
}

/** Names of things, as code and prose write them: Uint8Array, sha256Digest, utf8_bytes, access-token-v2. */
function wordy(value: string): boolean {
  return (
    /^[A-Z]?[a-z]{2,}\d{0,3}(?:[A-Z][a-z]{2,}\d{0,3})+$/.test(value) ||
    /^[a-z]{2,}\d{0,3}(?:[_-](?:[a-z]{2,}\d{0,3}|[a-z]?\d{1,3}))+$/i.test(value) ||
    /^[A-Z][a-z]+\d{0,3}$/.test(value)
  );
}
