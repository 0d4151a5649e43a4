/** The schemas where task and settings files say that they are, for editors. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import { RUN } from "./paths.ts";
import { SCHEMAS } from "./schemas.js";

/** Puts them where task and settings files say that they are; returns whether any was out of date. */
export async function writeEditorSchemas(workspace: string): Promise<boolean> {
  const folder = join(workspace, RUN, "schemas");
  mkdirSync(folder, { recursive: true });
  let changed = false;
  for (const [name, schema] of Object.entries(SCHEMAS)) {
    const text = `${JSON.stringify(schema, null, 2)}\n`;
    if (textOf(join(folder, name)) === text) continue;
    await writeFileAtomic(join(folder, name), text);
    changed = true;
  }
  return changed;
}

function textOf(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
