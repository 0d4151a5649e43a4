import { test } from "node:test";
import assert from "node:assert/strict";
import type { Event } from "../../src/machine/event.ts";
import type { Decision } from "../../src/machine/machine.ts";
import { policyOf, type Policy } from "../../src/machine/policy.ts";
import type { State } from "../../src/machine/state.ts";
import { taskKey, type TaskId } from "../../src/model/ids.ts";
import type { Spent } from "../../src/model/spent.ts";
import { defaults } from "../../src/store/config-file.ts";
import {
  dropped,
  droppedTogether,
  edited,
  effects,
  ended,
  moves,
  play,
  POLICY,
  ROLES,
  S,
  sessionSaved,
  started,
  task,
  taskOf,
  tick,
  wait,
  wakes,
} from "./play.ts";

const NONE = { usd: null, tokens: null };
const UNLIMITED: Policy["budget"] = { attempt: NONE, task: NONE, session: NONE, day: NONE };
const allowing = (budget: Partial<Policy["budget"]>) => ({ policy: { budget: { ...UNLIMITED, ...budget } } });
const model = (id: TaskId, execution = {}) => task(id, { agent: "code-developer", execution });
const tokens = (input: number) => ({ input, output: 0, cache_read: 0, cache_write: 0 });

/** The task's agent has used so much so far. */
const progress =
  (id: TaskId, seen: Partial<Spent>, more: { answered?: boolean; warned?: string } = {}) =>
  (state: State): Event => ({
    type: "progress",
    session: S,
    id,
    runId: state.runs.get(taskKey(S, id))?.runId ?? "no-run",
    seen: { usd: 0, tokens: 0, ...seen },
    answered: true,
    ...more,
  });
const stops = (decision: Decision | undefined) => effects(decision, "stop-agent").map(({ id, why }) => `${id} ${why}`);

test("an agent is stopped in the decision in which its budget is used up, whosever budget it is", () => {
  const steps = [droppedTogether(model("impl-1")), progress("impl-1", { usd: 2, tokens: 900 })];
  for (const whose of ["attempt", "task", "session", "day"] as const) {
    for (const allowance of [
      { usd: 2, tokens: null },
      { usd: null, tokens: 900 },
    ])
      assert.deepEqual(stops(play(steps, allowing({ [whose]: allowance })).log[1]), ["impl-1 budget"], whose);
    assert.deepEqual(stops(play(steps, allowing({ [whose]: { usd: 2.01, tokens: 901 } })).log[1]), [], whose);
  }
});

test("all agents of a session are stopped when together they have used its budget", () => {
  const played = play(
    [
      droppedTogether(model("impl-1"), model("impl-2")),
      progress("impl-1", { usd: 1 }),
      progress("impl-2", { usd: 1.2 }),
    ],
    allowing({ session: { usd: 2, tokens: null } }),
  );
  assert.deepEqual(stops(played.log[1]), []);
  assert.deepEqual(stops(played.log[2]), ["impl-1 budget", "impl-2 budget"]);
});

test("what was stopped for its budget, and what waits for an agent, is blocked, and says for which budget", () => {
  const { state, log } = play(
    [
      droppedTogether(model("impl-1"), model("impl-2")),
      progress("impl-1", { usd: 3 }),
      ended("impl-1", { stopped: "budget", cost_usd: 3 }),
    ],
    { policy: { concurrency: 1, budget: { ...UNLIMITED, session: { usd: 2, tokens: null } } } },
  );
  assert.deepEqual(moves(log[2]), [
    ["impl-1", "blocked"],
    ["impl-2", "blocked"],
  ]);
  for (const id of ["impl-1", "impl-2"]) {
    const { execution } = taskOf(state, id);
    assert.equal(execution.reason, "budget");
    assert.deepEqual(execution.over_budget, { of: "session", unit: "usd", limit: 2 });
  }
  assert.equal(taskOf(state, "impl-1").execution.last_attempt?.error?.class, "budget");
});

