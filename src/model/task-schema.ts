/**
 * The task file: type, default, JSON Schema and documentation in one (SPEC section 3). `schemas/task.schema.json` and
 * `schemas/task-drop.schema.json` are generated from here. Import types from `task.ts`; import this file only where a
 * schema is needed at run time, since it loads the schema library.
 */
import Type, { type Static } from "typebox";
import { FAILURE_CLASSES } from "./failure.ts";
import { QUESTION } from "./question-schema.ts";
import { REVIEW_WISH, REVIEWING, REVIEWS } from "./review-schema.ts";
import { DURATION_PATTERN } from "./time.ts";
import { CauseSchema } from "./trigger-schema.ts";

export const STATUSES = ["pending", "active", "completed", "blocked", "container"] as const;
export const TYPES = ["feature", "bugfix", "refactor", "test", "docs"] as const;
const ANALYSIS_SOURCES = ["manual", "gemini", "codex", "auto-detected"] as const;
export const BLOCKED_REASONS = [
  "failed",
  "timeout",
  "stalled",
  "budget",
  "verify",
  "conflict",
  "auth",
  "invalid",
  "untrusted",
  "awaiting-approval",
  "awaiting-person",
  "rejected",
  "cancelled",
  "elsewhere",
] as const;
const BUDGETS = ["attempt", "task", "run", "session", "day"] as const;
const PLANS = ["required", "allowed", "none"] as const;
export const PENDING_REASONS = ["backoff", "usage-limit", "breaker-open", "waiting", "review"] as const;

const text = (description: string) => Type.String({ description });
const texts = (description: string) => Type.Array(Type.String(), { description, default: [] });
const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });
const idPattern = "^impl-(0|[1-9]\\d{0,8})(\\.[1-9]\\d{0,8})?$";
const taskId = (description: string) => Type.String({ pattern: idPattern, description });
const optional = Type.Optional;

const context = Type.Object(
  {
    requirements: texts("What the result must do."),
    scope: texts("Where the work is."),
    acceptance: texts("How one sees that it is done."),
    inherited_from: optional(
      Type.Union([Type.String(), Type.Null()], { description: "Where this context came from: a session or task." }),
    ),
  },
  { description: "What the agent has to know." },
);

const relations = Type.Object(
  {
    parent: Type.Union([taskId("The task this one is a part of."), Type.Null()], {
      description: "From the id: impl-2.1 belongs to impl-2.",
    }),
    subtasks: Type.Array(taskId("A subtask."), {
      description: "Kept by Coxswain from the subtasks' ids.",
      default: [],
    }),
    dependencies: Type.Array(taskId("A dependency."), {
      description: "Tasks that must be completed first.",
      default: [],
    }),
  },
  { description: "How this task stands to others of its session." },
);

const lastAttempt = Type.Object(
  {
    attempt: Type.Integer({ minimum: 1 }),
    run_id: Type.Union([Type.String(), Type.Null()]),
    agent_session: optional(Type.Union([Type.String(), Type.Null()])),
    continued: optional(
      Type.Integer({
        minimum: 0,
        description: "It goes on in the conversation of an earlier attempt that broke off, so many times by now.",
      }),
    ),
    started_at: Type.String(),
    ended_at: optional(Type.Union([Type.String(), Type.Null()])),
    outcome: optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "success, failure, interrupted or stopped; null while it runs.",
      }),
    ),
    error: optional(
      Type.Union([
        Type.Object({
          class: Type.Unsafe<(typeof FAILURE_CLASSES)[number]>({ type: "string", enum: [...FAILURE_CLASSES] }),
          message: Type.String(),
          hint: optional(Type.String()),
          retry_at: optional(Type.String()),
        }),
        Type.Null(),
      ]),
    ),
    cost_usd: optional(Type.Union([Type.Number(), Type.Null()])),
    tokens: optional(
      Type.Union([
        Type.Object({
          input: Type.Number(),
          output: Type.Number(),
          cache_read: Type.Number(),
          cache_write: Type.Number(),
        }),
        Type.Null(),
      ]),
    ),
    turns: optional(Type.Union([Type.Number(), Type.Null()])),
    duration_ms: optional(Type.Union([Type.Number(), Type.Null()])),
    model: optional(Type.Union([Type.String(), Type.Null()])),
    merging: optional(Type.Boolean({ description: "Its work is being merged, without an agent." })),
    reviewing: optional(REVIEWING),
    answered_by: optional(oneOf(["person", "time-limit"], "Who answered, where a person was asked.")),
  },
  { description: "The latest attempt. Set by Coxswain." },
);

