/** A goal that the real Claude Code plans: asked by schema, asked again where it answers in prose, approved, carried out. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../support/claude-attempt.ts";
import { scene, skip, statusIs } from "../support/claude-scene.ts";
import { text, toolUse, type Script } from "../support/messages-api.ts";

const PLAN = {
  summary: "One file, then a look at it.",
  tasks: [
    {
      key: "write",
      title: "Write hello.txt",
      role: "code-developer",
      paths: ["hello.txt"],
      verify: ["test -s hello.txt"],
    },
    { key: "look", title: "Look at hello.txt", role: "review-agent", dependencies: ["write"] },
  ],
  risks: [],
  questions: ["In which language?"],
};

test(
  "an answer that ignores the schema is asked again; the plan that follows is approved and carried out",
  { skip },
  async (t) => {
    const script: Script = ({ body }) => {
      const said = JSON.stringify(body.messages);
      const answers = body.tools?.some(({ name }) => name === "StructuredOutput");
      if (said.includes("# Task impl-1.1")) return said.includes("tool_result") ? text("Written.") : write;
      if (said.includes("# Task impl-1.2")) return text("It is good.");
      // Only in the second attempt is it told that prose is no plan.
      return answers && said.includes("The answer is prose, and no plan")
        ? toolUse("StructuredOutput", PLAN)
        : text("Let me think.");
    };
    const write = toolUse("Write", { file_path: "hello.txt", content: "hello\n" });
    const at = await scene(t, script);
    at.daemon();
    writeFileSync(join(at.workspace, "inbox", "goal.json"), '{"title": "Plan how people are greeted"}');
    await until(statusIs(at, "impl-1", "blocked"), "the plan to wait for approval");
    const { execution } = at.task("impl-1");
    assert.equal(execution.reason, "awaiting-approval", JSON.stringify(execution.last_attempt?.error));
    assert.equal(execution.attempts, 2);
    assert.equal(execution.last_attempt?.continued, 0, "it is the same conversation");
    assert.deepEqual(at.response("impl-1-a2").structured, PLAN);
    assert.match(at.response("impl-1-a1").error?.message ?? "", /The answer is prose, and no plan/);
    const view = () => readFileSync(join(at.workspace, "WFS-real", "IMPL_PLAN.md"), "utf8");
    await until(
      () => existsSync(join(at.workspace, "WFS-real", "IMPL_PLAN.md")) && /In which language\?/.test(view()),
      "its question to be shown",
    );

    const file = join(at.workspace, "WFS-real", ".task", "impl-1.json");
    const task = at.task("impl-1");
    writeFileSync(file, JSON.stringify({ ...task, execution: { ...task.execution, approved: true } }, null, 2));
    await until(statusIs(at, "impl-1", "completed"), "all of it to be completed");
    assert.equal(readFileSync(join(at.place.cwd, "hello.txt"), "utf8"), "hello\n");
    assert.deepEqual(at.task("impl-1").relations.subtasks, ["impl-1.1", "impl-1.2"]);
  },
);
