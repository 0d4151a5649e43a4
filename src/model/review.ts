/** What a review is. */
import type { Static } from "typebox";
import type { REVIEW_RULES, ReviewSchema, REVIEW_WISH } from "./review-schema.ts";
import type { Execution, LastAttempt } from "./task.ts";

/** What a reviewer has answered. */
export type Review = Static<typeof ReviewSchema>;
/** All that is on record of the reviews of a task. */
export type Reviews = NonNullable<Execution["reviews"]>;
export type GivenReview = Reviews["given"][number];
export type Reviewing = NonNullable<LastAttempt["reviewing"]>;
export type ReviewRule = (typeof REVIEW_RULES)[number];
export type ReviewWish = Static<typeof REVIEW_WISH>;

/** Who reviews, and what it takes. */
export interface Reviewers {
  by: readonly string[];
  rule: ReviewRule;
  maxRounds: number;
}

/** `impl-1-a2-r1`: the base name of all that belongs to one review. */
export function reviewName(attempt: string, review: number): string {
  return `${attempt}-r${review}`;
}
