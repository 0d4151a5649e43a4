/** Reviews: who is asked, what goes back, what it costs. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { AttemptFacts, Work } from "../../src/model/attempt.ts";
import { NO_FACTS } from "../../src/model/attempt.ts";
import type { FailureClass } from "../../src/model/failure.ts";
import type { TaskId } from "../../src/model/ids.ts";
import type { Review } from "../../src/model/review.ts";
import type { State } from "../../src/machine/state.ts";
import { summary } from "../../src/views/summary.ts";
import {
  dropped,
  droppedTogether,
  edited,
  effects,
  ended,
  fileOf,
  moves,
  play,
  POLICY,
  S,
  standing,
  task,
  taskOf,
  tick,
  wait,
  wayOf,
} from "./play.ts";

const BY = { execution: { review: "review-agent" } };
const developed = { agent: "code-developer" };
const one = (more: object = {}) => dropped("impl-1", { ...developed, execution: { review: "review-agent", ...more } });
const talk = { agent_session: "talk-1" };

const FINE: Review = { verdict: "accept", findings: [], acceptance: [] };
const BAD: Review = {
  verdict: "reject",
  summary: "It leaks.",
  findings: [
    { severity: "must", file: "a.ts", line: 3, what: "It is left open.", why: "Close it." },
    { severity: "could", what: "The name is long.", why: "Shorten it." },
  ],
  acceptance: [{ criterion: "It is quick.", met: false, evidence: "a.ts:9" }],
};

/** The review that is going on has ended, with this answer. */
function reviewed(id: TaskId, review: Review, facts: Partial<AttemptFacts> = {}) {
  return (state: State) => {
    const run = state.runs.get(`${S}/${id}`);
    assert.ok(run?.review, `${id} is not being reviewed`);
    const end = { ...NO_FACTS, ...facts, outcome: "success" as const, result: "" };
    const { attempt, runId, role } = run;
    const finished = { kind: "finished" as const, end, durationMs: 1000, review };
    return { type: "ended" as const, session: S, id, attempt, runId, role, end: finished };
  };
}

const reviewerOf = ({ state }: { state: State }, id = "impl-1") => state.runs.get(`${S}/${id}`);
const work = (id: TaskId): Work => ({
  branch: `cox/${S}/${id}`,
  base: "b".repeat(40),
  commit: "c".repeat(40),
  merged: null,
  commits: [],
  files: [],
});

test("work that is done is reviewed in the same decision, as a run of the same attempt", () => {
  const played = play([one(), ended("impl-1", talk)]);
  assert.deepEqual(moves(played.log[1]), [
    ["impl-1", "pending"],
    ["impl-1", "active"],
  ]);
  const [start] = effects(played.log[1], "start-agent");
  assert.equal(start?.run.role, "review-agent");
  assert.equal(start?.run.review, 1);
  assert.equal(start?.run.attempt, 1);
  const { attempts, last_attempt: last } = taskOf(played.state, "impl-1").execution;
  assert.equal(attempts, 1);
  assert.equal(last?.agent_session, "talk-1", "its agent's conversation is kept");
  assert.equal(last?.reviewing?.run_id, "run-1");
  assert.equal(last?.run_id, "run-2");
});

test("what the reviewer accepts is completed, and its dependents start", () => {
  const both = droppedTogether(task("impl-1", { ...developed, ...BY }), task("impl-2", { dependencies: ["impl-1"] }));
  const played = play([both, ended("impl-1", talk), reviewed("impl-1", FINE)]);
  assert.deepEqual(moves(played.log[2]), [
    ["impl-1", "completed"],
    ["impl-2", "active"],
  ]);
  const { last_attempt: last, reviews } = taskOf(played.state, "impl-1").execution;
  assert.equal(last?.run_id, "run-1");
  assert.equal(last?.reviewing, undefined);
  assert.equal(last?.outcome, "success");
  assert.deepEqual(
    reviews?.given.map(({ role, verdict, run_id }) => [role, verdict, run_id]),
    [["review-agent", "accept", "run-2"]],
  );
});

test("accepted work in a worktree is merged by a run without an agent, and completed only then", () => {
  const played = play([one(), ended("impl-1", { ...talk, work: work("impl-1") }), reviewed("impl-1", FINE)], {
    policy: { isolation: "worktree", hasCommits: true },
  });
  assert.equal(standing(played, "impl-1"), "active");
  assert.equal(reviewerOf(played)?.merging, true);
  const merged = play([ended("impl-1", { work: { ...work("impl-1"), merged: "d".repeat(40) } })], {
    start: played.state,
  });
  assert.equal(standing(merged, "impl-1"), "completed");
});

