/** Every file under examples/ is what Coxswain takes: none is only to look at. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { test } from "node:test";
import { builtInRoles, readRole } from "../../src/agent/roles.ts";
import { readDrop } from "../../src/daemon/drops.ts";
import { takeIn, type Drop } from "../../src/machine/intake.ts";
import { newSession } from "../../src/model/session.ts";
import { BARE_ROLES } from "../../src/model/role.ts";
import type { Task } from "../../src/model/task.ts";
import { checkSession } from "../../src/store/check.ts";
import { parseJson } from "../../src/store/json-file.ts";
import { cox, git, read, repository } from "./recorded.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;
const ROLES = new Set([...(await builtInRoles()), ...BARE_ROLES].map((role) => role.name));

const files = (folder: string) =>
  readdirSync(join(EXAMPLES, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(folder, entry.name))
    .sort();

function drop(path: string, as: string): Drop {
  const content = readFileSync(join(EXAMPLES, path));
  const read = readDrop({ path: as, content, hash: createHash("sha256").update(content).digest("hex") }, EXAMPLES);
  assert.ok("ok" in read, `${path}: ${JSON.stringify(read)}`);
  return read.ok;
}

function take(paths: string[], folder: string): Task[] {
  const drops = paths.map((path) => drop(path, `${folder}/${basename(path)}`));
  const taken = takeIn(drops, {
    session: "WFS-a",
    taskOf: () => undefined,
    highest: 0,
    roles: ROLES,
    roleNames: () => [...ROLES],
  });
  assert.deepEqual(taken.refused, []);
  return taken.accepted.map(({ task }) => task);
}

for (const path of files("tasks")) {
  test(`${path} is taken as it is`, () => {
    const [task] = take([path], "inbox");
    assert.equal(task?.id, "impl-1");
    assert.equal(task.status, "pending");
  });
}

test("the chain is taken together, each task waiting for the one before", () => {
  const tasks = take(files("tasks/chain"), "inbox");
  assert.deepEqual(
    tasks.map(({ id, agent, relations }) => [id, agent, relations.dependencies]),
    [
      ["impl-1", "planning-agent", []],
      ["impl-2", "code-developer", ["impl-1"]],
      ["impl-3", "review-agent", ["impl-2"]],
      ["impl-4", "human", ["impl-3"]],
    ],
  );
});

test("a prompt is a task whose first line is the title", () => {
  assert.deepEqual(
    take(files("prompts"), "inbox").map((task) => task.title),
    ["Explain how this project is built", "Find out why the slowest test of this project sometimes fails"],
  );
});

function roleFrom(path: string) {
  const read = readRole(readFileSync(join(EXAMPLES, path), "utf8"), path);
  assert.ok("ok" in read, `${path}: ${JSON.stringify(read)}`);
  assert.equal(read.ok.name, basename(path, ".md"));
  assert.equal(read.ok.runner, "command");
  return read.ok;
}

function play(role: { command?: string }, more: { path?: string; prepare?: (folder: string) => void } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), "cox-example-"));
  try {
    more.prepare?.(folder);
    const env = { PATH: `${folder}:${process.env["PATH"] ?? ""}`, COX_TASK: "impl-1" };
    const prompt = 'Your task:\n\n{\n  "id": "impl-1",\n  "title": "Tidy up"\n}\n';
    const run = spawnSync("/bin/sh", ["-c", role.command ?? "false"], {
      cwd: folder,
      env,
      input: prompt,
      encoding: "utf8",
    });
    assert.equal(run.status, 0, run.stderr);
    return run.stdout;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test("the shell role reads the prompt and answers", () => {
  const role = roleFrom("roles/shell.md");
  assert.match(play(role), /for: Tidy up\nNo TODO is left\.\n$/);
  const found = play(role, { prepare: (folder) => writeFileSync(join(folder, "a.txt"), "one\nTODO two\n") });
  assert.match(found, /\.\/a\.txt:2:TODO two\n$/);
});

test("another agent's command line gets the prompt on standard input", () => {
  const role = roleFrom("roles/codex-like.md");
  assert.deepEqual(role.env, ["OPENAI_API_KEY"]);
  const output = play(role, {
    prepare: (folder) => {
      writeFileSync(join(folder, "codex"), '#!/bin/sh\necho "$@"\nexec head -1\n');
      chmodSync(join(folder, "codex"), 0o755);
    },
  });
  assert.equal(output, "exec --sandbox workspace-write -\nYour task:\n");
});

test("every role among the examples is tested", () => {
  assert.deepEqual(files("roles"), ["roles/codex-like.md", "roles/shell.md"]);
});

const OLDER = "older-layout/WFS-user-auth";

test("a session in the older layout loads, its parts missing or not", () => {
  const parsed = parseJson(readFileSync(join(EXAMPLES, OLDER, "workflow-session.json")));
  assert.ok("ok" in parsed);
  const session = checkSession({ ...newSession("WFS-user-auth", "2026-11-21T09:00:00.000Z"), ...parsed.ok });
  assert.ok("ok" in session, JSON.stringify(session));
  assert.equal(session.ok.type, "medium");

  const tasks = take(files(`${OLDER}/.task`), "WFS-user-auth/.task");
  assert.deepEqual(
    tasks.map(({ id, status, relations }) => [id, status, relations.parent]),
    [
      ["impl-1", "container", null],
      ["impl-1.1", "completed", "impl-1"],
      ["impl-1.2", "pending", "impl-1"],
      ["impl-2", "pending", null],
    ],
  );
  const [first, , , last] = tasks;
  assert.equal(first?.implementation.files[0]?.location?.function, "handleLogin");
  assert.equal((last as unknown as Record<string, unknown>)["assigned_by"], "a key of somebody's own");
  assert.equal(last?.agent, "code-review-test-agent");
});

test("the page about the examples names each of them", () => {
  const page = readFileSync(join(EXAMPLES, "README.md"), "utf8");
  for (const path of [...files("tasks"), "tasks/chain/", "prompts/", ...files("roles"), `${OLDER}/`])
    assert.ok(page.includes(path), path);
});

test("a command and a role that is a shell script do their work under a real daemon", (t) => {
  const dir = repository(t);
  writeFileSync(join(dir, "a.txt"), "one\nTODO two\n");
  git(dir, "add", "a.txt");
  git(dir, "commit", "-q", "-m", "a text");
  assert.equal(cox(dir, ["init"]).exit, 0);
  cpSync(join(EXAMPLES, "tasks/command.json"), join(dir, ".workflow/inbox/command.json"));
  cpSync(join(EXAMPLES, "roles/shell.md"), join(dir, ".workflow/agents/shell.md"));
  writeFileSync(join(dir, ".workflow/inbox/todo.json"), '{"title": "Find what is left", "agent": "shell"}');
  const once = cox(dir, ["start", "--once"]);
  assert.equal(once.exit, 0, once.err);
  assert.match(cox(dir, ["logs", "impl-1"]).out, /2 a\.txt/);
  assert.match(cox(dir, ["logs", "impl-2"]).out, /for: Find what is left\n\.\/a\.txt:2:TODO two/);
});

test("an older session is taken by a real daemon as it is, and stays paused", (t) => {
  const dir = repository(t);
  assert.equal(cox(dir, ["init"]).exit, 0);
  mkdirSync(join(dir, ".workflow", "WFS-user-auth"));
  cpSync(join(EXAMPLES, OLDER), join(dir, ".workflow/WFS-user-auth"), { recursive: true });
  const once = cox(dir, ["start", "--once"]);
  assert.equal(once.exit, 0, once.err);
  const statuses = ["impl-1", "impl-1.1", "impl-1.2", "impl-2"].map((id) => {
    const file = JSON.parse(read(dir, `WFS-user-auth/.task/${id}.json`)) as Task;
    return [file.status, file.relations.subtasks];
  });
  assert.deepEqual(statuses, [
    ["container", ["impl-1.1", "impl-1.2"]],
    ["completed", []],
    ["pending", []],
    ["pending", []],
  ]);
  assert.equal((JSON.parse(read(dir, "WFS-user-auth/workflow-session.json")) as { status: string }).status, "paused");
  const left = readdirSync(join(dir, ".workflow"), { recursive: true, encoding: "utf8" }).filter((path) =>
    path.endsWith(".error.md"),
  );
  assert.deepEqual(left, []);
});
