/**
 * What is on disk beside what was recorded of it with its secrets replaced: the same, if it differs in those places only.
 * The secrets need not be known for that, and what stands in those places tells them.
 */

/** What stands on disk where a place was replaced in the record. */
export interface Behind {
  /** `value`, `github-token`, … */
  kind: string;
  text: string;
}

/** A replaced place; where a number stood on disk, the quotes around it are the record's own. */
const MARK = /(?:(\\{0,7}")\[redacted:([a-z-]{1,30})\]\1)|\[redacted:([a-z-]{1,30})\]/g;
const NUMBER = /-?\d[\d.eE+-]*/y;
/** So many attempts to lay one over the other are made. */
const MOST_STEPS = 20_000;

/** What stands behind each replaced place; undefined where the two differ elsewhere. */
export function behindMarks(recorded: string, disk: string): Behind[] | undefined {
  if (recorded === disk) return [];
  const { literals, gaps } = partsOf(recorded);
  const [first = ""] = literals;
  if (gaps.length === 0 || !disk.startsWith(first)) return undefined;
  const found: string[] = [];
  let steps = 0;

  /** Fills the gaps from the n-th on, which begins at `start`. */
  const fill = (n: number, start: number): boolean => {
    if (++steps > MOST_STEPS) return false;
    const gap = gaps[n];
    if (!gap) return start === disk.length;
    const literal = literals[n + 1] ?? "";
    const { quote } = gap;
    if (quote !== "" && !disk.startsWith(quote, start)) {
      NUMBER.lastIndex = start;
      const number = NUMBER.exec(disk)?.[0];
      if (number === undefined || !disk.startsWith(literal, start + number.length)) return false;
      found[n] = number;
      return fill(n + 1, start + number.length + literal.length);
    }
    const begin = start + quote.length;
    const end = quote + literal;
    if (n === gaps.length - 1) {
      const at = disk.length - end.length;
      if (at <= begin || !disk.endsWith(end)) return false;
      found[n] = disk.slice(begin, at);
      return true;
    }
    for (let at = disk.indexOf(end, begin + 1); at !== -1 && steps <= MOST_STEPS; at = disk.indexOf(end, at + 1)) {
      found[n] = disk.slice(begin, at);
      if (fill(n + 1, at + end.length)) return true;
      steps++;
    }
    return false;
  };
  if (!fill(0, first.length)) return undefined;
  return gaps.map(({ kind }, n) => ({ kind, text: found[n] ?? "" }));
}

function partsOf(recorded: string): { literals: string[]; gaps: { kind: string; quote: string }[] } {
  const literals: string[] = [];
  const gaps: { kind: string; quote: string }[] = [];
  let done = 0;
  for (const match of recorded.matchAll(MARK)) {
    const [whole, quote = "", quoted, bare = ""] = match;
    const last = gaps.at(-1);
    const end = match.index + whole.length;
    if (last && match.index === done && quote === "" && last.quote === "") {
      last.kind = "several"; // nothing tells where one ends and the next begins
    } else {
      literals.push(recorded.slice(done, match.index));
      gaps.push({ kind: quoted ?? bare, quote });
    }
    done = end;
  }
  literals.push(recorded.slice(done));
  return { literals, gaps };
}

/**
 * The recorded value of a JSON file with the strings, numbers and keys of the file on disk where those are the same but
 * for replaced places, which `accept` has the last word on. What differs otherwise stays as it was recorded.
 */
export function revealed(recorded: unknown, disk: unknown, accept: (behind: readonly Behind[]) => boolean): unknown {
  if (typeof recorded === "string") {
    if (!recorded.includes("[redacted:") || (typeof disk !== "string" && typeof disk !== "number")) return recorded;
    const behind = behindMarks(recorded, String(disk));
    return behind && accept(behind) ? disk : recorded;
  }
  if (Array.isArray(recorded)) {
    const list: unknown[] = Array.isArray(disk) ? disk : [];
    return recorded.map((inner, n) => revealed(inner, list[n], accept));
  }
  if (!isObject(recorded) || !isObject(disk)) return recorded;
  const entries = Object.entries(recorded).map(([key, inner]): [string, unknown] => {
    const there = Object.hasOwn(disk, key) ? key : revealedKey(key, { recorded, disk }, accept);
    return [there, revealed(inner, disk[there], accept)];
  });
  return Object.fromEntries(entries);
}

function revealedKey(
  key: string,
  { recorded, disk }: Record<"recorded" | "disk", Record<string, unknown>>,
  accept: (behind: readonly Behind[]) => boolean,
): string {
  if (!key.includes("[redacted:")) return key;
  const is = (other: string) => {
    const behind = Object.hasOwn(recorded, other) ? undefined : behindMarks(key, other);
    return behind !== undefined && accept(behind);
  };
  return Object.keys(disk).find(is) ?? key;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
