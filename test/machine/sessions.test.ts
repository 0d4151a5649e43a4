import { test } from "node:test";
import assert from "node:assert/strict";
import type { SessionId } from "../../src/model/ids.ts";
import type { SessionFile } from "../../src/model/session.ts";
import {
  begin,
  deleted,
  dropped,
  droppedTogether,
  edited,
  effects,
  ended,
  fileOf,
  found,
  markers,
  moves,
  play,
  S,
  sessionSaved,
  started,
  task,
  type Played,
} from "./play.ts";

const A = "WFS-a";
const B = "WFS-b";
const C = "WFS-c";
const paused = (...ids: SessionId[]) => begin(...ids.map((session_id) => ({ session_id, status: "paused" as const })));
const statuses = ({ state }: Played) => [...state.sessions.values()].map(({ file }) => file.status);
const removed = (played: Played) => effects(played.log.at(-1), "remove-marker").map(({ session }) => session);
const many = (count: number) => Array.from({ length: count }, (_, i) => task(`impl-${i + 1}`));

test("without a marker nothing starts; the marker starts it", () => {
  const played = play([dropped("impl-1", { session: A }), markers(), markers(A)], { start: paused(A) });
  assert.deepEqual(played.log.map(started), [[], [], ["impl-1"]]);
  assert.deepEqual(statuses(played), ["active"]);
});

test("taking the marker away pauses: what runs ends, nothing new starts", () => {
  const drops = [dropped("impl-1"), dropped("impl-2", { dependencies: ["impl-1"] })];
  const played = play([...drops, markers(), ended("impl-1")]);
  assert.deepEqual(statuses(played), ["paused"]);
  assert.deepEqual(effects(played.log[2], "stop-agent"), []);
  assert.deepEqual(moves(played.log[3]), [["impl-1", "completed"]]);
});

test("the newest marker stays, older ones are removed, and status follows in both sessions", () => {
  const start = paused(A, B);
  const played = play([markers(A), markers(B, A)], { start });
  assert.deepEqual(statuses(played), ["paused", "active"]);
  assert.deepEqual(removed(played), [A]);
  const sessions = played.log[1]?.changes.flatMap((change) =>
    change.of === "session" ? [[change.session, change.from, change.to]] : [],
  );
  assert.deepEqual(sessions, [
    [A, "active", "paused"],
    [B, "paused", "active"],
  ]);
});

test("switching lets the running agents of the session left behind finish, and starts the other's tasks", () => {
  const steps = [
    markers(A),
    dropped("impl-1", { session: A }),
    dropped("impl-2", { session: A, dependencies: ["impl-1"] }),
    dropped("impl-1", { session: B, paths: "b" }),
  ];
  const played = play([...steps, markers(B, A), ended("impl-1", { session: A })], { start: paused(A, B) });
  assert.deepEqual(started(played.log[4]), ["impl-1"]);
  assert.deepEqual(moves(played.log[5]), [["impl-1", "completed"]]);
});

test("max_active_sessions lets several be active, the newest of them", () => {
  const played = play([markers(C, A, B)], { start: paused(A, B, C), policy: { maxActiveSessions: 2 } });
  assert.deepEqual(statuses(played), ["active", "paused", "active"]);
  assert.deepEqual(removed(played), [B]);
});

test("the marker of a session that does not exist is removed, on record, and takes nobody's place", () => {
  const played = play([markers("WFS-ghost", A)], { start: paused(A) });
  assert.deepEqual(removed(played), ["WFS-ghost"]);
  assert.deepEqual(statuses(played), ["active"]);
  const texts = played.log[0]?.changes.flatMap((change) => (change.of === "workspace" ? [change.text] : []));
  assert.deepEqual(texts, ["removed the marker .active-WFS-ghost: there is no such session"]);
});

test("the same markers again are nothing", () => {
  const played = play([markers(A), markers(A)], { start: paused(A) });
  assert.deepEqual(played.log[1], { changes: [], effects: [] });
});

test("the marker of a completed session makes it active again", () => {
  const played = play([sessionSaved(S, { status: "completed" }), markers(S)]);
  assert.deepEqual(statuses(played), ["active"]);
  assert.deepEqual(effects(played.log[0], "remove-marker"), [{ do: "remove-marker", session: S }]);
});

test("a completed session whose marker is gone stays completed", () => {
  assert.deepEqual(statuses(play([sessionSaved(S, { status: "completed" }), markers()])), ["completed"]);
});

test("saving status active in the session's file is touching its marker: with one session at most, the other is paused at once", () => {
  const played = play([dropped("impl-1", { session: A }), sessionSaved(B, { status: "active" })], {
    start: begin({ session_id: A }, { session_id: B, status: "paused" }),
  });
  assert.deepEqual(statuses(played), ["paused", "active"]);
  assert.deepEqual(played.log[1]?.effects, [
    { do: "touch-marker", session: B },
    { do: "remove-marker", session: A },
  ]);
});

test("saving other fields of a session's file is recorded as they are", () => {
  const played = play([sessionSaved(S, { project: "Other", budget_usd: 5 })]);
  const [change] = played.log[0]?.changes ?? [];
  assert.ok(change?.of === "session-edit");
  assert.deepEqual([change.by, change.fields], ["person", ["project", "budget_usd"]]);
  assert.equal(fileOf(played.state).budget_usd, 5);
});

