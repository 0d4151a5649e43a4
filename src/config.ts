/**
 * Settings: type, default, JSON Schema and documentation in one (SPEC section 12). `schemas/config.schema.json`,
 * `cox config --docs` and the commented file that `cox init` writes are generated from here. Import types only, except
 * where the schema is needed at run time: this file loads the schema library.
 */
import Type, { type Static } from "typebox";
import type { ReviewWish } from "./model/review.ts";
import { REVIEW_RULES, REVIEW_WISH } from "./model/review-schema.ts";
import { PERMISSION_MODES } from "./model/role.ts";
import type { TYPES } from "./model/task-schema.ts";
import { DURATION_PATTERN } from "./model/time.ts";

const duration = (value: string, description: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: value, description });
const oneOf = <const T extends readonly string[]>(values: T, value: T[number], description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], default: value, description });
const integer = (value: number, minimum: number, description: string) =>
  Type.Integer({ minimum, default: value, description });
const names = (description: string) =>
  Type.Array(Type.String({ pattern: "^[A-Za-z_][A-Za-z0-9_]*$" }), { default: [], description });
const tokens = (description: string) =>
  Type.Union([Type.Integer({ minimum: 1 }), Type.Null()], { default: null, description });
const usd = (description: string) =>
  Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()], { default: null, description });

