import { test } from "node:test";
import assert from "node:assert/strict";
import { dropped, ended, play, ROLES, standing, started, taskOf, tick, wait } from "./play.ts";

const coder = { agent: "code-developer" };
const conversation = (played: ReturnType<typeof play>) => {
  const last = taskOf(played.state, "impl-1").execution.last_attempt;
  return [last?.agent_session, last?.continued];
};

test("an agent that was cut off goes on in its conversation, twice, then another begins and is told what is known", () => {
  const died = { failed: "crash" as const, agent_session: "talk" };
  const steps = [dropped("impl-1", coder), ended("impl-1", died), wait(20_000, tick)];
  assert.deepEqual(conversation(play(steps.slice(0, 1))), [null, undefined]);
  assert.deepEqual(conversation(play(steps)), ["talk", 1]);
  const twice = [...steps, ended("impl-1", died), wait(20_000, tick)];
  assert.deepEqual(conversation(play(twice)), ["talk", 2]);
  assert.deepEqual(conversation(play([...twice, ended("impl-1", died), wait(20_000, tick)])), [null, undefined]);
});

test("a conversation that nobody finds any more is not looked for again", () => {
  const played = play([
    dropped("impl-1", coder),
    ended("impl-1", { failed: "crash", agent_session: "talk" }),
    wait(20_000, tick),
    ended("impl-1", { failed: "unknown" }),
    wait(20_000, tick),
  ]);
  assert.deepEqual(conversation(played), [null, undefined]);
});

test("an agent whose gates failed goes on in its conversation, each time", () => {
  const failed = [ended("impl-1", { failed: "verify", agent_session: "talk" }), tick];
  const played = play([dropped("impl-1", coder), ...failed, ...failed, ...failed]);
  assert.deepEqual(conversation(played), ["talk", 0]);
});

test("what was refused is not continued", () => {
  const played = play([
    dropped("impl-1", coder),
    ended("impl-1", { failed: "invalid", agent_session: "talk" }),
    (state) => ({
      type: "task-edited",
      session: "WFS-test",
      task: { ...taskOf(state, "impl-1"), status: "pending" },
      fields: ["status"],
      by: "person",
    }),
  ]);
  assert.deepEqual(conversation(played), [null, undefined]);
});

test("a role that gives a task up hands it to the fallback, once, and that one starts afresh", () => {
  const given = { ...coder, execution: { fallback_agent: "planning-agent", max_attempts: 1 } };
  const first = play([dropped("impl-1", given), ended("impl-1", { failed: "crash", agent_session: "talk" })]);
  assert.deepEqual(started(first.log[1]), ["impl-1"]);
  const task = taskOf(first.state, "impl-1");
  assert.equal(task.agent, "planning-agent");
  assert.equal(task.execution.fell_back_from, "code-developer");
  assert.deepEqual(conversation(first), [null, undefined]);
  const both = play([ended("impl-1", { failed: "crash" })], { start: first.state, at: first.now });
  assert.equal(standing(both, "impl-1"), "blocked failed");
});

test("no fallback is asked for what another role could not do either, or that there is not", () => {
  for (const [fallback_agent, failed] of [
    ["planning-agent", "budget"],
    ["planning-agent", "conflict"],
    ["nobody", "crash"],
    ["code-developer", "crash"],
  ] as const) {
    const given = { ...coder, execution: { fallback_agent, max_attempts: 1 } };
    const played = play([dropped("impl-1", given), ended("impl-1", { failed })]);
    assert.equal(taskOf(played.state, "impl-1").status, "blocked", `${fallback_agent}, ${failed}`);
  }
  assert.ok(ROLES.has("planning-agent"));
});
