import assert from "node:assert/strict";
import { test } from "node:test";
import { Notices } from "../../src/daemon/notices.ts";
import { emptyState } from "../../src/machine/state.ts";
import type { Task } from "../../src/model/task.ts";
import { showOnDesktop, type Notice } from "../../src/notify/desktop.ts";
import { defaults } from "../../src/store/config-file.ts";

const task = (reason?: string): Task => ({
  id: "impl-1",
  title: "Mend the door",
  status: "blocked",
  type: "bugfix",
  agent: "code-developer",
  paths: "",
  context: { requirements: [], scope: [], acceptance: [] },
  relations: { parent: null, subtasks: [], dependencies: [] },
  execution: { attempts: 1, last_attempt: null, ...(reason ? { reason } : {}) },
  implementation: { files: [], context_notes: {}, analysis_source: "manual" },
});

const blocked = (reason: string) => ({
  changes: [
    {
      of: "task" as const,
      session: "WFS-a",
      id: "impl-1",
      from: "active" as const,
      to: "blocked" as const,
      by: "daemon" as const,
      after: task(reason),
    },
  ],
  effects: [],
});

function listener(): { shown: Notice[]; notices: Notices } {
  const shown: Notice[] = [];
  const notices = new Notices((notice) => {
    shown.push(notice);
    return Promise.resolve(true);
  });
  return { shown, notices };
}

const at = (level: "all" | "major_events" | "errors_only" | "none") => ({ ...defaults(), notify: { level } });

test("a blocked task is told, and why", () => {
  const { shown, notices } = listener();
  notices.tell(blocked("failed"), emptyState(), at("errors_only"), 0);
  assert.deepEqual(shown, [{ title: "WFS-a impl-1 is blocked", message: "Mend the door: failed" }]);
});

test("a task that waits for a person is no error, but a major event", () => {
  const { shown, notices } = listener();
  notices.tell(blocked("awaiting-approval"), emptyState(), at("errors_only"), 0);
  assert.equal(shown.length, 0);
  notices.tell(blocked("awaiting-approval"), emptyState(), at("major_events"), 0);
  assert.match(shown[0]?.message ?? "", /waits for you/);
});

test("a queue that fails as a whole is told once, then counted", () => {
  const { shown, notices } = listener();
  for (let n = 0; n < 5; n++) notices.tell(blocked("failed"), emptyState(), at("all"), n * 1000);
  notices.tell(blocked("failed"), emptyState(), at("all"), 60_000);
  assert.equal(shown.length, 2);
  assert.match(shown[1]?.message ?? "", /and 4 more/);
});

test("with level none nothing is shown", () => {
  const { shown, notices } = listener();
  notices.tell(blocked("failed"), emptyState(), at("none"), 0);
  assert.equal(shown.length, 0);
});

test("a machine without a desktop is no trouble", async () => {
  const path = process.env["PATH"];
  process.env["PATH"] = "/nowhere";
  try {
    assert.equal(await showOnDesktop({ title: "x", message: "y" }), false);
  } finally {
    process.env["PATH"] = path;
  }
});
