/** Keys inside base64, as `kubectl get secret`, basic authentication and `… | base64` print them. */
import { KEY_FORMS } from "./key-forms.ts";

const SHORTEST = 24;
const LONGEST = 16_384;
/** A run of the alphabet from its first character on; the letter of a JSON string's escape (`\n`) is not its first. */
const RUN = new RegExp(`(?<=^|[^A-Za-z0-9+/_\\\\-]|\\\\[nrt])[A-Za-z0-9+/_-]{${SHORTEST},}={0,2}`, "g");
/** What ids, hashes and paths decode to is seldom text: a look at the first bytes keeps nearly all of them out. */
const LOOK = 16;

export function redactEncoded(text: string, mark: (kind: string) => string): string {
  return text.replace(RUN, (run) => {
    if (run.length > LONGEST) return run;
    const decoded = decode(run);
    return decoded !== undefined && holdsKey(decoded) ? mark("encoded-key") : run;
  });
}

function decode(run: string): string | undefined {
  const plain = run.replaceAll("-", "+").replaceAll("_", "/").replace(/=+$/, "");
  if (!isText(atob(plain.slice(0, LOOK)))) return undefined;
  const decoded = atob(plain.length % 4 === 1 ? plain.slice(0, -1) : plain);
  return isText(decoded) ? decoded : undefined;
}

function isText(bytes: string): boolean {
  return /^[\t\n\r -~]*$/.test(bytes);
}

function holdsKey(decoded: string): boolean {
  if (/-----BEGIN[A-Z0-9 ]{0,40}PRIVATE KEY/.test(decoded)) return true;
  return KEY_FORMS.some(({ form, needs, accept }) => {
    if (needs && !decoded.includes(needs)) return false;
    return (decoded.match(form) ?? []).some((found) => !accept || accept(found));
  });
}
