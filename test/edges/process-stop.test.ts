import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { processes } from "../../src/agent/proc-table.ts";
import { findRun, readRun, stopRun, sweep } from "../../src/agent/process.ts";
import { fileHas, newRun, shell, start, survivors, until, within } from "./process-fixture.ts";

const MB = 1024 * 1024;

/** Each prints `up` when its process is there and would live for minutes. */
const ZOO: Record<string, string> = {
  "a plain child": "sleep 300 & echo up; wait",
  "a child in a session of its own": "setsid sleep 300 & echo up; wait",
  "a child that ignores hanging up": "nohup sleep 300 >/dev/null 2>&1 & echo up; wait",
  "a double fork": "(sleep 300 & ) ; echo up; sleep 300",
  "a double fork in a session of its own": "(setsid sleep 300 & ) ; echo up; sleep 300",
  "one that ignores SIGTERM and SIGINT": "trap '' TERM INT; sleep 300 & echo up; while :; do sleep 1; done",
  "a child that cleared its environment": "env -i setsid /bin/sleep 300 & echo up; wait",
  "a daemon that kept neither parent, session, environment nor descriptors":
    "env -i setsid sh -c '(exec <&- >&- 2>&-; cd /; setsid /bin/sleep 300 &)'; echo up; sleep 300",
  "a stopped child": "sleep 300 & kill -STOP $!; echo up; wait",
  "a stopped agent": "echo up; kill -STOP $$; sleep 300",
  "a tree of sessions": "setsid sh -c 'setsid sh -c \"setsid sleep 300 & wait\" & wait' & echo up; wait",
  "a loop of short children": "echo up; while :; do sleep 0.01; done",
  "a loop of sessions left behind": "echo up; while :; do setsid sh -c 'sleep 300' & sleep 0.02; done",
  "one that forks and ends, again and again": "h() { printf x >>hops; h & }; h; echo up; sleep 300",
  "the same in a session of its own": "setsid sh -c 'h() { printf x >>hops; h & }; h'; echo up; sleep 300",
  "one that does so and starts further sessions":
    "setsid sh -c 'h() { printf x >>hops; setsid true & h & }; h'; echo up; sleep 300",
};
for (const [name, command] of Object.entries(ZOO)) {
  for (const first of ["SIGINT", "SIGTERM"] as const) {
    test(`stopping leaves nothing of ${name} (${first} first)`, async (t) => {
      const run = newRun(t);
      const agent = await start(run, shell(run, command));
      await until("the agent is up", () => fileHas(join(run.runDir, "stdout"), "up"));
      const before = new Set((await processes()).map(({ pid, start }) => `${pid} ${start}`));
      const family = await descendants(agent.identity.pid);
      const { left } = await stopRun({ ...run, graceMs: 100, first });
      await within(agent.ended);
      assert.equal(left, 0);
      assert.equal(await survivors(run), 0);
      const now = await processes();
      assert.deepEqual(
        now.filter(({ pid, start }) => family.has(pid) && before.has(`${pid} ${start}`)),
        [],
      );
      assert.notEqual((await findRun(run)).state, "running");
      // What ends and is born again between two looks at the processes shows in its traces only.
      const hops = sizeOf(join(run.cwd, "hops"));
      await pause(hops > 0 ? 50 : 0);
      assert.equal(sizeOf(join(run.cwd, "hops")), hops);
    });
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}

async function descendants(pid: number): Promise<Set<number>> {
  const rows = await processes();
  const family = new Set([pid]);
  for (const _ of rows) for (const row of rows) if (family.has(row.parent)) family.add(row.pid);
  return family;
}

test("an agent that ends at the first signal is not killed, and its code stays known", async (t) => {
  const run = newRun(t);
  // In the manner of Claude Code: only the agent itself is interrupted, its child is its own affair.
  const agent = await start(run, shell(run, "trap 'kill $!; echo bye; exit 3' INT; sleep 300 & echo up; wait"));
  await until("the agent is up", () => fileHas(join(run.runDir, "stdout"), "up"));
  assert.deepEqual(await stopRun({ ...run, graceMs: 5000, first: "SIGINT" }), { killed: 0, left: 0 });
  await within(agent.ended);
  const { stdout, end } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual([stdout, end], ["up\nbye\n", { kind: "exited", code: 3 }]);
});

test("SIGTERM reaches the children of a shell, which get the whole grace", async (t) => {
  const run = newRun(t);
  const child = "trap 'sleep 0.2; echo clean; exit' TERM; echo up; while :; do sleep 0.01; done";
  await start(run, shell(run, `sh -c "${child}"; echo never`));
  await until("the child is up", () => fileHas(join(run.runDir, "stdout"), "up"));
  await stopRun({ ...run, graceMs: 5000, first: "SIGTERM" });
  const { stdout, end } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual([stdout, end], ["up\nclean\n", { kind: "signalled", signal: "SIGTERM" }]);
});

test("after a normal end, what was left in the background is swept away", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, "setsid sleep 300 & sleep 300 & echo done"));
  await within(agent.ended);
  assert.ok((await survivors(run)) > 0);
  assert.deepEqual(await sweep(run.runId), { killed: 2, left: 0 });
  assert.equal(await survivors(run), 0);
  assert.deepEqual((await readRun(run.runDir, { maxBytes: MB })).end, { kind: "exited", code: 0 });
});

test("a run of which nothing is left is stopped at once", async (t) => {
  const run = newRun(t);
  assert.deepEqual(await stopRun({ ...run, graceMs: 5000, first: "SIGTERM" }), { killed: 0, left: 0 });
  const agent = await start(run, shell(run, "exit 0"));
  await within(agent.ended);
  const began = performance.now();
  assert.deepEqual(await stopRun({ ...run, graceMs: 5000, first: "SIGTERM" }), { killed: 0, left: 0 });
  assert.ok(performance.now() - began < 1000);
});

test("stopping one run touches neither another run nor a stranger that has the recorded pid by now", async (t) => {
  const run = newRun(t);
  const other = newRun(t);
  const neighbour = await start(other, shell(other, "sleep 300"));
  const stranger = spawn("sleep", ["300"], { stdio: "ignore", detached: true });
  t.after(() => stranger.kill("SIGKILL"));
  const agent = await start(run, shell(run, "exit 0"));
  await within(agent.ended);
  writeFileSync(join(run.runDir, "started"), JSON.stringify({ ...agent.identity, pid: stranger.pid, start: "1" }));
  assert.deepEqual(await stopRun({ ...run, graceMs: 100, first: "SIGTERM" }), { killed: 0, left: 0 });
  assert.equal(stranger.exitCode ?? stranger.signalCode, null);
  assert.equal((await findRun(other)).state, "running");
  await stopRun({ ...other, graceMs: 100, first: "SIGTERM" });
  await within(neighbour.ended);
});

test("an empty run id names no process", async () => {
  assert.deepEqual(await sweep(""), { killed: 0, left: 0 });
});
