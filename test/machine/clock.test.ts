/** The clock on the wall is set back by hours: nothing that was to take seconds takes hours. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Execution } from "../../src/model/task.ts";
import { droppedTogether, edited, ended, play, standing, started, task, taskOf, tick, wait } from "./play.ts";

const HOURS = 3_600_000;
const model = (id: string, execution: Partial<Execution> = {}) => task(id, { agent: "code-developer", execution });
const back = wait(-5 * HOURS, tick);

test("an open circuit breaker lets one attempt decide", () => {
  const ids = ["impl-1", "impl-2", "impl-3", "impl-4"];
  const once = ids.map((id) => model(id, { max_attempts: 1 }));
  const failing = ids.map((id) => ended(id, { failed: "overloaded" }));
  const { log } = play([droppedTogether(...once), ...failing, droppedTogether(model("impl-5")), back], {
    policy: { concurrency: 9 },
  });
  assert.deepEqual([started(log.at(-2)), started(log.at(-1))], [[], ["impl-5"]]);
});

test("failures of a time that is still to come open no breaker", () => {
  const ids = ["impl-1", "impl-2", "impl-3", "impl-4"];
  const once = ids.map((id) => model(id, { max_attempts: 1 }));
  const failing = ids.slice(0, 3).map((id) => ended(id, { failed: "overloaded" }));
  const played = play(
    [droppedTogether(...once), ...failing, wait(-5 * HOURS, ended("impl-4", { failed: "overloaded" }))],
    { policy: { concurrency: 9 } },
  );
  assert.equal(played.state.breakers.get("code-developer default")?.state, "closed");
});

test("the spread of starts, and being alone until the account answers, hold nobody up", () => {
  const { log } = play([droppedTogether(model("impl-1"), model("impl-2")), back], {
    policy: { concurrency: 2, stagger: 500, probe: 30_000 },
  });
  assert.deepEqual([started(log[0]), started(log[1])], [["impl-1"], ["impl-2"]]);
});

test("a wait between two attempts is over; one that a person set, or that a service named, is kept", () => {
  const failed = [droppedTogether(task("impl-1")), ended("impl-1", { failed: "network" })];
  const played = play([...failed, back]);
  assert.deepEqual(started(played.log.at(-1)), ["impl-1"]);
  const next = taskOf(play(failed).state, "impl-1").execution.last_attempt?.ended_at as string;
  const tomorrow = new Date(Date.parse(next) + 24 * HOURS).toISOString();
  const kept = play([...failed, edited("impl-1", { execution: { next_attempt_at: tomorrow } }), back]);
  assert.deepEqual([started(kept.log.at(-1)), standing(kept, "impl-1")], [[], standing(play(failed), "impl-1")]);
});

test("a clock that is set ahead ends a wait: the time in the file has come", () => {
  const { log } = play([droppedTogether(task("impl-1")), ended("impl-1", { failed: "network" }), wait(HOURS, tick)]);
  assert.deepEqual(started(log.at(-1)), ["impl-1"]);
});
