/**
 * The workflow file: type, JSON Schema and documentation in one. `schemas/workflow.schema.json` is generated from here.
 * Import types from `workflow.ts`; import this file only where a schema is needed at run time.
 */
import Type, { type Static } from "typebox";
import { QUESTION } from "./question-schema.ts";
import { REVIEW_WISH } from "./review-schema.ts";
import { DURATION_PATTERN } from "./time.ts";
import { TriggersSchema } from "./trigger-schema.ts";
import { MOST_ITEMS } from "./workflow.ts";

/** How a step is named in `needs`, `{steps.<id>.outcome}` and conditions. */
const STEP_ID_PATTERN = "^[A-Za-z_][A-Za-z0-9_]{0,99}$";
export const VAR_TYPES = ["string", "number", "integer", "boolean", "list", "object"] as const;
const MOST_STEPS = 1000;
const MOST_ROUNDS = 100;

const text = (description: string) => Type.String({ minLength: 1, description });
const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });
const optional = Type.Optional;
const closed = { additionalProperties: false };
const Name = (description: string) => Type.String({ pattern: STEP_ID_PATTERN, description });

const scalar = Type.Union([Type.String(), Type.Number(), Type.Boolean()]);

const variable = Type.Object(
  {
    type: optional(oneOf(VAR_TYPES, "What it holds; string where nothing is said and the default does not tell.")),
    default: optional(Type.Unknown({ description: "Its value where the run gives none." })),
    description: optional(Type.String({ description: "What it is for." })),
    required: optional(Type.Boolean({ description: "A run must give it. So it is anyway without a default." })),
    enum: optional(Type.Array(scalar, { minItems: 1, description: "The values that it can have." })),
  },
  closed,
);

/** What every step may say, and `defaults` for all of them. */
const common = {
  role: optional(text("The role of a prompt's agent; code-developer where nothing is said.")),
  tools: optional(
    Type.Array(Type.String({ minLength: 1 }), {
      description:
        "Tools of the agent, instead of its role's: Claude Code's names, or read_file, write_file, edit_file, execute_bash, execute_python, search, web.",
    }),
  ),
  model: optional(text("Model of the agent.")),
  effort: optional(text("Reasoning effort, as Claude Code names it.")),
  timeout: optional(
    Type.String({ pattern: DURATION_PATTERN, description: "Wall-clock limit of one attempt, such as 30m." }),
  ),
  max_attempts: optional(
    Type.Integer({ minimum: 1, maximum: 100, description: "Attempts in all before it is given up." }),
  ),
  retry: optional(
    Type.Object(
      {
        attempts: optional(
          Type.Integer({ minimum: 1, maximum: 100, description: "Attempts in all, instead of retry.attempts." }),
        ),
        base: optional(
          Type.String({ pattern: DURATION_PATTERN, description: "The first wait, such as 10s; it doubles each time." }),
        ),
      },
      { ...closed, description: "How failures are tried again, instead of what the settings say under retry." },
    ),
  ),
  budget_usd: optional(Type.Number({ exclusiveMinimum: 0, description: "Most that it may cost, in US dollars." })),
  max_turns: optional(Type.Integer({ minimum: 1, description: "Most turns of one attempt." })),
  priority: optional(Type.Number({ description: "Higher starts first; default 0." })),
  verify: optional(
    Type.Array(Type.String({ minLength: 1 }), { description: "Shell commands that must succeed before it is done." }),
  ),
  review: optional(REVIEW_WISH),
  approve: optional(oneOf(["before", "after"], "Wait for a person before the start, or after the work.")),
  isolation: optional(oneOf(["worktree", "none"], "Where it works.")),
  env: optional(
    Type.Array(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), {
      description: "Names of environment variables that it gets, and that {env.NAME} may name.",
    }),
  ),
  continue_on_error: optional(Type.Boolean({ description: "What needs it starts even if it fails." })),
};

