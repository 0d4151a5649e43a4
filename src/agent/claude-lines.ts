/** The lines of Claude Code's `stream-json` output as loose objects: what is not known is ignored. */

export type Line = Record<string, unknown>;

/** A tool result may carry pictures; nothing that is read here is ever that long. */
const LONGEST_LINE = 4 * 1024 * 1024;

/** The object a line holds; undefined for anything else (warnings, half a line, a line over {@link LONGEST_LINE}). */
export function parseLine(line: string): Line | undefined {
  if (line.length > LONGEST_LINE || !/^\s*\{/.test(line)) return undefined;
  try {
    return object(JSON.parse(line));
  } catch {
    return undefined;
  }
}

export function* linesOf(stdout: string): Generator<Line> {
  for (let start = 0; start < stdout.length;) {
    const newline = stdout.indexOf("\n", start);
    const end = newline === -1 ? stdout.length : newline;
    const line = end - start > LONGEST_LINE ? undefined : parseLine(stdout.slice(start, end));
    if (line) yield line;
    start = end + 1;
  }
}

export function object(value: unknown): Line | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Line) : undefined;
}

export function objects(value: unknown): Line[] {
  return Array.isArray(value) ? value.map(object).filter((item) => item !== undefined) : [];
}

export function string(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

export function number(value: unknown): number | undefined {
  return typeof value === "number" && Number.isFinite(value) ? value : undefined;
}

/** The content blocks of an `assistant` or `user` line. */
export function blocksOf(line: Line): Line[] {
  return objects(object(line.message)?.content);
}

/** An account's limit as a `rate_limit_event` tells it; `until` is an ISO instant. */
export function limitOf(line: Line): { rejected: boolean; warned: boolean; until?: string } {
  const limit = object(line.rate_limit_info);
  const resetsAt = number(limit?.resetsAt);
  const rejected = limit?.status === "rejected";
  const warned = limit?.status === "allowed_warning";
  // Epoch seconds; a value beyond what a date can hold says nothing.
  if (resetsAt === undefined || resetsAt <= 0 || resetsAt > 8.64e12) return { rejected, warned };
  return { rejected, warned, until: new Date(resetsAt * 1000).toISOString() };
}

/** What was paid between the result before (or the start of this process) and this one; only newer versions tell it. */
export function costSinceLast(result: Line): number | undefined {
  const since = object(result.model_usage_since_last_result);
  return (
    since && Object.values(since).reduce<number>((total, usage) => total + (number(object(usage)?.costUSD) ?? 0), 0)
  );
}