/** Of a step that is done in several tasks: its own task waits for them. */
const wholeOf = {
  for_each: optional(
    Type.Union([Type.String(), Type.Array(Type.Unknown())], { description: "The items, or {name} of what has them." }),
  ),
  max_parallel: optional(Type.Integer({ minimum: 1, description: "Most of its items at the same time." })),
  repeat: optional(
    Type.Object(
      { until: Type.String(), max: Type.Integer({ minimum: 1 }) },
      { description: "A further round is made until the condition holds." },
    ),
  ),
  call: optional(
    Type.Object(
      { workflow: Type.String(), vars: Type.Record(Type.String(), Type.Unknown()) },
      { description: "The workflow whose steps are done, and what it is given." },
    ),
  ),
  parts: optional(
    Type.Integer({ minimum: 0, description: "How many tasks were made for it so far. Set by Coxswain." }),
  ),
};

/** Of a task that was made for such a step. Set by Coxswain. */
const partOf = {
  part_of: optional(taskId("The step's own task, which waits for this one.")),
  index: optional(Type.Integer({ minimum: 0, description: "Which item of the list it is for." })),
  item: optional(Type.Unknown({ description: "The item: {item} in its text." })),
  round: optional(Type.Integer({ minimum: 1, description: "Which round of the step it is." })),
  told: optional(
    Type.Record(Type.String(), Type.String(), {
      description: "Names of values that another task has reported, and which: they are quoted as a stranger's words.",
    }),
  ),
};

