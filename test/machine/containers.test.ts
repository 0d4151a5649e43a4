import { test } from "node:test";
import assert from "node:assert/strict";
import {
  deleted,
  dropped,
  droppedTogether,
  edited,
  ended,
  moves,
  play,
  standing,
  started,
  task,
  taskOf,
  wayOf,
} from "./play.ts";

const family = droppedTogether(task("impl-1"), task("impl-1.1"), task("impl-1.2"));

test("a task with subtasks is a container and never runs", () => {
  const played = play([family]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "container"]);
  assert.deepEqual(started(played.log[0]), ["impl-1.1", "impl-1.2"]);
  assert.deepEqual(taskOf(played.state, "impl-1").relations.subtasks, ["impl-1.1", "impl-1.2"]);
});

test("it is completed in the decision that completes its last subtask, and its dependents start then", () => {
  const steps = [family, dropped("impl-2", { dependencies: ["impl-1"] }), ended("impl-1.2"), ended("impl-1.1")];
  const { log } = play(steps);
  assert.deepEqual(moves(log[2]), [["impl-1.2", "completed"]]);
  assert.deepEqual(moves(log[3]), [
    ["impl-1.1", "completed"],
    ["impl-1", "completed"],
    ["impl-2", "active"],
  ]);
});

test("a failed subtask does not complete it", () => {
  const played = play([family, ended("impl-1.1"), ended("impl-1.2", { failed: "auth" })]);
  assert.equal(standing(played, "impl-1"), "container");
});

test("a completed one is a container again when a subtask is added", () => {
  const played = play([family, ended("impl-1.1"), ended("impl-1.2"), dropped("impl-1.3"), ended("impl-1.3")]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "container", "completed", "container", "completed"]);
  assert.deepEqual(taskOf(played.state, "impl-1").relations.subtasks, ["impl-1.1", "impl-1.2", "impl-1.3"]);
});

test("a completed one is a container again when a subtask is queued again", () => {
  const played = play([family, ended("impl-1.1"), ended("impl-1.2"), edited("impl-1.2", { status: "pending" })]);
  assert.equal(standing(played, "impl-1"), "container");
});

test("a task that waits becomes a container when a subtask arrives, and its wait is over", () => {
  const played = play([dropped("impl-1"), ended("impl-1", { failed: "network" }), dropped("impl-1.1")]);
  assert.equal(standing(played, "impl-1"), "container");
  assert.equal(taskOf(played.state, "impl-1").execution.next_attempt_at, undefined);
});

test("when the last subtask is deleted it is a task like any other again, and runs", () => {
  const { log, state } = play([family, deleted("impl-1.1"), deleted("impl-1.2")]);
  assert.deepEqual(moves(log[1]), [["impl-1.1", "deleted"]]);
  assert.deepEqual(moves(log[2]), [
    ["impl-1.2", "deleted"],
    ["impl-1", "pending"],
    ["impl-1", "active"],
  ]);
  assert.deepEqual(taskOf(state, "impl-1").relations.subtasks, []);
});

test("deleting the only open subtask completes the container", () => {
  assert.deepEqual(moves(play([family, ended("impl-1.1"), deleted("impl-1.2")]).log.at(-1)), [
    ["impl-1.2", "deleted"],
    ["impl-1", "completed"],
  ]);
});

test("a completed container whose subtasks are all deleted stays completed", () => {
  const done = [family, ended("impl-1.1"), ended("impl-1.2"), deleted("impl-1.1"), deleted("impl-1.2")];
  const played = play(done);
  assert.equal(standing(played, "impl-1"), "completed");
  assert.deepEqual(taskOf(played.state, "impl-1").relations.subtasks, []);
});

test("an agent at work is left alone when a subtask arrives; the task is a container once it has ended", () => {
  const played = play([
    dropped("impl-1"),
    dropped("impl-1.1"),
    dropped("impl-2", { dependencies: ["impl-1"] }),
    ended("impl-1"),
  ]);
  assert.deepEqual(moves(played.log[1]), [
    ["impl-1.1", "pending"],
    ["impl-1.1", "active"],
  ]);
  assert.deepEqual(moves(played.log[3]), [
    ["impl-1", "completed"],
    ["impl-1", "container"],
  ]);
  assert.deepEqual(taskOf(played.state, "impl-1").relations.subtasks, ["impl-1.1"]);
});

test("a parent's list changes in the same transition as the subtask that changes it", () => {
  const { log } = play([family, dropped("impl-1.3")]);
  const [change] = log[1]?.changes ?? [];
  assert.ok(change?.of === "task" && change.id === "impl-1.3");
  assert.deepEqual(
    change.also?.map(({ id, relations }) => [id, relations.subtasks]),
    [["impl-1", ["impl-1.1", "impl-1.2", "impl-1.3"]]],
  );
});

test("subtasks are listed by number", () => {
  const { state } = play([dropped("impl-1"), dropped("impl-1.10"), dropped("impl-1.2"), ended("impl-1")]);
  assert.deepEqual(taskOf(state, "impl-1").relations.subtasks, ["impl-1.2", "impl-1.10"]);
});

test("a relation that a person broke is put back in order", () => {
  const wrong = { parent: "impl-9", subtasks: ["impl-7"], dependencies: [] };
  const { state } = play([
    family,
    edited("impl-1", { relations: wrong }),
    edited("impl-1.1", { relations: wrong }),
    ended("impl-1.2"),
  ]);
  assert.deepEqual(taskOf(state, "impl-1").relations, {
    parent: null,
    subtasks: ["impl-1.1", "impl-1.2"],
    dependencies: [],
  });
  assert.deepEqual(taskOf(state, "impl-1.1").relations, { parent: "impl-1", subtasks: [], dependencies: [] });
});

test("subtasks that a drop names but that do not exist are not listed", () => {
  const { state } = play([
    dropped("impl-1", { relations: { parent: null, subtasks: ["impl-1.1"], dependencies: [] } }),
  ]);
  assert.deepEqual(taskOf(state, "impl-1").relations.subtasks, []);
});

test("a container cannot be completed or run by hand", () => {
  for (const status of ["pending", "active", "completed", "blocked"] as const) {
    const played = play([family, edited("impl-1", { status })]);
    assert.equal(standing(played, "impl-1"), "container", status);
  }
});

test("a subtask whose parent was deleted goes on, and belongs to it again when it comes back", () => {
  const played = play([family, deleted("impl-1"), ended("impl-1.1"), dropped("impl-1"), ended("impl-1.2")]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "container", "deleted", "pending", "container", "completed"]);
});
