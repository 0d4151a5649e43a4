import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { test } from "node:test";
import {
  cpuTicks,
  groupMembers,
  identityOf,
  isAlive,
  parsePs,
  parseStat,
  withMarker,
} from "../../src/agent/proc-table.ts";
import { newRun, shell, start, until, within } from "./process-fixture.ts";

test("a process is known by pid, boot and start time", async () => {
  const identity = await identityOf(process.pid);
  assert.ok(identity);
  assert.equal(await isAlive(identity), true);
  assert.equal(await isAlive({ ...identity, start: `${identity.start}0` }), false);
  assert.equal(await identityOf(2 ** 30), undefined);
});

test("a zombie counts as dead", async () => {
  // The shell's child ends at once and is never waited for: the shell has become `sleep`.
  const parent = spawn("/bin/sh", ["-c", "sleep 0.2 & echo $!; exec sleep 300"], {
    stdio: ["ignore", "pipe", "ignore"],
  });
  const pid = await new Promise<number>((told) => parent.stdout.once("data", (text) => told(Number(text))));
  await until("it is a zombie", async () => (await identityOf(pid)) === undefined);
  assert.equal(process.kill(pid, 0), true);
  const ended = new Promise((gone) => parent.once("exit", gone));
  parent.kill("SIGKILL");
  await ended;
});

test("the fields of a process whose name holds spaces and parentheses are read right", () => {
  const line = "4242 (a) R 1 (b c) S 17 4240 4200 0 -1 4194304 1 2 3 4 50 60 7 8 20 0 1 0 987654 1000 200";
  assert.deepEqual(parseStat(line), { pid: 4242, parent: 17, group: 4240, start: "987654", zombie: false, ticks: 125 });
  assert.equal(parseStat(""), undefined);
});

test("a line of ps is read with days in its time and words in its start", () => {
  assert.deepEqual(parsePs(" 501   1  501 Ss   1-02:03:04 Fri Nov 21 01:02:03 2026"), {
    pid: 501,
    parent: 1,
    group: 501,
    start: "Fri Nov 21 01:02:03 2026",
    zombie: false,
    ticks: 9378400,
  });
  assert.equal(parsePs("  7 1 7 Z+ 0:00.52 Fri Nov 21 01:02:03 2026")?.ticks, 52);
  assert.equal(parsePs(""), undefined);
});

test("the marker is found whole, in every process of the run, and only there", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, "sleep 300 & sleep 300 & wait"));
  await until("shell and both children", async () => (await withMarker(run.runId)).length === 3);
  assert.deepEqual(await withMarker(run.runId.slice(0, -1)), []);
  const group = await groupMembers(agent.identity.pid);
  // The wrapper leads the group, and is no part of the run.
  assert.deepEqual(new Set(group), new Set([agent.identity.pid, ...(await withMarker(run.runId))]));
});

test("an environment of half a megabyte is searched to its end", async (t) => {
  const run = newRun(t);
  const env = Object.fromEntries(Array.from({ length: 10 }, (_, n) => [`LONG_${n}`, "x".repeat(60_000)]));
  await start(run, shell(run, "sleep 300", { env: { PATH: process.env.PATH ?? "", ...env } }));
  await until("the agent, and what it started", async () => (await withMarker(run.runId)).length >= 2);
});

test("computing moves the clock of a run, waiting does not", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, "sleep 300"));
  await until("the agent, and what it started", async () => (await withMarker(run.runId)).length >= 2);
  const waiting = await withMarker(run.runId);
  const before = await cpuTicks(waiting);
  assert.equal(await cpuTicks(waiting), before);
  process.kill(-agent.identity.pid, "SIGKILL");
  await within(agent.ended);

  const busy = newRun(t);
  await start(busy, shell(busy, "while :; do :; done"));
  await until("it computed", async () => (await cpuTicks(await withMarker(busy.runId))) > 3);
});
