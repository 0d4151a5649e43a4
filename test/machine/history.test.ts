/** What must hold whatever happens, tried on random histories; and that it stays quick with ten thousand tasks. */
import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { Draft } from "../../src/machine/draft.ts";
import type { Event } from "../../src/machine/event.ts";
import { apply, decide, type Decision } from "../../src/machine/machine.ts";
import type { Lent } from "../../src/machine/policy.ts";
import { emptyState, isReady, releases, setTask, startsBefore, type State } from "../../src/machine/state.ts";
import { FAILURE_CLASSES } from "../../src/model/failure.ts";
import { taskKey } from "../../src/model/ids.ts";
import { STATUSES } from "../../src/model/task-schema.ts";
import type { Status, Task } from "../../src/model/task.ts";
import { after, instant, toMs } from "../../src/model/time.ts";
import {
  answered,
  begin,
  deleted,
  dropped,
  edited,
  ended,
  found,
  markers,
  POLICY,
  S,
  sessionSaved,
  T0,
  task,
  tick,
} from "./play.ts";

const SESSIONS = [S, "WFS-other"];
const IDS = ["impl-1", "impl-2", "impl-3", "impl-4", "impl-10", "impl-1.1", "impl-1.2", "impl-3.1"];
const AGENTS = ["command", "command", "code-developer", "scripted", "human"];

const id = fc.constantFrom(...IDS);
const session = fc.constantFrom(S, S, S, "WFS-other");
const execution = fc.record(
  {
    priority: fc.constantFrom(-1, 0, 1),
    approve: fc.constantFrom("before" as const, "after" as const),
    approved: fc.boolean(),
    continue_on_error: fc.boolean(),
    max_attempts: fc.constantFrom(1, 2),
  },
  { requiredKeys: [] },
);
const paths = fc.constantFrom("", "", "a", "a/b", "c");
const given = fc.record({
  agent: fc.constantFrom(...AGENTS),
  paths,
  dependencies: fc.uniqueArray(id, { maxLength: 2 }),
  execution,
  status: fc.constantFrom<Status>("pending", "pending", "pending", "completed", "blocked"),
});

type Step = Event | ((state: State) => Event | undefined);
type Standing = { session: string; id: string };
/** One of the tasks that there are, and what happens to it; nothing where there is none. */
const toOne = <T>(arbitrary: fc.Arbitrary<T>, event: (one: Standing, more: T) => unknown): fc.Arbitrary<Step> =>
  fc.tuple(fc.nat(), arbitrary).map(([n, more]): Step => (state) => {
    const all = [...state.sessions].flatMap(([at, { tasks }]) =>
      [...tasks.keys()].map((of) => ({ session: at, id: of })),
    );
    const one = all[n % Math.max(1, all.length)];
    return one && call(event(one, more), state);
  });
/** The same for one of the agents that run; `orphans`: also when its task is gone. */
const toRun = <T>(
  arbitrary: fc.Arbitrary<T>,
  orphans: boolean,
  event: (one: Standing, more: T) => unknown,
): fc.Arbitrary<Step> =>
  fc.tuple(fc.nat(), arbitrary).map(([n, more]): Step => (state) => {
    const runs = [...state.runs.values()].filter(
      (run) => orphans || state.sessions.get(run.session)?.tasks.has(run.id),
    );
    const one = runs[n % Math.max(1, runs.length)];
    return one && call(event(one, more), state);
  });
