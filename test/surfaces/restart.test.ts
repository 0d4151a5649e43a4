/** `cox restart` and `cox stop --keep-agents`, with real daemons and an agent that outlives them. */
import assert from "node:assert/strict";
import { chmodSync } from "node:fs";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { repository, type Lab } from "./lab.ts";

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
  }
}

/** A workspace with a daemon and one agent at work, which notes its attempt and waits for the file `go`. */
async function atWork(t: TestContext): Promise<Lab> {
  const lab = repository(t, { init: true });
  lab.write(".workflow/config.yaml", "isolation: none\nledger:\n  durability: process\n");
  const command = 'echo "$COX_ATTEMPT" >> ran; until [ -f go ]; do sleep 0.05; done; echo done >> ran';
  lab.cox("add", "until told", "--agent", "command", "--command", command);
  const started = lab.cox("start", "--detach");
  assert.equal(started.exit, 0, started.err);
  await until("the agent runs", () => lab.has("ran"));
  return lab;
}

const ways = (lab: Lab) =>
  lab
    .git("log", "--reverse", "--format=%s", "refs/cox/ledger")
    .split("\n")
    .filter((line) => line.includes("impl-1: "));

describe("cox restart", () => {
  test("lets a new daemon take over: the agent works on and is settled in its first attempt", async (t) => {
    const lab = await atWork(t);
    const { pid: before } = lab.json<{ daemon: { pid: number } }>("status").daemon;
    const answer = lab.json<{ before: number; pid: number; at_work: string[]; daemon: string }>("restart");
    assert.deepEqual([answer.before, answer.daemon, answer.at_work], [before, "up", ["WFS-main/impl-1"]]);
    assert.notEqual(answer.pid, before);
    assert.equal(lab.json<{ daemon: { pid: number } }>("status").daemon.pid, answer.pid);
    assert.equal(lab.read("ran"), "1\n", "the agent was neither stopped nor started again");
    lab.write("go", "");
    await until("it is settled", () => lab.task("impl-1").status === "completed");
    assert.equal(lab.read("ran"), "1\ndone\n");
    assert.equal(lab.task("impl-1").execution["attempts"], 1);
    assert.equal(lab.cox("stop").exit, 0);
    assert.deepEqual(ways(lab), [
      "WFS-main impl-1: new -> pending",
      "WFS-main impl-1: pending -> active",
      "WFS-main impl-1: active -> completed",
    ]);
    assert.equal(lab.cox("verify").exit, 0);
  });

  test("says what became of both when the new daemon does not start, and the agent works on", async (t) => {
    const lab = await atWork(t);
    // The new one has no git.
    const failed = lab.coxWith({ env: { PATH: "/nowhere" } }, "restart");
    assert.equal(failed.exit, 1);
    assert.match(failed.err, /The daemon did not start\. The old one \(pid \d+\) has ended\. WFS-main\/impl-1 work/);
    assert.match(failed.err, /it ended with exit code 1/);
    assert.match(failed.err, /do: {2}Start it here to see what it says: cox start/);
    const again = lab.cox("restart");
    assert.equal(again.exit, 4);
    assert.match(again.err, /WFS-main\/impl-1 may be at work still/);
    lab.write("go", "");
    await until("the agent has ended by itself", () => lab.read("ran") === "1\ndone\n");
    assert.equal(lab.cox("start", "--once").exit, 0);
    assert.equal(lab.task("impl-1").execution["attempts"], 1);
  });

  test("needs a daemon that is up: 4", (t) => {
    const lab = repository(t, { init: true });
    const answer = lab.cox("restart");
    assert.equal(answer.exit, 4);
    assert.match(answer.err, /No daemon is up\.\n {2}do: {2}Start one: cox start --detach/);
  });
});

describe("cox stop --keep-agents", () => {
  test("ends the daemon at once, and the next one finds the agent", async (t) => {
    const lab = await atWork(t);
    assert.equal(lab.cox("stop", "--now", "--keep-agents").exit, 2);
    const stopped = lab.cox("stop", "--keep-agents");
    assert.deepEqual([stopped.exit, stopped.out], [0, "The daemon has stopped. At work: WFS-main/impl-1.\n"]);
    assert.equal(lab.task("impl-1").status, "active");
    lab.write("go", "");
    await until("the agent has ended by itself", () => lab.read("ran") === "1\ndone\n");
    assert.equal(lab.cox("start", "--once").exit, 0);
    assert.equal(lab.task("impl-1").execution["attempts"], 1);
  });

  test("does not wait for gates: the next daemon checks anew", async (t) => {
    const lab = repository(t, { init: true });
    lab.write(".workflow/config.yaml", "isolation: none\n");
    lab.write("gate.sh", '#!/bin/sh\necho x >> gates\n[ "$(wc -l < gates)" -gt 1 ] || sleep 600\n');
    chmodSync(lab.at("gate.sh"), 0o755);
    lab.cox("add", "work", "--agent", "command", "--command", "echo x >> ran", "--verify", "./gate.sh");
    assert.equal(lab.cox("start", "--detach").exit, 0);
    await until("the gate is at work", () => lab.has("gates"));
    assert.equal(lab.cox("restart").exit, 0);
    await until("the task is settled", () => lab.task("impl-1").status === "completed");
    assert.deepEqual([lab.read("ran"), lab.read("gates")], ["x\n", "x\nx\n"]);
    assert.equal(lab.task("impl-1").execution["attempts"], 1);
  });
});
