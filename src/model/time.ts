/** Instants and durations as values. Nothing here reads a clock. */

/** ISO 8601 in UTC with milliseconds, `2026-11-21T09:30:00.000Z`: sorts as text in time order. */
export type Instant = string;

export function instant(ms: number): Instant {
  return new Date(ms).toISOString();
}

export function toMs(at: Instant): number {
  return Date.parse(at);
}

/** Whether a person's text names a moment that `Date.parse` understands. */
export function isInstant(text: string): boolean {
  return !Number.isNaN(Date.parse(text));
}

export function after(at: Instant, ms: number): Instant {
  return instant(toMs(at) + ms);
}

const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
/** A duration as people write it: `2s`, `30m`, `1h30m`, `1.5h`, `7d`. */
export const DURATION_PATTERN = "^(?:\\d+(?:\\.\\d+)?(?:ms|s|m|h|d))+$";

/** Milliseconds of a written duration; undefined when it is not one. */
export function parseDuration(text: string): number | undefined {
  if (!new RegExp(DURATION_PATTERN).test(text)) return undefined;
  let total = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(amount) * UNITS[unit as keyof typeof UNITS];
  }
  return total;
}

/** Milliseconds as people read them: `850ms`, `12s`, `3m 05s`, `2h 10m`, `4d 3h`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)}ms`;
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const two = (n: number) => String(n).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${two(seconds % 60)}s`;
  const hours = Math.floor(seconds / 3600);
  if (hours < 48) return `${hours}h ${two(Math.floor((seconds % 3600) / 60))}m`;
  return `${Math.floor(hours / 24)}d ${hours % 24}h`;
}