const how = fc.oneof(
  { weight: 3, arbitrary: fc.constant({}) },
  { weight: 3, arbitrary: fc.record({ failed: fc.constantFrom(...FAILURE_CLASSES) }) },
  {
    weight: 1,
    arbitrary: fc.record({ stopped: fc.constantFrom("timeout" as const, "shutdown" as const, "cancelled" as const) }),
  },
);
const change = fc.record(
  { status: fc.constantFrom(...STATUSES), execution, dependencies: fc.uniqueArray(id, { maxLength: 2 }), paths },
  { requiredKeys: [] },
);
const some = fc.constantFrom(...SESSIONS);
const status = fc.constantFrom("active" as const, "paused" as const, "completed" as const);
const outcome = fc.constantFrom("success" as const, "failure" as const);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.tuple(id, given, session).map(([of, more, at]): Step => dropped(of, { ...more, session: at })),
  },
  {
    weight: 6,
    arbitrary: toRun(how, true, (one, end) => ended(one.id, { session: one.session, cost_usd: 0.01, ...end })),
  },
  { weight: 5, arbitrary: toOne(change, (one, more) => edited(one.id, { session: one.session, ...more })) },
  { weight: 2, arbitrary: toRun(change, false, (one, more) => edited(one.id, { session: one.session, ...more })) },
  { weight: 2, arbitrary: toOne(fc.constant(0), (one) => deleted(one.id, one.session)) },
  {
    weight: 1,
    arbitrary: fc.tuple(id, fc.constantFrom(1, 2), outcome).map(([of, n, end]): Step => answered(of, n, end)),
  },
  { weight: 2, arbitrary: fc.shuffledSubarray([...SESSIONS, "WFS-ghost"]).map((present): Step => markers(...present)) },
  { weight: 1, arbitrary: some.map((of): Step => ({ type: "session-gone", session: of, by: "person" })) },
  { weight: 2, arbitrary: some.map((of): Step => found(of, { status: "active" })) },
  {
    weight: 1,
    arbitrary: fc.tuple(some, status).map(
      ([of, to]): Step =>
        (state) =>
          state.sessions.has(of) ? call(sessionSaved(of, { status: to }), state) : undefined,
    ),
  },
  {
    weight: 1,
    arbitrary: toOne(fc.boolean(), (one, trusted) => ({
      type: "trust-changed",
      session: one.session,
      id: one.id,
      trusted,
    })),
  },
  { weight: 2, arbitrary: fc.constant(tick) },
);
/** Several things at a time, and how long after the last ones. */
const history = fc.array(fc.tuple(fc.array(step, { minLength: 1, maxLength: 3 }), fc.constantFrom(0, 1000, 70_000)), {
  minLength: 5,
  maxLength: 40,
});
const rules = fc.record({ concurrency: fc.integer({ min: 1, max: 4 }), maxActiveSessions: fc.constantFrom(1, 2) });

function call(made: unknown, state: State): Event {
  return (typeof made === "function" ? made(state) : made) as Event;
}

type Look = (moment: {
  before: State;
  events: Event[];
  decision: Decision;
  state: State;
  lent: () => Lent;
  policy: typeof POLICY;
}) => void;

/** Plays random histories and looks at every decision. */
function always(look: () => Look, runs = 500): void {
  fc.assert(
    fc.property(history, rules, (steps, rule) => {
      const policy = { ...POLICY, ...rule };
      const looking = look();
      let state = begin({}, { session_id: "WFS-other", status: "paused" });
      let now = T0;
      let count = 0;
      for (const [batch, wait] of steps) {
        now = after(now, wait);
        const events = batch.flatMap((each) => (typeof each === "function" ? (each(state) ?? []) : [each]));
        const from = count;
        const lent = (): Lent => {
          count = from;
          return { now, chance: () => 0.5, runId: () => `run-${++count}` };
        };
        const before = structuredClone(state);
        const decision = decide(state, events, policy, lent());
        state = apply(state, structuredClone(decision.changes));
        looking({ before, events, decision, state, lent, policy });
      }
    }),
    { numRuns: runs, seed: 20261121 },
  );
}

test("a decision depends on nothing but what it is given, and leaves that as it is", () => {
  always(() => ({ before, events, decision, state, lent, policy }) => {
    const given = structuredClone(before);
    const again = decide(given, events, policy, lent());
    assert.deepEqual(again, decision);
    assert.deepEqual(given, before, "decide changed the state");
    assert.deepEqual(apply(given, structuredClone(again.changes)), state);
  });
});