test("what was seen of an agent was spent, also if it tells less when it is stopped", () => {
  const { state } = play(
    [
      dropped("impl-1", { agent: "code-developer", execution: { budget_tokens: 900 } }),
      progress("impl-1", { tokens: 900 }),
      ended("impl-1", { stopped: "budget", tokens: tokens(850) }),
    ],
    allowing({}),
  );
  assert.equal(taskOf(state, "impl-1").execution.reason, "budget");
  assert.equal(taskOf(state, "impl-1").execution.spent?.tokens, 900);
});

test("raising the session's budget in its file releases its tasks, and only then", () => {
  const over = play(
    [
      droppedTogether(model("impl-1")),
      progress("impl-1", { usd: 3 }),
      ended("impl-1", { stopped: "budget", cost_usd: 3 }),
    ],
    allowing({ session: { usd: 2, tokens: null } }),
  );
  const again = (budget_usd: number) =>
    play([sessionSaved(S, { budget_usd })], {
      ...allowing({ session: { usd: 2, tokens: null } }),
      start: structuredClone(over.state),
      at: over.now,
    });
  assert.deepEqual(started(again(2.5).log[0]), []);
  const released = again(5);
  assert.deepEqual(started(released.log[0]), ["impl-1"]);
  assert.equal(taskOf(released.state, "impl-1").execution.over_budget, undefined);
});

test("a task's budget counts all its attempts, those that failed or were killed too, and raising it in the file releases it", () => {
  const { state, log, now } = play(
    [
      dropped("impl-1", { agent: "code-developer", execution: { budget_usd: 1 } }),
      ended("impl-1", { failed: "crash", cost_usd: 0.7, tokens: tokens(70) }),
      wait(10_000, tick),
      progress("impl-1", { usd: 0.4 }),
      ended("impl-1", { stopped: "budget", cost_usd: 0.4, tokens: tokens(40) }),
    ],
    allowing({}),
  );
  assert.deepEqual(stops(log[3]), ["impl-1 budget"]);
  assert.deepEqual(taskOf(state, "impl-1").execution.spent, { usd: 1.1, tokens: 110 });
  assert.equal(taskOf(state, "impl-1").execution.reason, "budget");
  const raise = (budget_usd: number) =>
    play([edited("impl-1", { execution: { budget_usd } })], {
      ...allowing({}),
      start: structuredClone(state),
      at: now,
    });
  assert.deepEqual(started(raise(1.05).log[0]), []);
  assert.deepEqual(started(raise(2).log[0]), ["impl-1"]);
});

test("a task that used all its turns goes on when it may take more of them", () => {
  const { state, now } = play([
    dropped("impl-1", { agent: "code-developer", execution: { max_turns: 5 } }),
    ended("impl-1", { failed: "budget", turns: 5 }),
    tick,
  ]);
  assert.deepEqual(taskOf(state, "impl-1").execution.over_budget, { of: "attempt", unit: "turns", limit: 5 });
  const raised = play([edited("impl-1", { execution: { max_turns: 9 } })], { start: state, at: now });
  assert.deepEqual(started(raised.log[0]), ["impl-1"]);
});

test("a retry by hand while the budget is still used up is blocked again at once", () => {
  const policy = allowing({ task: { usd: 1, tokens: null } });
  const { state, now } = play(
    [dropped("impl-1", { agent: "code-developer" }), ended("impl-1", { stopped: "budget", cost_usd: 1 })],
    policy,
  );
  const retried = play([edited("impl-1", { status: "pending" })], { ...policy, start: state, at: now });
  assert.deepEqual(moves(retried.log[0]), [
    ["impl-1", "pending"],
    ["impl-1", "blocked"],
  ]);
});

