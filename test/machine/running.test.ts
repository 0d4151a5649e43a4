import { test } from "node:test";
import assert from "node:assert/strict";
import { apply } from "../../src/machine/machine.ts";
import type { Transition } from "../../src/model/transition.ts";
import { isTransition } from "../../src/model/transition.ts";
import {
  deleted,
  dropped,
  droppedTogether,
  edited,
  effects,
  ended,
  moves,
  play,
  ROLES,
  S,
  standing,
  started,
  task,
  taskOf,
  tick,
  wayOf,
} from "./play.ts";

/** Which of two tasks start together. */
const together = (one: Parameters<typeof task>[1], other: Parameters<typeof task>[1]) =>
  started(play([droppedTogether(task("impl-1", one), task("impl-2", other))]).log[0]);
const both = ["impl-1", "impl-2"];
const model = { agent: "code-developer" };

test("agents that declare the same file, or one inside the other, run one after another", () => {
  for (const [one, other] of [
    ["src/a.ts", "src/a.ts"],
    ["src", "src/a.ts"],
    ["src/a/", "src"],
    ["x;src/a.ts", " src/a.ts ;y"],
    ["./src//a.ts", "src"],
    [".", "src"],
  ] as const) {
    assert.deepEqual(together({ ...model, paths: one }, { ...model, paths: other }), ["impl-1"], `${one} and ${other}`);
  }
});

test("agents that declare different files run side by side, even when one name begins like the other", () => {
  for (const [one, other] of [
    ["src/a.ts", "src/b.ts"],
    ["src/a", "src/ab"],
    ["a;b", "c;d"],
  ] as const) {
    assert.deepEqual(together({ ...model, paths: one }, { ...model, paths: other }), both, `${one} and ${other}`);
  }
});

test("an agent that may write and declares nothing could write anything", () => {
  assert.deepEqual(together({ ...model, paths: "" }, { ...model, paths: "" }), ["impl-1"]);
  assert.deepEqual(together({ ...model, paths: "" }, { ...model, paths: "src" }), ["impl-1"]);
});

test("commands without paths overlap nothing, with paths they overlap like any other", () => {
  assert.deepEqual(together({ paths: "" }, { paths: "" }), both);
  assert.deepEqual(together({ paths: "" }, { ...model, paths: "" }), both);
  assert.deepEqual(together({ paths: "src" }, { ...model, paths: "src/a" }), ["impl-1"]);
});

test("agents that may only read run beside anything, whatever they declare", () => {
  const reader = { agent: "review-agent", paths: "src" };
  assert.deepEqual(together(reader, reader), both);
  assert.deepEqual(together(reader, { ...model, paths: "" }), both);
  assert.deepEqual(together({ ...model, paths: "src" }, reader), both);
});

test("a task's own tools say what its agent may write, whatever its role has", () => {
  const reader = { agent: "review-agent", paths: "src" };
  const writer = { ...reader, execution: { tools: ["Bash"] } };
  assert.deepEqual(together(reader, writer), both);
  assert.notDeepEqual(together(writer, writer), both);
  assert.deepEqual(together({ ...model, paths: "src", execution: { tools: ["Read"] } }, writer), both);
});

test("a role that only plans, or has no tool to write with, may not write", () => {
  const roles = new Map(ROLES);
  const base = ROLES.get("code-developer") ?? assert.fail();
  roles.set("planner", { ...base, name: "planner", permission_mode: "plan" });
  roles.set("shell", { ...base, name: "shell", tools: ["Read", "Bash(npm test *)"] });
  const start = (agent: string) =>
    started(
      play([droppedTogether(task("impl-1", { agent, paths: "" }), task("impl-2", { agent, paths: "" }))], {
        policy: { roles },
      }).log[0],
    );
  assert.deepEqual(start("planner"), both);
  assert.deepEqual(start("shell"), ["impl-1"]);
});

test("what must wait for its files starts when they are free", () => {
  const { log } = play([
    droppedTogether(task("impl-1", { paths: "a" }), task("impl-2", { paths: "a" }), task("impl-3", { paths: "b" })),
    ended("impl-1"),
  ]);
  assert.deepEqual(log.map(started), [["impl-1", "impl-3"], ["impl-2"]]);
});

test("an agent that is being stopped still keeps its files and its slot", () => {
  const steps = [
    dropped("impl-1", { paths: "a" }),
    dropped("impl-2", { paths: "a" }),
    edited("impl-1", { status: "blocked" }),
    ended("impl-1", { stopped: "cancelled" }),
  ];
  assert.deepEqual(play(steps).log.map(started), [["impl-1"], [], [], ["impl-2"]]);
  assert.deepEqual(
    play([dropped("impl-1"), dropped("impl-2"), deleted("impl-1"), tick], { policy: { concurrency: 1 } }).log.map(
      started,
    ),
    [["impl-1"], [], [], []],
  );
});

