/** What a workflow is: its file, its steps, and the names that texts of steps may use. */
import type { VAR_TYPES, WorkflowShape } from "./workflow-schema.ts";

export type WorkflowFile = WorkflowShape;
export type StepFile = WorkflowFile["steps"][number];
export type VarType = (typeof VAR_TYPES)[number];

export const STEP_KINDS = ["prompt", "run", "human", "plan"] as const;
export type StepKind = (typeof STEP_KINDS)[number];

/** A step with all that its file leaves out. */
export interface Step {
  id: string;
  title: string;
  kind: StepKind;
  /** The prompt, the command or the question, with names still in it. */
  text: string;
  /** Ids of the steps that come first. */
  needs: string[];
  /** It starts when its needs are over, however they ended; or if one of them fails. */
  starts?: "finally" | "on-error";
  /** What it says, and what `defaults` say. */
  says: StepFile;
}

export type Vars = Record<string, unknown>;
