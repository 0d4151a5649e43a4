/** What a workflow is: its file, its steps, and the names that texts of steps may use. */
import type { Static } from "typebox";
import type { TRIGGER_KINDS } from "./trigger-kinds.ts";
import type { CauseSchema } from "./trigger-schema.ts";
import type { VAR_TYPES, WorkflowShape } from "./workflow-schema.ts";

export type WorkflowFile = WorkflowShape;
export type StepFile = WorkflowFile["steps"][number];
export type VarType = (typeof VAR_TYPES)[number];

export const STEP_KINDS = ["prompt", "run", "human", "python", "workflow", "plan"] as const;
/** Of a list that a step is done for, so many items. */
export const MOST_ITEMS = 1000;
export type StepKind = (typeof STEP_KINDS)[number];

/** A step with all that its file leaves out. */
export interface Step {
  id: string;
  title: string;
  kind: StepKind;
  /** The prompt, the command or the question, with names still in it; or the name of a workflow. */
  text: string;
  /** Ids of the steps that come first. */
  needs: string[];
  /** It starts when its needs are over, however they ended; or if one of them fails. */
  starts?: "finally" | "on-error";
  /** What it says, and what `defaults` say. */
  says: StepFile;
}

export type Vars = Record<string, unknown>;

export type TriggerKind = (typeof TRIGGER_KINDS)[number];
/** What began a run by itself. */
export type Cause = Static<typeof CauseSchema>;
