/** Plays events through the machine with a pinned clock, no chance and run ids in order: what the sentences of the tests are made of. */
import assert from "node:assert/strict";
import type { Event, RunEnd } from "../../src/machine/event.ts";
import { apply, decide, type Decision } from "../../src/machine/machine.ts";
import { policyOf, type Lent, type Policy } from "../../src/machine/policy.ts";
import { emptyState, type State } from "../../src/machine/state.ts";
import { NO_FACTS, type AttemptFacts } from "../../src/model/attempt.ts";
import type { Failure, FailureClass } from "../../src/model/failure.ts";
import { parentOf, taskKey, type SessionId, type TaskId } from "../../src/model/ids.ts";
import { BARE_ROLES, type Role } from "../../src/model/role.ts";
import { newSession, type SessionFile } from "../../src/model/session.ts";
import type { Execution, Task } from "../../src/model/task.ts";
import { after, type Instant } from "../../src/model/time.ts";
import type { Actor, Effect, StopReason } from "../../src/model/transition.ts";
import { defaults } from "../../src/store/config-file.ts";

export const T0: Instant = "2026-11-21T09:30:00.000Z";
export const S = "WFS-test";

const claude = (name: string): Role => ({ name, description: "", runner: "claude", prompt: "", origin: "built-in" });
export const ROLES: ReadonlyMap<string, Role> = new Map(
  [
    claude("code-developer"),
    claude("planning-agent"),
    claude("code-review-test-agent"),
    { ...claude("review-agent"), tools: ["Read", "Grep"] },
    ...BARE_ROLES,
    { ...claude("scripted"), runner: "scripted" as const },
  ].map((role) => [role.name, role]),
);
/** Agents start as soon as they can: how their starts are spread is told where it counts. */
export const POLICY: Policy = { ...policyOf(defaults(), ROLES), stagger: 0, probe: 0 };

/** What happens next: events (together, if several), or what they are once the state is known. */
type Step = Event | Event[] | ((state: State) => Event | Event[]) | { wait: number; next: Step };

export interface Played {
  /** The decision of each step. */
  log: Decision[];
  state: State;
  now: Instant;
}

interface Options {
  policy?: Partial<Policy>;
  start?: State;
  /** When the first step is. */
  at?: Instant;
  chance?: number;
}

/** Each step comes a second after the one before, or when {@link wait} says. Decisions must leave the state alone: checked at each. */
export function play(steps: readonly Step[], { policy, start, at = T0, chance = 0 }: Options = {}): Played {
  const rules = { ...POLICY, ...policy };
  const log: Decision[] = [];
  let state = start ?? begin();
  let now = at;
  let runs = Math.max(0, ...[...state.runs.values()].map((run) => Number(run.runId.slice("run-".length))));
  const lent = (): Lent => ({ now, chance: () => chance, runId: () => `run-${++runs}` });
  for (const [place, given] of steps.entries()) {
    let step = given;
    let pause = place === 0 ? 0 : 1000;
    while (typeof step === "object" && "wait" in step) {
      pause = step.wait;
      step = step.next;
    }
    now = after(now, pause);
    const happened = typeof step === "function" ? step(state) : step;
    const before = structuredClone(state);
    const decision = decide(state, Array.isArray(happened) ? happened : [happened], rules, lent());
    assert.deepEqual(state, before, "decide changed the state that it was given");
    log.push(decision);
    state = apply(state, structuredClone(decision.changes));
  }
  return { log, state, now };
}

/** A state with one session, active unless said otherwise. */
export function begin(...sessions: Partial<SessionFile>[]): State {
  const state = emptyState();
  for (const file of sessions.length > 0 ? sessions : [{}]) {
    const after: SessionFile = { ...newSession(file.session_id ?? S, T0), status: "active", ...file };
    apply(state, [{ of: "session", session: after.session_id, from: "new", to: after.status, by: "person", after }]);
  }
  return state;
}

export const wait = (ms: number, next: Step): Step => ({ wait: ms, next });

type Given = Partial<Omit<Task, "execution">> & {
  session?: SessionId;
  dependencies?: TaskId[];
  execution?: Partial<Execution>;
};

/** A shell command's task that writes where no other one does. */
export function task(id: TaskId, given: Given = {}): Task {
  const { dependencies = [], execution, ...rest } = given;
  delete rest.session;
  return {
    id,
    title: `Do ${id}`,
    status: "pending",
    type: "feature",
    agent: "command",
    paths: id,
    context: { requirements: [], scope: [], acceptance: [], inherited_from: S },
    relations: { parent: parentOf(id), subtasks: [], dependencies },
    implementation: { files: [], context_notes: {}, analysis_source: "manual" },
    ...rest,
    execution: { command: "true", attempts: 0, last_attempt: null, ...execution },
  };
}

export function dropped(id: TaskId, given: Given = {}): Event {
  return { type: "tasks-found", session: given.session ?? S, tasks: [task(id, given)], by: "person" };
}