export const ConfigSchema = Type.Object(
  {
    concurrency: Type.Union(
      [Type.Integer({ minimum: 1, maximum: 256 }), Type.Unsafe<"auto">({ type: "string", enum: ["auto"] })],
      {
        default: 4,
        description:
          "Most agents that run at the same time; auto: as many as free memory and load allow, up to max_concurrency.",
      },
    ),
    max_concurrency: Type.Integer({
      minimum: 1,
      maximum: 256,
      default: 8,
      description: "Most agents at the same time where concurrency is auto.",
    }),
    max_active_sessions: integer(1, 1, "Most sessions that may be active at the same time."),
    steer: oneOf(["next", "live"], "next", "When an edit of a running task reaches its agent: at its next attempt."),
    isolation: oneOf(
      ["worktree", "none"],
      "worktree",
      "Where an attempt works: a worktree of its own, or the repository itself.",
    ),
    verify: Type.Array(Type.String({ minLength: 1 }), {
      default: [],
      description: "Gates of every task: shell commands that must succeed before it is completed.",
    }),
    paths: oneOf(
      ["declared", "enforce"],
      "declared",
      "enforce: a task that names its paths may change nothing else; what it changes elsewhere blocks it.",
    ),
    on_conflict: oneOf(
      ["block", "agent"],
      "block",
      "agent: a conflict is given to the task's agent first; block: to a person at once.",
    ),
    worktree: Type.Object(
      {
        setup: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description: "Shell commands that are run once in each new worktree, such as npm ci.",
        }),
        retry: oneOf(
          ["auto", "continue", "clean"],
          "auto",
          "What a further attempt finds: continue: what the last one left; clean: a fresh worktree, the rest is kept for cox rescue; auto: clean after a crash, else continue.",
        ),
        sparse: Type.Boolean({ default: false, description: "Check out only the folders of the task's paths." }),
        workers: Type.Union([Type.Integer({ minimum: 1, maximum: 64 }), Type.Null()], {
          default: null,
          description: "Git's checkout.workers: more than one helps with tens of thousands of files.",
        }),
        max_file_mb: integer(50, 1, "Larger files are never committed, in MB."),
        never_commit: Type.Array(Type.String({ minLength: 1 }), {
          default: [
            ".env",
            ".env.*",
            "*.pem",
            "*.p12",
            "*.pfx",
            "id_rsa",
            "id_ecdsa",
            "id_ed25519",
            ".netrc",
            ".npmrc",
          ],
          description: "Names of files that are never committed, * for any text; .env.example and the like may be.",
        }),
      },
      { description: "The worktrees that attempts work in." },
    ),
    land: Type.Object(
      {
        command: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
          default: null,
          description: "Shell command that cox land runs once it has landed, such as git push.",
        }),
      },
      { description: "Bringing a session's work into your branch." },
    ),
    rescan: duration(
      "5s",
      "How often the whole workspace is compared with what is recorded; file events only shorten the wait.",
    ),
    settle: duration("500ms", "How long a file that is not valid must stay unchanged before it is reported."),
    log_level: oneOf(
      ["debug", "info", "warn", "error"],
      "info",
      "What the daemon writes to the terminal and to .run/log.",
    ),
    ledger: Type.Object(
      {
        ref: Type.String({
          pattern: "^refs/cox/[A-Za-z0-9][A-Za-z0-9_/-]*$",
          default: "refs/cox/ledger",
          description: "The git ref that records transitions.",
        }),
        durability: oneOf(
          ["full", "process"],
          "full",
          "full survives a power cut, process survives a kill of the daemon.",
        ),
        transcripts: Type.Boolean({ default: false, description: "Record messages/ and .chat/ too; they are large." }),
        sign: Type.Boolean({
          default: false,
          description:
            "Sign each transition with the SSH key that git's user.signingKey names; some milliseconds more for each. Read at start.",
        }),
      },
      { description: "Git as the memory." },
    ),
    agent: Type.Object(
      {
        claude: Type.String({
          minLength: 1,
          default: "claude",
          description: "The Claude Code program: a name on PATH or an absolute path.",
        }),
        timeout: duration("30m", "Wall-clock limit of one attempt."),
        silence: duration(
          "10m",
          "How long an agent may write nothing and use less than 2 % of a core, with all it started, before it counts as stalled.",
        ),
        stagger: duration(
          "500ms",
          "Least time between the starts of two Claude Code agents: each takes half a second of CPU.",
        ),
        probe: duration(
          "30s",
          "How long the first Claude Code agent may be alone, until it gets its first answer: a limit in force is met by one.",
        ),
        warned_concurrency: integer(1, 1, "Most Claude Code agents at once while the account is near its usage limit."),
        stop_grace: duration("3s", "How long an agent that is stopped may take to end by itself."),
        permission_mode: oneOf(
          PERMISSION_MODES,
          "acceptEdits",
          "Claude Code's permission mode, unless the role says otherwise.",
        ),
        model: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
          default: null,
          description: "Model, unless the task or the role says otherwise.",
        }),
        fallback_model: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
          default: null,
          description: "Model when the first one is overloaded.",
        }),
        fallback_agent: Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
          default: null,
          description: "Role that tries a task once another one has given it up, unless the task names one.",
        }),
        env: names("Names of environment variables that every agent gets."),
        deny: Type.Array(Type.String({ minLength: 1 }), {
          default: ["Bash(git push *)", "Bash(cox *)"],
          description: "Claude Code permission rules that are always denied.",
        }),
      },
      { description: "How agents are run." },
    ),
    retry: Type.Object(
      {
        attempts: integer(4, 1, "Attempts in all before a task is blocked."),
        base: duration(
          "2s",
          "Wait before the second attempt, up to half as much again at random; doubles for each further one.",
        ),
        rate_limit: duration("60s", "Wait after a rate limit that names no time."),
        usage_margin: duration("2m", "Wait beyond the reset of a usage limit."),
        verify_rounds: integer(3, 1, "How often an agent may mend what its gates found."),
        conflict_rounds: integer(1, 1, "How often an agent is given a conflict, where on_conflict is agent."),
      },
      { description: "What happens after a failure." },
    ),
    breaker: Type.Object(
      {
        failures: integer(3, 1, "More failures than this within the window stop new attempts of that role and model."),
        window: duration("5m", "The time over which failures are counted."),
        open: duration("60s", "How long nothing is started; then one attempt decides."),
      },
      { description: "Circuit breaker for each role and model." },
    ),
    planning: Type.Object(
      {
        max_tasks: Type.Integer({ minimum: 1, maximum: 1000, default: 30, description: "Most tasks of one plan." }),
        max_depth: integer(10, 1, "Most tasks of a plan that wait for each other in a row."),
        max_usd: usd("Most that a plan may expect to cost in all, by its own estimates."),
      },
      { description: "What an agent may plan. A plan beyond that goes back to the agent." },
    ),
    review: Type.Object(
      {
        by: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          description:
            "Roles that review the work of every agent's task once its gates have passed, unless the task says otherwise (execution.review).",
        }),
        types: Type.Unsafe<Partial<Record<(typeof TYPES)[number], ReviewWish>>>({
          type: "object",
          additionalProperties: REVIEW_WISH,
          default: {},
          description: "The same for tasks of a type, such as {feature: review-agent, docs: []}.",
        }),
        rule: oneOf(REVIEW_RULES, "all", "Who has to accept: all reviewers, or more than half of them."),
        max_rounds: integer(2, 0, "How often findings go back to the agent before a person decides."),
      },
      { description: "Reviews by agents." },
    ),
    budget: Type.Object(
      {
        attempt_usd: usd("Most that one attempt may cost."),
        attempt_tokens: tokens("Most tokens that one attempt may use."),
        task_usd: usd("Most that a task may cost, all its attempts together, unless the task says otherwise."),
        task_tokens: tokens("Most tokens that a task may use, unless the task says otherwise."),
        session_usd: usd("Most that a session may cost, unless its file says otherwise."),
        session_tokens: tokens("Most tokens that a session may use, unless its file says otherwise."),
        day_usd: usd("Most that the workspace may cost in a day, by the clock of this machine."),
        day_tokens: tokens("Most tokens that the workspace may use in a day."),
      },
      {
        description:
          "What may be spent: US dollars at list prices, and tokens of every kind together. At the limit agents are stopped, and tasks are blocked until it is raised.",
      },
    ),
    retention: Type.Object(
      {
        completed: duration("7d", "How long completed sessions stay on disk after their last change."),
        failed: duration("30d", "The same for sessions that are not active, with tasks that failed."),
        outputs: duration("30d", "How long logs, conversations and left-over folders of runs are kept."),
        warn_mb: integer(2048, 1, "Warn when .run/ or metrics/ is larger than this, in MB."),
      },
      { description: "What leaves the disk, daily and by cox clean; the ledger keeps everything." },
    ),
    notify: Type.Object(
      {
        level: oneOf(
          ["all", "major_events", "errors_only", "none"],
          "major_events",
          "Which events are told by a desktop notification.",
        ),
      },
      { description: "Telling people." },
    ),
    trust_project_settings: Type.Boolean({
      default: false,
      description: "Load the repository's own .claude/settings.json, hooks and .mcp.json.",
    }),
  },
  {
    $id: "config.schema.json",
    title: "Coxswain settings",
    description: ".workflow/config.yaml; every key is optional.",
  },
);

export type Config = Static<typeof ConfigSchema>;

type DeepPartial<T> = T extends readonly unknown[] ? T : T extends object ? { [K in keyof T]?: DeepPartial<T[K]> } : T;
/** What a person writes: any part of it. */
export type WrittenConfig = DeepPartial<Config>;
