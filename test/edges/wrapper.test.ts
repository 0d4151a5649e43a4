/** Shells that serve one agent after another. */
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { processes, withMarker } from "../../src/agent/proc-table.ts";
import { readRun, startProcess, stopRun, sweep } from "../../src/agent/process.ts";
import { startWrapper, Wrappers, type Wrapper } from "../../src/agent/wrapper.ts";
import { fileHas, newRun, shell, until, within, type Run } from "./process-fixture.ts";

async function started(t: TestContext): Promise<Wrapper> {
  const wrapper = await startWrapper();
  t.after(() => wrapper.retire());
  return wrapper;
}

async function runIn(wrapper: Wrapper, run: Run, command: string) {
  const of = await startProcess({ ...run, launch: shell(run, command), take: async () => wrapper });
  assert.ok("ok" in of, JSON.stringify(of));
  return of.ok;
}

const endOf = async (run: Run) => (await readRun(run.runDir, { maxBytes: 1000 })).end;

test("one wrapper runs one agent after another, each with its own folder, environment and end", async (t) => {
  const wrapper = await started(t);
  const [first, second] = [newRun(t), newRun(t)];
  await within((await runIn(wrapper, first, "echo $COX_RUN_ID; exit 3")).ended);
  await within((await runIn(wrapper, second, "echo $COX_RUN_ID; kill -9 $$")).ended);
  assert.equal(readFileSync(join(first.runDir, "stdout"), "utf8").trim(), first.runId);
  assert.equal(readFileSync(join(second.runDir, "stdout"), "utf8").trim(), second.runId);
  assert.deepEqual(await endOf(first), { kind: "exited", code: 3 });
  assert.deepEqual(await endOf(second), { kind: "signalled", signal: "SIGKILL" });
});

test("names that no shell lets one set reach the agent all the same", async (t) => {
  const run = newRun(t);
  const env = { PATH: "/usr/bin:/bin", "odd.name": "a'b", IFS: "x", UID: "7", "with-dash": "1\n2" };
  const print = "process.stdout.write(JSON.stringify(process.env))";
  const launch = { ...shell(run, ""), file: process.execPath, args: ["-e", print], env };
  const of = await startProcess({ ...run, launch });
  assert.ok("ok" in of);
  await within(of.ok.ended);
  const seen = JSON.parse(readFileSync(join(run.runDir, "stdout"), "utf8")) as Record<string, string>;
  for (const [name, value] of Object.entries(env)) assert.equal(seen[name], value, name);
});

test("of a command that was cut off in the middle nothing is run", async (t) => {
  const run = newRun(t);
  mkdirSync(run.runDir);
  const whole = `{ (touch '${run.cwd}/ran')\necho\n}\n`;
  const { spawn } = await import("node:child_process");
  for (let length = 1; length < whole.length - 2; length++) {
    const child = spawn("/bin/sh", [], { stdio: ["pipe", "ignore", "ignore"] });
    const over = new Promise((resolve) => child.once("exit", resolve));
    child.stdin.end(whole.slice(0, length));
    await within(over);
    assert.equal(fileHas(join(run.cwd, "ran")), false, JSON.stringify(whole.slice(0, length)));
  }
});

test("stopping a run that is over does not touch the one its wrapper serves now", async (t) => {
  const wrapper = await started(t);
  const [first, second] = [newRun(t), newRun(t)];
  await within((await runIn(wrapper, first, "exit 0")).ended);
  const later = await runIn(wrapper, second, `until [ -e ${second.cwd}/go ]; do sleep 0.02; done; exit 4`);
  await stopRun({ ...first, graceMs: 1000, first: "SIGTERM" });
  writeFileSync(join(second.cwd, "go"), "");
  await within(later.ended);
  assert.deepEqual(await endOf(second), { kind: "exited", code: 4 });
});

test("a wrapper serves again after two looks at its group, and not where its agent left somebody in it", async (t) => {
  const wrappers = new Wrappers();
  t.after(() => wrappers.close());
  const [clean, dirty] = [newRun(t), newRun(t)];
  const [one, other] = [await wrappers.take(), await wrappers.take()];
  await within((await runIn(one, clean, "exit 0")).ended);
  await within((await runIn(other, dirty, "env -i sleep 300 & exit 0")).ended);
  wrappers.giveBack(one, clean.runId);
  wrappers.giveBack(other, dirty.runId);
  wrappers.looked(await processes());
  wrappers.looked(await processes());
  const stray = (await processes()).filter(({ group, pid }) => group === other.identity.pid && pid !== group);
  t.after(() => stray.forEach(({ pid }) => process.kill(pid, "SIGKILL")));
  assert.equal(stray.length, 1);
  assert.equal(await wrappers.take(), one);
  const third = await wrappers.take();
  assert.ok(third !== one && third !== other);
  await until("the other is gone", () => !other.isAlive);
  for (const each of [one, third]) void each.retire();
});

test("what a run left is ended without its wrapper being counted as left", async (t) => {
  const wrappers = new Wrappers();
  t.after(() => wrappers.close());
  const run = newRun(t);
  const wrapper = await wrappers.take();
  await within((await runIn(wrapper, run, "sleep 300 & exit 0")).ended);
  wrappers.giveBack(wrapper, run.runId);
  await wrappers.dismiss(run.runId);
  assert.equal(wrapper.isAlive, false);
  assert.deepEqual(await sweep(run.runId), { killed: 1, left: 0 });
  assert.deepEqual(await withMarker(run.runId), []);
});
