/** What begins runs of a workflow by itself: type, JSON Schema and documentation in one. */
import Type, { type Static } from "typebox";
import { TRIGGER_KINDS } from "./trigger-kinds.ts";

const optional = Type.Optional;
const closed = { additionalProperties: false };
const text = (description: string) => Type.String({ minLength: 1, maxLength: 300, description });
const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });

const vars = optional(Type.Record(Type.String(), Type.Unknown(), { description: "What such a run is given." }));
const overlap = (fallback: string) =>
  optional(
    oneOf(
      ["skip", "queue", "cancel"],
      `While a run that a trigger began still goes on: skip, wait for its end, or cancel it. Default ${fallback}.`,
    ),
  );

const schedule = Type.Object(
  {
    cron: text("When, as cron says it: minute hour day month weekday; six fields begin with seconds."),
    timezone: optional(text("Whose clock, such as Europe/Berlin; else the machine's.")),
    overlap: overlap("skip"),
    catch_up: optional(
      oneOf(
        ["none", "last", "all"],
        "What was missed while no daemon was up, or the machine slept: nothing of it, one run for all, or each (24 at most). Default last.",
      ),
    ),
    vars,
  },
  closed,
);

const globs = Type.Array(text("A glob, relative to the repository's root: src/**/*.ts."), {
  minItems: 1,
  maxItems: 50,
});
const files = Type.Object({ paths: globs, overlap: overlap("skip"), vars }, closed);

const git = Type.Object(
  {
    branch: optional(text("A new commit on a branch of this name; * and ** are possible, origin/main is a remote's.")),
    tag: optional(text("A new tag of this name, such as v*.")),
    overlap: overlap("queue"),
    vars,
  },
  closed,
);

const after = Type.Object(
  {
    workflow: text("A run of this workflow is over: its name in .workflow/workflows/."),
    outcome: optional(oneOf(["success", "failure", "any"], "How it ended. Default success.")),
    overlap: overlap("queue"),
    vars,
  },
  closed,
);

const short = (description: string) => Type.String({ minLength: 1, maxLength: 300, description });

export const TriggersSchema = Type.Object(
  {
    schedule: optional(Type.Union([short("The cron alone."), schedule, Type.Array(schedule, { maxItems: 20 })])),
    files: optional(Type.Union([globs, files])),
    git: optional(Type.Union([git, Type.Array(git, { maxItems: 20 })])),
    after: optional(Type.Union([short("The workflow alone."), after, Type.Array(after, { maxItems: 20 })])),
  },
  { ...closed, description: "What begins a run by itself, while a daemon is up." },
);

export const CauseSchema = Type.Object(
  {
    on: oneOf(TRIGGER_KINDS, "The kind of trigger."),
    key: Type.String({ maxLength: 1000, description: "The same cause has the same key: it begins one run." }),
    about: Type.String({ description: "{run.cause}: a time, a commit, a tag, files, a run." }),
    depth: optional(Type.Integer({ minimum: 1, description: "So many runs have begun each other before it." })),
  },
  { description: "What began the run by itself; in its own task. Set by Coxswain." },
);

export type TriggersShape = Static<typeof TriggersSchema>;