test("the budget of a day is there again on the next one", () => {
  const policy = allowing({ day: { usd: 1, tokens: null } });
  const { state, log, now } = play(
    [droppedTogether(model("impl-1")), ended("impl-1", { stopped: "budget", cost_usd: 1 })],
    policy,
  );
  assert.equal(taskOf(state, "impl-1").execution.over_budget?.of, "day");
  assert.equal(wakes(log[1]), "2026-11-22T00:00:00.000Z");
  const tomorrow = play([wait(0, tick)], { ...policy, start: state, at: "2026-11-22T00:00:00.000Z" });
  assert.deepEqual(started(tomorrow.log[0]), ["impl-1"]);
  assert.ok(now < "2026-11-22");
});

test("what a command costs is nothing, so no budget holds it up before it is used up", () => {
  const { log } = play([dropped("impl-1"), ended("impl-1")], allowing({ day: { usd: 1, tokens: null } }));
  assert.deepEqual(moves(log[1]), [["impl-1", "completed"]]);
});

test("until one agent of the account has got an answer it is alone, for a while", () => {
  const policy = { ...POLICY, probe: 30_000 };
  const two = droppedTogether(model("impl-1", {}), { ...model("impl-2"), paths: "b" });
  const { log, state, now } = play(
    [two, progress("impl-1", {}, { answered: false }), progress("impl-1", { tokens: 5 })],
    {
      policy,
    },
  );
  assert.deepEqual(started(log[0]), ["impl-1"]);
  assert.deepEqual(started(log[1]), []);
  assert.deepEqual(started(log[2]), ["impl-2"], "it got an answer");
  const patient = play([two, wait(30_000, tick)], { policy });
  assert.deepEqual(started(patient.log[1]), ["impl-2"], "it hangs, and others need not wait for ever");
  const limited = play(
    [
      ended("impl-1", { failed: { class: "usage-limit", message: "", retry_at: "2026-11-21T10:00:00.000Z" } }),
      ended("impl-2", { failed: { class: "usage-limit", message: "", retry_at: "2026-11-21T10:00:00.000Z" } }),
      wait(7_200_000, tick),
    ],
    { policy, start: state, at: now },
  );
  assert.deepEqual(started(limited.log[2]), ["impl-1"], "after a limit it is found out anew");
});

test("starts of Claude Code are spread, starts of commands are not", () => {
  const policy = { ...POLICY, stagger: 500 };
  const tasks = [model("impl-1"), { ...model("impl-2"), paths: "b" }, task("impl-3")];
  const { log } = play([droppedTogether(...tasks), wait(500, tick)], { policy });
  assert.deepEqual(started(log[0]), ["impl-1", "impl-3"]);
  assert.equal(wakes(log[0]), "2026-11-21T09:30:00.500Z");
  assert.deepEqual(started(log[1]), ["impl-2"]);
});

test("near its usage limit an account has one agent at a time", () => {
  const three = droppedTogether(...["impl-1", "impl-2", "impl-3"].map((id) => ({ ...model(id), paths: id })));
  const { log } = play(
    [
      three,
      progress("impl-1", {}, { warned: "2026-11-21T12:00:00.000Z" }),
      ended("impl-2"),
      ended("impl-1"),
      wait(10_800_000, dropped("impl-4", { agent: "code-developer", paths: "d" })),
    ],
    { policy: { concurrency: 2 } },
  );
  assert.deepEqual(started(log[0]), ["impl-1", "impl-2"]);
  assert.deepEqual(started(log[2]), [], "impl-1 still runs");
  assert.deepEqual(started(log[3]), ["impl-3"]);
  assert.deepEqual(started(log[4]), ["impl-4"], "the window is over");
});

test("what the settings say is what is kept to", () => {
  const config = defaults();
  config.budget.day_usd = 3;
  config.budget.task_tokens = 1000;
  const { budget } = policyOf(config, ROLES);
  assert.deepEqual(budget.day, { usd: 3, tokens: null });
  assert.deepEqual(budget.task, { usd: null, tokens: 1000 });
});
