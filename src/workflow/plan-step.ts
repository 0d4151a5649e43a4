/** A step that plans: what its task says beside what every step's says, and what it cannot say. */
import type { TaskDrop } from "../model/task.ts";
import type { Step, StepFile } from "../model/workflow.ts";
import { problem } from "../problems.ts";
import type { Finding } from "./finding.ts";

/** Its plan is approved by a person, unless the workflow says that it need not be. */
export function planExecution({ approve, approved }: StepFile): NonNullable<TaskDrop["execution"]> {
  return {
    plan: "required",
    ...(approved === true ? { approved } : { approve: approve ?? "after" }),
  };
}

export function planStepFindings(steps: readonly Step[]): Finding[] {
  return steps.flatMap(({ kind, says }, place): Finding[] => {
    const wrong = (
      key: "approved" | "output_schema" | "approve" | "for_each" | "repeat",
      message: string,
      hint: string,
    ): Finding[] =>
      says[key] === undefined
        ? []
        : [{ problem: problem("wrong-value", message, { hint }), path: ["steps", place, key] }];
    if (kind !== "plan")
      return wrong("approved", `Step ${place + 1} plans nothing that could be approved.`, "Remove it, or write plan.");
    return [
      ...wrong("for_each", "A step that plans is done once.", "Remove it, or let the plan have a task for each."),
      ...wrong("repeat", "A step that plans is done once.", "Remove it: a wrong plan goes back to the planner anyway."),
      ...wrong("output_schema", "The answer of a step that plans is a plan.", "Remove it."),
      ...(says.approved ? wrong("approve", "A plan is approved by a person, or beforehand.", "Remove approved.") : []),
    ];
  });
}
