/** A review with the real Claude Code: the answer by its schema, the findings in the same conversation, and no writing. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../support/claude-attempt.ts";
import { scene, skip, statusIs } from "../support/claude-scene.ts";
import { text, toolUse } from "../support/messages-api.ts";

const CONFIG = "isolation: worktree\n";

const FINE = { verdict: "accept", findings: [], acceptance: [{ criterion: "It rhymes.", met: true }] };
const BAD = {
  verdict: "reject",
  summary: "It does not rhyme.",
  findings: [{ severity: "must", file: "ode.txt", line: 1, what: "The second line is missing.", why: "Add it." }],
  acceptance: [{ criterion: "It rhymes.", met: false }],
};

const task = {
  title: "Write ode.txt",
  context: { acceptance: ["It rhymes."] },
  execution: { review: "review-agent", verify: ["test -s ode.txt"] },
};

test("findings go back into the conversation, and the mended work is accepted", { skip }, async (t) => {
  const seen: { tools: string[]; asked: string }[] = [];
  const at = await scene(
    t,
    ({ body, call }) => {
      const asked = JSON.stringify(body.messages);
      if (/# Review of impl-1/.test(asked)) {
        if (call === 0) {
          seen.push({ tools: (body.tools ?? []).map(({ name }) => name), asked });
          // It tries to mend the work itself, though it has no tool for that.
          return toolUse("Write", { file_path: "ode.txt", content: "by the reviewer\n" });
        }
        if (call === 1) return toolUse("StructuredOutput", /\+second/.test(asked) ? FINE : BAD);
        return text("That is my review.");
      }
      const told = /The second line is missing/.test(asked);
      if (call === 0) return toolUse("Write", { file_path: "ode.txt", content: "first\n" });
      if (told && !/second\.txt/.test(asked)) return toolUse("Write", { file_path: "second.txt", content: "second\n" });
      return text("It is written.");
    },
    { config: CONFIG },
  );
  writeFileSync(join(at.workspace, "inbox", "ode.json"), JSON.stringify({ id: "impl-1", ...task }));
  at.daemon();
  await until(statusIs(at, "impl-1", "completed"), "impl-1 to be completed");
  const { attempts, reviews, spent } = at.task("impl-1").execution;
  assert.equal(attempts, 2);
  assert.equal(reviews?.rounds, 1);
  assert.deepEqual(reviews?.given[0]?.acceptance, FINE.acceptance);
  assert.equal(at.response("impl-1-a1").agent_session, at.response("impl-1-a2").agent_session, "one conversation");
  assert.notEqual(at.response("impl-1-a1-r1").agent_session, at.response("impl-1-a2-r1").agent_session);
  const each = ["impl-1-a1", "impl-1-a1-r1", "impl-1-a2", "impl-1-a2-r1"].map(
    (name) => at.response(name).cost_usd ?? 0,
  );
  const sum = each.reduce((all, cost) => all + cost, 0);
  assert.ok(Math.abs((spent?.usd ?? 0) - sum) < 1e-5, `${spent?.usd} is not the sum of ${each.join(", ")}`);
  for (const { tools, asked } of seen) {
    assert.ok(tools.includes("StructuredOutput"), tools.join());
    for (const name of ["Write", "Edit", "Bash"]) assert.ok(!tools.includes(name), tools.join());
    assert.match(asked, /\+first/);
  }
  const git = (...args: string[]) => execFileSync("git", args, { cwd: at.place.cwd, encoding: "utf8" });
  assert.equal(git("show", "cox/WFS-real/session:ode.txt"), "first\n", "nothing of the reviewer's");
  assert.equal(git("show", "cox/WFS-real/session:second.txt"), "second\n");
});

test("one that never answers by the schema blocks the task, and its work is kept", { skip }, async (t) => {
  const at = await scene(
    t,
    ({ body, call }) => {
      if (/# Review of impl-1/.test(JSON.stringify(body.messages))) return text("Looks good to me!");
      return call === 0 ? toolUse("Write", { file_path: "ode.txt", content: "first\n" }) : text("Done.");
    },
    { config: `${CONFIG}retry:\n  attempts: 2\n  base: 100ms\n` },
  );
  writeFileSync(join(at.workspace, "inbox", "ode.json"), JSON.stringify({ id: "impl-1", ...task }));
  at.daemon();
  await until(statusIs(at, "impl-1", "blocked"), "impl-1 to be blocked");
  const { reviews, last_attempt: last, attempts, commit } = at.task("impl-1").execution;
  assert.ok(reviews?.error?.message, "why is told");
  assert.equal(last?.outcome, "success");
  assert.equal(attempts, 1);
  assert.ok(commit);
});
