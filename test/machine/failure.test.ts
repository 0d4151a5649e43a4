import { test } from "node:test";
import assert from "node:assert/strict";
import { toMs } from "../../src/model/time.ts";
import { BLOCKED_REASONS } from "../../src/model/task-schema.ts";
import {
  dropped,
  droppedTogether,
  edited,
  ended,
  play,
  POLICY,
  standing,
  started,
  task,
  taskOf,
  tick,
  wait,
  wakes,
  wayOf,
  type Played,
} from "./play.ts";

const { breaker, retry } = POLICY;
/** No breaker between the failures that are counted here. */
const policy = { breaker: { ...breaker, failures: 100 } };
const first = dropped("impl-1", { agent: "scripted" });
const waited = (played: Played) =>
  toMs(taskOf(played.state, "impl-1").execution.next_attempt_at ?? "") - toMs(played.now);
const counts = ({ state }: Played) => {
  const { attempts, failures } = taskOf(state, "impl-1").execution;
  return [attempts, failures];
};

test("a task's own first wait counts where it names one, and doubles too", () => {
  const named = dropped("impl-1", { agent: "scripted", execution: { retry_base: "1m" } });
  const all = [named, ended("impl-1", { failed: "crash" }), wait(60_000, tick), ended("impl-1", { failed: "crash" })];
  assert.deepEqual(
    [2, 4].map((n) => waited(play(all.slice(0, n), { policy }))),
    [60_000, 120_000],
  );
});

for (const failed of ["network", "overloaded", "crash", "timeout", "unknown"] as const) {
  test(`${failed}: tried again after 2 s, 4 s and 8 s, blocked after 4 attempts`, () => {
    const end = (ms: number) => [ended("impl-1", { failed }), wait(ms, tick)];
    const all = [first, ...end(2000), ...end(4000), ...end(8000), ended("impl-1", { failed })];
    const waits = [2, 4, 6].map((n) => waited(play(all.slice(0, n), { policy })));
    assert.deepEqual(waits, [2000, 4000, 8000]);
    const played = play(all, { policy });
    assert.equal(standing(played, "impl-1"), `blocked ${failed === "timeout" ? "timeout" : "failed"}`);
    assert.deepEqual(counts(played), [4, 4]);
  });
}

test("jitter adds up to half as much", () => {
  const after = (chance: number) => waited(play([first, ended("impl-1", { failed: "network" })], { policy, chance }));
  assert.deepEqual([after(0), after(0.999)], [2000, 2999]);
});

test("it is not tried before its time, and the daemon is told when to look", () => {
  const { log } = play([first, ended("impl-1", { failed: "crash" }), wait(1999, tick), wait(1, tick)], { policy });
  assert.equal(wakes(log[1]), "2026-11-21T09:30:03.000Z");
  assert.deepEqual(log.map(started), [["impl-1"], [], [], ["impl-1"]]);
});

test("max_attempts of the task counts instead of the setting", () => {
  const once = dropped("impl-1", { agent: "scripted", execution: { max_attempts: 1 } });
  for (const failed of ["network", "rate-limit", "stalled", "verify"] as const) {
    const played = play([once, ended("impl-1", { failed })], { policy });
    assert.match(standing(played, "impl-1"), /^blocked /, failed);
  }
});

test("a success ends the count of failures", () => {
  const steps = [
    first,
    ended("impl-1", { failed: "network" }),
    wait(2000, tick),
    ended("impl-1"),
    edited("impl-1", { status: "pending" }),
  ];
  const played = play([...steps, ended("impl-1", { failed: "network" })], { policy });
  assert.deepEqual(counts(played), [3, 1]);
});

test("rate-limit: tried again after 60 s, or at the time that the answer names", () => {
  const limited = (retry_at?: string) => {
    const failed = { class: "rate-limit" as const, message: "Slow down.", ...(retry_at ? { retry_at } : {}) };
    return taskOf(play([first, ended("impl-1", { failed })], { policy }).state, "impl-1").execution.next_attempt_at;
  };
  assert.equal(limited(), "2026-11-21T09:31:01.000Z");
  assert.equal(limited("2026-11-21T09:45:00Z"), "2026-11-21T09:45:00.000Z");
  assert.equal(limited("2026-11-21T10:45:00+01:00"), "2026-11-21T09:45:00.000Z");
  assert.equal(limited("2026-11-21T09:30:11Z"), "2026-11-21T09:30:11.000Z");
  for (const useless of ["2026-11-21T09:00:00Z", "tomorrow"])
    assert.equal(limited(useless), "2026-11-21T09:31:01.000Z");
});

test("rate-limit counts as an attempt: after the fourth it is blocked", () => {
  const end = [ended("impl-1", { failed: "rate-limit" }), wait(60_000, tick)];
  assert.equal(standing(play([first, ...end, ...end, ...end, ...end], { policy }), "impl-1"), "blocked failed");
});

const usage = (retry_at?: string) => ({
  class: "usage-limit" as const,
  message: "Limit reached.",
  ...(retry_at ? { retry_at } : {}),
});
const model = (id: string) => task(id, { agent: "code-developer" });

