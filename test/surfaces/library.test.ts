/** The workflows that come along, each run by a real daemon, with scripted agents. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test, type TestContext } from "node:test";
import { repository, type Lab } from "./lab.ts";

const EXAMPLES = new URL("../../examples/workflows/", import.meta.url);
const NAMES = readdirSync(EXAMPLES).map((file) => file.replace(/\.yaml$/, ""));

/** In the place of the built-in roles: a shell script, which has what it is asked in `$asked`. */
const agent = (name: string, script: string) => `---
name: ${name}
description: Answers without a model.
runner: command
command: |
  asked=$(cat); mkdir -p asked; printf '%s' "$asked" > "asked/$COX_TASK.md"
  ${script}
---
`;

/** A repository with these files in it, and the example made from the library. */
function lab(
  t: TestContext,
  name: string,
  more: { files?: Record<string, string>; agents?: Record<string, string> },
): Lab {
  const made = repository(t, { init: true });
  made.write(".workflow/config.yaml", "isolation: none\n");
  for (const [path, content] of Object.entries(more.files ?? {})) made.write(path, content);
  made.git("add", "-A");
  made.git("commit", "-q", "--allow-empty", "-m", "Let people count");
  for (const role of ["code-developer", "code-review-test-agent", "review-agent", "planning-agent"])
    made.write(`.workflow/agents/${role}.md`, agent(role, more.agents?.[role] ?? "echo done"));
  assert.equal(made.cox("workflows", "new", "--from", name).exit, 0);
  assert.equal(made.read(`.workflow/workflows/${name}.yaml`), readFileSync(new URL(`${name}.yaml`, EXAMPLES), "utf8"));
  return made;
}

function run(made: Lab, name: string, vars: Record<string, string> = {}): void {
  const given = Object.entries(vars).flatMap(([key, value]) => ["--var", `${key}=${value}`]);
  const { exit, err } = made.cox("run", name, ...given);
  assert.equal(exit, 0, err);
  made.cox("start", "--once");
}

const statuses = (made: Lab, ...ids: string[]) => ids.map((id) => made.task(id).status);
const isDone = (made: Lab) => assert.equal(made.task("impl-1").status, "completed", made.cox("list").out);
const results = (made: Lab) => (made.task("impl-1").execution["workflow"] as { results?: unknown }).results;

