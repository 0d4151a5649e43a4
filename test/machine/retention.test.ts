/** When a session leaves the disk. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "../../src/machine/event.ts";
import { mayLeave } from "../../src/machine/retention.ts";
import { newSession, type SessionFile } from "../../src/model/session.ts";
import type { Task } from "../../src/model/task.ts";
import { after, type Instant } from "../../src/model/time.ts";
import { begin, dropped, effects, found, play, POLICY, S, sessionSaved, T0, task, tick, type Played } from "./play.ts";

const DAY = 24 * 3_600_000;
const session = (status: SessionFile["status"]): SessionFile => ({ ...newSession(S, T0), status });
const blocked = (reason: string): Task => task("impl-1", { status: "blocked", execution: { reason } });
const idle = (since: Instant) => ({ type: "session-idle", session: S, since }) as const;

test("a completed session may leave after seven days without a change, one that failed after thirty", () => {
  const cases: [SessionFile["status"], Task[], number, "completed" | "failed" | null][] = [
    ["completed", [], 8, "completed"],
    ["completed", [], 7, null],
    ["completed", [blocked("failed")], 8, "completed"],
    ["paused", [blocked("failed")], 31, "failed"],
    ["paused", [blocked("failed")], 30, null],
    ["paused", [blocked("auth"), task("impl-2")], 31, "failed"],
    ["paused", [blocked("cancelled")], 400, null],
    ["paused", [task("impl-2")], 400, null],
    ["paused", [], 400, null],
    ["paused", [blocked("failed"), blocked("awaiting-approval")], 400, null],
    ["active", [blocked("failed")], 400, null],
    ["completed", [task("impl-2", { status: "active" })], 400, null],
  ];
  for (const [status, tasks, days, why] of cases) {
    const now = after(T0, days * DAY);
    assert.equal(
      mayLeave({ file: session(status), tasks, since: T0 }, POLICY.retention, now),
      why,
      `${status} ${days}`,
    );
  }
});

const subjects = (played: Played) =>
  (played.log.at(-1)?.changes ?? []).flatMap((change) =>
    change.of === "task" || change.of === "session"
      ? [[change.of, change.from, change.to, change.by, change.reason]]
      : [],
  );

test("a session that leaves ends the chains of its tasks, as nobody's deletion, and only then its folder goes", () => {
  const start = begin({ status: "completed" });
  const filled = play([dropped("impl-1"), dropped("impl-2")], { start });
  const played = play([idle(T0)], { start: filled.state, at: after(T0, 8 * DAY) });
  assert.deepEqual(subjects(played), [
    ["task", "pending", "deleted", "daemon", "retention"],
    ["task", "pending", "deleted", "daemon", "retention"],
    ["session", "completed", "archived", "daemon", "retention"],
  ]);
  assert.deepEqual(
    effects(played.log.at(-1), "put-away").map((effect) => effect.session),
    [S],
  );
  assert.equal(played.state.sessions.has(S), false);
});

test("one that was made active, or touched, in the same moment stays", () => {
  const at = after(T0, 8 * DAY);
  const stays = (events: Parameters<typeof play>[0]) => {
    const start = play([dropped("impl-1")], { start: begin({ status: "completed" }) }).state;
    return play(events, { start, at }).state.sessions.has(S);
  };
  assert.ok(stays([[{ type: "markers", present: [S] }, idle(T0)]]));
  assert.ok(stays([sessionSaved(S, { status: "paused" }), idle(T0)]));
  const renamed = task("impl-1", { title: "new" });
  const saved: Event = { type: "task-edited", session: S, task: renamed, fields: ["title"], by: "person" };
  assert.ok(stays([[saved, idle(T0)]]));
  assert.ok(stays([idle(at)]));
  assert.equal(stays([tick, idle(T0)]), false);
});

test("after it has left, a session of the same name begins anew", () => {
  const start = begin({ status: "completed" });
  const played = play([idle(T0), found(S), dropped("impl-1")], { start, at: after(T0, 8 * DAY) });
  assert.equal(played.state.sessions.get(S)?.file.status, "paused");
});
