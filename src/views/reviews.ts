/** What reviewers said of a task's work. */
import { accepts, placeOf } from "../machine/review.ts";
import type { GivenReview } from "../model/review.ts";
import type { Task } from "../model/task.ts";
import { code, firstLine, markdownText } from "./markdown.ts";

/** Whether a task has a summary: it is finished, or its reviewers have rejected it. */
export function hasSummary({ status, execution: { reason, reviews } }: Task): boolean {
  return status === "completed" || (status === "blocked" && reason === "rejected" && reviews !== undefined);
}

export function reviewLines({ execution: { reviews } }: Task): string[] {
  if (!reviews) return [];
  const { rounds, given } = reviews;
  const back = rounds === 0 ? [] : [`- Sent back ${rounds === 1 ? "once" : `${rounds} times`}.`];
  return [...back, ...given.flatMap(linesOf)];
}

function linesOf(review: GivenReview): string[] {
  const { role, summary, findings, acceptance, noticed = [], cost_usd: cost } = review;
  const verdict = accepts(review) ? "accepts it" : "does not accept it";
  const price = typeof cost === "number" ? ` ($${cost.toFixed(4)})` : "";
  return [
    `- ${code(role)} ${verdict}${price}${summary ? `: ${firstLine(summary)}` : ""}`,
    ...findings.map(({ severity, file, line, what, why }) => {
      const place = placeOf(file, line).trim();
      return `  - ${severity}${place ? ` ${code(place)}` : ""}: ${markdownText(what)} ${markdownText(why)}`;
    }),
    ...acceptance.map(({ criterion, met, evidence }) => {
      const seen = evidence ? ` (${markdownText(evidence)})` : "";
      return `  - ${met ? "met" : "**not met**"}: ${markdownText(criterion)}${seen}`;
    }),
    ...noticed.map((text) => `  - **Look at it**: ${markdownText(text)}`),
  ];
}
