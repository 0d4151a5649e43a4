/** What an agent could change to have the user's own git run something. RELIABILITY: agents share the repository's `.git`. */
import { createHash } from "node:crypto";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { plainText } from "../worktree/plain.ts";

const FILES = ["config", "info/attributes", "info/exclude"];

/** Digests of the repository's settings and hooks, by path. */
export function gitSettings(commonDir: string): Record<string, string> {
  const found: Record<string, string> = {};
  for (const name of FILES) {
    const text = plainText(join(commonDir, name));
    if (text !== undefined) found[`.git/${name}`] = digest(text);
  }
  for (const name of attempted(() => readdirSync(join(commonDir, "hooks"))) ?? []) {
    if (name.endsWith(".sample")) continue;
    const stat = attempted(() => statSync(join(commonDir, "hooks", name)));
    if (stat) found[`.git/hooks/${name}`] = digest(`${stat.size} ${stat.mtimeMs}`);
  }
  return found;
}

/** What changed between two looks, in words; nothing is said where there was no first one. */
export function changedSettings(before: Record<string, string>, now: Record<string, string>): string[] {
  if (Object.keys(before).length === 0) return [];
  const names = new Set([...Object.keys(before), ...Object.keys(now)]);
  return [...names].filter((name) => before[name] !== now[name]).map((name) => `${name} changed while it was at work`);
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}

function attempted<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
