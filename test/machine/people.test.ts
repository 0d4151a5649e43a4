import { describe, test } from "node:test";
import assert from "node:assert/strict";
import { defaultResponse } from "../../src/machine/people.ts";
import { after } from "../../src/model/time.ts";
import {
  answered,
  dropped,
  droppedTogether,
  edited,
  ended,
  markers,
  moves,
  play,
  S,
  standing,
  started,
  T0,
  task,
  taskOf,
  tick,
  wait,
  wakes,
  wayOf,
} from "./play.ts";

const approve = (id: string) => edited(id, { execution: { approved: true } });
const reject = (id: string) => edited(id, { execution: { approved: false } });

test("a task for a person waits for the answer without taking a slot", () => {
  const both = droppedTogether(task("impl-1", { agent: "human" }), task("impl-2"));
  const played = play([both], { policy: { concurrency: 1 } });
  assert.equal(standing(played, "impl-1"), "blocked awaiting-person");
  assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.attempt, 1);
  assert.deepEqual(started(played.log[0]), ["impl-2"]);
});

test("a person is asked even while every slot is taken", () => {
  const both = droppedTogether(
    task("impl-1"),
    task("impl-2"),
    task("impl-3", { agent: "human" }),
    task("impl-4", { execution: { approve: "before" } }),
  );
  const played = play([both], { policy: { concurrency: 1 } });
  assert.equal(standing(played, "impl-3"), "blocked awaiting-person");
  assert.equal(standing(played, "impl-4"), "blocked awaiting-approval");
  assert.equal(standing(played, "impl-2"), "pending");
});

test("the answer completes it and releases its dependents", () => {
  const played = play([
    dropped("impl-1", { agent: "human" }),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    answered("impl-1", 1),
  ]);
  assert.deepEqual(moves(played.log[2]), [
    ["impl-1", "completed"],
    ["impl-2", "active"],
  ]);
  assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.outcome, "success");
});

test("an answer that says it failed blocks it", () => {
  const played = play([dropped("impl-1", { agent: "human" }), answered("impl-1", 1, "failure")]);
  assert.equal(standing(played, "impl-1"), "blocked failed");
  assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.error?.message, "A person said so.");
});

test("the answer to an older attempt is nothing", () => {
  const steps = [dropped("impl-1", { agent: "human" }), edited("impl-1", { status: "pending" }), answered("impl-1", 1)];
  const played = play(steps);
  assert.equal(standing(played, "impl-1"), "blocked awaiting-person");
  assert.equal(taskOf(played.state, "impl-1").execution.attempts, 2);
});

test("a person may do a task before it is asked for", () => {
  const played = play([
    dropped("impl-1", { agent: "human", dependencies: ["impl-9"] }),
    answered("impl-1", 2),
    answered("impl-1", 1),
  ]);
  assert.deepEqual(played.log[1]?.changes, []);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "completed"]);
  assert.equal(taskOf(played.state, "impl-1").execution.attempts, 1);
});

test("an answer for a task that an agent does is nothing", () => {
  const { log } = play([
    dropped("impl-1", { dependencies: ["impl-9"] }),
    answered("impl-1", 1),
    dropped("impl-2"),
    answered("impl-2", 1),
  ]);
  assert.deepEqual([log[1]?.changes, log[3]?.changes], [[], []]);
});

test("approve before: it waits, and starts when approved", () => {
  const played = play([dropped("impl-1", { execution: { approve: "before" } }), approve("impl-1")]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "blocked", "pending", "active"]);
});

test("approve before: its dependencies come first, and approval may come earlier", () => {
  const second = dropped("impl-2", { dependencies: ["impl-1"], execution: { approve: "before" } });
  const played = play([dropped("impl-1"), second, approve("impl-2"), ended("impl-1")]);
  assert.deepEqual(started(played.log[3]), ["impl-2"]);
});

test("approve before holds for further attempts after a failure, but is asked for anew when a person queues it again", () => {
  const steps = [
    dropped("impl-1", { execution: { approve: "before" } }),
    approve("impl-1"),
    ended("impl-1", { failed: "verify" }),
  ];
  const again = play(steps);
  assert.deepEqual(started(again.log.at(-1)), ["impl-1"]);
  const queued = play([ended("impl-1"), edited("impl-1", { status: "pending" })], {
    start: again.state,
    at: again.now,
  });
  assert.equal(standing(queued, "impl-1"), "blocked awaiting-approval");
});

test("saving approved and pending together approves", () => {
  const both = edited("impl-1", { status: "pending", execution: { approved: true } });
  assert.deepEqual(started(play([dropped("impl-1", { execution: { approve: "before" } }), both]).log.at(-1)), [
    "impl-1",
  ]);
});

test("approve after: the work is done, and completed when approved", () => {
  const played = play([
    dropped("impl-1", { execution: { approve: "after" } }),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    ended("impl-1"),
  ]);
  assert.equal(standing(played, "impl-1"), "blocked awaiting-approval");
  const approved = play([approve("impl-1")], { start: played.state, at: played.now });
  assert.deepEqual(moves(approved.log[0]), [
    ["impl-1", "completed"],
    ["impl-2", "active"],
  ]);
});

test("approve after: work that is done again is approved again", () => {
  const steps = [dropped("impl-1", { execution: { approve: "after", approved: true } }), ended("impl-1")];
  assert.equal(standing(play(steps), "impl-1"), "blocked awaiting-approval");
});

test("approve after holds for what a person does too", () => {
  const played = play([dropped("impl-1", { agent: "human", execution: { approve: "after" } }), answered("impl-1", 1)]);
  assert.equal(standing(played, "impl-1"), "blocked awaiting-approval");
});

