/** What holds for all steps of a workflow's run together. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Event } from "../../src/machine/event.ts";
import { leftFor } from "../../src/machine/budget.ts";
import type { State } from "../../src/machine/state.ts";
import { taskKey, type TaskId } from "../../src/model/ids.ts";
import { NOTHING } from "../../src/model/spent.ts";
import type { Execution } from "../../src/model/task.ts";
import { droppedTogether, edited, effects, ended, play, POLICY, S, task, taskOf, tick } from "./play.ts";

const step = (id: string, more: object = {}, agent = "code-developer") =>
  task(id, { agent, paths: id, execution: { workflow: { name: "w", run: "w-1", step: id, ...more } } });
const run = (execution: Partial<Execution>, workflow: object = {}) =>
  task("impl-1", { agent: "human", execution: { ...execution, workflow: { name: "w", run: "w-1", ...workflow } } });
const started = (played: ReturnType<typeof play>) =>
  played.log.map((one) => effects(one, "start-agent").map(({ run: { id } }) => id));
const uses =
  (id: TaskId, usd: number) =>
  (state: State): Event => ({
    type: "progress",
    session: S,
    id,
    runId: state.runs.get(taskKey(S, id))?.runId ?? "none",
    seen: { usd, tokens: usd * 1000 },
    answered: true,
  });
const three = ["impl-1.1", "impl-1.2", "impl-1.3"];

test("of a run as many steps are at work as it says, whatever else there is room for", () => {
  const steps = three.map((id) => step(id, {}, "command"));
  const played = play([
    droppedTogether(run({}, { concurrency: 2 }), ...steps, task("impl-2")),
    ended("impl-1.1"),
    ended("impl-1.2"),
  ]);
  assert.deepEqual(started(played), [["impl-1.1", "impl-1.2", "impl-2"], ["impl-1.3"], []]);
});

test("a run's budget stops its agents when they have used it up together, and nothing more of it starts", () => {
  for (const budget of [{ budget_usd: 3 }, { budget_tokens: 3000 }]) {
    const steps = three.slice(0, 2).map((id) => step(id));
    const played = play([
      droppedTogether(
        run(budget),
        ...steps,
        step("impl-1.3", { finally: true, met: true }, "command"),
        task("impl-2", { agent: "code-developer" }),
      ),
      uses("impl-1.1", 2),
      uses("impl-1.2", 1),
      uses("impl-2", 50),
    ]);
    assert.deepEqual(effects(played.log[1], "stop-agent"), []);
    assert.deepEqual(
      effects(played.log[2], "stop-agent").map(({ id, why }) => `${id} ${why}`),
      ["impl-1.1 budget", "impl-1.2 budget"],
    );
    assert.deepEqual(effects(played.log[3], "stop-agent"), [], "others have nothing to do with it");
  }
});

test("a step that waits for the run's budget goes on by itself when the run's own task allows more", () => {
  const first = [
    droppedTogether(run({ budget_usd: 1 }), step("impl-1.1"), step("impl-1.2")),
    uses("impl-1.1", 1),
    ended("impl-1.1", { stopped: "budget", cost_usd: 1 }),
    ended("impl-1.2", { stopped: "budget", cost_usd: 0 }),
  ];
  const { state } = play(first);
  const waits = taskOf(state, "impl-1.1");
  assert.deepEqual([waits.status, waits.execution.over_budget], ["blocked", { of: "run", unit: "usd", limit: 1 }]);
  const more = play([...first, edited("impl-1", { execution: { budget_usd: 5 } }), tick]);
  assert.deepEqual(started(more).slice(-2).flat(), ["impl-1.1", "impl-1.2"]);
});

test("an attempt may cost what is left of its run's budget", () => {
  const of = {
    session: NOTHING,
    day: NOTHING,
    run: { spent: { usd: 2, tokens: 0 }, allowed: { usd: 5, tokens: null } },
  };
  assert.equal(leftFor(step("impl-1.1"), of, POLICY), 3);
});
