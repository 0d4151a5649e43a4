/** The schemas that `npm run generate` writes, and that come along for editors. Typed in schemas.d.ts. */
import config from "../../schemas/config.schema.json" with { type: "json" };
import patterns from "../../schemas/patterns.schema.json" with { type: "json" };
import plan from "../../schemas/plan.schema.json" with { type: "json" };
import review from "../../schemas/review.schema.json" with { type: "json" };
import session from "../../schemas/session.schema.json" with { type: "json" };
import taskDrop from "../../schemas/task-drop.schema.json" with { type: "json" };
import task from "../../schemas/task.schema.json" with { type: "json" };
import workflow from "../../schemas/workflow.schema.json" with { type: "json" };

export const SCHEMAS = {
  "config.schema.json": config,
  "patterns.schema.json": patterns,
  "plan.schema.json": plan,
  "review.schema.json": review,
  "session.schema.json": session,
  "task-drop.schema.json": taskDrop,
  "task.schema.json": task,
  "workflow.schema.json": workflow,
};