test("draining starts nothing new and lets what runs end", () => {
  const played = play([
    dropped("impl-1"),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    { type: "drain" },
    ended("impl-1"),
    dropped("impl-3"),
    tick,
  ]);
  assert.deepEqual(played.log.slice(1).flatMap(started), []);
  assert.deepEqual(effects(played.log[2], "stop-agent"), []);
  assert.equal(standing(played, "impl-1"), "completed");
  assert.deepEqual(played.log.at(-1)?.effects, []);
});

test("stop-all stops every agent; an attempt that the daemon stopped does not count, and its task waits for the next start", () => {
  const stop = { type: "stop-all", why: "shutdown" } as const;
  const end = (id: string) => ended(id, { stopped: "shutdown", agent_session: `session of ${id}` });
  const played = play([dropped("impl-1"), dropped("impl-2"), stop, end("impl-1"), end("impl-2")]);
  assert.deepEqual(
    effects(played.log[2], "stop-agent").map(({ id, runId, why }) => [id, runId, why]),
    [
      ["impl-1", "run-1", "shutdown"],
      ["impl-2", "run-2", "shutdown"],
    ],
  );
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "pending"]);
  const { attempts, failures, last_attempt } = taskOf(played.state, "impl-1").execution;
  assert.deepEqual(
    { attempts, failures, outcome: last_attempt?.outcome, session: last_attempt?.agent_session },
    {
      attempts: 0,
      failures: undefined,
      outcome: "stopped",
      session: "session of impl-1",
    },
  );
});

test("an agent that finished before it could be stopped is completed all the same", () => {
  const played = play([dropped("impl-1"), { type: "stop-all", why: "shutdown" }, ended("impl-1")]);
  assert.equal(standing(played, "impl-1"), "completed");
});

test("stopping twice tells each agent once", () => {
  const stop = { type: "stop-all", why: "shutdown" } as const;
  assert.deepEqual(play([dropped("impl-1"), stop, stop]).log[2]?.effects, []);
});

test("late news of an older attempt is nothing", () => {
  const steps = [
    dropped("impl-1"),
    ended("impl-1", { failed: "verify" }),
    ended("impl-1", { runId: "run-1" }),
    ended("impl-1"),
    ended("impl-1", { runId: "run-2" }),
  ];
  const played = play(steps);
  assert.deepEqual(played.log[2], { changes: [], effects: [] });
  assert.deepEqual(played.log[4], { changes: [], effects: [] });
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "pending", "active", "completed"]);
});

test("a quiet tick is nothing", () => {
  assert.deepEqual(play([dropped("impl-1"), tick]).log[1], { changes: [], effects: [] });
});

test("a start is on record before its effect: the transition and the run come in the same decision", () => {
  const [decision] = play([dropped("impl-1", { agent: "code-developer", execution: { model: "m" } })]).log;
  assert.deepEqual(moves(decision), [
    ["impl-1", "pending"],
    ["impl-1", "active"],
  ]);
  const run = {
    session: S,
    id: "impl-1",
    attempt: 1,
    runId: "run-1",
    role: "code-developer",
    model: "m",
    startedAt: "2026-11-21T09:30:00.000Z",
    isolation: "none",
    writes: ["impl-1"],
  };
  assert.deepEqual(
    decision?.changes.filter(({ of }) => of === "run-started"),
    [{ of: "run-started", run }],
  );
  assert.deepEqual(decision?.effects, [{ do: "start-agent", run }]);
});

test("a transition that ends an attempt carries its number and what it cost", () => {
  const { log } = play([dropped("impl-1"), ended("impl-1", { cost_usd: 0.5, model: "m", agent_session: "s" })]);
  const done = log[1]?.changes.filter(isTransition)[0] as Extract<Transition, { of: "task" }>;
  assert.deepEqual(
    [done.attempt, done.facts, done.by],
    [1, { agent_session: "s", model: "m", cost_usd: 0.5 }, "daemon"],
  );
});

test("changing the state does not change effects that were given out before", () => {
  const played = play([dropped("impl-1")]);
  const [run] = [...played.state.runs.values()];
  const copy = structuredClone(run);
  apply(played.state, [{ of: "run-stopping", session: S, id: "impl-1", why: "cancelled" }]);
  assert.deepEqual(run, copy);
});
