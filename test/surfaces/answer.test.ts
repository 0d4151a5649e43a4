/** `cox answer`, and `cox approve` and `reject` where a person is asked: with the daemon stopped. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

/** A task that asks. */
function asking(t: TestContext, execution: Record<string, unknown>): Lab {
  const lab = repository(t, { init: true });
  lab.cox("add", "Ship it?", "--agent", "human");
  const last_attempt = { attempt: 1, run_id: null, started_at: "2026-01-01T00:00:00.000Z" };
  const task = lab.task("impl-1");
  const asked = { ...task.execution, ...execution, attempts: 1, last_attempt, reason: "awaiting-person" };
  lab.write(".workflow/WFS-main/.task/impl-1.json", JSON.stringify({ ...task, status: "blocked", execution: asked }));
  return lab;
}

const FILE = ".workflow/WFS-main/responses/impl-1-a1.json";
const written = (lab: Lab) => JSON.parse(lab.read(FILE)) as Record<string, unknown>;
const CHOICES = { choices: ["yes", "not now"] };
const FORM = {
  form: { properties: { version: { type: "string" }, count: { type: "integer" } }, required: ["version"] },
};

describe("cox answer", () => {
  test("writes the response that a person could have written", (t) => {
    const lab = asking(t, CHOICES);
    const said = lab.cox("answer", "impl-1", "not", "now");
    assert.match(said.out, /impl-1 is answered: not now\nThe same as: write it to .*impl-1-a1\.json\nNo daemon is up/);
    assert.deepEqual(written(lab), { outcome: "success", result: "not now" });
    assert.deepEqual(lab.json("answer", "impl-1", "YES"), {
      session: "WFS-main",
      task: "impl-1",
      file: FILE,
      answer: "yes",
      outcome: "success",
      daemon: "down",
    });
  });

  test("takes the fields of a form, each as its type", (t) => {
    const lab = asking(t, FORM);
    assert.equal(lab.cox("answer", "impl-1", "version=1.2", "count=3").exit, 0);
    assert.deepEqual(written(lab)["structured"], { version: "1.2", count: 3 });
    assert.equal(lab.cox("answer", "impl-1", '{"version": "2"}').exit, 0);
    assert.deepEqual(written(lab)["structured"], { version: "2" });
    assert.equal(lab.coxWith({ input: '{"version": "3"}' }, "answer", "impl-1", "--file", "-").exit, 0);
    assert.deepEqual(written(lab)["structured"], { version: "3" });
  });

  for (const [what, execution, answer, says] of [
    ["another choice", CHOICES, ["mabye"], /"mabye" is none of the choices\. Answer one of yes, not now/],
    ["a near choice", CHOICES, ["not nwo"], /Did you mean not now\?/],
    ["a form without its field", FORM, ["count=3"], /version is missing\..*fields: version, count/],
    ["a form with a wrong type", FORM, ["version=1", "count=many"], /count must be integer/],
  ] as const)
    test(`refuses ${what}, and changes nothing`, (t) => {
      const lab = asking(t, execution);
      const said = lab.cox("answer", "impl-1", ...answer);
      assert.equal(said.exit, 2);
      assert.match(said.err, says);
      assert.ok(!lab.has(FILE));
    });

  test("shows the question where no answer is given", (t) => {
    const lab = asking(t, { ...CHOICES, time_limit: "2d", due_at: "2026-01-03T00:00:00.000Z", default: "yes" });
    const said = lab.cox("answer", "impl-1");
    assert.match(
      said.out,
      /^Ship it\?\n\ncox answer impl-1 yes\ncox answer impl-1 "not now"\nuntil 2026-01-03.*, then "yes"/,
    );
    const { choices, due_at, default: otherwise } = lab.json("answer", "impl-1");
    assert.deepEqual([choices, due_at, otherwise], [CHOICES.choices, "2026-01-03T00:00:00.000Z", "yes"]);
  });

  test("of a task that asks nobody exits 4, and says what goes instead", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    const said = lab.cox("answer", "impl-1", "yes");
    assert.equal(said.exit, 4);
    assert.match(said.err, /impl-1 asks nobody: it is pending/);
  });
});

describe("cox approve and cox reject", () => {
  test("answer a plain question, in so many words", (t) => {
    const lab = asking(t, {});
    assert.equal(lab.cox("approve", "impl-1").exit, 0);
    assert.deepEqual(written(lab), { outcome: "success", result: "approved" });
    assert.equal(lab.cox("reject", "impl-1").exit, 0);
    assert.equal(written(lab)["outcome"], "failure");
  });

  test("take the choice that means it, and no other", (t) => {
    const lab = asking(t, CHOICES);
    assert.equal(lab.cox("approve", "impl-1").exit, 0);
    assert.equal(written(lab)["result"], "yes");
    const said = lab.cox("reject", "impl-1");
    assert.equal(said.exit, 4);
    assert.match(said.err, /asks for more than a rejection\.[\s\S]*Such as cox answer impl-1 "yes"/);
    assert.equal(asking(t, FORM).cox("approve", "impl-1").exit, 4);
  });
});
