/** What begins next, as commands tell it. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

function lab(t: TestContext): Lab {
  const made = repository(t, { init: true });
  made.write(".workflow/config.yaml", "isolation: none\n");
  return made;
}

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