const step = Type.Object(
  {
    id: optional(Name("How other steps name it; else made from its name.")),
    name: optional(Type.String({ minLength: 1, maxLength: 200, description: "What it does, in a sentence." })),
    prompt: optional(text("What an agent is asked.")),
    run: optional(text("A shell command. What it prints is its result; values stand in it quoted.")),
    human: optional(text("A question to a person, whose answer is the result.")),
    python: optional(text("Python for python3, or a file ending in .py. What it prints is its result; see values.")),
    workflow: optional(
      Type.String({
        pattern: "^\\w[\\w-]{0,99}$",
        description:
          "Another workflow, by its name in workflows/: its steps are done, the last one's result is the result.",
      }),
    ),
    vars: optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "What that workflow is given, with {names} of this one.",
      }),
    ),
    for_each: optional(
      Type.Union([Type.String({ minLength: 1 }), Type.Array(Type.Unknown(), { maxItems: MOST_ITEMS })], {
        description:
          "It is done for each item: a list, or {name} of a variable or result. {item} and {index} are there in its texts.",
      }),
    ),
    max_parallel: optional(Type.Integer({ minimum: 1, description: "Most of its items at the same time." })),
    repeat: optional(
      Type.Object(
        {
          until: text("A condition in CEL over its result: then it is done. {round} counts from 1."),
          max: Type.Integer({
            minimum: 1,
            maximum: MOST_ROUNDS,
            description: "Most rounds; after them it has failed.",
          }),
        },
        { ...closed, description: "It is done again until a condition holds." },
      ),
    ),
    plan: optional(text("A goal that an agent plans. The tasks of its plan become further steps of the run.")),
    approved: optional(Type.Boolean({ description: "What a plan step plans is added without asking a person." })),
    needs: optional(
      Type.Array(Type.String(), {
        description: "Steps that come first: their ids. Else the step before; [] for none.",
      }),
    ),
    ...common,
    paths: optional(
      Type.Union([Type.String(), Type.Array(Type.String())], {
        description: "Files and folders that it works on, relative to the repository's root.",
      }),
    ),
    ...QUESTION,
    when: optional(text("A condition in CEL: data.rows > 100 && steps.load.outcome == 'success'. Else it is skipped.")),
    on_error: optional(Name("A step that is done only if this one fails.")),
    finally: optional(Type.Boolean({ description: "It is done when all others are over, however they ended." })),
    output_variable: optional(Name("Name under which later steps use its result.")),
    output_schema: optional(
      Type.Record(Type.String(), Type.Unknown(), { description: "JSON Schema that a structured answer must satisfy." }),
    ),
  },
  closed,
);

export const WorkflowSchema = Type.Object(
  {
    $schema: optional(Type.String()),
    name: Type.String({ minLength: 1, maxLength: 200, description: "What the workflow is called." }),
    description: optional(Type.String({ description: "What it is for." })),
    vars: optional(
      Type.Record(Type.String(), Type.Union([variable, scalar]), {
        description: "What a run can be given, as {name} in its steps. A plain value is a default.",
      }),
    ),
    defaults: optional(
      Type.Object(common, { ...closed, description: "What holds for every step that says nothing else." }),
    ),
    on: optional(TriggersSchema),
    budget: optional(
      Type.Object(
        {
          usd: optional(Type.Number({ exclusiveMinimum: 0, description: "In US dollars, at list prices." })),
          tokens: optional(Type.Integer({ minimum: 1, description: "In tokens." })),
        },
        { ...closed, description: "Most that a run may cost, all its steps together." },
      ),
    ),
    concurrency: optional(Type.Integer({ minimum: 1, description: "Most steps of a run at the same time." })),
    outputs: optional(
      Type.Record(Type.String(), Type.String(), {
        description: "What a run comes to, by name: texts like those of steps. One name alone keeps its type.",
      }),
    ),
    steps: Type.Array(step, { minItems: 1, maxItems: MOST_STEPS, description: "What is done, in this order." }),
  },
  {
    ...closed,
    $id: "workflow.schema.json",
    title: "Coxswain workflow",
    description: "A workflow: .workflow/workflows/<name>.yaml.",
  },
);

export type WorkflowShape = Static<typeof WorkflowSchema>;
