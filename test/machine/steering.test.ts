import { test } from "node:test";
import assert from "node:assert/strict";
import {
  answered,
  deleted,
  dropped,
  edited,
  effects,
  ended,
  moves,
  play,
  S,
  standing,
  started,
  taskOf,
  wayOf,
  type Played,
} from "./play.ts";

const stops = (played: Played) => effects(played.log.at(-1), "stop-agent").map(({ id, why }) => [id, why]);
const lastOf = ({ state }: Played, id: string) => taskOf(state, id).execution.last_attempt;

test("a blocked task saved as pending runs again, with a clean count", () => {
  const steps = [dropped("impl-1"), ended("impl-1", { failed: "auth" }), edited("impl-1", { status: "pending" })];
  const played = play(steps);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "blocked", "pending", "active"]);
  const { failures, attempts, reason } = taskOf(played.state, "impl-1").execution;
  assert.deepEqual({ failures, attempts, reason }, { failures: undefined, attempts: 2, reason: undefined });
});

test("a completed task saved as pending runs again", () => {
  const { log } = play([dropped("impl-1"), ended("impl-1"), edited("impl-1", { status: "pending" })]);
  assert.deepEqual(moves(log.at(-1)), [
    ["impl-1", "pending"],
    ["impl-1", "active"],
  ]);
});

test("an active task set to pending: its agent is stopped, and only when it is gone the next attempt starts", () => {
  const asked = play([dropped("impl-1", { paths: "" }), edited("impl-1", { status: "pending" })]);
  assert.deepEqual(stops(asked), [["impl-1", "requeued"]]);
  assert.equal(standing(asked, "impl-1"), "pending");
  const again = play([ended("impl-1", { stopped: "requeued" })], { start: asked.state, at: asked.now });
  assert.deepEqual(started(again.log[0]), ["impl-1"]);
  assert.equal(lastOf(again, "impl-1")?.attempt, 2);
});

test("an active task set to blocked: its agent is stopped, and it stays blocked as cancelled", () => {
  const asked = play([dropped("impl-1"), edited("impl-1", { status: "blocked" })]);
  assert.deepEqual(stops(asked), [["impl-1", "cancelled"]]);
  assert.equal(standing(asked, "impl-1"), "blocked cancelled");
  const over = play([ended("impl-1", { stopped: "cancelled" })], { start: asked.state, at: asked.now });
  assert.equal(standing(over, "impl-1"), "blocked cancelled");
  assert.deepEqual(moves(over.log[0]), []);
});

test("what a stopped agent cost, and when it ended, is noted though the task is no longer its own", () => {
  const played = play([
    dropped("impl-1"),
    edited("impl-1", { status: "blocked" }),
    ended("impl-1", { stopped: "cancelled", cost_usd: 0.5, agent_session: "abc" }),
  ]);
  const { outcome, cost_usd, ended_at, agent_session } = lastOf(played, "impl-1") ?? {};
  assert.deepEqual(
    { outcome, cost_usd, ended_at, agent_session },
    { outcome: "stopped", cost_usd: 0.5, ended_at: played.now, agent_session: "abc" },
  );
  assert.equal(played.state.sessions.get(S)?.file.cost_usd, 0.5);
});

test("an active task set to completed is completed by that person's word, and its agent is stopped", () => {
  const played = play([
    dropped("impl-1"),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    edited("impl-1", { status: "completed" }),
  ]);
  assert.deepEqual(stops(played), [["impl-1", "cancelled"]]);
  assert.deepEqual(started(played.log.at(-1)), ["impl-2"]);
});

test("a task waiting to be tried again that a person blocks is cancelled, not blocked for backoff", () => {
  const played = play([
    dropped("impl-1"),
    ended("impl-1", { failed: "network" }),
    edited("impl-1", { status: "blocked" }),
  ]);
  assert.equal(standing(played, "impl-1"), "blocked cancelled");
  assert.equal(taskOf(played.state, "impl-1").execution.next_attempt_at, undefined);
});

test("a person may name the reason for blocking", () => {
  const played = play([
    dropped("impl-1", { dependencies: ["impl-9"] }),
    edited("impl-1", { status: "blocked", execution: { reason: "rejected" } }),
  ]);
  assert.equal(standing(played, "impl-1"), "blocked rejected");
});

test("title, context, paths and role of a task that waits are taken as they are saved", () => {
  const changes = { title: "Other", paths: "src/other", agent: "scripted" };
  const played = play([dropped("impl-1", { dependencies: ["impl-9"] }), edited("impl-1", changes)]);
  const { title, paths, agent } = taskOf(played.state, "impl-1");
  assert.deepEqual({ title, paths, agent }, changes);
  const [change] = played.log[1]?.changes ?? [];
  assert.ok(change?.of === "task-edit");
  assert.deepEqual([change.by, change.fields], ["person", ["title", "paths", "agent"]]);
});

