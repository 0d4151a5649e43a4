/** `cox start` and `cox stop` with a real daemon. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { hostname } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { repository } from "./lab.ts";

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 30_000; !condition(); await sleep(20)) {
    if (Date.now() > deadline) throw new Error(`waited in vain: ${what}`);
  }
}

describe("the daemon", () => {
  test("is started detached, shown, started only once, and stopped", (t) => {
    const lab = repository(t, { init: true });
    assert.deepEqual(
      [lab.cox("stop").exit, lab.json<{ error: { what: string } }>("stop").error.what],
      [4, "No daemon is up."],
    );
    const started = lab.cox("start", "--detach");
    assert.equal(started.exit, 0, started.err);
    assert.match(started.out, /The daemon is up \(pid \d+\)/);
    const { daemon } = lab.json<{ daemon: { up: boolean; pid: number } }>("status");
    assert.equal(daemon.up, true);
    assert.ok(started.out.includes(String(daemon.pid)));
    const again = lab.cox("start");
    assert.equal(again.exit, 4);
    assert.match(again.err, /up already/);
    assert.match(lab.cox("add", "x", "--agent", "human").out, /The daemon is up and takes it from here/);
    const stop = lab.cox("stop");
    assert.deepEqual([stop.exit, stop.out], [0, "The daemon has stopped.\n"]);
    assert.equal(lab.json<{ daemon: { up: boolean } }>("status").daemon.up, false);
  });

  test("runs what there is with --once, and the exit code tells", (t) => {
    const lab = repository(t, { init: true });
    lab.write(".workflow/config.yaml", "isolation: none\n");
    lab.cox("add", "say hello", "--agent", "command", "--command", "echo hello > hello.txt");
    const { exit, err } = lab.cox("start", "--once");
    assert.equal(exit, 0, err);
    assert.equal(lab.task("impl-1").status, "completed");
    assert.equal(lab.read("hello.txt"), "hello\n");
    assert.equal(lab.cox("status").out.includes("1 of 1 completed"), true);
  });
});

describe("cox stop", () => {
  test("waits for what runs and says so; with --now it does not wait", async (t) => {
    const lab = repository(t, { init: true });
    lab.write(".workflow/config.yaml", "isolation: none\n");
    lab.cox("add", "until told", "--agent", "command", "--command", "until [ -f go ]; do sleep 0.05; done");
    lab.cox("add", "for ever", "--agent", "command", "--command", "sleep 1000");
    lab.cox("cancel", "impl-2");
    lab.cox("start", "--detach");
    await until("impl-1 runs", () => lab.task("impl-1").status === "active");
    const stop = lab.together("stop");
    lab.write("go", "");
    const { exit, err } = await stop;
    assert.deepEqual([exit, lab.task("impl-1").status], [0, "completed"], err);
    lab.cox("retry", "impl-2");
    lab.cox("start", "--detach");
    await until("impl-2 runs", () => lab.task("impl-2").status === "active");
    assert.match(lab.cox("stop", "--now").err, /waiting for/);
    assert.equal(lab.task("impl-2").status, "pending");
  });

  test("never signals a process that only has the daemon's pid", async (t) => {
    const lab = repository(t, { init: true });
    const bystander = spawn("sleep", ["60"]);
    t.after(() => bystander.kill("SIGKILL"));
    await once(bystander, "spawn");
    mkdirSync(lab.at(".workflow/.run"), { recursive: true });
    // In this process: a daemon that holds the lock, and a file that names another process.
    const lock = new DatabaseSync(lab.at(".workflow/.run/daemon.lock"));
    lock.exec("PRAGMA journal_mode = OFF");
    lock.exec("BEGIN EXCLUSIVE");
    t.after(() => lock.close());
    const holder = { pid: bystander.pid, start: "1", host: hostname(), since: new Date().toISOString(), version: "0" };
    lab.write(".workflow/.run/daemon.json", JSON.stringify(holder));
    const answer = lab.cox("stop", "--now");
    assert.equal(answer.exit, 1);
    assert.match(answer.err, /not the daemon any more/);
    lab.write(".workflow/.run/daemon.json", JSON.stringify({ ...holder, host: "elsewhere" }));
    assert.equal(lab.cox("stop").exit, 4);
    assert.deepEqual([bystander.exitCode, bystander.signalCode], [null, null]);
  });
});