test("rejecting blocks it; approving after all goes on; queuing it again asks again", () => {
  for (const when of ["before", "after"] as const) {
    const steps = [
      dropped("impl-1", { execution: { approve: when } }),
      ...(when === "after" ? [ended("impl-1")] : []),
      reject("impl-1"),
    ];
    const rejected = play(steps);
    assert.equal(standing(rejected, "impl-1"), "blocked rejected");
    const clone = () => ({ start: structuredClone(rejected.state), at: rejected.now });
    assert.equal(standing(play([approve("impl-1")], clone()), "impl-1"), when === "before" ? "active" : "completed");
    const queued = play([edited("impl-1", { status: "pending" })], clone());
    assert.equal(standing(queued, "impl-1"), when === "before" ? "blocked awaiting-approval" : "active");
  }
});

test("an approval that comes with other changes takes them too", () => {
  const { state } = play([
    dropped("impl-1", { execution: { approve: "before" } }),
    edited("impl-1", { title: "Other", execution: { approved: true } }),
  ]);
  assert.equal(taskOf(state, "impl-1").title, "Other");
});

test("an approval says nothing about a task that is blocked for another reason", () => {
  const played = play([dropped("impl-1"), ended("impl-1", { failed: "auth" }), approve("impl-1")]);
  assert.equal(standing(played, "impl-1"), "blocked auth");
});

describe("a question with a time limit", () => {
  const HOUR = 3_600_000;
  const asks = (more: object = {}) =>
    droppedTogether(
      task("impl-1", { agent: "human", execution: { time_limit: "1h", choices: ["yes", "no"], ...more } }),
      task("impl-2", { dependencies: ["impl-1"] }),
    );

  test("says until when, in its file, and the daemon wakes for it", () => {
    const played = play([asks()]);
    assert.equal(taskOf(played.state, "impl-1").execution.due_at, after(T0, HOUR));
    assert.equal(wakes(played.log[0]), after(T0, HOUR));
    const later = play([wait(HOUR / 2, tick)], { start: played.state, at: played.now });
    assert.equal(wakes(later.log[0]), after(T0, HOUR), "and after any other decision");
  });

  test("is answered by its default when it has passed, and what waits for it starts in the same decision", () => {
    const played = play([asks({ default: "no" }), wait(HOUR, tick)]);
    assert.deepEqual(moves(played.log[1]), [
      ["impl-1", "completed"],
      ["impl-2", "active"],
    ]);
    const change = played.log[1]?.changes.find((each) => each.of === "task");
    assert.deepEqual(change?.of === "task" && [change.by, change.reason], ["daemon", "time-limit"]);
    const done = taskOf(played.state, "impl-1");
    assert.equal(done.execution.last_attempt?.answered_by, "time-limit");
    assert.equal(done.execution.due_at, undefined);
    const response = defaultResponse(done);
    assert.deepEqual([response?.result, response?.outcome, response?.answered_by], ["no", "success", "time-limit"]);
  });

  test("has failed without a default, and an answer that comes later is none", () => {
    const played = play([asks(), wait(HOUR, tick), answered("impl-1", 1)]);
    assert.equal(standing(played, "impl-1"), "blocked timeout");
    assert.match(
      taskOf(played.state, "impl-1").execution.last_attempt?.error?.message ?? "",
      /Nobody answered in time \(1h\)/,
    );
    assert.equal(standing(played, "impl-2"), "pending");
  });

  test("that has failed releases those that go on all the same", () => {
    const played = play([asks({ continue_on_error: true }), wait(HOUR, tick)]);
    assert.deepEqual(started(played.log[1]), ["impl-2"]);
  });

  test("is asked once more by a retry, with all its time", () => {
    const played = play([asks(), wait(HOUR, tick), edited("impl-1", { status: "pending" })]);
    assert.equal(standing(played, "impl-1"), "blocked awaiting-person");
    assert.equal(taskOf(played.state, "impl-1").execution.due_at, after(played.now, HOUR));
  });

  test("an answer in time is a person's, whatever the default", () => {
    const played = play([asks({ default: "no" }), wait(HOUR - 1, answered("impl-1", 1))]);
    assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.answered_by, "person");
    assert.equal(defaultResponse(taskOf(played.state, "impl-1")), undefined);
  });

  test("an answer that comes in the same moment counts", () => {
    const played = play([asks(), wait(HOUR, answered("impl-1", 1))]);
    assert.equal(standing(played, "impl-1"), "completed");
  });

  test("can be moved by hand", () => {
    const played = play([asks(), edited("impl-1", { execution: { due_at: after(T0, 2 * HOUR) } }), wait(HOUR, tick)]);
    assert.equal(standing(played, "impl-1"), "blocked awaiting-person");
  });

  test("is kept from being hours longer by a clock that was set back", () => {
    const played = play([asks()]);
    const back = after(T0, -24 * HOUR);
    const then = play([tick], { start: played.state, at: back });
    assert.equal(taskOf(then.state, "impl-1").execution.due_at, after(back, HOUR));
    const over = play([wait(HOUR, tick)], { start: then.state, at: after(back, HOUR) });
    assert.equal(standing(over, "impl-1"), "blocked timeout");
  });

  test("rests while its session does", () => {
    const played = play([asks()]);
    const paused = play([markers(), wait(2 * HOUR, tick)], { start: played.state, at: played.now });
    assert.equal(standing(paused, "impl-1"), "blocked awaiting-person");
    const active = play([markers(S)], { start: paused.state, at: paused.now });
    assert.equal(standing(active, "impl-1"), "blocked timeout");
  });

  test("and approve: after is approved by a person all the same", () => {
    const played = play([asks({ default: "no", approve: "after" }), wait(HOUR, tick)]);
    assert.equal(standing(played, "impl-1"), "blocked awaiting-approval");
  });
});
