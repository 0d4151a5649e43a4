/** `errors/patterns.json`: failures learned over time. Type, JSON Schema and documentation in one (SPEC section 9). */
import Type, { type Static } from "typebox";

const count = (description: string) => Type.Optional(Type.Integer({ minimum: 0, description }));
const text = (description: string) => Type.Optional(Type.String({ description }));

const pattern = Type.Object(
  {
    error_signature: Type.String({
      minLength: 1,
      description: "Class, status, host or tool, and the message without what changes from time to time.",
    }),
    occurrence_count: count("How often it was met."),
    first_seen: text("When it was met first."),
    last_seen: text("When it was met last."),
    recoverable: Type.Optional(
      Type.Boolean({
        description: "Whether trying again makes sense: false blocks a task at once, true tries again. Yours to set.",
      }),
    ),
    recommended_action: text("What to do about it. Yours to change."),
    notes: text("Whatever you know about it."),
    recovered_count: count("How often a later attempt of the same task succeeded."),
  },
  { description: "A kind of failure. Unknown keys are kept." },
);

export const PatternsSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    patterns: Type.Array(pattern, { description: "In the order in which they were met; yours to put in order." }),
  },
  {
    $id: "patterns.schema.json",
    title: "Coxswain error patterns",
    description: ".workflow/errors/patterns.json; what a person saves there decides.",
  },
);

export type PatternsShape = Static<typeof PatternsSchema>;