const execution = Type.Object(
  {
    timeout: optional(
      Type.String({ pattern: DURATION_PATTERN, description: "Wall-clock limit of one attempt, such as 30m." }),
    ),
    max_attempts: optional(
      Type.Integer({ minimum: 1, maximum: 100, description: "Attempts in all before the task is blocked." }),
    ),
    model: optional(text("Model for this task.")),
    effort: optional(text("Reasoning effort for this task, as Claude Code names it.")),
    retry_base: optional(
      Type.String({ pattern: DURATION_PATTERN, description: "The first wait before it is tried again, such as 10s." }),
    ),
    budget_usd: optional(
      Type.Number({
        exclusiveMinimum: 0,
        description: "Most that the task may cost, all its attempts together, in US dollars.",
      }),
    ),
    budget_tokens: optional(
      Type.Integer({ minimum: 1, description: "Most tokens that the task may use, all its attempts together." }),
    ),
    fallback_agent: optional(text("Role that tries it when the first has given up.")),
    max_turns: optional(Type.Integer({ minimum: 1, description: "Most turns of one attempt." })),
    priority: optional(Type.Number({ description: "Higher starts first; default 0." })),
    isolation: optional(oneOf(["worktree", "none"], "Where the attempt works.")),
    verify: optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: "Shell commands that must succeed before the task is completed.",
      }),
    ),
    require_changes: optional(Type.Boolean({ description: "It fails where the code is as it was before." })),
    approve: optional(oneOf(["before", "after"], "Wait for a person before the start, or after the work.")),
    approved: optional(Type.Boolean({ description: "true passes the approval, false rejects." })),
    review: optional(REVIEW_WISH),
    ...QUESTION,
    answer: optional(Type.Unknown({ description: "Your answer to its question: taken, and taken out again." })),
    command: optional(Type.String({ minLength: 1, description: "Shell command of a task whose agent is command." })),
    prompt_file: optional(text("File in the session's folder whose text is the prompt.")),
    response_schema: optional(
      Type.Record(Type.String(), Type.Unknown(), {
        description: "JSON Schema that the structured answer must satisfy.",
      }),
    ),
    plan: optional(
      oneOf(
        PLANS,
        "required: its answer is a plan, whose tasks become its subtasks; allowed: its agent may propose subtasks instead of doing it; none: neither.",
      ),
    ),
    estimate: optional(
      Type.Object(
        { minutes: optional(Type.Number({ minimum: 0 })), usd: optional(Type.Number({ minimum: 0 })) },
        { description: "What the plan that it comes from expects of it." },
      ),
    ),
    output: optional(text("Name under which later tasks can use the result.")),
    when: optional(text("Condition for running the task.")),
    continue_on_error: optional(Type.Boolean({ description: "Dependents start even if this task fails." })),
    env: optional(
      Type.Array(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), {
        description: "Names of environment variables to pass to the agent.",
      }),
    ),
    tools: optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: "Tools of the agent, as Claude Code names them, instead of its role's.",
      }),
    ),
    workflow: optional(
      Type.Object(
        {
          name: Type.String({ description: "What the workflow is called." }),
          run: Type.String({ description: "Which run of it: workflows/<run>.yaml is the workflow as it was." }),
          step: optional(
            Type.String({ description: "The step that this task is; absent in the task of the run itself." }),
          ),
          finally: optional(Type.Boolean({ description: "It starts when all other steps are over." })),
          handles: optional(Type.Array(Type.String(), { description: "It starts if one of these tasks fails." })),
          met: optional(Type.Boolean({ description: "What it waited for is there. Set by Coxswain." })),
          skipped: optional(Type.Boolean({ description: "It was not to be done. Set by Coxswain." })),
          trouble: optional(Type.String({ description: "What is wrong with its condition or list. Set by Coxswain." })),
          vars: optional(
            Type.Record(Type.String(), Type.Unknown(), {
              description: "What the run was given, in its own task; or what a step gave the workflow that it runs.",
            }),
          ),
          python: optional(Type.Boolean({ description: "Its command is Python." })),
          ...wholeOf,
          ...partOf,
          file: optional(Type.String({ description: "Its name in .workflow/workflows/; in the run's own task." })),
          cause: optional(CauseSchema),
          concurrency: optional(
            Type.Integer({ minimum: 1, description: "Most steps of the run at once; in its own task." }),
          ),
          outputs: optional(
            Type.Record(Type.String(), Type.String(), { description: "What it shall come to; in its own task." }),
          ),
          results: optional(
            Type.Record(Type.String(), Type.Unknown(), {
              description: "What it came to; in its own task. Set by Coxswain.",
            }),
          ),
        },
        { description: "The run of a workflow that this task is part of. Names in its text stand for values." },
      ),
    ),
    attempts: Type.Integer({ minimum: 0, default: 0, description: "Attempts made. Set by Coxswain." }),
    last_attempt: Type.Union([lastAttempt, Type.Null()], { default: null }),
    spent: optional(
      Type.Object(
        { usd: Type.Number({ minimum: 0 }), tokens: Type.Integer({ minimum: 0 }) },
        { description: "What all its attempts have cost so far, at list prices. Set by Coxswain." },
      ),
    ),
    reviews: optional(REVIEWS),
    fell_back_from: optional(text("The role that gave it up before. Set by Coxswain.")),
    over_budget: optional(
      Type.Object(
        {
          of: oneOf(BUDGETS, "Whose budget is used up."),
          unit: oneOf(["usd", "tokens", "turns"], "What was counted."),
          limit: Type.Number({ description: "It was so much: a higher one releases the task." }),
        },
        { description: "The budget that a task blocked by `budget` waits for. Set by Coxswain." },
      ),
    ),
    failures: optional(
      Type.Integer({
        minimum: 0,
        description: "Failures since the last success or a person's retry. Set by Coxswain.",
      }),
    ),
    failed_with: optional(
      text("Signature of the last failure, as in errors/patterns.json, until a success. Set by Coxswain."),
    ),
    next_attempt_at: optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "When it is tried again. Set by Coxswain; edit it to wait longer or less.",
      }),
    ),
    due_at: optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "Until when a person is asked. Set by Coxswain; edit it to wait longer or less.",
      }),
    ),
    reason: optional(
      Type.Union([Type.String(), Type.Null()], { description: "Why it is blocked or waits. Set by Coxswain." }),
    ),
    conflict: optional(
      Type.Object(
        { fields: Type.Array(Type.String()), versions: Type.Array(Type.String()), message: Type.String() },
        {
          description:
            "What two machines changed differently, and the two ledger commits that have it. Set by Coxswain.",
        },
      ),
    ),
    branch: optional(Type.Union([Type.String(), Type.Null()], { description: "Branch of the work. Set by Coxswain." })),
    commit: optional(Type.Union([Type.String(), Type.Null()], { description: "Commit of the work. Set by Coxswain." })),
    source: optional(
      Type.Object(
        { file: Type.String(), sha256: Type.String() },
        { description: "The dropped file this task came from: the same drop again is the same task. Set by Coxswain." },
      ),
    ),
  },
  { description: "How it is run, and how it went." },
);

