/** What a check of `cox doctor` or `cox verify` comes to. */
import type { Paint } from "./output.ts";

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

export function linesOf({ check, state, text, fix }: Finding, paint: Paint): string[] {
  const mark = state === "ok" ? paint("green", "✓") : state === "warn" ? paint("yellow", "!") : paint("red", "✗");
  return [`${mark} ${paint("bold", check)}  ${text}`, ...(fix && state !== "ok" ? [`    fix: ${fix}`] : [])];
}
