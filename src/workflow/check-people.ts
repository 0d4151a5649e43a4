/** What is wrong with the questions of a workflow: they are asked by steps for people alone. */
import type { WorkflowFile } from "../model/workflow.ts";
import { problem, type Problem } from "../problems.ts";
import type { Finding } from "./finding.ts";
import { kindsOf } from "./steps.ts";

const OF_A_QUESTION = ["choices", "form", "time_limit", "default"] as const;

/** `trouble`: what is wrong with one question, with pointers into it. */
export function questionFindings(
  { steps }: WorkflowFile,
  trouble: (question: WorkflowFile["steps"][number]) => Problem[] = () => [],
): Finding[] {
  return steps.flatMap((step, place): Finding[] => {
    const [kind] = kindsOf(step);
    if (kind === "human")
      return trouble(step).map(({ pointer = "", ...found }) => ({
        problem: found,
        path: ["steps", place, ...pointer.split("/").slice(1)],
      }));
    return OF_A_QUESTION.filter((key) => step[key] !== undefined).map((key) => ({
      problem: problem("wrong-value", `Step ${place + 1} asks nobody: ${key} is of a question.`, {
        hint: "Give it to a step with human, or remove it.",
      }),
      path: ["steps", place, key],
    }));
  });
}
