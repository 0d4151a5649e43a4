/** Which roles there are, and who does their work: those that come along, and the files in `.workflow/agents/`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BARE_ROLES, BUILT_IN_ROLES, RUNNERS, type RunnerKind } from "../../model/role.ts";
import { placeOf } from "../../store/paths.ts";
import { entriesOf } from "./tasks-on-disk.ts";

export function roleNames(folder: string): Set<string> {
  return new Set(roleRunners(folder).keys());
}

/** By name, in the order in which the daemon lists them. */
export function roleRunners(folder: string): Map<string, RunnerKind> {
  const runners = new Map<string, RunnerKind>(BARE_ROLES.map(({ name, runner }) => [name, runner]));
  for (const name of [...BUILT_IN_ROLES].sort()) runners.set(name, "claude");
  for (const entry of entriesOf(join(folder, "agents"))) {
    const place = placeOf(`agents/${entry.name}`);
    if (place.kind !== "role" || !entry.isFile()) continue;
    const text = readFileSync(join(folder, "agents", entry.name), "utf8");
    const runner = RUNNERS.find((one) => one === fieldOf("runner", text)) ?? "claude";
    runners.set(place.name, runner);
    const inside = fieldOf("name", text);
    if (inside !== undefined && !runners.has(inside)) runners.set(inside, runner);
  }
  return runners;
}

/** A plain word of the front matter. */
function fieldOf(key: string, text: string): string | undefined {
  const front = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  return front === undefined
    ? undefined
    : new RegExp(`^${key}:[ \\t]*["']?([A-Za-z0-9][\\w-]*)["']?[ \\t]*\\r?$`, "m").exec(front)?.[1];
}
