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
import { mayHide, redactJson } from "./json-secrets.ts";
import { knownValues } from "./known-values.ts";
import { redactPrivateKeys } from "./private-keys.ts";
import { redactSplitKeys } from "./split-keys.ts";
import type { FindSecrets, FoundSecret } from "./recommended-rules.ts";

export interface Redacted {
  text: string;
  /** How many places were replaced. */
  count: number;
}

const MOST_TURNS = 5;

/**
 * `extraValues`: secrets known by their value (environment variables passed to agents); under 6 characters ignored. `find`
 * finds more, in what the forms have left.
 */
export function redactor(extraValues: readonly string[], find?: FindSecrets): (text: string) => Redacted {
  const known = knownValues(extraValues);
  const inText = (original: string): Redacted => {
    let count = 0;
    const mark = (kind: string) => {
      count++;
      return `[redacted:${kind}]`;
    };
    const take = (before: string) => {
      let text = redactSplitKeys(redactPrivateKeys(known(before, mark), mark), mark);
      for (const { kind, form, needs, accept } of KEY_FORMS) {
        if (needs && !text.includes(needs)) continue;
        text = text.replace(form, (found: string) => (accept && !accept(found) ? found : mark(kind)));
      }
      return redactAssigned(redactEncoded(text, mark), mark);
    };
    const takeAll = (before: string) => {
      const text = take(redactEscaped(before, take));
      return find ? withoutFound(text, find(text), mark) : text;
    };
    let text = takeAll(original);
    // What was replaced may show what stands beside it: until there is nothing more, so that once more changes nothing.
    for (let more = MOST_TURNS, before = 0; count > before && more > 0; more--) {
      before = count;
      text = takeAll(text);
    }
    return { text, count };
  };
  return (original) => {
    const found = inText(original);
    if (found.count === 0 && !mayHide(original)) return found;
    return redactJson(original, inText) ?? found;
  };
}

/** Without what was found, save for what was replaced already. */
function withoutFound(text: string, found: FoundSecret[], mark: (kind: string) => string): string {
  let result = "";
  let done = 0;
  for (const { kind, start, end } of found.sort((a, b) => a.start - b.start)) {
    const replaced = /\[redacted:[a-z-]*$/.test(text.slice(Math.max(0, start - 50), start));
    if (start < done || start >= end || replaced || text.slice(start, end).includes("[redacted:")) continue;
    result += text.slice(done, start) + mark(kind);
    done = end;
  }
  return result + text.slice(done);
}
