/** File name → JSON Schema, as editors need it. */
export const SCHEMAS: Record<
  | "config.schema.json"
  | "patterns.schema.json"
  | "plan.schema.json"
  | "review.schema.json"
  | "session.schema.json"
  | "task.schema.json"
  | "task-drop.schema.json"
  | "workflow.schema.json",
  object
>;
