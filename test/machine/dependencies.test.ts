import { test } from "node:test";
import assert from "node:assert/strict";
import {
  begin,
  deleted,
  dropped,
  droppedTogether,
  edited,
  ended,
  fileOf,
  moves,
  play,
  POLICY,
  standing,
  started,
  task,
  wayOf,
} from "./play.ts";

test("a dependent starts in the same decision that completes its dependency", () => {
  const { log } = play([dropped("impl-1"), dropped("impl-2", { dependencies: ["impl-1"] }), ended("impl-1")]);
  assert.deepEqual(moves(log.at(-1)), [
    ["impl-1", "completed"],
    ["impl-2", "active"],
  ]);
});

test("a task waits for all its dependencies", () => {
  const dependencies = ["impl-1", "impl-2"];
  const { log } = play([
    dropped("impl-1"),
    dropped("impl-2"),
    dropped("impl-3", { dependencies }),
    ended("impl-2"),
    ended("impl-1"),
  ]);
  assert.deepEqual(log.map(started), [["impl-1"], ["impl-2"], [], [], ["impl-3"]]);
});

test("tasks dropped together may depend on each other in any order", () => {
  const first = droppedTogether(task("impl-2", { dependencies: ["impl-3"] }), task("impl-3"));
  assert.deepEqual(play([first, ended("impl-3")]).log.map(started), [["impl-3"], ["impl-2"]]);
});

test("higher priority starts first, then lower number: impl-2 before impl-10", () => {
  const tasks = [
    task("impl-10"),
    task("impl-2"),
    task("impl-2.2"),
    task("impl-11", { execution: { priority: 1 } }),
    task("impl-1", { execution: { priority: -1 } }),
  ];
  const play1 = play([droppedTogether(...tasks)], { policy: { concurrency: 9 } });
  assert.deepEqual(started(play1.log[0]), ["impl-11", "impl-2.2", "impl-10", "impl-1"]);
});

test("of several active sessions the highest priority starts first, whichever it is in", () => {
  const start = begin({ session_id: "WFS-a" }, { session_id: "WFS-b" });
  const drops = [
    dropped("impl-1", { session: "WFS-a", paths: "a" }),
    dropped("impl-5", { session: "WFS-b", paths: "b", execution: { priority: 2 } }),
    dropped("impl-2", { session: "WFS-b", paths: "c" }),
  ].map((event) => (event.type === "tasks-found" ? event : assert.fail()));
  const { log } = play([drops, ended("impl-5", { session: "WFS-b" })], {
    start,
    policy: { concurrency: 1, maxActiveSessions: 2 },
  });
  assert.deepEqual(log.map(started), [["impl-5"], ["impl-1"]]);
});

test("no more agents than concurrency run, and the next one starts when one ends", () => {
  const all = ["impl-1", "impl-2", "impl-3"].map((id) => task(id));
  const { log } = play([droppedTogether(...all), ended("impl-2"), ended("impl-1")], { policy: { concurrency: 2 } });
  assert.deepEqual(log.map(started), [["impl-1", "impl-2"], ["impl-3"], []]);
});

test("a task that must wait does not keep a later one from its slot", () => {
  const all = [task("impl-1", { dependencies: ["impl-9"] }), task("impl-2"), task("impl-9")];
  assert.deepEqual(started(play([droppedTogether(...all)], { policy: { concurrency: 2 } }).log[0]), [
    "impl-2",
    "impl-9",
  ]);
});

for (const given of ["auth", "invalid", "budget", "conflict", "permission"] as const) {
  test(`a dependency that failed (${given}) never releases its dependents`, () => {
    const played = play([
      dropped("impl-1"),
      dropped("impl-2", { dependencies: ["impl-1"] }),
      ended("impl-1", { failed: given }),
    ]);
    assert.equal(standing(played, "impl-2"), "pending");
  });

  test(`a dependency with continue_on_error that failed (${given}) releases them`, () => {
    const first = dropped("impl-1", { execution: { continue_on_error: true } });
    const { log } = play([first, dropped("impl-2", { dependencies: ["impl-1"] }), ended("impl-1", { failed: given })]);
    assert.deepEqual(started(log.at(-1)), ["impl-2"]);
  });
}