const implementation = Type.Object(
  {
    files: Type.Array(
      Type.Object({
        path: Type.String(),
        location: optional(
          Type.Object({
            function: optional(Type.String()),
            lines: optional(Type.String()),
            description: optional(Type.String()),
          }),
        ),
        original_code: optional(Type.String()),
        modifications: optional(
          Type.Object({
            current_state: optional(Type.String()),
            proposed_changes: optional(Type.Array(Type.String())),
            logic_flow: optional(Type.Array(Type.String())),
            reason: optional(Type.String()),
            expected_outcome: optional(Type.String()),
          }),
        ),
      }),
      { default: [] },
    ),
    context_notes: Type.Object({
      dependencies: optional(Type.Array(Type.String())),
      affected_modules: optional(Type.Array(Type.String())),
      risks: optional(Type.Array(Type.String())),
      performance_considerations: optional(Type.String()),
      error_handling: optional(Type.String()),
    }),
    analysis_source: oneOf(ANALYSIS_SOURCES, "Where this guidance came from."),
  },
  { description: "Guidance for the work, file by file." },
);

/** A task as it stands in `.task/`, all ten fields filled in. */
export const TaskSchema = Type.Object(
  {
    $schema: optional(Type.String()),
    id: taskId("impl-N or impl-N.M."),
    title: Type.String({ minLength: 1, maxLength: 200, description: "What is to be done, in a sentence." }),
    status: oneOf(STATUSES, "Where it stands. Set blocked back to pending to run it again."),
    type: oneOf(TYPES, "Kind of work."),
    agent: Type.String({ minLength: 1, maxLength: 100, description: "A role, human, or command." }),
    paths: Type.String({ description: "Concrete files and folders, ; between, relative to the repository's root." }),
    context,
    relations,
    execution,
    implementation,
  },
  { $id: "task.schema.json", title: "Coxswain task", description: "A task in .workflow/<session>/.task/." },
);

/** What a person drops: only `title` is required, every other part may be missing. */
export const TaskDropSchema = Type.Object(
  {
    $schema: optional(Type.String()),
    id: optional(TaskSchema.properties.id),
    title: TaskSchema.properties.title,
    status: optional(TaskSchema.properties.status),
    type: optional(TaskSchema.properties.type),
    agent: optional(TaskSchema.properties.agent),
    paths: optional(TaskSchema.properties.paths),
    context: optional(Type.Partial(context)),
    relations: optional(Type.Partial(relations)),
    execution: optional(Type.Partial(execution)),
    implementation: optional(Type.Partial(implementation)),
  },
  {
    $id: "task-drop.schema.json",
    title: "Coxswain task drop",
    description: "What may be dropped into .workflow/inbox/ or a session's .task/.",
  },
);

export type TaskShape = Static<typeof TaskSchema>;
export type TaskDropShape = Static<typeof TaskDropSchema>;
