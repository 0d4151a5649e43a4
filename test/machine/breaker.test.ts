import { test } from "node:test";
import assert from "node:assert/strict";
import type { FailureClass } from "../../src/model/failure.ts";
import type { Execution } from "../../src/model/task.ts";
import {
  deleted,
  dropped,
  droppedTogether,
  edited,
  ended,
  play,
  POLICY,
  started,
  task,
  tick,
  wait,
  wakes,
  type Played,
} from "./play.ts";

/** One failure each, so that retries do not mix in; nothing is written, so that all run side by side. */
const model = (id: string, execution: Partial<Execution> = {}) =>
  task(id, { agent: "code-developer", execution: { max_attempts: 1, ...execution } });
const ids = (count: number) => Array.from({ length: count }, (_, i) => `impl-${i + 1}`);
const fail = (id: string, failed: FailureClass = "overloaded") => ended(id, { failed });
const KEY = "code-developer default";
const breakerOf = ({ state }: Played) => state.breakers.get(KEY);
const policy = { concurrency: 9 };

/** Four failures within seconds: open until 9:31:04; then others are dropped. */
const opened = (...others: string[]) => [
  droppedTogether(...ids(4).map((id) => model(id))),
  ...ids(4).map((id) => fail(id)),
  ...(others.length > 0 ? [droppedTogether(...others.map((id) => model(id)))] : []),
];
const OPEN_FOR = POLICY.breaker.open;

test("three failures in five minutes leave it closed, the fourth opens it for 60 s", () => {
  const three = play(opened().slice(0, 4), { policy });
  assert.equal(breakerOf(three)?.state, "closed");
  const four = play(opened(), { policy });
  assert.deepEqual(breakerOf(four), { state: "open", until: "2026-11-21T09:31:04.000Z" });
});

test("failures further apart than five minutes do not add up", () => {
  const steps = [droppedTogether(...ids(4).map((id) => model(id))), ...ids(4).map((id) => wait(150_000, fail(id)))];
  assert.equal(breakerOf(play(steps, { policy }))?.state, "closed");
});

test("a success forgets the failures before it", () => {
  const steps = [
    droppedTogether(...ids(9).map((id) => model(id))),
    fail("impl-1"),
    fail("impl-2"),
    fail("impl-3"),
    ended("impl-4"),
    fail("impl-5"),
  ];
  const breaker = breakerOf(play(steps, { policy }));
  assert.equal(breaker?.state === "closed" && breaker.failures.length, 1);
});

test("while it is open nothing of that role and model starts, and the daemon is told when to look", () => {
  const played = play(opened("impl-5"), { policy });
  assert.deepEqual(started(played.log.at(-1)), []);
  assert.equal(wakes(played.log.at(-1)), "2026-11-21T09:31:04.000Z");
});

test("other roles, other models, commands and people go on", () => {
  const others = [
    task("impl-11", { agent: "planning-agent" }),
    task("impl-12", { agent: "code-developer", execution: { model: "other" } }),
    task("impl-13"),
  ];
  const played = play([...opened(), droppedTogether(...others)], { policy });
  assert.deepEqual(started(played.log.at(-1)), ["impl-11", "impl-12", "impl-13"]);
});

test("when its time is over one attempt decides, alone", () => {
  const played = play([...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick), tick], { policy });
  assert.deepEqual(started(played.log.at(-2)), ["impl-5"]);
  assert.deepEqual(started(played.log.at(-1)), []);
  assert.deepEqual(breakerOf(played), { state: "half-open", probe: "WFS-test/impl-5" });
});

test("if it succeeds the breaker is closed and the others start at once", () => {
  const played = play([...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick), ended("impl-5")], { policy });
  assert.deepEqual(breakerOf(played), { state: "closed", failures: [] });
  assert.deepEqual(started(played.log.at(-1)), ["impl-6", "impl-7"]);
});

test("if it fails the breaker is open for another 60 s", () => {
  const played = play([...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick), fail("impl-5")], { policy });
  assert.deepEqual(breakerOf(played), { state: "open", until: "2026-11-21T09:32:06.000Z" });
});

test("a failure that is the task's own decides that the service is well", () => {
  const played = play([...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick), fail("impl-5", "auth")], {
    policy,
  });
  assert.equal(breakerOf(played)?.state, "closed");
});

test("if the deciding attempt is interrupted the next one decides", () => {
  for (const interrupt of [deleted("impl-5"), edited("impl-5", { status: "blocked" })]) {
    const played = play(
      [
        ...opened("impl-5", "impl-6", "impl-7"),
        wait(OPEN_FOR, tick),
        interrupt,
        ended("impl-5", { stopped: "cancelled" }),
      ],
      { policy },
    );
    assert.deepEqual(started(played.log.at(-1)), ["impl-6"]);
    assert.deepEqual(breakerOf(played), { state: "half-open", probe: "WFS-test/impl-6" });
  }
});

test("the deciding attempt decides though its task's model or role was changed meanwhile", () => {
  for (const change of [{ execution: { model: "other" } }, { agent: "planning-agent" }]) {
    const played = play(
      [...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick), edited("impl-5", change), ended("impl-5")],
      { policy },
    );
    assert.equal(breakerOf(played)?.state, "closed");
    assert.deepEqual([...played.state.breakers.keys()], [KEY]);
  }
});

test("a deciding attempt that is not there any more lets the next one decide", () => {
  const played = play([...opened("impl-5", "impl-6", "impl-7"), wait(OPEN_FOR, tick)], { policy });
  played.state.runs.clear();
  assert.deepEqual(started(play([tick], { start: played.state, at: played.now }).log[0]), ["impl-6"]);
});

test("the end of an attempt that began before says nothing while another decides", () => {
  const slow = droppedTogether(...ids(6).map((id) => model(id)));
  const steps = [slow, ...ids(4).map((id) => fail(id)), wait(OPEN_FOR, dropped("impl-7", { agent: "code-developer" }))];
  const late = play([...steps, fail("impl-5"), ended("impl-6")], { policy });
  assert.deepEqual(breakerOf(late), { state: "half-open", probe: "WFS-test/impl-7" });
  const decided = play([ended("impl-7")], { start: late.state, at: late.now });
  assert.equal(breakerOf(decided)?.state, "closed");
});

test("failures of attempts that were under way do not keep it open longer", () => {
  const slow = [droppedTogether(...ids(5).map((id) => model(id))), ...ids(4).map((id) => fail(id))];
  const steps = [...slow, wait(30_000, fail("impl-5"))];
  assert.deepEqual(breakerOf(play(steps, { policy })), { state: "open", until: "2026-11-21T09:31:04.000Z" });
});

for (const failed of [
  "rate-limit",
  "usage-limit",
  "auth",
  "invalid",
  "permission",
  "budget",
  "verify",
  "conflict",
] as const) {
  test(`${failed} is no failure of the service`, () => {
    assert.equal(breakerOf(play([droppedTogether(model("impl-1")), fail("impl-1", failed)])), undefined);
  });
}

test("an attempt stopped for its time limit is one, an attempt that a person stopped is none", () => {
  const stop = (stopped: "timeout" | "stalled" | "cancelled") =>
    breakerOf(play([droppedTogether(model("impl-1")), ended("impl-1", { stopped })]));
  assert.deepEqual(
    [stop("timeout")?.state, stop("stalled")?.state, stop("cancelled")],
    ["closed", "closed", undefined],
  );
});
