/** A session's file as two machines have it, merged by values. SPEC sections 4 and 13. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mergeSession } from "../../src/machine/both-sessions.ts";
import { newSession, type SessionFile } from "../../src/model/session.ts";

const at = (second: number) => `2026-11-21T09:30:0${second}.000Z`;
const file = (given: Partial<SessionFile> = {}): SessionFile => ({ ...newSession("WFS-x", at(0)), ...given });
const base = file({ status: "active" });

test("one that is new here is paused, and nothing runs in it", () => {
  const theirs = file({ status: "active", progress: { completed_phases: ["PLAN"], current_tasks: ["impl-1"] } });
  const merged = mergeSession({ base: null, ours: null, theirs });
  assert.equal(merged.status, "paused");
  assert.deepEqual(merged.progress, { completed_phases: ["PLAN"], current_tasks: [] });
  assert.equal(mergeSession({ base: null, ours: null, theirs: file({ status: "completed" }) }).status, "completed");
});

test("where it is active stays each machine's own", () => {
  const paused = file({ status: "paused" });
  assert.equal(mergeSession({ base, ours: base, theirs: paused }).status, "active");
  assert.equal(mergeSession({ base: paused, ours: paused, theirs: base }).status, "paused");
});

test("that it is completed goes for both, and so does that it is taken up again, paused", () => {
  const completed = file({ status: "completed" });
  assert.equal(mergeSession({ base, ours: base, theirs: completed }).status, "completed");
  assert.equal(mergeSession({ base: completed, ours: completed, theirs: base }).status, "paused");
  assert.equal(mergeSession({ base: completed, ours: base, theirs: completed }).status, "active");
});

test("of two changes of a field the later file's counts, and what both have spent is added up", () => {
  const ours = file({ status: "active", project: "Ours", cost_usd: 1.5, updated_at: at(1) });
  const theirs = file({ status: "active", project: "Theirs", cost_usd: 3, updated_at: at(2), budget_usd: 9 });
  const merged = mergeSession({ base: { ...base, cost_usd: 1 }, ours, theirs });
  assert.deepEqual([merged.project, merged.budget_usd, merged.cost_usd], ["Theirs", 9, 3.5]);
  assert.equal(mergeSession({ base, ours, theirs: base }).project, "Ours");
});

test("its type never falls", () => {
  const complex = file({ type: "complex" });
  assert.equal(mergeSession({ base, ours: complex, theirs: file({ type: "medium" }) }).type, "complex");
  assert.equal(mergeSession({ base, ours: file({ type: "medium" }), theirs: complex }).type, "complex");
});