test("usage-limit: no attempt is used, and it waits until the reset and 2 min more", () => {
  const played = play([droppedTogether(model("impl-1")), ended("impl-1", { failed: usage("2026-11-21T11:00:00Z") })]);
  assert.equal(standing(played, "impl-1"), "pending usage-limit");
  assert.equal(taskOf(played.state, "impl-1").execution.next_attempt_at, "2026-11-21T11:02:00.000Z");
  assert.deepEqual(counts(played), [0, undefined]);
  assert.equal(wakes(played.log[1]), "2026-11-21T11:02:00.000Z");
});

test("usage-limit never blocks, however often", () => {
  const hour = 3_600_000;
  const rounds = Array.from({ length: 9 }, () => [ended("impl-1", { failed: usage() }), wait(hour, tick)]).flat();
  assert.equal(standing(play([droppedTogether(model("impl-1")), ...rounds]), "impl-1"), "active");
});

test("usage-limit parks every task of the account, other work goes on", () => {
  const all = droppedTogether(model("impl-1"), model("impl-2"), task("impl-3"), task("impl-4", { agent: "scripted" }));
  const played = play([all, ended("impl-1", { failed: usage("2026-11-21T11:00:00Z") })], {
    policy: { concurrency: 1 },
  });
  assert.deepEqual(played.log.map(started), [["impl-1"], ["impl-3"]]);
  const on = play([ended("impl-3"), ended("impl-4"), wait(2 * 3_600_000, tick)], {
    start: played.state,
    at: played.now,
    policy: { concurrency: 1 },
  });
  assert.deepEqual(on.log.map(started), [["impl-4"], [], ["impl-1"]]);
});

test("a usage limit that names no time lasts a quarter of an hour and 2 min more", () => {
  const played = play([droppedTogether(model("impl-1")), ended("impl-1", { failed: usage() })]);
  assert.equal(wakes(played.log[1]), "2026-11-21T09:47:01.000Z");
});

test("a later, vaguer report does not shorten a usage limit", () => {
  const apart = [model("impl-1"), model("impl-2"), model("impl-3")];
  const limits = [ended("impl-1", { failed: usage("2026-11-21T11:00:00Z") }), ended("impl-2", { failed: usage() })];
  const played = play([droppedTogether(...apart), ...limits, wait(1_200_000, tick)], { policy: { concurrency: 2 } });
  assert.deepEqual(played.log.map(started), [["impl-1", "impl-2"], [], [], []]);
});

test("stalled: continued once, then blocked", () => {
  const played = play([first, ended("impl-1", { stopped: "stalled" }), ended("impl-1", { stopped: "stalled" })], {
    policy,
  });
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "pending", "active", "blocked"]);
  assert.equal(standing(played, "impl-1"), "blocked stalled");
  assert.deepEqual(taskOf(played.state, "impl-1").execution.last_attempt?.error, {
    class: "stalled",
    message: "It was silent for too long.",
  });
});

test("a time limit that the daemon enforced is a timeout, and tried again", () => {
  const played = play([first, ended("impl-1", { stopped: "timeout" })], { policy });
  assert.equal(standing(played, "impl-1"), "pending backoff");
  assert.deepEqual(counts(played), [1, 1]);
  assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.outcome, "stopped");
});

test("verify: the agent continues for 3 rounds, then it is blocked", () => {
  const failed = ended("impl-1", { failed: "verify" });
  const played = play([first, failed, failed, failed, failed], { policy });
  assert.deepEqual(played.log.map(started), [["impl-1"], ["impl-1"], ["impl-1"], ["impl-1"], []]);
  assert.equal(standing(played, "impl-1"), "blocked verify");
});

test("verify: the number of rounds is a setting", () => {
  const failed = ended("impl-1", { failed: "verify" });
  const fewer = { ...policy, retry: { ...retry, verifyRounds: 1 } };
  assert.equal(standing(play([first, failed, failed], { policy: fewer }), "impl-1"), "blocked verify");
});

for (const failed of ["auth", "invalid", "budget", "conflict", "permission"] as const) {
  test(`${failed}: never tried again by itself`, () => {
    const played = play([first, ended("impl-1", { failed }), wait(86_400_000, tick)], { policy });
    const reason = failed === "permission" ? "failed" : failed;
    assert.equal(standing(played, "impl-1"), `blocked ${reason}`);
    assert.ok(BLOCKED_REASONS.some((known) => known === reason));
    assert.equal(wakes(played.log[1]), undefined);
  });
}

test("what went wrong is kept with the attempt, hint and all", () => {
  const failed = { class: "auth" as const, message: "Not logged in.", hint: "Log in." };
  const { state, now } = play(
    [first, ended("impl-1", { failed, cost_usd: 0.25, turns: 3, model: "m", agent_session: "s" })],
    { policy },
  );
  assert.deepEqual(taskOf(state, "impl-1").execution.last_attempt, {
    attempt: 1,
    run_id: "run-1",
    agent_session: "s",
    started_at: "2026-11-21T09:30:00.000Z",
    ended_at: now,
    outcome: "failure",
    error: failed,
    cost_usd: 0.25,
    tokens: null,
    turns: 3,
    duration_ms: 1000,
    model: "m",
  });
});
