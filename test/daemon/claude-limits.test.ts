/** What may be spent, and going on where an agent was cut off, with the real Claude Code. */
import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { processes, send } from "../../src/agent/proc-table.ts";
import { until } from "../support/claude-attempt.ts";
import { marked, scene, skip, statusIs, type Scene } from "../support/claude-scene.ts";
import { text, toolUse } from "../support/messages-api.ts";

const drop = (at: Scene, name: string, task: object) =>
  writeFileSync(join(at.workspace, "inbox", `${name}.json`), JSON.stringify(task));

test(
  "agents are stopped when together they have used the session's budget, and go on when it is raised",
  { skip },
  async (t) => {
    const at = await scene(
      t,
      ({ call }) =>
        call === 0
          ? toolUse("Bash", { command: "touch begun-$$; sleep 300" }, { usage: { input_tokens: 120_000 } })
          : text("Done with more money."),
      // One call of one agent is within it; Claude Code itself does not know of the other's.
      { config: "budget:\n  session_usd: 0.9\nconcurrency: 2\n" },
    );
    at.daemon();
    drop(at, "a", { title: "Costs much", paths: "a" });
    drop(at, "b", { title: "Costs much too", paths: "b" });
    drop(at, "c", { title: "Comes too late", paths: "c" });
    const ids = ["impl-1", "impl-2", "impl-3"];
    await until(() => at.api.requests.filter(({ call }) => call === 0).length === 2, "two agents to have asked");
    const began = Date.now();
    await until(() => ids.every((id) => statusIs(at, id, "blocked")()), "all tasks to be blocked");
    t.diagnostic(`all blocked ${Date.now() - began} ms after the call that was one too many`);
    const [one, two, three] = ids.map((id) => at.task(id).execution);
    for (const execution of [one, two, three])
      assert.deepEqual(execution?.over_budget, { of: "session", unit: "usd", limit: 0.9 });
    assert.ok((one?.spent?.usd ?? 0) + (two?.spent?.usd ?? 0) >= 0.9, "counted although they were stopped");
    assert.equal(three?.attempts, 0);
    for (const execution of [one, two]) {
      assert.equal(execution?.last_attempt?.error?.class, "budget");
      assert.equal(marked(execution?.last_attempt?.run_id ?? "none"), 0, "nothing of it still runs");
    }
    const list = join(at.workspace, "WFS-real", "TODO_LIST.md");
    await until(() => /raise .*budget_usd/.test(readFileSync(list, "utf8")), "the list to say what to do");

    writeFileSync(
      join(at.workspace, "WFS-real", "workflow-session.json"),
      JSON.stringify({ ...at.session(), budget_usd: 50 }, null, 2),
    );
    await until(() => ids.slice(0, 2).every((id) => statusIs(at, id, "completed")()), "both to be completed");
  },
);

test("an agent that is killed goes on in the same conversation", { skip }, async (t) => {
  const at = await scene(
    t,
    ({ call }) =>
      call === 0
        ? toolUse("Bash", { command: "touch begun; while [ ! -e never ]; do sleep 0.1; done" })
        : text("I went on."),
    { config: "isolation: none\nretry:\n  base: 100ms\n" },
  );
  at.daemon();
  drop(at, "a", { title: "Is killed" });
  await until(() => existsSync(join(at.place.cwd, "begun")), "its command to run");
  const { run_id } = at.task("impl-1").execution.last_attempt ?? {};
  const own = (await processes()).filter(({ pid }) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`COX_RUN_ID=${run_id}`);
    } catch {
      return false;
    }
  });
  for (const { pid } of own) send(pid, "SIGKILL");
  await until(statusIs(at, "impl-1", "completed"), "the task to be completed");
  const { execution } = at.task("impl-1");
  assert.equal(execution.attempts, 2);
  assert.equal(execution.last_attempt?.agent_session, run_id, "the conversation of the first attempt");
  assert.equal(execution.last_attempt?.continued, 1);
  const sessions = new Set(at.api.requests.map(({ session }) => session).filter(Boolean));
  assert.deepEqual([...sessions], [run_id]);
  const prompt = readFileSync(join(at.workspace, "WFS-real", "prompts", "impl-1-a2.md"), "utf8");
  assert.match(prompt, /go on from where you were/);
});
