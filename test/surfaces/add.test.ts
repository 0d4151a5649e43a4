/** `cox add` with the daemon stopped. */
import assert from "node:assert/strict";
import { readdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, test } from "node:test";
import { folder, repository } from "./lab.ts";

describe("cox add", () => {
  test("makes the first session, active, and a complete task in it", (t) => {
    const lab = repository(t, { init: true });
    const answer = lab.cox("add", "fix the flaky test");
    assert.equal(answer.exit, 0, answer.err);
    assert.match(answer.out, /Made the session WFS-main/);
    assert.ok(lab.has(".workflow/.active-WFS-main"));
    assert.deepEqual(Object.keys(lab.task("impl-1")), [
      "id",
      "title",
      "status",
      "type",
      "agent",
      "paths",
      "context",
      "relations",
      "execution",
      "implementation",
      "$schema",
    ]);
    const { status, type, agent, execution } = lab.task("impl-1");
    assert.deepEqual(
      [status, type, agent, execution],
      ["pending", "bugfix", "code-developer", { attempts: 0, last_attempt: null }],
    );
    assert.equal(lab.git("status", "--porcelain"), "");
    assert.equal(lab.cox("validate").exit, 0);
  });

  test("gives no new session the name of one that the ledger or another working tree has", (t) => {
    const lab = repository(t, { init: true });
    lab.git("commit", "-q", "--allow-empty", "-m", "begin");
    lab.cox("add", "in place", "--agent", "command", "--command", "true");
    assert.equal(lab.coxWith({ env: { COX_ISOLATION: "none" } }, "start", "--once").exit, 0);
    rmSync(lab.at(".workflow"), { recursive: true });
    lab.cox("init");
    assert.match(lab.cox("add", "after all was deleted").out, /Made the session WFS-main-002/);

    lab.git("branch", "cox/WFS-topic/session");
    const other = join(dirname(lab.dir), "other");
    lab.git("worktree", "add", "-q", "--detach", other);
    lab.coxWith({ cwd: other }, "init");
    assert.match(lab.coxWith({ cwd: other }, "session", "new", "topic").out, /^Made the session WFS-topic-002\./);
  });

  test("takes everything that a task can say", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first");
    lab.write("prompt.md", "# Do it\n\nwell\n");
    lab.write("task.json", '{"title": "from the file", "agent": "human", "custom": {"a": 1}}');
    const options = [
      "--type",
      "docs",
      "--agent",
      "command",
      "--command",
      "npm test",
      "--paths",
      "docs;README.md",
      "--depends",
      "impl-1",
    ];
    const more = [
      "--verify",
      "true",
      "--verify",
      "test -f x",
      "--approve",
      "before",
      "--priority",
      "-3",
      "--model",
      "opus",
      "--timeout",
      "5m",
      "--max-attempts",
      "2",
    ];
    const answer = lab.cox(
      "add",
      "everything",
      ...options,
      ...more,
      "--requirement",
      "one",
      "--requirement",
      "two",
      "--file",
      "task.json",
      "--prompt-file",
      "prompt.md",
    );
    assert.equal(answer.exit, 0, answer.err);
    const task = lab.task("impl-2");
    assert.deepEqual(
      [task.title, task["type"], task.agent, task["paths"], task["custom"]],
      ["everything", "docs", "command", "docs;README.md", { a: 1 }],
    );
    assert.deepEqual(task.relations.dependencies, ["impl-1"]);
    assert.deepEqual((task["context"] as { requirements: string[] }).requirements, ["one", "two"]);
    const { verify, approve, priority, model, timeout, max_attempts, command, prompt_file } = task.execution;
    assert.deepEqual(
      [verify, approve, priority, model, timeout, max_attempts, command],
      [["true", "test -f x"], "before", -3, "opus", "5m", 2, "npm test"],
    );
    assert.equal(lab.read(`.workflow/WFS-main/${String(prompt_file)}`), "# Do it\n\nwell\n");
    assert.equal(lab.cox("add", "part", "--parent", "impl-2").exit, 0);
    assert.equal(lab.task("impl-2.1").relations.parent, "impl-2");
    const { task: id, file } = lab.json("add", "another part", "--parent", "impl-2");
    assert.deepEqual([id, file], ["impl-2.2", ".workflow/WFS-main/.task/impl-2.2.json"]);
  });

  test("refuses what a task cannot be, all at once, and makes nothing", (t) => {
    const lab = repository(t, { init: true });
    const refused = lab.cox("add", "x", "--type", "feture", "--timeout", "soon", "--priority", "high");
    assert.equal(refused.exit, 2);
    for (const word of [/Did you mean feature/, /duration/, /priority/]) assert.match(refused.err, word);
    assert.match(
      lab.cox("add", "x", "--agent", "nobody", "--depends", "impl-9").err,
      /no role "nobody"[\s\S]*|impl-9 does not exist/,
    );
    assert.match(lab.cox("add", "x", "--agent", "command").err, /execution\.command is missing.*--command "npm test"/);
    assert.match(lab.cox("add").err, /no title/);
    for (const id of ["../x", "-x", "impl-01", "impl-1.1.1", "impl-1/../../y", "impl-1.1"])
      assert.equal(lab.cox("add", "x", `--id=${id}`).exit, 2, id);
    for (const path of ["/etc", "../up", "a/../../b", "~/x", "src/*.ts"])
      assert.equal(lab.cox("add", "x", "--paths", path).exit, 2, path);
    symlinkSync(folder(t), lab.at("out"));
    assert.match(lab.cox("add", "x", "--paths", "out/y").err, /leaves the repository/);
    assert.equal(lab.cox("add", "-x").exit, 2);
    assert.ok(!lab.has(".workflow/WFS-main"));
  });

  test("without an active session says how to go on; --session goes past it", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "one");
    lab.cox("session", "pause");
    const refused = lab.cox("add", "x");
    assert.equal(refused.exit, 4);
    assert.match(refused.err, /cox switch WFS-one/);
    assert.match(lab.cox("add", "x", "--session", "one").out, /not active: cox switch WFS-one/);
    assert.equal(lab.task("impl-1", "WFS-one").title, "x");
  });

  test("does not give the id of a task again whose attempts are still there", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "one");
    lab.write(".workflow/WFS-main/responses/impl-7-a1.json", "{}");
    assert.equal(lab.json("add", "two")["task"], "impl-8");
  });

  test("knows roles of one's own", (t) => {
    const lab = repository(t, { init: true });
    lab.write(".workflow/agents/poet.md", "---\nname: poet\ndescription: rhymes\n---\nRhyme.");
    assert.equal(lab.cox("add", "x", "--agent", "poet").exit, 0);
  });

  test("ten at once give ten tasks, each with an id of its own", async (t) => {
    const lab = repository(t, { init: true });
    const answers = await Promise.all(Array.from({ length: 10 }, (_, n) => lab.together("add", `task ${n}`, "--json")));
    assert.deepEqual([...new Set(answers.map(({ exit, err }) => `${exit} ${err}`))], ["0 "]);
    const ids = new Set(answers.map(({ out }) => (JSON.parse(out) as { task: string }).task));
    assert.equal(ids.size, 10);
    assert.equal(readdirSync(lab.at(".workflow/WFS-main/.task")).length, 10);
    assert.deepEqual(
      readdirSync(lab.at(".workflow")).filter((name) => name.startsWith("WFS-")),
      ["WFS-main"],
    );
    assert.deepEqual(readdirSync(lab.at(".workflow/.run/tmp")), []);
  });
});
