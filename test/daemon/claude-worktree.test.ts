/** Three tasks at once with the real Claude Code, each in a worktree of its own. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { until } from "../support/claude-attempt.ts";
import { scene, skip, statusIs } from "../support/claude-scene.ts";
import { text, toolUse } from "../support/messages-api.ts";

const IDS = ["impl-1", "impl-2", "impl-3"];
const CONFIG = "isolation: worktree\nconcurrency: 3\nretry:\n  base: 100ms\n";

test("their work, and what a gate sent back, comes together in the session's branch", { skip }, async (t) => {
  const at = await scene(
    t,
    ({ body, call }) => {
      const asked = JSON.stringify(body.messages);
      const id = /Task (impl-\d)/.exec(asked)?.[1] ?? "none";
      if (call === 0) return toolUse("Write", { file_path: `${id}.txt`, content: `${id}\n` });
      // The second one hears from its gate, and goes on in the same conversation.
      const missing = id === "impl-2" && /The gate/.test(asked) && !/"file_path":"[^"]*more\.txt"/.test(asked);
      return missing ? toolUse("Write", { file_path: "more.txt", content: "more\n" }) : text(`${id} is done.`);
    },
    { config: CONFIG },
  );
  for (const [place, id] of IDS.entries()) {
    const verify = id === "impl-2" ? ["test -f more.txt || { echo more is missing; false; }"] : ["test -f CLAUDE.md"];
    writeFileSync(
      join(at.workspace, "inbox", `${place}.json`),
      JSON.stringify({ id, title: `Write ${id}.txt`, execution: { verify } }),
    );
  }
  at.daemon();
  for (const id of IDS) await until(statusIs(at, id, "completed"), `${id} to be completed`);
  const git = (...args: string[]) => execFileSync("git", args, { cwd: at.place.cwd, encoding: "utf8" }).trim();
  const branch = "cox/WFS-real/session";
  assert.deepEqual(git("ls-tree", "--name-only", branch).split("\n").sort(), [
    "CLAUDE.md",
    "impl-1.txt",
    "impl-2.txt",
    "impl-3.txt",
    "more.txt",
  ]);
  const told = git(
    "log",
    "--format=%(trailers:key=Cox-Task,valueonly,separator=%x2C) %(trailers:key=Cox-Model,valueonly)",
    branch,
  );
  for (const id of IDS) assert.match(told, new RegExp(`${id} claude-`));
  assert.equal(at.task("impl-2").execution.attempts, 2);
  assert.equal(at.task("impl-2").execution.last_attempt?.continued, 0, "in the same conversation");
  await until(() => readdirSync(join(at.workspace, ".run/worktrees")).length === 0, "the worktrees to go");
  assert.ok(!existsSync(join(at.place.cwd, "impl-1.txt")));
  assert.equal(git("status", "--porcelain"), "");
});
