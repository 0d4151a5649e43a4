/** Role files: the format of Claude Code's subagents, with keys of our own. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { BUILT_IN_ROLES } from "../../src/model/role.ts";
import { builtInRoles, LONGEST_ROLE, readRole } from "../../src/agent/roles.ts";
import { asReviewer, mayWrite, type Role } from "../../src/model/role.ts";

function role(text: string, origin = "/w/agents/tester.md"): Role {
  const read = readRole(text, origin);
  assert.ok("ok" in read, JSON.stringify(read));
  return read.ok;
}

function problems(text: string): string[] {
  const read = readRole(text, "/w/agents/tester.md");
  assert.ok("problems" in read, JSON.stringify(read));
  for (const problem of read.problems) assert.ok(problem.code === "bad-role" && problem.hint, JSON.stringify(problem));
  return read.problems.map((problem) => problem.message);
}

test("a subagent file of Claude Code is a role", () => {
  const text = `---
name: reviewer
description: Use this agent when code changed. Examples: user: "Look" -> review
model: inherit
tools: Read, Bash(git log *, git diff *), Grep
permissionMode: plan
color: purple
maxTurns: 12
hooks:
  Stop: []
---

You review.
`;
  assert.deepEqual(role(text), {
    name: "reviewer",
    description: 'Use this agent when code changed. Examples: user: "Look" -> review',
    runner: "claude",
    tools: ["Read", "Bash(git log *, git diff *)", "Grep"],
    permission_mode: "plan",
    max_turns: 12,
    prompt: "You review.",
    origin: "/w/agents/tester.md",
  });
});

test("our own keys are read, lists in both forms", () => {
  const text = `\uFEFF---\r\ndescription: Runs a linter\r\nrunner: command\r\ncommand: "npm run lint -- --fix"\r\nallowed_tools: [Bash, Read]\r\ndisallowed_tools: WebFetch\r\nisolation: none\r\ntimeout: 5m\r\neffort: high\r\nmodel: opus\r\nenv:\r\n  - CI\r\n  - GITHUB_TOKEN\r\n---\r\nLint.\r\nAll.\r\n`;
  assert.deepEqual(role(text), {
    name: "tester",
    description: "Runs a linter",
    runner: "command",
    model: "opus",
    effort: "high",
    allowed_tools: ["Bash", "Read"],
    disallowed_tools: ["WebFetch"],
    isolation: "none",
    timeout: "5m",
    command: "npm run lint -- --fix",
    env: ["CI", "GITHUB_TOKEN"],
    prompt: "Lint.\nAll.",
    origin: "/w/agents/tester.md",
  });
});

test("the smallest role is a name's worth of front matter; a star means every tool", () => {
  assert.deepEqual(role("---\n---\n"), {
    name: "tester",
    description: "",
    runner: "claude",
    prompt: "",
    origin: "/w/agents/tester.md",
  });
  assert.equal(role('---\ntools: "*"\n---\nx').tools, undefined);
  assert.deepEqual(role("---\ntools: ''\n---\nx").tools, []);
});

test("all that is wrong is told at once, with what would be right", () => {
  const text =
    "---\nname: ../x\nrunner: robot\npermission_mode: yolo\nmax_turns: many\ntimeout: soon\ntools: [Read, --evil]\nenv: A-B\nisolation: docker\nmodel: [a]\n---\n";
  const found = problems(text).join("\n");
  for (const key of [
    "name",
    "runner",
    "permission_mode",
    "max_turns",
    "timeout",
    "tools",
    "env",
    "isolation",
    "model",
  ]) {
    assert.match(found, new RegExp(`\`${key}\``), key);
  }
});

test("text that is no role file is refused without harm", () => {
  assert.match(problems("You are a tester.")[0] ?? "", /no front matter/);
  assert.match(problems("---\nname: x\n")[0] ?? "", /no front matter/);
  assert.match(problems("---\n- a\n---\n")[0] ?? "", /not a list of/);
  assert.match(problems("---\nname: [x\n---\n")[0] ?? "", /not valid YAML/);
  assert.match(problems("---\nname: a\nname: b\n---\n")[0] ?? "", /not valid YAML/);
  assert.match(problems(`---\nname: x\n---\n${"x".repeat(LONGEST_ROLE)}`)[0] ?? "", /longer than 256 kB/);
  assert.match(problems(`---\nx: ${"[".repeat(100)}${"]".repeat(100)}\n---\n`)[0] ?? "", /nests too deeply/);
  const bomb = ["a0: &a0 [x,x]", ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n},*a${n}]`)].join(
    "\n",
  );
  assert.match(problems(`---\n${bomb}\n---\n`)[0] ?? "", /cannot be read|nests too deeply/);
  assert.equal(role("---\n__proto__: {name: evil}\nname: good\n---\n").name, "good");
});

test("the problem of a line names that line of the file", () => {
  const read = readRole("---\nname: x\ntools: [a\nmodel: b\n---\n", "x.md");
  assert.ok("problems" in read);
  assert.ok((read.problems[0]?.line ?? 0) >= 3, JSON.stringify(read.problems));
});

test("four roles are built in: two that only read, two that may change files and run commands", async () => {
  const roles = await builtInRoles();
  assert.deepEqual(
    roles.map((r) => [r.name, r.runner, r.origin, mayWrite(r)]),
    [
      ["code-developer", "claude", "built-in", true],
      ["code-review-test-agent", "claude", "built-in", true],
      ["planning-agent", "claude", "built-in", false],
      ["review-agent", "claude", "built-in", false],
    ],
  );
  for (const r of roles) {
    assert.deepEqual(
      r.tools,
      mayWrite(r) ? ["Bash", "Read", "Edit", "Write", "Glob", "Grep"] : ["Read", "Glob", "Grep"],
    );
    assert.deepEqual(r.allowed_tools, mayWrite(r) ? ["Bash"] : undefined);
    assert.match(r.prompt, /acceptance criteri/i);
    assert.match(r.prompt, /## What to report/);
    assert.ok(r.description.length > 40);
    if (mayWrite(r)) assert.match(r.prompt, /Do not commit, push[^]*\.workflow/);
  }
});

test("the list of built-in roles names the files that come along", async () => {
  const names = (await builtInRoles()).map((role) => role.name);
  assert.deepEqual(names.toSorted(), [...BUILT_IN_ROLES].toSorted());
});

test("a role that reviews can write nothing, whatever it may do otherwise", () => {
  const all = role("---\nname: r\ndescription: d\n---\nx");
  assert.deepEqual(asReviewer(all).tools, ["Read", "Glob", "Grep"]);
  const some = role(
    "---\nname: r\ndescription: d\ntools: Read, Bash, Bash(git log *), Edit, WebFetch\nallowed_tools: [Bash, 'Bash(git show *)', Write]\npermission_mode: bypassPermissions\n---\nx",
  );
  const reviewer = asReviewer(some);
  assert.deepEqual(reviewer.tools, ["Read", "Bash(git log *)", "WebFetch"]);
  assert.deepEqual(reviewer.allowed_tools, ["Bash(git show *)"]);
  assert.deepEqual(reviewer.disallowed_tools, ["Edit", "Write", "NotebookEdit"]);
  assert.equal(reviewer.permission_mode, "default");
});
