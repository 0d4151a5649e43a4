/** Providers' keys with a line break in them. */
import { breaksIn } from "./broken-lines.ts";
import { KEY_FORMS } from "./key-forms.ts";

const CHARACTER = /[A-Za-z0-9_+/=.-]/;
/** How keys begin, up to the end of a line. */
const HEAD =
  /(?:(?<![A-Za-z0-9_-])|(?<=\\[nrt]))(?:sk-|gh[pousr]_|github_pat_|gl[a-z]{2,5}-|A(?:KIA|SIA|BIA|CCA|Iza)|GOCSPX-|ya29\.|xox[a-z]-|xapp-|[sr]k_(?:live|test)_|whsec_|npm_|pypi-|SG\.|hf_|do[oprt]_v1_|dapi|shp[a-z]{2}_|hv[sbr]\.|eyJ)[A-Za-z0-9_+/=.-]*$/;
/** What of a line that the key goes on in. */
const REST = /[A-Za-z0-9_+/=.-]+/y;
const WORD = /^[A-Z]?[a-z]{3,}$/;
/** Behind a name, or in the middle of something else. */
const GOES_ON = /^(?:\s{0,3}[:=]|[A-Za-z0-9_+/.-])/;
const LONGEST_HEAD = 300;
const MOST_LINES = 60;
/** A line that was broken for its length is not shorter than this. */
const FULL_LINE = 16;
/** In one text; what needs more is no text of anybody's. */
const MOST_HEADS = 100;

export function redactSplitKeys(text: string, mark: (kind: string) => string): string {
  let result = "";
  let done = 0;
  let heads = 0;
  let breaks: Map<number, number> | undefined;
  for (const { start, end } of breaksIn(text)) {
    if (start <= done || !CHARACTER.test(text[start - 1] ?? "") || !CHARACTER.test(text[end] ?? "")) continue;
    const [head] = HEAD.exec(text.slice(Math.max(done, start - LONGEST_HEAD), start)) ?? [];
    if (head === undefined) continue;
    if (++heads > MOST_HEADS) break;
    breaks ??= new Map([...breaksIn(text)].map((each) => [each.start, each.end]));
    const found = wholeKey(text, { head, end }, breaks);
    if (!found) continue;
    result += text.slice(done, start - head.length) + mark(found.kind);
    done = found.end;
  }
  return result + text.slice(done);
}

/** The key that begins with the head of one line and goes on in the next ones, as far as it goes. */
function wholeKey(
  text: string,
  { head, end }: { head: string; end: number },
  breaks: ReadonlyMap<number, number>,
): { kind: string; end: number } | undefined {
  const alone = keyIn(head)?.length === head.length;
  let joined = head;
  let best: { kind: string; end: number } | undefined;
  let from: number | undefined = end;
  for (let line = 0; from !== undefined && line < MOST_LINES; line++) {
    REST.lastIndex = from;
    const part = REST.exec(text)?.[0] ?? "";
    // A key that ended with its line is not continued by a word; and what follows may be another secret, or its name.
    if (part === "" || (alone && !isRandom(part)) || WORD.test(part)) break;
    const before = joined.length;
    joined += part;
    const key = keyIn(joined);
    if (key?.length !== joined.length && keyIn(part)) break;
    const end = from + (key?.length ?? 0) - before;
    if (key && end > from && !GOES_ON.test(text.slice(end, end + 4))) best = { kind: key.kind, end };
    from = part.length < FULL_LINE ? undefined : breaks.get(from + part.length);
  }
  return best;
}

/** The key that a text begins with. */
function keyIn(text: string): { kind: string; length: number } | undefined {
  for (const { kind, form, accept } of KEY_FORMS) {
    form.lastIndex = 0;
    const found = form.exec(text);
    form.lastIndex = 0;
    if (found?.index === 0 && (!accept || accept(found[0]))) return { kind, length: found[0].length };
  }
  return undefined;
}

function isRandom(part: string): boolean {
  return part.length >= 6 && /\d/.test(part) && /[A-Za-z]/.test(part) && !/^[a-z]+[\d.]+$/i.test(part);
}
