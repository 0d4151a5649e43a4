/** Failures learned over time, and what a person says about them. SPEC section 9. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mergePatterns, met, MOST_PATTERNS } from "../../src/machine/patterns.ts";
import { noPatterns, type ErrorPattern, type PatternsFile } from "../../src/model/pattern.ts";
import { after } from "../../src/model/time.ts";
import { dropped, ended, moves, play, standing, T0, taskOf, tick, wait, type Played } from "./play.ts";

const OVERLOADED = { class: "overloaded", message: "API Error: 529 Overloaded" } as const;
const SIGNATURE = "overloaded:529:true: API Error: # Overloaded";
const patterns = ({ state }: Played) => state.patterns.patterns;
const saved = (...given: ErrorPattern[]) => ({ type: "patterns-edited", file: { patterns: given } }) as const;
const pattern = (error_signature: string, more: Partial<ErrorPattern> = {}): ErrorPattern => ({
  error_signature,
  occurrence_count: 1,
  recovered_count: 0,
  first_seen: T0,
  last_seen: T0,
  ...more,
});
const hopeless = pattern(SIGNATURE, { recoverable: false });

test("a failure is learned in the decision that settles it, and counted when it is met again", () => {
  const played = play([dropped("impl-1"), ended("impl-1", { failed: OVERLOADED })]);
  assert.deepEqual(patterns(played), [
    {
      error_signature: SIGNATURE,
      occurrence_count: 1,
      first_seen: after(T0, 1000),
      last_seen: after(T0, 1000),
      recoverable: true,
      recommended_action: "retry_with_backoff",
      notes: "",
      recovered_count: 0,
    },
  ]);
  const again = play([wait(60_000, tick), ended("impl-1", { failed: OVERLOADED })], {
    start: played.state,
    at: played.now,
  });
  assert.equal(patterns(again)[0]?.occurrence_count, 2);
  assert.equal(patterns(again)[0]?.first_seen, after(T0, 1000));
});

test("a later success of the same task is counted, once", () => {
  const fail = ended("impl-1", { failed: OVERLOADED });
  const played = play([dropped("impl-1"), fail, wait(60_000, tick), fail, wait(60_000, tick), ended("impl-1")]);
  assert.equal(standing(played, "impl-1"), "completed");
  assert.deepEqual([patterns(played)[0]?.occurrence_count, patterns(played)[0]?.recovered_count], [2, 1]);
  assert.equal(taskOf(played.state, "impl-1").execution.failed_with, undefined);
});

test("a success without a failure before it teaches nothing", () => {
  const played = play([dropped("impl-1"), ended("impl-1")]);
  assert.deepEqual(patterns(played), []);
});

test("time limits and silence are learned; what a person stops is no failure", () => {
  const timeout = play([dropped("impl-1"), ended("impl-1", { stopped: "timeout" })]);
  assert.equal(patterns(timeout)[0]?.error_signature, "timeout:true: The time limit was reached");
  const cancelled = play([dropped("impl-1"), ended("impl-1", { stopped: "shutdown" })]);
  assert.deepEqual(patterns(cancelled), []);
});

test("a pattern that a person marked as not recoverable is not tried again, and says why", () => {
  const played = play([saved(hopeless), dropped("impl-1"), ended("impl-1", { failed: OVERLOADED })]);
  assert.equal(standing(played, "impl-1"), "blocked failed");
  assert.match(taskOf(played.state, "impl-1").execution.last_attempt?.error?.hint ?? "", /errors\/patterns\.json/);
  const other = play([saved(hopeless), dropped("impl-1"), ended("impl-1", { failed: "overloaded" })]);
  assert.equal(standing(other, "impl-1"), "pending backoff");
});

test("what waits to be tried again is blocked by the save that says it is in vain", () => {
  const played = play([dropped("impl-1"), ended("impl-1", { failed: OVERLOADED }), saved(hopeless)]);
  assert.deepEqual(moves(played.log.at(-1)), [["impl-1", "blocked"]]);
  assert.equal(standing(played, "impl-1"), "blocked failed");
});

test("classes that need a change are learned as not recoverable, and a person may know better", () => {
  const failed = { class: "auth", message: "Not logged in" } as const;
  const steps = [dropped("impl-1"), ended("impl-1", { failed })];
  const first = play(steps);
  assert.equal(standing(first, "impl-1"), "blocked auth");
  assert.equal(patterns(first)[0]?.recoverable, false);
  const known = play([saved({ ...(patterns(first)[0] as ErrorPattern), recoverable: true }), ...steps]);
  assert.equal(standing(known, "impl-1"), "pending backoff");
});

test("a task that a person queues again is tried once, whatever is known", () => {
  const retried = play([saved(hopeless), dropped("impl-1"), ended("impl-1", { failed: OVERLOADED })]);
  const task = taskOf(retried.state, "impl-1");
  const again = play(
    [
      {
        type: "task-edited",
        session: "WFS-test",
        task: { ...task, status: "pending" },
        fields: ["status"],
        by: "person",
      },
    ],
    { start: retried.state, at: retried.now },
  );
  assert.equal(standing(again, "impl-1"), "active");
});

test("five hundred are kept: of those that nobody wrote about, the oldest goes", () => {
  let file: PatternsFile = {
    patterns: [pattern("written about", { last_seen: "2020-01-01T00:00:00.000Z", notes: "keep" })],
  };
  for (let n = 0; n < MOST_PATTERNS + 20; n++) {
    const error = { class: "unknown" as const, message: "x" };
    file = met(file, { signature: `unknown: ${n}`, error }, after(T0, n));
  }
  assert.equal(file.patterns.length, MOST_PATTERNS);
  assert.equal(file.patterns[0]?.error_signature, "written about");
  assert.equal(file.patterns[1]?.error_signature, "unknown: 21");
});

test("a save keeps what was learned since it was begun", () => {
  const before: PatternsFile = { patterns: [pattern("a"), pattern("b")] };
  const now: PatternsFile = {
    patterns: [pattern("a", { occurrence_count: 4 }), pattern("b"), pattern("c", { first_seen: after(T0, 1) })],
  };
  const save: PatternsFile = { patterns: [pattern("a", { notes: "ours", recoverable: false })] };
  assert.deepEqual(mergePatterns(save, now, [before]).patterns, [
    pattern("a", { occurrence_count: 4, notes: "ours", recoverable: false }),
    pattern("c", { first_seen: after(T0, 1) }),
  ]);
  // Begun from what is there now, it stands as it is: order, unknown keys, and what it leaves out.
  const whole = { note: 1, patterns: [now.patterns[2], now.patterns[0]] } as PatternsFile;
  assert.equal(mergePatterns(whole, now, [before]), whole);
  assert.deepEqual(mergePatterns(noPatterns(), now, []).patterns, []);
});

test("counts are facts: a save of old ones does not turn them back", () => {
  const now: PatternsFile = { patterns: [pattern("a", { occurrence_count: 9 })] };
  const save: PatternsFile = { patterns: [pattern("a", { occurrence_count: 5, recoverable: false })] };
  assert.deepEqual(mergePatterns(save, now, []).patterns, [pattern("a", { occurrence_count: 9, recoverable: false })]);
});
