/** The session file: type, default, JSON Schema and documentation in one (SPEC section 4). */
import Type, { type Static } from "typebox";

export const SESSION_STATUSES = ["active", "paused", "completed"] as const;
export const SESSION_TYPES = ["simple", "medium", "complex"] as const;
export const PHASES = ["PLAN", "IMPLEMENT", "REVIEW"] as const;

const oneOf = <const T extends readonly string[]>(values: T, description: string) =>
  Type.Unsafe<T[number]>({ type: "string", enum: [...values], description });
const phase = (description: string) => oneOf(PHASES, description);

export const SessionSchema = Type.Object(
  {
    $schema: Type.Optional(Type.String()),
    session_id: Type.String({ pattern: "^WFS-[a-z0-9]+(-[a-z0-9]+)*$", description: "WFS-<topic>." }),
    project: Type.String({ description: "What the session is about." }),
    type: oneOf(SESSION_TYPES, "simple under 5 tasks, medium 5 to 15, complex above; rises by itself, never falls."),
    current_phase: phase("Where the work stands."),
    status: oneOf(SESSION_STATUSES, "active while its marker .active-<session> exists."),
    progress: Type.Object({
      completed_phases: Type.Array(phase("A phase."), { default: [] }),
      current_tasks: Type.Array(Type.String(), { default: [], description: "Tasks that run now." }),
    }),
    created_at: Type.Optional(Type.String()),
    updated_at: Type.Optional(Type.String()),
    branch: Type.Optional(
      Type.Union([Type.String(), Type.Null()], { description: "Where its tasks' work is merged. Set by Coxswain." }),
    ),
    base_branch: Type.Optional(
      Type.Union([Type.String(), Type.Null()], {
        description: "The branch that was checked out when it began: what it starts from. Set by Coxswain.",
      }),
    ),
    verify: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), { description: "Gates of all its tasks: shell commands." }),
    ),
    budget_usd: Type.Optional(Type.Union([Type.Number({ exclusiveMinimum: 0 }), Type.Null()])),
    budget_tokens: Type.Optional(Type.Union([Type.Integer({ minimum: 1 }), Type.Null()])),
    tokens: Type.Optional(Type.Integer({ minimum: 0, description: "Tokens that its attempts used so far." })),
    cost_usd: Type.Optional(Type.Number({ minimum: 0, description: "What its attempts cost so far, at list prices." })),
  },
  { $id: "session.schema.json", title: "Coxswain session", description: "workflow-session.json of a session." },
);

export type SessionShape = Static<typeof SessionSchema>;