test("an edit while the agent works is recorded now and disturbs nothing", () => {
  const played = play([dropped("impl-1"), edited("impl-1", { title: "Other" }), ended("impl-1")]);
  assert.deepEqual(moves(played.log[1]), []);
  assert.deepEqual(played.log[1]?.effects, []);
  assert.equal(taskOf(played.state, "impl-1").title, "Other");
  assert.equal(standing(played, "impl-1"), "completed");
});

test("a status that says active or container by hand is put back", () => {
  for (const status of ["active", "container"] as const) {
    const played = play([
      dropped("impl-1", { dependencies: ["impl-9"] }),
      edited("impl-1", { status, title: "Other" }),
    ]);
    assert.equal(standing(played, "impl-1"), "pending");
    assert.equal(taskOf(played.state, "impl-1").title, "Other");
  }
});

test("taking next_attempt_at away means now, and leaves no reason for waiting", () => {
  const waiting = play([dropped("impl-1", { dependencies: [] }), ended("impl-1", { failed: "network" })]);
  assert.equal(standing(waiting, "impl-1"), "pending backoff");
  const lifted = edited("impl-1", { execution: { next_attempt_at: undefined } as never });
  assert.deepEqual(started(play([lifted], { start: structuredClone(waiting.state), at: waiting.now }).log[0]), [
    "impl-1",
  ]);
  const full = play([lifted], { start: structuredClone(waiting.state), at: waiting.now, policy: { concurrency: 0 } });
  assert.equal(standing(full, "impl-1"), "pending");
});

test("a later next_attempt_at makes it wait longer, in whatever zone it is written", () => {
  const waiting = [
    dropped("impl-1"),
    ended("impl-1", { failed: "network" }),
    edited("impl-1", { execution: { next_attempt_at: "2026-11-21T12:00:00+01:00" } }),
  ];
  const { log } = play(waiting);
  assert.deepEqual(effects(log.at(-1), "wake"), [{ do: "wake", at: "2026-11-21T11:00:00.000Z" }]);
});

test("a deleted task is gone and its agent is stopped", () => {
  const played = play([dropped("impl-1"), deleted("impl-1")]);
  assert.deepEqual(stops(played), [["impl-1", "deleted"]]);
  assert.deepEqual(moves(played.log[1]), [["impl-1", "deleted"]]);
  assert.equal(played.state.sessions.get(S)?.tasks.size, 0);
});

test("a task deleted while its agent runs does not start again under the same id until that agent is gone", () => {
  const played = play([
    dropped("impl-1", { paths: "" }),
    deleted("impl-1"),
    dropped("impl-1", { title: "New", paths: "" }),
    ended("impl-1", { stopped: "deleted", cost_usd: 1 }),
  ]);
  assert.deepEqual(played.log.map(started), [["impl-1"], [], [], ["impl-1"]]);
  const { title, execution } = taskOf(played.state, "impl-1");
  assert.equal(title, "New");
  assert.equal(execution.attempts, 1);
});

test("a stopped agent is told once, for the first reason", () => {
  const steps = [
    dropped("impl-1"),
    edited("impl-1", { status: "pending" }),
    edited("impl-1", { status: "blocked" }),
    deleted("impl-1"),
  ];
  const { log, state } = play(steps);
  assert.deepEqual(
    log.flatMap((decision) => effects(decision, "stop-agent")).map(({ why }) => why),
    ["requeued"],
  );
  assert.equal([...state.runs.values()][0]?.stopping, "requeued");
});

test("an edit, a deletion or an answer of a task that is not there is nothing", () => {
  const { log } = play([dropped("impl-1"), deleted("impl-1"), deleted("impl-1"), answered("impl-1", 1)]);
  assert.deepEqual(
    [log[2], log[3]],
    [
      { changes: [], effects: [] },
      { changes: [], effects: [] },
    ],
  );
});

test("a file that arrived by git is blocked until it is trusted, and then runs", () => {
  const event = dropped("impl-1");
  assert.ok(event.type === "tasks-found");
  const trust = { type: "trust-changed", session: S, id: "impl-1" } as const;
  const played = play([
    { ...event, untrusted: new Set(["impl-1"]) },
    { ...trust, trusted: true },
  ]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "blocked", "pending", "active"]);
  const lost = play([
    dropped("impl-1", { dependencies: ["impl-2"] }),
    { ...trust, trusted: false },
    { ...trust, trusted: false },
  ]);
  assert.deepEqual(wayOf(lost, "impl-1"), ["pending", "blocked"]);
  assert.equal(standing(lost, "impl-1"), "blocked untrusted");
});

test("trust says nothing about a task that is blocked for another reason", () => {
  const played = play([
    dropped("impl-1"),
    ended("impl-1", { failed: "auth" }),
    { type: "trust-changed", session: S, id: "impl-1", trusted: true },
  ]);
  assert.equal(standing(played, "impl-1"), "blocked auth");
});
