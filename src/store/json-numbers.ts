/** Numbers that JavaScript would write otherwise than a person did: `1.10`, `1e3`, `12345678901234567890`. */

interface SourceJson {
  parse(text: string, reviver: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
  rawJSON(text: string): { rawJSON: string };
  isRawJSON(value: unknown): value is { rawJSON: string };
}
/** ECMAScript 2026 (JSON.parse source text access), which the type library does not know yet. */
const json = JSON as unknown as SourceJson;

/**
 * The value with its numbers as they stand in `like`, where they stand at the same place and are the same: ready for
 * JSON.stringify. What has no such numbers, as nearly all have not, comes back as it is.
 */
export function withWrittenNumbers(value: unknown, like: string): unknown {
  if (!hasOddNumbers(like)) return value;
  try {
    return keep(
      value,
      json.parse(like.replace(/^\ufeff/, ""), (_key, parsed, { source }) =>
        typeof parsed === "number" && source && String(parsed) !== source ? json.rawJSON(source) : parsed,
      ),
    );
  } catch {
    return value; // `like` is no JSON
  }
}

/** May find some in strings too: that only costs time. */
function hasOddNumbers(text: string): boolean {
  for (const [, number] of text.matchAll(/[[:,]\s*(-?\d[\d.eE+-]*)(?=\s*[,\]}])/g))
    if (String(Number(number)) !== number) return true;
  return false;
}

function keep(value: unknown, written: unknown): unknown {
  if (json.isRawJSON(written)) return typeof value === "number" && Number(written.rawJSON) === value ? written : value;
  if (typeof value !== "object" || value === null || typeof written !== "object" || written === null) return value;
  if (Array.isArray(value))
    return Array.isArray(written) ? value.map((item, place) => keep(item, written[place])) : value;
  const before = written as Record<string, unknown>;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, Object.hasOwn(before, key) ? keep(inner, before[key]) : inner]),
  );
}