test("no task ever has two agents, and there are never more than concurrency", () => {
  always(() => {
    const alive = new Map<string, string>();
    return ({ events, decision, state, policy }) => {
      for (const event of events)
        if (event.type === "ended" && alive.get(taskKey(event.session, event.id)) === event.runId)
          alive.delete(taskKey(event.session, event.id));
      for (const effect of decision.effects) {
        if (effect.do !== "start-agent") continue;
        const key = taskKey(effect.run.session, effect.run.id);
        assert.ok(!alive.has(key), `${key} has ${alive.get(key)} already`);
        alive.set(key, effect.run.runId);
        assert.equal(effect.run.startedAt <= instant(toMs(effect.run.startedAt)), true);
      }
      assert.ok(alive.size <= policy.concurrency);
      assert.deepEqual(new Set(alive.keys()), new Set(state.runs.keys()));
    };
  });
});

test("every task's transitions chain without a gap: from new to pending, each from where the last one led", () => {
  always(() => {
    const standing = new Map<string, string>();
    return ({ decision, state }) => {
      for (const change of decision.changes) {
        if (change.of !== "task") continue;
        const key = taskKey(change.session, change.id);
        const was = standing.get(key) ?? "deleted";
        assert.equal(change.from, was === "deleted" ? "new" : was, key);
        if (change.from === "new") assert.equal(change.to, "pending", key);
        assert.notEqual(change.from, change.to, key);
        assert.equal(change.after?.status ?? "deleted", change.to);
        standing.set(key, change.to);
      }
      for (const [name, { tasks }] of state.sessions) {
        for (const [of, { status }] of tasks) assert.equal(standing.get(taskKey(name, of)), status);
      }
    };
  });
});

test("the same holds for sessions", () => {
  always(() => {
    const standing = new Map<string, string>([
      [S, "active"],
      ["WFS-other", "paused"],
    ]);
    return ({ decision, state }) => {
      for (const change of decision.changes) {
        if (change.of !== "session") continue;
        const was = standing.get(change.session) ?? "deleted";
        assert.equal(change.from, was === "deleted" ? "new" : was);
        standing.set(change.session, change.to);
      }
      for (const [name, { file }] of state.sessions) assert.equal(standing.get(name), file.status);
    };
  });
});

test("nothing starts before all that it depends on has released it, in a session that is not active, or while it has subtasks", () => {
  always(() => ({ decision, before }) => {
    const state = structuredClone(before);
    for (const change of decision.changes) {
      if (change.of === "task" && change.to === "active") {
        const at = state.sessions.get(change.session) ?? assert.fail();
        assert.equal(at.file.status, "active");
        for (const other of change.after?.relations.dependencies ?? [])
          assert.ok(releases(at.tasks.get(other)), `${change.id} before ${other}`);
        assert.ok(![...at.tasks.keys()].some((of) => of.startsWith(`${change.id}.`)), `${change.id} has subtasks`);
      }
      apply(state, [structuredClone(change)]);
    }
  });
});

test("agents that run together never claim the same files", () => {
  always(() => ({ state }) => {
    const claims = [...state.runs.values()].flatMap(({ writes }) =>
      writes === "any" ? [""] : writes === "none" ? [] : [writes.join()],
    );
    assert.ok(!claims.includes("") || claims.length === 1);
    assert.equal(new Set(claims.map((claim) => claim.replace("a/b", "a"))).size, claims.length);
  });
});

test("an active task has its agent, a container has subtasks, and a blocked one has a reason", () => {
  always(() => ({ state }) => {
    for (const [name, { tasks }] of state.sessions) {
      for (const each of tasks.values()) {
        const children = [...tasks.keys()].filter((of) => of.startsWith(`${each.id}.`));
        if (each.status === "active")
          assert.equal(state.runs.get(taskKey(name, each.id))?.runId, each.execution.last_attempt?.run_id);
        if (each.status === "container") assert.notEqual(children.length, 0);
        if (each.status === "blocked") assert.ok(each.execution.reason);
        if (each.status === "completed" || each.status === "active")
          assert.equal(each.execution.reason ?? each.execution.next_attempt_at, undefined);
        if (each.status !== "active" || children.length === 0)
          assert.deepEqual(each.relations.subtasks, children.sort());
      }
    }
  });
});

test("at most as many sessions are active as may be, after the markers were looked at", () => {
  always(() => ({ state, events, policy }) => {
    if (events.at(-1)?.type !== "markers") return;
    assert.ok(
      [...state.sessions.values()].filter(({ file }) => file.status === "active").length <= policy.maxActiveSessions,
    );
  });
});

