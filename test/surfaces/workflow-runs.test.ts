/** What runs are bounded by and come to, and what begins next, as commands tell it. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

function lab(t: TestContext): Lab {
  const made = repository(t, { init: true });
  made.write(".workflow/config.yaml", "isolation: none\n");
  return made;
}

interface Shown {
  outputs: Record<string, unknown>;
  cause: { on: string; about: string } | null;
  steps: { step: string; status: string }[];
}

describe("outputs", () => {
  const flow = `name: Flow
vars: { who: Ada }
outputs:
  rows: "{data.rows}"
  all: "{data}"
  text: "{who} saw {data.rows} rows; {steps.never.outcome}"
  none: "{nothing}"
  large: "{big}"
concurrency: 1
steps:
  - { id: load, run: 'echo "{\\"rows\\": 3, \\"of\\": \\"{run.cause}\\"}"', output_variable: data }
  - { id: big, run: "head -c 100000 /dev/zero | tr '\\\\0' x", output_variable: big }
  - { id: never, run: "true", when: "data.rows > 100", output_variable: nothing }
`.replace('{\\"rows\\": 3, \\"of\\": \\"{run.cause}\\"}', '{{ \\"rows\\": 3 }');

  test("are what the run came to, on record with its end, and told by show, by --wait and in the summary", async (t) => {
    const made = lab(t);
    made.write(".workflow/workflows/flow.yaml", flow);
    assert.equal(made.cox("start", "--detach").exit, 0);
    const waited = await made.together("run", "flow", "--wait", "--json");
    assert.equal(waited.exit, 0, waited.err);
    const outputs = {
      rows: 3,
      all: { rows: 3 },
      text: "Ada saw 3 rows; skipped",
      none: null,
      large: { file: ".workflow/WFS-main/responses/impl-1.2-a1.json" },
    };
    assert.deepEqual((JSON.parse(waited.out) as Shown).outputs, outputs);
    assert.deepEqual(made.json<Shown>("workflows", "show", "flow-1").outputs, outputs);
    assert.match(
      made.cox("workflows", "show", "flow-1").out,
      /completed, 3 of 3[\s\S]*Outputs:[\s\S]*text +Ada saw 3 rows; skipped/,
    );
    assert.equal(made.cox("stop").exit, 0);
    const moves = made
      .git("log", "--format=%s", "refs/cox/ledger", "--", ".workflow/WFS-main/.task/impl-1.json")
      .split("\n");
    assert.equal(moves[0], "WFS-main impl-1: container -> completed");
    assert.match(made.git("show", "refs/cox/ledger:.workflow/WFS-main/.task/impl-1.json"), /"results": \{\s+"rows": 3/);
    assert.match(made.read(".workflow/WFS-main/.summaries/IMPL-1-summary.md"), /## Outputs\n- `rows`: `3`/);
  });
});

test("a dry run estimates from what the same steps took before, says what that rests on, and that it knows nothing", (t) => {
  const made = lab(t);
  made.write(
    ".workflow/workflows/flow.yaml",
    "name: Flow\nsteps:\n  - { id: a, run: sleep 0.2 }\n  - { id: b, run: sleep 0.3, needs: [] }\n",
  );
  assert.match(made.cox("run", "flow", "--dry-run").out, /cannot be told: none of its steps has run before/);
  made.cox("run", "flow");
  assert.equal(made.cox("start", "--once").exit, 0);
  type Planned = {
    estimate: { duration_ms: number; known: number; n: number };
    steps: { estimate: { of: string; n: number } }[];
  };
  const { estimate, steps } = made.json<Planned>("run", "flow", "--dry-run");
  assert.deepEqual([estimate.known, estimate.n], [2, 2]);
  const longest = Math.max(
    ...["impl-1.1", "impl-1.2"].map(
      (id) => (made.task(id).execution["last_attempt"] as { duration_ms: number }).duration_ms,
    ),
  );
  assert.equal(estimate.duration_ms, longest, "what goes at the same time takes as long as the longest");
  assert.deepEqual(steps[0]?.estimate.of, "step");
  assert.match(made.cox("run", "flow", "--dry-run").out, /An estimate from 2 earlier attempts: /);
});

describe("cox workflows next", () => {
  interface Next {
    daemon: string;
    next: {
      workflow: string;
      on: string | null;
      trigger: string | null;
      at: string[];
      due: number;
      why: string | null;
    }[];
  }

  test("tells when schedules come, what the others wait for, and what is wrong", (t) => {
    const made = lab(t);
    assert.match(made.cox("workflows", "next").out, /Nothing begins by itself/);
    const steps = "steps:\n  - run: 'true'\n";
    made.write(
      ".workflow/workflows/nightly.yaml",
      `name: n\non: { schedule: { cron: "0 3 * * *", timezone: UTC } }\n${steps}`,
    );
    made.write(
      ".workflow/workflows/docs.yaml",
      `name: d\non: { files: ["docs/**"], git: { tag: "v*" }, after: nigthly }\n${steps}`,
    );
    made.write(".workflow/workflows/plain.yaml", `name: p\n${steps}`);
    made.write(".workflow/workflows/wrong.yaml", "name: w\n");
    const { daemon, next } = made.json<Next>("workflows", "next");
    assert.equal(daemon, "down");
    assert.deepEqual(
      next.map(({ workflow, on, trigger }) => [workflow, on, trigger]),
      [
        ["nightly", "schedule", "at 0 3 * * * (UTC)"],
        ["docs", "files", "when docs/** changes"],
        ["docs", "git", "at a new tag v*"],
        ["docs", "after", "after nigthly (success)"],
        ["wrong", null, null],
      ],
    );
    assert.match(next[0]?.at[0] ?? "", /T03:00:00\.000Z$/);
    assert.equal(next[0]?.at.length, 3);
    assert.equal(next[3]?.why, "There is no workflow nigthly.");
    assert.match(made.cox("workflows", "next").out, /nightly +at 0 3 .* UTC, in [\s\S]*No daemon is up/);
  });
});
