/** What is wrong with who is to review a workflow's steps. */
import { wrongReviewers } from "../machine/review-rules.ts";
import type { WorkflowFile } from "../model/workflow.ts";
import { problem } from "../problems.ts";
import type { Finding } from "./finding.ts";
import { kindsOf } from "./steps.ts";

/** `roles`: those that there are, where they are known. */
export function reviewFindings({ steps, defaults }: WorkflowFile, roles: readonly string[] | undefined): Finding[] {
  const among = {
    roles: { has: (name: string) => roles?.includes(name) ?? true },
    roleNames: () => [...(roles ?? [])],
  };
  const places = [
    { path: ["defaults"] as Finding["path"], review: defaults?.review },
    ...steps.map(({ review }, place) => ({ path: ["steps", place], review })),
  ];
  const wrong = places.flatMap(({ path, review }) =>
    review === undefined
      ? []
      : wrongReviewers(review, among).map((found) => ({
          problem: found.problem,
          path: [...path, "review", ...found.path],
        })),
  );
  const idle = steps.flatMap((step, place): Finding[] => {
    const [kind] = kindsOf(step);
    if (step.review === undefined || kind === undefined || kind === "prompt") return [];
    const hint = "Give it to the step whose prompt does the work, or remove it.";
    const message = `Step ${place + 1} is no agent's work: ${kind} is not reviewed.`;
    return [{ problem: problem("wrong-value", message, { hint }), path: ["steps", place, "review"] }];
  });
  return [...wrong, ...idle];
}
