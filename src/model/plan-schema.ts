/**
 * A plan: type, JSON Schema and documentation in one. `schemas/plan.schema.json` is generated from here, and it is what
 * an agent is asked to answer by. Import types from `plan.ts`; import this file only where a schema is needed at run time.
 */
import Type, { type Static } from "typebox";
import { TYPES } from "./task-schema.ts";

const optional = Type.Optional;
const closed = { additionalProperties: false };
const line = (description: string) => Type.String({ minLength: 1, maxLength: 200, description });
const text = (description: string) => Type.String({ minLength: 1, maxLength: 4000, description });
const texts = (description: string) => Type.Array(text(""), { maxItems: 50, description });

const planned = Type.Object(
  {
    key: optional(
      Type.String({
        pattern: "^[A-Za-z][A-Za-z0-9_-]{0,59}$",
        description: "A short name by which other tasks of this plan depend on it.",
      }),
    ),
    title: line("What is to be done, in a sentence."),
    type: optional(
      Type.Unsafe<(typeof TYPES)[number]>({ type: "string", enum: [...TYPES], description: "Kind of work." }),
    ),
    role: optional(line("Who does it: a role, or human. Else the type and the title tell.")),
    paths: optional(
      Type.Array(line("A path."), {
        maxItems: 50,
        description: "Files and folders that it changes, relative to the repository's root, without wildcards.",
      }),
    ),
    requirements: optional(texts("What the result must do, for somebody who has read nothing else.")),
    acceptance: optional(texts("How one sees that it is done.")),
    dependencies: optional(
      Type.Array(Type.Union([Type.Integer({ minimum: 1 }), line("A key or an id.")]), {
        maxItems: 100,
        description:
          "What must be done before: keys of tasks of this plan, their numbers (1 is the first), or ids of tasks that there are already (impl-3).",
      }),
    ),
    verify: optional(
      Type.Array(text("A command."), {
        maxItems: 20,
        description: "Shell commands that must succeed before it is done.",
      }),
    ),
    risks: optional(texts("What could go wrong in it, and what catches that.")),
    estimate: optional(
      Type.Object(
        {
          minutes: optional(Type.Number({ minimum: 0, maximum: 100_000, description: "How long it may take." })),
          usd: optional(Type.Number({ minimum: 0, maximum: 100_000, description: "What it may cost, in US dollars." })),
        },
        { ...closed, description: "What is expected of it: a guess, and nothing that holds it." },
      ),
    ),
  },
  closed,
);

export const PlanSchema = Type.Object(
  {
    $schema: optional(Type.String()),
    summary: optional(Type.String({ maxLength: 20_000, description: "The goal, and the way chosen, for people." })),
    tasks: Type.Array(planned, { minItems: 1, maxItems: 1000, description: "In the order of their numbers." }),
    risks: optional(texts("What could go wrong in the whole.")),
    questions: optional(texts("What only a person can decide; the plan says what it assumes meanwhile.")),
  },
  {
    ...closed,
    $id: "plan.schema.json",
    title: "Coxswain plan",
    description: "What a task proposes: plans/<task>.json of a session.",
  },
);

export type PlanShape = Static<typeof PlanSchema>;
