/** What a check of `cox doctor` comes to. */
export interface Finding {
  /** Short and permanent: what was looked at. */
  check: string;
  state: "ok" | "warn" | "bad";
  text: string;
  /** What to type or to do. */
  fix?: string;
  /** Mends it safely; says what was done, in a few words. */
  repair?: () => Promise<string>;
}

export const ok = (check: string, text: string): Finding => ({ check, state: "ok", text });
export const warn = (check: string, text: string, fix?: string): Finding => ({
  check,
  state: "warn",
  text,
  ...(fix ? { fix } : {}),
});
export const bad = (check: string, text: string, fix: string): Finding => ({ check, state: "bad", text, fix });

/** `a, b, c and 4 more`. */
export function some(items: readonly string[], most = 5): string {
  const shown = items.slice(0, most).join(", ");
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