describe("the library", () => {
  test("has a test for each, and a line in its page", () => {
    const tests =
      readFileSync(new URL(import.meta.url), "utf8") +
      ["workflow", "plan"].map((file) => readFileSync(new URL(`${file}.test.ts`, import.meta.url), "utf8")).join("");
    const page = readFileSync(new URL("../README.md", EXAMPLES), "utf8");
    for (const name of NAMES) {
      assert.match(tests, new RegExp(`test\\("${name}(\\.yaml)?:? |PIPELINE.*${name}`), name);
      assert.ok(page.includes(`workflows/${name}.yaml`), name);
    }
  });

  test("is copied from by name, and says which there are", (t) => {
    const made = repository(t, { init: true });
    const { exit, err } = made.cox("workflows", "new", "x", "--from", "bugfix");
    assert.equal(exit, 2);
    assert.match(err, /Did you mean bug-fix\?/);
    assert.match(made.cox("workflows", "new", "--help").out, /translate-folder/);
  });

  test("bug-fix has the bug shown by a test that fails before it is mended", (t) => {
    const made = lab(t, "bug-fix", {
      files: { "test.sh": "true\n" },
      agents: {
        "code-review-test-agent": "echo 'test -e mended' > test.sh",
        "code-developer": "touch mended",
        "review-agent": `echo '{"verdict": "accept", "findings": [], "acceptance": []}'`,
      },
    });
    run(made, "bug-fix", { bug: "It does not count.", test_command: "sh test.sh" });
    isDone(made);
    assert.match(made.read("asked/impl-1.3.md"), /It does not count\.[^]*change no test/);
  });

  test("bug-fix goes no further where the test that was written does not fail", (t) => {
    const made = lab(t, "bug-fix", { files: { "test.sh": "true\n" } });
    run(made, "bug-fix", { bug: "It does not count.", test_command: "sh test.sh" });
    assert.deepEqual(statuses(made, "impl-1.1", "impl-1.2", "impl-1.3"), ["completed", "blocked", "pending"]);
  });

  test("refactor goes through the parts one after another, and explains what broke the tests", (t) => {
    const made = lab(t, "refactor", {
      files: { "a/x": "1\n", "b/x": "1\n" },
      agents: { "code-developer": `case "$asked" in *'Do this in b'*) touch broken;; esac` },
    });
    run(made, "refactor", { what: "Names are words.", test_command: "test ! -e broken", paths: '["a", "b"]' });
    assert.deepEqual(statuses(made, "impl-1.1", "impl-1.2", "impl-1.3", "impl-1.4"), [
      "completed",
      "completed",
      "blocked",
      "completed",
    ]);
    assert.match(made.read("asked/impl-1.5.md"), /Do this in a, and only there/);
    assert.match(made.read("asked/impl-1.4.md"), /Find out which part/);
  });

  test("cover-files has a test written for each file without one", (t) => {
    const made = lab(t, "cover-files", {
      files: { "src/a.ts": "", "src/b c.ts": "", "src/d.ts": "", "test/d.test.ts": "" },
      agents: { "code-review-test-agent": "echo wrote it", "review-agent": "echo no faults" },
    });
    run(made, "cover-files");
    isDone(made);
    assert.match(made.read("asked/impl-1.4.md"), /^> src\/a\.ts$/m);
    assert.match(made.read("asked/impl-1.5.md"), /^> src\/b c\.ts$/m);
    assert.ok(!made.has("asked/impl-1.6.md"));
    assert.deepEqual(results(made), { report: "no faults" });
  });

  test("branch-review weighs what two reviewers have found", (t) => {
    const found = `{"verdict": "mend", "findings": ["n.txt:1 is wrong"]}`;
    const made = lab(t, "branch-review", {
      files: { "n.txt": "1\n" },
      agents: { "review-agent": `case $COX_TASK in *.4) echo '${found}';; *) echo "found by $COX_TASK";; esac` },
    });
    made.git("checkout", "-q", "-b", "work");
    made.write("n.txt", "2\n");
    made.git("commit", "-q", "-am", "two");
    const base = made.git("rev-parse", "HEAD^").trim();
    run(made, "branch-review", { base });
    isDone(made);
    assert.match(made.read("asked/impl-1.2.md"), /\+2/);
    assert.match(made.read("asked/impl-1.4.md"), /found by impl-1\.2[^]*found by impl-1\.3/);
    assert.deepEqual(results(made), { review: JSON.parse(found) as unknown });
  });

  test("update-dependencies updates what is outdated, and waits for a person", (t) => {
    const made = lab(t, "update-dependencies", {});
    const vars = { outdated_command: "echo left-pad 1 2", update_command: "true", test_command: "true" };
    run(made, "update-dependencies", vars);
    assert.equal(made.task("impl-1.2").execution["reason"], "awaiting-approval");
    assert.match(made.read("asked/impl-1.2.md"), /left-pad 1 2/);
    made.cox("approve", "impl-1.2");
    made.cox("start", "--once");
    isDone(made);
    assert.match(made.cox("workflows", "next").out, /update-dependencies/);
  });

  test("release-notes are written from the commits since the last tag", (t) => {
    const made = lab(t, "release-notes", { agents: { "code-developer": "echo '- People can count.'" } });
    run(made, "release-notes");
    isDone(made);
    assert.match(made.read("asked/impl-1.2.md"), /Let people count/);
    assert.equal(made.read("RELEASE_NOTES.md"), "- People can count.\n");
  });

  test("translate-folder translates each page, and one that cannot be keeps none from going on", (t) => {
    const made = lab(t, "translate-folder", {
      files: { "docs/a.md": "one", "docs/b.md": "two", "docs/a.de.md": "eins" },
      agents: { "code-developer": `case "$asked" in *"> docs/a.md"*) exit 1;; esac; echo translated` },
    });
    run(made, "translate-folder");
    isDone(made);
    assert.match(made.read("asked/impl-1.4.md"), /^> docs\/b\.md$/m);
    assert.ok(!made.has("asked/impl-1.5.md"));
  });

  test("nightly-triage asks a person what is done, and does it", (t) => {
    const made = lab(t, "nightly-triage", {
      agents: { "review-agent": `echo '{"first": "mend #7", "why": "it is broken for all", "report": "two issues"}'` },
    });
    run(made, "nightly-triage", { issues_command: "echo 7: it is broken" });
    assert.match(made.cox("answer", "impl-1.3").out, /mend #7/);
    assert.equal(made.cox("answer", "impl-1.3", "yes").exit, 0);
    made.cox("start", "--once");
    assert.match(made.read("asked/impl-1.4.md"), /mend #7/);
    made.cox("approve", "impl-1.4");
    made.cox("start", "--once");
    isDone(made);
    assert.deepEqual(results(made), { report: "two issues", decision: "yes" });
  });
});