test("findings that must not stay go back to the same conversation; remarks do not", () => {
  const played = play([one(), ended("impl-1", talk), reviewed("impl-1", BAD)]);
  assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "pending", "active", "pending", "active"]);
  const { attempts, last_attempt: last } = taskOf(played.state, "impl-1").execution;
  assert.equal(attempts, 2);
  assert.equal(last?.agent_session, "talk-1");
  assert.equal(last?.continued, 0);
  assert.equal(reviewerOf(played)?.role, "code-developer");
  const back = played.log[2]?.changes.find((change) => change.of === "task" && change.to === "pending");
  const error = back?.of === "task" ? back.after?.execution.last_attempt?.error : undefined;
  assert.equal(error?.class, "rejected");
  assert.equal(
    error?.message,
    "review-agent does not accept the work: It leaks.\n- must a.ts:3: It is left open. Close it.\n- not met: It is quick. (a.ts:9)",
  );
});

for (const [what, review] of Object.entries<Partial<Review>>({
  "a finding that must not stay": { findings: [{ severity: "must", what: "x", why: "y" }] },
  "a criterion that is not met": { acceptance: [{ criterion: "x", met: false }] },
  "the verdict": { verdict: "reject" },
}))
  test(`${what} alone sends the work back`, () => {
    const played = play([one(), ended("impl-1", talk), reviewed("impl-1", { ...FINE, ...review })]);
    assert.equal(reviewerOf(played)?.role, "code-developer");
  });

test("what should or could be better holds nothing up", () => {
  const remark = { severity: "should" as const, what: "x", why: "y" };
  const played = play([one(), ended("impl-1", talk), reviewed("impl-1", { ...FINE, findings: [remark] })]);
  assert.equal(standing(played, "impl-1"), "completed");
});

