/** Which roles there are, by name: those that come along, and the files in `.workflow/agents/`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { BARE_ROLES, BUILT_IN_ROLES } from "../../model/role.ts";
import { placeOf } from "../../store/paths.ts";
import { entriesOf } from "./tasks-on-disk.ts";

export function roleNames(folder: string): Set<string> {
  const names = new Set([...BUILT_IN_ROLES, ...BARE_ROLES.map(({ name }) => name)]);
  for (const entry of entriesOf(join(folder, "agents"))) {
    const place = placeOf(`agents/${entry.name}`);
    if (place.kind !== "role" || !entry.isFile()) continue;
    names.add(place.name);
    const inside = nameIn(readFileSync(join(folder, "agents", entry.name), "utf8"));
    if (inside !== undefined) names.add(inside);
  }
  return names;
}

/** `name:` of the front matter. */
function nameIn(text: string): string | undefined {
  const front = /^\uFEFF?---[ \t]*\r?\n([\s\S]*?)\r?\n---/.exec(text)?.[1];
  return front === undefined ? undefined : /^name:[ \t]*["']?([A-Za-z0-9][\w-]*)["']?[ \t]*\r?$/m.exec(front)?.[1];
}