export function droppedTogether(...tasks: Task[]): Event {
  return { type: "tasks-found", session: S, tasks, by: "person" };
}

type End = { session?: SessionId; durationMs?: number; runId?: string } & Partial<AttemptFacts> &
  ({ failed?: FailureClass | Failure } | { stopped?: StopReason });

/** The task's agent has ended: well, unless it `failed` or was `stopped`. */
export function ended(id: TaskId, given: End = {}): Step {
  const { session = S, durationMs = 1000, runId, ...rest } = given;
  return (state) => {
    const run = state.runs.get(taskKey(session, id));
    const { failed, stopped, ...facts } = rest as {
      failed?: FailureClass | Failure;
      stopped?: StopReason;
    } & Partial<AttemptFacts>;
    const known = { ...NO_FACTS, ...facts };
    const error = typeof failed === "string" ? { class: failed, message: `It was ${failed}.` } : failed;
    const end: RunEnd = stopped
      ? { kind: "stopped", why: stopped, facts: known, durationMs }
      : {
          kind: "finished",
          durationMs,
          end: error
            ? { ...known, outcome: "failure", result: "", error }
            : { ...known, outcome: "success", result: "Done." },
        };
    return { type: "ended", session, id, attempt: run?.attempt ?? 0, runId: runId ?? run?.runId ?? "no-run", end };
  };
}

/** A person saved the task's file with these changes; `undefined` removes a key. */
export function edited(id: TaskId, changes: Given, by: Actor = "person"): Step {
  const { session = S, dependencies, execution, ...rest } = changes;
  return (state) => {
    const before = taskOf(state, id, session);
    const merged: Record<string, unknown> = { ...before.execution, ...execution };
    for (const key of Object.keys(merged)) if (merged[key] === undefined) delete merged[key];
    const relations = dependencies ? { ...before.relations, dependencies } : before.relations;
    const after = { ...before, relations, ...rest, execution: merged as Execution };
    const fields = [
      ...Object.keys(rest),
      ...Object.keys(execution ?? {}).map((key) => `execution.${key}`),
      ...(dependencies ? ["relations.dependencies"] : []),
    ];
    return { type: "task-edited", session, task: after, fields, by };
  };
}

export const deleted = (id: TaskId, session: SessionId = S): Event => ({
  type: "task-deleted",
  session,
  id,
  by: "person",
});
export const markers = (...present: SessionId[]): Event => ({ type: "markers", present });
export const answered = (id: TaskId, attempt: number, outcome: "success" | "failure" = "success"): Event => ({
  type: "answered",
  session: S,
  id,
  attempt,
  outcome,
  message: "A person said so.",
});
export const found = (id: SessionId, file: Partial<SessionFile> = {}, by: Actor = "person"): Event => ({
  type: "session-found",
  file: { ...newSession(id, T0), ...file },
  by,
});
/** A person saved the session's file with these changes. */
export function sessionSaved(id: SessionId, changes: Partial<SessionFile>): Step {
  return (state) => {
    const file = state.sessions.get(id)?.file;
    assert.ok(file, `there is no ${id}`);
    return { type: "session-edited", file: { ...file, ...changes }, fields: Object.keys(changes), by: "person" };
  };
}
export const tick: Event = { type: "tick" };

/** Where a decision moves tasks: `[["impl-1", "completed"], …]`. */
export function moves(decision: Decision | undefined): [TaskId, string][] {
  return (decision?.changes ?? []).flatMap((change) =>
    change.of === "task" ? [[change.id, change.to] as [TaskId, string]] : [],
  );
}

/** A task's whole way: `["pending", "active", "completed"]`. */
export function wayOf(played: Played, id: TaskId): string[] {
  return played.log.flatMap(moves).flatMap(([of, to]) => (of === id ? [to] : []));
}

export function taskOf(state: State, id: TaskId, session: SessionId = S): Task {
  const found = state.sessions.get(session)?.tasks.get(id);
  assert.ok(found, `there is no ${id} in ${session}`);
  return found;
}

export function fileOf(state: State, session: SessionId = S): SessionFile {
  const found = state.sessions.get(session)?.file;
  assert.ok(found, `there is no ${session}`);
  return found;
}

/** `pending`, or with its reason `blocked failed`. */
export function standing({ state }: Played, id: TaskId, session: SessionId = S): string {
  const { status, execution } = taskOf(state, id, session);
  return execution.reason ? `${status} ${execution.reason}` : status;
}

export function effects<Do extends Effect["do"]>(
  decision: Decision | undefined,
  kind: Do,
): Extract<Effect, { do: Do }>[] {
  return (decision?.effects ?? []).filter((effect): effect is Extract<Effect, { do: Do }> => effect.do === kind);
}

/** The tasks whose agents a decision starts, in order. */
export const started = (decision: Decision | undefined): TaskId[] =>
  effects(decision, "start-agent").map(({ run }) => run.id);
export const wakes = (decision: Decision | undefined): Instant | undefined => effects(decision, "wake")[0]?.at;
