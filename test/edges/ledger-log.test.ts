import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { readLog } from "../../src/ledger/log.ts";
import { REF, SESSION, moved, open, repository, sh } from "./ledger-lab.ts";

test("the log gives each entry with what its trailers say, newest first", async (t) => {
  const dir = repository(t);
  assert.deepEqual(await readLog(dir, REF), []);
  const ledger = await open(t, dir);
  const trailers: [string, string][] = [
    ["Cox-Session", SESSION],
    ["Cox-Task", "impl-1"],
    ["Cox-From", "active"],
    ["Cox-To", "blocked"],
    ["Cox-Reason", "budget"],
    ["Cox-Attempt", "2"],
    ["Cox-Actor", "person"],
    ["Cox-Model", "claude-x"],
    ["Cox-Cost-USD", "0.25"],
    ["Cox-Agent-Session", "0c5fe0a4"],
  ];
  await ledger.record([
    { subject: "workspace: began", trailers: [], actor: "daemon", at: "2026-11-21T09:00:00.000Z", changes: [] },
    moved(1, { actor: "person", subject: "é: ü", trailers, at: "2026-11-21T09:01:00.000Z" }),
  ]);
  const [newest, oldest, ...rest] = await readLog(dir, REF);
  assert.deepEqual(rest, []);
  assert.deepEqual(newest, {
    commit: ledger.tip,
    at: "2026-11-21T09:01:00.000Z",
    author: "Ada Lovelace",
    subject: "é: ü",
    session: SESSION,
    task: "impl-1",
    from: "active",
    to: "blocked",
    reason: "budget",
    attempt: 2,
    actor: "person",
    model: "claude-x",
    cost_usd: 0.25,
    agent_session: "0c5fe0a4",
  });
  assert.deepEqual(
    [oldest?.subject, oldest?.session, oldest?.attempt, oldest?.cost_usd],
    ["workspace: began", null, null, null],
  );
});

test("the log can be asked for a session, a task, an actor, a reason, a time and a number of entries", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  const entry = (n: number, task: string, more: [string, string][] = []) =>
    moved(n, {
      subject: `entry ${n}`,
      at: `2026-11-21T09:0${n}:00.000Z`,
      trailers: [
        ["Cox-Session", n < 3 ? "WFS-a" : "WFS-a-b"],
        ["Cox-Task", task],
        ["Cox-Actor", n % 2 ? "person" : "daemon"],
        ...more,
      ],
    });
  await ledger.record([
    entry(1, "impl-1"),
    entry(2, "impl-1.1"),
    entry(3, "impl-10"),
    entry(4, "impl-1x1", [["Cox-Reason", "usage-limit"]]),
  ]);
  const subjects = async (filter: Parameters<typeof readLog>[2]) =>
    (await readLog(dir, REF, filter)).map((one) => one.subject.slice(-1)).join("");
  assert.equal(await subjects({}), "4321");
  assert.equal(await subjects({ limit: 2 }), "43");
  assert.equal(await subjects({ session: "WFS-a" }), "21");
  assert.equal(await subjects({ task: "impl-1" }), "1");
  assert.equal(await subjects({ task: "impl-1.1" }), "2");
  assert.equal(await subjects({ session: "WFS-a-b", actor: "person" }), "3");
  assert.equal(await subjects({ reason: "usage-limit" }), "4");
  assert.equal(await subjects({ since: "2026-11-21T09:03:00.000Z" }), "43");
  assert.equal(await subjects({ actor: "daemon", limit: 1 }), "4");
});

test("a repository's own settings do not change or run anything when the log is read", async (t) => {
  const dir = repository(t);
  await (await open(t, dir)).record([moved(1)]);
  writeFileSync(join(dir, "gpg.sh"), `#!/bin/sh\ntouch ${join(dir, "ran")}\n`, { mode: 0o755 });
  for (const setting of [
    "log.showSignature=true",
    "color.ui=always",
    "log.decorate=full",
    "grep.patternType=perl",
    "log.follow=true",
    "core.pager=cat -A",
  ]) {
    sh(dir, "config", ...(setting.split("=") as [string, string]));
  }
  sh(dir, "config", "gpg.program", join(dir, "gpg.sh"));
  const log = await readLog(dir, REF, { task: "impl-1" });
  assert.deepEqual(
    log.map((one) => [one.subject, one.task]),
    [[`${SESSION} impl-1: pending -> active`, "impl-1"]],
  );
});

test("to read twenty entries takes no longer in a ledger that is ten times as long", async (t) => {
  const median = async (count: number) => {
    const dir = repository(t);
    const ledger = await open(t, dir, { durability: "process" });
    for (let n = 0; n < count; n += 100) await ledger.record(Array.from({ length: 100 }, (_, i) => moved(n + i)));
    await ledger.close();
    const times: number[] = [];
    for (let i = 0; i < 9; i++) {
      const start = performance.now();
      assert.equal((await readLog(dir, REF, { limit: 20 })).length, 20);
      times.push(performance.now() - start);
    }
    return times.sort((a, b) => a - b)[4] ?? 0;
  };
  const growth = (await median(2000)) / (await median(200));
  assert.ok(growth < 3, `${growth.toFixed(2)} times`);
});