describe("after so many rounds a person decides", () => {
  const round = [ended("impl-1", talk), reviewed("impl-1", BAD)];

  test("two, unless somebody says otherwise", () => {
    const played = play([one(), ...round, ...round, ...round]);
    assert.equal(standing(played, "impl-1"), "blocked rejected");
    assert.equal(taskOf(played.state, "impl-1").execution.attempts, 3);
  });

  test("as many as the task says", () => {
    const played = play([one({ review: { by: "review-agent", max_rounds: 0 } }), ...round]);
    assert.equal(standing(played, "impl-1"), "blocked rejected");
    assert.equal(taskOf(played.state, "impl-1").execution.attempts, 1);
  });

  test("with the findings in the task's summary", () => {
    const played = play([one({ review: { by: "review-agent", max_rounds: 0 } }), ...round]);
    const page = summary({ session: fileOf(played.state), task: taskOf(played.state, "impl-1"), response: null });
    assert.match(page, /## Reviews\n- Sent back once\.\n- `review-agent` does not accept it: It leaks\./);
    assert.match(page, /must `a\.ts:3`: It is left open\. Close it\./);
    assert.match(page, /could: The name is long\./);
    assert.match(page, /\*\*not met\*\*: It is quick\./);
  });

  test("and a retry is a new beginning: the agent goes on with the findings, and has all its rounds again", () => {
    const played = play([
      one({ review: { by: "review-agent", max_rounds: 0 } }),
      ...round,
      edited("impl-1", { status: "pending" }),
    ]);
    const { last_attempt: last, reviews } = taskOf(played.state, "impl-1").execution;
    assert.equal(last?.attempt, 2);
    assert.equal(last?.continued, 0);
    assert.equal(reviews, undefined);
  });
});

describe("several reviewers", () => {
  const three = { by: ["review-agent", "code-review-test-agent", "planning-agent"] };
  const asked = (rule: "all" | "majority", ...said: Review[]) =>
    play([one({ review: { ...three, rule } }), ended("impl-1", talk), ...said.map((each) => reviewed("impl-1", each))]);

  test("are asked one after another, and all of them, so that one round has all findings", () => {
    const first = asked("all", BAD);
    assert.equal(reviewerOf(first)?.role, "code-review-test-agent");
    assert.equal(reviewerOf(first)?.review, 2);
    const second = asked("all", BAD, FINE);
    assert.equal(reviewerOf(second)?.role, "planning-agent");
    const last = asked("all", BAD, FINE, BAD);
    assert.equal(reviewerOf(last)?.role, "code-developer");
    const message = taskOf(last.state, "impl-1").execution.reviews?.given.length;
    assert.equal(message, 3);
  });

  test("by the rule all each has to accept", () => {
    assert.equal(standing(asked("all", FINE, FINE, FINE), "impl-1"), "completed");
    assert.equal(reviewerOf(asked("all", FINE, FINE, BAD))?.role, "code-developer");
  });

  test("by the rule majority more than half", () => {
    assert.equal(standing(asked("majority", FINE, BAD, FINE), "impl-1"), "completed");
    assert.equal(reviewerOf(asked("majority", FINE, BAD, BAD))?.role, "code-developer");
  });

  test("of one role are as many as were asked for", () => {
    const twice = one({ review: ["review-agent", "review-agent"] });
    const played = play([twice, ended("impl-1", talk), reviewed("impl-1", FINE)]);
    assert.equal(reviewerOf(played)?.review, 2);
  });
});

describe("who reviews", () => {
  const policy = { review: { ...POLICY.review, by: ["review-agent"] } };
  const isReviewed = (given: Parameters<typeof dropped>[1], more = policy) => {
    const played = play([dropped("impl-1", given), ended("impl-1", talk)], { policy: more });
    return reviewerOf(played)?.role;
  };

  test("is said by the settings, for all that agents do", () => {
    assert.equal(isReviewed(developed), "review-agent");
    assert.equal(isReviewed({ agent: "command" }), undefined);
    assert.equal(isReviewed({ agent: "review-agent" }), undefined, "a review is not reviewed");
  });

  test("or for a type of task", () => {
    const types = { review: { ...POLICY.review, by: ["review-agent"], types: { docs: [], test: "planning-agent" } } };
    assert.equal(isReviewed({ ...developed, type: "docs" }, types), undefined);
    assert.equal(isReviewed({ ...developed, type: "test" }, types), "planning-agent");
    assert.equal(isReviewed({ ...developed, type: "bugfix" }, types), "review-agent");
  });

  test("or by the task itself, whoever does it", () => {
    assert.equal(isReviewed({ ...developed, execution: { review: [] } }), undefined);
    assert.equal(isReviewed({ agent: "command", execution: { review: "planning-agent" } }), "planning-agent");
  });

  for (const [name, why] of [
    ["nobody", /no role nobody/],
    ["human", /approve: after/],
    ["command", /no command/],
  ] as const)
    test(`is not ${name}, and the task says why`, () => {
      const played = play([one({ review: name }), ended("impl-1", talk)]);
      assert.equal(standing(played, "impl-1"), "blocked invalid");
      assert.match(taskOf(played.state, "impl-1").execution.reviews?.error?.message ?? "", why);
      assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.outcome, "success", "the work is done");
    });

  test("may be changed while the work waits: who is taken away is not asked", () => {
    const waiting = play(
      [one({ review: ["review-agent", "planning-agent"] }), ended("impl-1", talk), reviewed("impl-1", FINE)],
      {
        policy: { concurrency: 1 },
      },
    );
    const played = play([edited("impl-1", { execution: { review: "review-agent" } }), { type: "tick" }], {
      start: waiting.state,
    });
    // The second is at work by now: it is heard all the same.
    const done = play([reviewed("impl-1", FINE)], { start: played.state });
    assert.equal(standing(done, "impl-1"), "completed");
  });
});

test("an approval after the work is asked for when its reviewers have accepted it", () => {
  const played = play([one({ approve: "after" }), ended("impl-1", talk), reviewed("impl-1", FINE)]);
  assert.equal(standing(played, "impl-1"), "blocked awaiting-approval");
  const approved = play([edited("impl-1", { execution: { approved: true } })], { start: played.state });
  assert.equal(standing(approved, "impl-1"), "completed");
});

describe("a review costs", () => {
  const cost = (usd: number) => ({ cost_usd: usd, tokens: { input: 100, output: 0, cache_read: 0, cache_write: 0 } });

  test("what counts for the task, the session and the day", () => {
    const played = play([one(), ended("impl-1", { ...talk, ...cost(1) }), reviewed("impl-1", FINE, cost(0.5))]);
    assert.deepEqual(taskOf(played.state, "impl-1").execution.spent, { usd: 1.5, tokens: 200 });
    assert.equal(fileOf(played.state).cost_usd, 1.5);
    assert.equal(played.state.spent.usd, 1.5);
    assert.equal(taskOf(played.state, "impl-1").execution.last_attempt?.cost_usd, 1, "the attempt's is its own");
  });

  test("and waits where the task's budget is used up, until it is raised", () => {
    const played = play([one({ budget_usd: 1 }), ended("impl-1", { ...talk, ...cost(1) })]);
    assert.equal(standing(played, "impl-1"), "blocked budget");
    const raised = play([edited("impl-1", { execution: { budget_usd: 3 } })], { start: played.state });
    assert.equal(reviewerOf(raised)?.role, "review-agent");
    assert.equal(taskOf(raised.state, "impl-1").execution.attempts, 1, "the work is not done again");
  });
});