test("a failure that will be tried again releases nobody, continue_on_error or not", () => {
  const first = dropped("impl-1", { execution: { continue_on_error: true } });
  const { log } = play([
    first,
    dropped("impl-2", { dependencies: ["impl-1"] }),
    ended("impl-1", { failed: "network" }),
  ]);
  assert.deepEqual(started(log.at(-1)), []);
});

test("a cancelled dependency releases its dependents only with continue_on_error", () => {
  for (const continue_on_error of [false, true]) {
    const first = dropped("impl-1", { execution: { continue_on_error } });
    const { log } = play([
      first,
      dropped("impl-2", { dependencies: ["impl-1"] }),
      edited("impl-1", { status: "blocked" }),
    ]);
    assert.deepEqual(started(log.at(-1)), continue_on_error ? ["impl-2"] : []);
  }
});

test("a rejected one, or one that waits for a person, releases nobody", () => {
  const execution = { continue_on_error: true, approve: "after" as const };
  const steps = [dropped("impl-1", { execution }), dropped("impl-2", { dependencies: ["impl-1"] }), ended("impl-1")];
  assert.deepEqual(started(play(steps).log.at(-1)), []);
  assert.deepEqual(started(play([...steps, edited("impl-1", { execution: { approved: false } })]).log.at(-1)), []);
});

test("a dependency that is deleted releases nobody, and dropping it again does when it is done", () => {
  const steps = [
    dropped("impl-1"),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    deleted("impl-1"),
    ended("impl-1", { stopped: "deleted" }),
  ];
  const played = play([...steps, dropped("impl-1"), ended("impl-1")]);
  assert.deepEqual(played.log.map(started), [["impl-1"], [], [], [], ["impl-1"], ["impl-2"]]);
});

test("an edit may add a dependency to a waiting task, and take one away", () => {
  const steps = [
    dropped("impl-1"),
    dropped("impl-2"),
    dropped("impl-3"),
    edited("impl-3", { dependencies: ["impl-1"] }),
    ended("impl-2"),
  ];
  const played = play(steps, { policy: { concurrency: 2 } });
  assert.deepEqual(started(played.log.at(-1)), []);
  const freed = play([edited("impl-3", { dependencies: [] })], {
    start: played.state,
    at: played.now,
    policy: { concurrency: 2 },
  });
  assert.deepEqual(started(freed.log[0]), ["impl-3"]);
});

test("a completed task that is queued again holds back those that wait for it now", () => {
  const steps = [
    dropped("impl-1"),
    ended("impl-1"),
    edited("impl-1", { status: "pending" }),
    dropped("impl-2", { dependencies: ["impl-1"] }),
  ];
  const { log } = play(steps);
  assert.deepEqual(log.slice(2).map(started), [["impl-1"], []]);
});

test("an id begins once: finding the same task again is nothing", () => {
  const played = play([dropped("impl-1"), dropped("impl-1", { title: "Another" })]);
  assert.deepEqual(played.log[1]?.changes, []);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active"]);
});

test("a drop that says completed or blocked is so at once, by way of pending", () => {
  const played = play([dropped("impl-1", { status: "completed" }), dropped("impl-2", { status: "blocked" })]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "completed"]);
  assert.deepEqual(wayOf(played, "impl-2"), ["pending", "blocked"]);
  assert.equal(standing(played, "impl-2"), "blocked cancelled");
});

test("a drop that says active or container is pending all the same", () => {
  const played = play([dropped("impl-1", { status: "active" }), dropped("impl-2", { status: "container" })]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active"]);
  assert.deepEqual(wayOf(played, "impl-2"), ["pending", "active"]);
});

test("a task whose role is gone is blocked as invalid", () => {
  const played = play([dropped("impl-1", { agent: "code-developer" })], { policy: { roles: new Map() } });
  assert.equal(standing(played, "impl-1"), "blocked invalid");
});

test("the attempt is counted and named when it starts", () => {
  const { state } = play([dropped("impl-1")]);
  const { execution } = [...(state.sessions.get("WFS-test")?.tasks.values() ?? [])][0] ?? assert.fail();
  assert.equal(execution.attempts, 1);
  assert.deepEqual(execution.last_attempt, {
    attempt: 1,
    run_id: "run-1",
    agent_session: null,
    started_at: "2026-11-21T09:30:00.000Z",
    ended_at: null,
    outcome: null,
  });
  assert.deepEqual(fileOf(state).progress.current_tasks, ["impl-1"]);
  assert.equal(POLICY.concurrency, 4);
});
