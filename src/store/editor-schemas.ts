/** The schemas as editors need them: files that people write are never complete. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { TSchema } from "typebox";
import { ConfigSchema } from "../config.ts";
import { PatternsSchema } from "../model/pattern-schema.ts";
import { SessionSchema } from "../model/session-schema.ts";
import { TaskDropSchema, TaskSchema } from "../model/task-schema.ts";
import { RUN } from "./paths.ts";

type Node = { properties?: Record<string, Node>; required?: unknown; additionalProperties?: boolean };

/** File name → JSON Schema. */
export function editorSchemas(): Record<string, unknown> {
  const config = copy(ConfigSchema);
  loosen(config);
  return {
    "config.schema.json": config,
    "patterns.schema.json": copy(PatternsSchema),
    "session.schema.json": copy(SessionSchema),
    "task.schema.json": copy(TaskSchema),
    "task-drop.schema.json": copy(TaskDropSchema),
  };
}

/** Puts them where task and settings files say that they are; returns whether any was out of date. */
export async function writeEditorSchemas(workspace: string): Promise<boolean> {
  const folder = join(workspace, RUN, "schemas");
  mkdirSync(folder, { recursive: true });
  let changed = false;
  for (const [name, schema] of Object.entries(editorSchemas())) {
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

function copy(schema: TSchema): Node {
  return JSON.parse(JSON.stringify({ $schema: "https://json-schema.org/draft/2020-12/schema", ...schema })) as Node;
}

/** Every setting may be missing; none may be unknown. */
function loosen(node: Node): void {
  delete node.required;
  if (!node.properties) return;
  node.additionalProperties = false;
  for (const inner of Object.values(node.properties)) loosen(inner);
}
