/**
 * Reviews: what a task may ask for, what Coxswain keeps of them, and what a reviewer answers. Parts of the task's schema;
 * import types from `review.ts`.
 */
import Type from "typebox";
import { FAILURE_CLASSES } from "./failure.ts";

export const REVIEW_RULES = ["all", "majority"] as const;
const VERDICTS = ["accept", "reject"] as const;
const SEVERITIES = ["must", "should", "could"] as const;

const optional = Type.Optional;
const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });

const roleName = Type.String({ minLength: 1, maxLength: 100 });
const reviewers = Type.Array(roleName, { maxItems: 9, description: "Roles; none: nobody reviews." });

/** `review` of a task and of a workflow's step. */
export const REVIEW_WISH = Type.Union(
  [
    roleName,
    reviewers,
    Type.Object(
      {
        by: Type.Union([roleName, reviewers]),
        rule: optional(oneOf(REVIEW_RULES, "Who has to accept.")),
        max_rounds: optional(Type.Integer({ minimum: 0, maximum: 20, description: "How often findings go back." })),
      },
      { additionalProperties: false },
    ),
  ],
  {
    description:
      "Who reviews the work once its gates have passed: a role, several, or {by, rule: all or majority, max_rounds}; [] for nobody.",
  },
);

const finding = Type.Object({
  severity: oneOf(SEVERITIES, "must: it may not stay so. should: better otherwise. could: a remark."),
  file: optional(Type.Union([Type.String(), Type.Null()], { description: "Relative to the repository's root." })),
  line: optional(Type.Union([Type.Integer(), Type.Null()])),
  what: Type.String({ description: "What is wrong, and when it shows." }),
  why: Type.String({ description: "Why it matters, and how to mend it." }),
});

const criterion = Type.Object({
  criterion: Type.String({ description: "As the task's file has it." }),
  met: Type.Boolean(),
  evidence: optional(Type.String({ description: "Where one sees it." })),
});

/** What a reviewer answers. */
export const ReviewSchema = Type.Object(
  {
    verdict: oneOf(VERDICTS, "accept: it may be merged. reject: it has to be mended first."),
    summary: optional(Type.String({ description: "The reason, in a sentence." })),
    findings: Type.Array(finding, { description: "Worst first; none is a good answer." }),
    acceptance: Type.Array(criterion, { description: "Each acceptance criterion of the task." }),
  },
  { $id: "review.schema.json", title: "Coxswain review", description: "What a reviewer answers." },
);

const given = Type.Object({
  ...ReviewSchema.properties,
  role: Type.String(),
  review: Type.Integer({
    minimum: 1,
    description: "Which review of the attempt: -r1, -r2, … in the names of its files.",
  }),
  run_id: Type.String(),
  cost_usd: optional(Type.Union([Type.Number(), Type.Null()])),
  noticed: optional(Type.Array(Type.String(), { description: "What a person should know of." })),
});

/** `reviews` of a task, kept by Coxswain. */
export const REVIEWS = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1, description: "The attempt whose work they are about." }),
    begun: Type.Integer({ minimum: 0, description: "Reviews of that attempt that were begun." }),
    rounds: Type.Integer({ minimum: 0, description: "How often findings went back." }),
    given: Type.Array(given),
    accepted: optional(Type.Boolean({ description: "The work may be merged." })),
    failures: optional(Type.Integer({ minimum: 0, description: "Reviews in a row that broke off." })),
    error: optional(
      Type.Object({
        class: Type.Unsafe<(typeof FAILURE_CLASSES)[number]>({ type: "string", enum: [...FAILURE_CLASSES] }),
        message: Type.String(),
        hint: optional(Type.String()),
        retry_at: optional(Type.String()),
      }),
    ),
  },
  { description: "The reviews of its work. Set by Coxswain." },
);

/** `reviewing` of an attempt. */
export const REVIEWING = Type.Object(
  {
    role: Type.String(),
    review: Type.Integer({ minimum: 1 }),
    started_at: Type.String(),
    run_id: Type.Union([Type.String(), Type.Null()], { description: "The run that did the work." }),
  },
  { description: "Its work is being reviewed, by that role." },
);