describe("a reviewer that breaks off", () => {
  const failed = (failed: FailureClass) => ended("impl-1", { failed });

  test("is asked again, as its failure says, and the work is not done again", () => {
    const played = play([one(), ended("impl-1", talk), failed("network"), wait(10_000, tick)]);
    assert.deepEqual(wayOf(played, "impl-1"), ["pending", "active", "pending", "active", "pending", "active"]);
    assert.equal(reviewerOf(played)?.review, 2);
    assert.equal(taskOf(played.state, "impl-1").execution.attempts, 1);
    assert.equal(taskOf(played.state, "impl-1").execution.failures, undefined, "it is none of the work's failures");
  });

  test("too often blocks the task; a retry asks again, and no agent does the work again", () => {
    const again = [failed("crash"), wait(60_000, tick)];
    const policy = { breaker: { ...POLICY.breaker, failures: 100 } };
    const played = play([one(), ended("impl-1", talk), ...again, ...again, ...again, failed("crash")], { policy });
    assert.equal(standing(played, "impl-1"), "blocked failed");
    const retried = play([edited("impl-1", { status: "pending" })], {
      start: played.state,
    });
    assert.equal(reviewerOf(retried)?.role, "review-agent");
    assert.equal(reviewerOf(retried)?.review, 5);
  });

  test("at the usage limit waits for its end, and uses nothing up", () => {
    const played = play([one(), ended("impl-1", talk), failed("usage-limit")]);
    assert.equal(standing(played, "impl-1"), "pending usage-limit");
    assert.equal(taskOf(played.state, "impl-1").execution.reviews?.failures, undefined);
    const later = play([wait(3_600_000, tick)], { start: played.state, at: played.now });
    assert.equal(reviewerOf(later)?.role, "review-agent");
  });

  test("is asked anew when it was stopped with the daemon", () => {
    const played = play([one(), ended("impl-1", talk), ended("impl-1", { stopped: "shutdown" })]);
    assert.equal(reviewerOf(played)?.review, 2);
    assert.equal(taskOf(played.state, "impl-1").execution.attempts, 1);
  });
});

test("a task that a person blocks during its review keeps its work, and goes on with the review", () => {
  const played = play([
    one(),
    ended("impl-1", talk),
    edited("impl-1", { status: "blocked" }),
    ended("impl-1", { stopped: "cancelled", cost_usd: 1 }),
    edited("impl-1", { status: "pending" }),
  ]);
  const { last_attempt: last, spent, attempts } = taskOf(played.state, "impl-1").execution;
  assert.equal(reviewerOf(played)?.review, 2);
  assert.equal(last?.reviewing?.run_id, "run-1");
  assert.equal(attempts, 1);
  assert.equal(spent?.usd, 1);
});

test("a completed task that is to run again is done and reviewed anew", () => {
  const played = play([
    one(),
    ended("impl-1", talk),
    reviewed("impl-1", FINE),
    edited("impl-1", { status: "pending" }),
    ended("impl-1", talk),
  ]);
  assert.equal(taskOf(played.state, "impl-1").execution.attempts, 2);
  assert.equal(reviewerOf(played)?.review, 1);
});

test("work from which the reviewers were taken away meanwhile is merged all the same", () => {
  const played = play([dropped("impl-1", developed), ended("impl-1", { work: work("impl-1") })], {
    policy: { isolation: "worktree", hasCommits: true },
  });
  assert.equal(reviewerOf(played)?.merging, true);
});

test("the session's phase follows: reviewing while all that is left is with its reviewers", () => {
  const phase = (steps: Parameters<typeof play>[0]) => fileOf(play(steps).state).current_phase;
  assert.equal(phase([one()]), "IMPLEMENT");
  assert.equal(phase([one(), ended("impl-1", talk)]), "REVIEW");
  assert.equal(phase([one(), ended("impl-1", talk), reviewed("impl-1", BAD)]), "IMPLEMENT");
  assert.equal(phase([one({ approve: "after", review: [] }), ended("impl-1", talk)]), "REVIEW");
});