test("a session is found once, and one that is found active gets its marker", () => {
  const played = play([found(A, { status: "active" }, "daemon"), found(A), dropped("impl-1", { session: A })], {
    start: paused(B),
  });
  assert.deepEqual(effects(played.log[0], "touch-marker"), [{ do: "touch-marker", session: A }]);
  assert.deepEqual(played.log[1]?.changes, []);
  assert.deepEqual(started(played.log[2]), ["impl-1"]);
});

test("tasks of a session that is not known are not taken in", () => {
  assert.deepEqual(play([dropped("impl-1", { session: A })]).log[0], { changes: [], effects: [] });
});

test("when a session's folder is gone its agents are stopped and its tasks are deleted, each on record", () => {
  const both = droppedTogether(task("impl-1"), task("impl-2", { dependencies: ["impl-1"] }));
  const played = play([
    both,
    { type: "session-gone", session: S, by: "person" },
    ended("impl-1", { stopped: "deleted", cost_usd: 1 }),
  ]);
  assert.deepEqual(moves(played.log[1]), [
    ["impl-1", "deleted"],
    ["impl-2", "deleted"],
  ]);
  assert.deepEqual(
    effects(played.log[1], "stop-agent").map(({ why }) => why),
    ["deleted"],
  );
  const last = played.log[1]?.changes.findLast((change) => change.of === "session");
  assert.deepEqual([last?.from, last?.to, last?.after], ["active", "deleted", null]);
  assert.deepEqual([played.state.sessions.size, played.state.runs.size], [0, 0]);
});

test("a session gone and found again in one look begins anew", () => {
  const gone = { type: "session-gone", session: S, by: "person" } as const;
  const again = dropped("impl-1", { title: "New" });
  assert.ok(again.type === "tasks-found");
  const played = play([
    dropped("impl-1"),
    [gone, found(S), again, markers(S)],
    ended("impl-1", { stopped: "deleted" }),
  ]);
  assert.deepEqual(moves(played.log[1]), [
    ["impl-1", "deleted"],
    ["impl-1", "pending"],
  ]);
  assert.deepEqual(started(played.log[2]), ["impl-1"]);
});

test("the type rises with the number of tasks and never falls by itself", () => {
  const type = (count: number) => fileOf(play([droppedTogether(...many(count))]).state).type;
  assert.deepEqual([type(4), type(5), type(15), type(16)], ["simple", "medium", "medium", "complex"]);
  const fewer = play([droppedTogether(...many(5)), deleted("impl-1"), deleted("impl-2")]);
  assert.equal(fileOf(fewer.state).type, "medium");
});

test("a person may set the type higher, not lower than the tasks make it", () => {
  const set = (type: SessionFile["type"]) =>
    fileOf(play([droppedTogether(...many(5)), sessionSaved(S, { type })]).state).type;
  assert.deepEqual([set("complex"), set("simple")], ["complex", "medium"]);
});

test("the phase is the first that has work, and phases behind it are completed", () => {
  const phases = ({ state }: Played) => [fileOf(state).current_phase, fileOf(state).progress.completed_phases];
  const plan = task("impl-1", { agent: "planning-agent" });
  const build = task("impl-2", { dependencies: ["impl-1"] });
  const review = task("impl-3", { agent: "review-agent", dependencies: ["impl-2"] });
  const steps = [droppedTogether(plan, build, review), ended("impl-1"), ended("impl-2"), ended("impl-3")];
  const at = (n: number) => phases(play(steps.slice(0, n)));
  assert.deepEqual(phases(play([])), ["PLAN", []]);
  assert.deepEqual(
    [at(1), at(2), at(3), at(4)],
    [
      ["PLAN", []],
      ["IMPLEMENT", ["PLAN"]],
      ["REVIEW", ["PLAN", "IMPLEMENT"]],
      ["REVIEW", ["PLAN", "IMPLEMENT"]],
    ],
  );
});

test("a session without tasks is planned anew", () => {
  const done = [dropped("impl-1", { agent: "review-agent" }), ended("impl-1"), deleted("impl-1")];
  assert.deepEqual(fileOf(play(done.slice(0, 2)).state).current_phase, "REVIEW");
  assert.deepEqual(fileOf(play(done).state).current_phase, "PLAN");
});

test("current_tasks are those that run, by number", () => {
  const { state } = play([
    droppedTogether(task("impl-10"), task("impl-9"), task("impl-2")),
    edited("impl-9", { status: "blocked" }),
  ]);
  assert.deepEqual(fileOf(state).progress.current_tasks, ["impl-2", "impl-10"]);
});

test("what attempts cost is added up without dust", () => {
  const steps = [
    dropped("impl-1"),
    ended("impl-1", { failed: "verify", cost_usd: 0.1 }),
    ended("impl-1", { cost_usd: 0.2 }),
  ];
  assert.equal(fileOf(play(steps).state).cost_usd, 0.3);
});

test("a repair goes on record", () => {
  const { log } = play([{ type: "repaired", text: "WFS-test: mended" }]);
  assert.deepEqual(log[0]?.changes, [{ of: "workspace", text: "WFS-test: mended", by: "daemon" }]);
});
