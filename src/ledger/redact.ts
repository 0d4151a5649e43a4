/**
 * Takes secrets out of text before it becomes a git object: `[redacted:<kind>]` in their place. Pure, and linear in
 * the length of the text whatever it holds. Replacing never crosses a quote or an escape of a JSON string, so JSON
 * stays JSON. What has the form of a provider's key is taken wherever it stands; what only stands behind a word such
 * as `password` must also look like a secret (see assigned-secrets.ts).
 */
import { redactAssigned } from "./assigned-secrets.ts";
import { redactEncoded } from "./encoded-keys.ts";
import { redactEscaped } from "./escaped-text.ts";
import { KEY_FORMS } from "./key-forms.ts";
import { redactPrivateKeys } from "./private-keys.ts";

export interface Redacted {
  text: string;
  /** How many places were replaced. */
  count: number;
}

const MOST_TURNS = 5;

/** `extraValues`: secrets known by their value (environment variables passed to agents); under 6 characters ignored. */
export function redactor(extraValues: readonly string[]): (text: string) => Redacted {
  const known = knownForms(extraValues);
  return (original) => {
    let count = 0;
    const mark = (kind: string) => {
      count++;
      return `[redacted:${kind}]`;
    };
    const take = (before: string) => {
      let text = known ? before.replace(known, () => mark("value")) : before;
      text = redactPrivateKeys(text, mark);
      for (const { kind, form, needs, accept } of KEY_FORMS) {
        if (needs && !text.includes(needs)) continue;
        text = text.replace(form, (found: string) => (accept && !accept(found) ? found : mark(kind)));
      }
      return redactAssigned(redactEncoded(text, mark), mark);
    };
    let text = take(redactEscaped(original, take));
    // What was replaced may show what stands beside it: until there is nothing more, so that once more changes nothing.
    for (let more = MOST_TURNS, before = 0; count > before && more > 0; more--) {
      before = count;
      text = take(redactEscaped(text, take));
    }
    return { text, count };
  };
}

/** Each value as it is and as it appears in base64 (at any offset), in URLs and in JSON strings (twice nested too). */
function knownForms(values: readonly string[]): RegExp | undefined {
  const forms = new Set<string>();
  for (const value of values) {
    const plain = value.trim();
    if (plain.length < 6) continue;
    const once = JSON.stringify(plain).slice(1, -1);
    const twice = JSON.stringify(once).slice(1, -1);
    const url = encodeURIComponent(plain.toWellFormed());
    const html = plain.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
    for (const form of [plain, once, twice, url, url.replaceAll("%20", "+"), html]) forms.add(form);
    for (const form of base64Forms(plain)) if (form.length >= 8) forms.add(form);
  }
  if (forms.size === 0) return undefined;
  const longestFirst = [...forms].sort((a, b) => b.length - a.length);
  return new RegExp(longestFirst.map((form) => form.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&")).join("|"), "g");
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