test("what is ready is what a plain search and sort finds, in the state and in a decision in the making", () => {
  always(() => ({ before, decision, state }) => {
    const draft = new Draft(before);
    draft.add(...structuredClone(decision.changes));
    for (const [name, { tasks, index }] of state.sessions) {
      const naive = [...tasks.values()].filter((each) => isReady(each, (other) => tasks.get(other))).sort(startsBefore);
      assert.deepEqual(
        index.ready,
        naive.map((each) => each.id),
      );
      assert.deepEqual(
        [...draft.ready(name)].map((each) => each.id),
        index.ready,
      );
      assert.deepEqual(
        [...index.waiting].sort(),
        [...tasks.values()]
          .filter((each) => each.status === "pending" && each.execution.next_attempt_at)
          .map((each) => each.id)
          .sort(),
      );
      assert.equal(draft.taskCount(name), tasks.size);
    }
  });
});

test("the index of ready tasks is true after any changes of tasks", () => {
  const any = fc.record({
    id,
    status: fc.constantFrom(...STATUSES),
    dependencies: fc.uniqueArray(id, { maxLength: 3 }),
    priority: fc.constantFrom(0, 1, 2),
    gone: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(any, { maxLength: 60 }), (changes) => {
      const at = begin().sessions.get(S) ?? assert.fail();
      for (const { id: of, status, dependencies, priority, gone } of changes) {
        setTask(
          at,
          of,
          gone
            ? null
            : task(of, {
                status,
                dependencies,
                execution: { priority, reason: "failed", continue_on_error: priority === 1 },
              }),
        );
        const naive = [...at.tasks.values()]
          .filter((each) => isReady(each, (other) => at.tasks.get(other)))
          .sort(startsBefore);
        assert.deepEqual(
          at.index.ready,
          naive.map((each) => each.id),
        );
      }
    }),
    { seed: 20261121, numRuns: 300 },
  );
});

function median(numbers: number[]): number {
  return numbers.sort((a, b) => a - b)[numbers.length >> 1] ?? 0;
}

/** Plays `ended` on a session of ten thousand; each end lets another task start. */
function timed(t: { diagnostic(message: string): void }, name: string, make: (n: number) => Task): number {
  let runs = 0;
  const lent: Lent = { now: T0, chance: () => 0, runId: () => `run-${++runs}` };
  const policy = { ...POLICY, concurrency: 8 };
  const tasks = Array.from({ length: 10_000 }, (_, n) => make(n + 1));
  let state = emptyState();
  const all: Event[] = [found(S, { status: "active" }), { type: "tasks-found", session: S, tasks, by: "person" }];
  const from = performance.now();
  state = apply(state, decide(state, all, policy, lent).changes);
  const took = performance.now() - from;
  const times: number[] = [];
  for (let n = 0; n < 200; n++) {
    const [run] = [...state.runs.values()];
    assert.ok(run);
    const event = call(ended(run.id), state);
    const start = performance.now();
    const decision = decide(state, [event], policy, lent);
    times.push(performance.now() - start);
    state = apply(state, decision.changes);
  }
  const middle = median(times);
  t.diagnostic(
    `${name}: 10,000 tasks taken in within ${took.toFixed(0)} ms; one end decided in ${middle.toFixed(2)} ms (median of ${times.length})`,
  );
  return middle;
}

test("with ten thousand tasks an end is decided in a few milliseconds", (t) => {
  const figures = [
    timed(t, "side by side", (n) => task(`impl-${n}`)),
    timed(t, "one after another", (n) => task(`impl-${n}`, { dependencies: n === 1 ? [] : [`impl-${n - 1}`] })),
    timed(t, "all wanting the same file", (n) => task(`impl-${n}`, { paths: "same" })),
    timed(t, "in containers of ten", (n) =>
      task(n % 10 === 1 ? `impl-${n}` : `impl-${n - ((n - 1) % 10)}.${(n - 1) % 10}`),
    ),
  ];
  for (const figure of figures) assert.ok(figure < 50, `${figure} ms`);
});
