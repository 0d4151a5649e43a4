/** The schemas as editors need them: files that people write are never complete. */
import type { TSchema } from "typebox";
import { ConfigSchema } from "../../config.ts";
import { SessionSchema } from "../../model/session-schema.ts";
import { TaskDropSchema, TaskSchema } from "../../model/task-schema.ts";

type Node = { properties?: Record<string, Node>; required?: unknown; additionalProperties?: boolean };

/** File name → JSON Schema. */
export function editorSchemas(): Record<string, unknown> {
  const config = copy(ConfigSchema);
  loosen(config);
  return {
    "config.schema.json": config,
    "session.schema.json": copy(SessionSchema),
    "task.schema.json": copy(TaskSchema),
    "task-drop.schema.json": copy(TaskDropSchema),
  };
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
