/** Sessions, their markers, and what is repaired. SPEC section 4. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, utimesSync } from "node:fs";
import { test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import type { SessionFile } from "../../src/model/session.ts";
import { lives, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const file = (shop: Workshop, session = SESSION): SessionFile | undefined =>
  shop.has(`${session}/workflow-session.json`)
    ? (JSON.parse(shop.read(`${session}/workflow-session.json`)) as SessionFile)
    : undefined;

const markers = (shop: Workshop) => readdirSync(shop.at()).filter((name) => name.startsWith(".active-"));

test("mkdir WFS-x is enough to make a session, and so is a first task in it", async (t) => {
  const shop = await workshop(t);
  mkdirSync(shop.at("WFS-x"));
  await shop.until("its file is there", () => file(shop, "WFS-x")?.session_id === "WFS-x");
  assert.equal(file(shop, "WFS-x")?.status, "paused");
  await shop.until("its views are there", () => shop.has("WFS-x/TODO_LIST.md"));
  shop.command("impl-1", "true", { session: "WFS-y" });
  await shop.becomes("impl-1", "pending", "WFS-y");
  await shop.recorded("WFS-y: new -> paused");
});

test("touching another marker switches: the newest stays, and the status follows in both files", async (t) => {
  const shop = await workshop(t, { before: (at) => mkdirSync(at.at("WFS-b")) });
  await shop.until("the first is active", () => file(shop)?.status === "active");
  shop.command("impl-1", "true", { session: "WFS-b" });
  await shop.becomes("impl-1", "pending", "WFS-b");
  shop.touch(".active-WFS-b");
  await shop.becomes("impl-1", "completed", "WFS-b");
  await shop.until("one marker is left", () => markers(shop).join() === ".active-WFS-b");
  await shop.until(
    "the status follows",
    () => file(shop)?.status === "paused" && file(shop, "WFS-b")?.status === "active",
  );
  await shop.recorded(`${SESSION}: active -> paused`);
  const commit = await shop.recorded("WFS-b: paused -> active");
  assert.equal(commit.author, "Ada Lovelace");
});

test("an editor that was opened before a switch takes nothing back when it saves: both changes are there", async (t) => {
  const shop = await workshop(t, { before: (at) => mkdirSync(at.at("WFS-b")) });
  await shop.until("both are known", () => file(shop, "WFS-b") && file(shop)?.status === "active");
  const opened = file(shop, "WFS-b") as SessionFile;
  assert.equal(opened.status, "paused");
  shop.touch(".active-WFS-b");
  await shop.recorded("WFS-b: paused -> active");
  shop.put("WFS-b/workflow-session.json", { ...opened, budget_usd: 5 });
  const commit = await shop.recorded("WFS-b: steered (budget_usd)");
  assert.equal(commit.author, "Ada Lovelace");
  await shop.until("both are in the file", () => file(shop, "WFS-b")?.budget_usd === 5);
  assert.equal(file(shop, "WFS-b")?.status, "active");
  assert.deepEqual(markers(shop), [".active-WFS-b"]);
  assert.ok(!shop.subjects().includes("WFS-b: active -> paused"));
});

test("removing the old marker and touching the new one switches as well", async (t) => {
  const shop = await workshop(t, { before: (at) => mkdirSync(at.at("WFS-b")) });
  await shop.until("both are known", () => file(shop, "WFS-b"));
  shop.remove(`.active-${SESSION}`);
  shop.touch(".active-WFS-b");
  await shop.until(
    "the status follows",
    () => file(shop)?.status === "paused" && file(shop, "WFS-b")?.status === "active",
  );
});

test("after a switch the agent of the session left behind finishes, and nothing new of it starts", async (t) => {
  const shop = await workshop(t, { before: (at) => mkdirSync(at.at("WFS-b")) });
  shop.command("impl-1", `echo $$ > "$HOME/pid"; ${shop.waits()}`);
  shop.command("impl-2", 'echo ran >> "$HOME/ran"', { relations: { dependencies: ["impl-1"] } });
  const pid = Number(await shop.until("it runs", () => shop.left("pid")?.trim()));
  await shop.becomes("impl-2", "pending");
  shop.touch(".active-WFS-b");
  await shop.recorded("WFS-b: paused -> active");
  assert.ok(await lives(pid));
  shop.release();
  await shop.becomes("impl-1", "completed");
  await shop.stays("impl-2 waits", () => shop.status("impl-2") === "pending", 400);
  assert.equal(shop.left("ran"), undefined);
  shop.touch(`.active-${SESSION}`);
  await shop.becomes("impl-2", "completed");
});

test("with no marker nothing starts, and a marker sets it going", async (t) => {
  const shop = await workshop(t);
  shop.remove(`.active-${SESSION}`);
  await shop.until("it is paused", () => file(shop)?.status === "paused");
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "pending");
  await shop.stays("it waits", () => shop.status("impl-1") === "pending", 300);
  shop.touch(`.active-${SESSION}`);
  await shop.becomes("impl-1", "completed");
});

test("of two markers at the start the newest stays", async (t) => {
  const shop = await workshop(t, {
    before: (at) => {
      mkdirSync(at.at("WFS-b"));
      at.touch(".active-WFS-b");
      const old = new Date(Date.now() - 60_000);
      utimesSync(at.at(`.active-${SESSION}`), old, old);
    },
  });
  await shop.until("one is left", () => markers(shop).join() === ".active-WFS-b");
  await shop.until("it is active", () => file(shop, "WFS-b")?.status === "active" && file(shop)?.status === "paused");
});

test("with max_active_sessions: 2 two sessions are active, and a third takes the oldest one's place", async (t) => {
  const shop = await workshop(t, {
    env: { COX_MAX_ACTIVE_SESSIONS: "2" },
    before: (at) => ["WFS-b", "WFS-c"].forEach((session) => mkdirSync(at.at(session))),
  });
  shop.touch(".active-WFS-b");
  await shop.until("two are active", () => file(shop)?.status === "active" && file(shop, "WFS-b")?.status === "active");
  await pause(20);
  shop.touch(".active-WFS-c");
  await shop.until(
    "the oldest is paused",
    () => file(shop)?.status === "paused" && file(shop, "WFS-c")?.status === "active",
  );
  assert.equal(file(shop, "WFS-b")?.status, "active");
});

test("a marker without a session is removed and that is on record; one that comes just before its session is not", async (t) => {
  const shop = await workshop(t);
  shop.touch(".active-WFS-nowhere");
  await shop.until("it is gone", () => !shop.has(".active-WFS-nowhere"));
  await shop.recorded(/^workspace: .*WFS-nowhere/);
  await shop.until("the other is active again or still", () => file(shop)?.status === "active");
  shop.touch(".active-WFS-soon");
  await pause(100);
  shop.command("impl-1", "true", { session: "WFS-soon" });
  await shop.becomes("impl-1", "completed", "WFS-soon");
});

test("a session file that a person edits to active or paused moves the marker", async (t) => {
  const shop = await workshop(t, { before: (at) => mkdirSync(at.at("WFS-b")) });
  await shop.until("both are there", () => file(shop)?.status === "active" && file(shop, "WFS-b"));
  shop.put("WFS-b/workflow-session.json", { ...file(shop, "WFS-b"), status: "active", project: "Mine" });
  await shop.until("it is active", () => markers(shop).join() === ".active-WFS-b");
  await shop.until("the other is paused", () => file(shop)?.status === "paused");
  assert.equal((file(shop, "WFS-b") as unknown as Record<string, unknown>)["project"], "Mine");
  shop.put("WFS-b/workflow-session.json", { ...file(shop, "WFS-b"), status: "paused" });
  await shop.until("no marker is left", () => markers(shop).length === 0);
});

test("a corrupt session file is set aside and rebuilt from its tasks, and that is on record", async (t) => {
  const shop = await workshop(t);
  for (let n = 1; n <= 5; n++) shop.command(`impl-${n}`, "true");
  await shop.until("all are done", () => shop.tasks().filter(({ status }) => status === "completed").length === 5);
  shop.put(`${SESSION}/workflow-session.json`, "{ this is no JSON");
  const names = () => readdirSync(shop.at(SESSION)).filter((name) => name.startsWith("workflow-session.json.corrupt-"));
  await shop.until("it is set aside", () => names().length === 1);
  await shop.until("it is rebuilt", () => file(shop)?.status === "active");
  assert.equal(file(shop)?.type, "medium");
  assert.equal(shop.read(`${SESSION}/${names()[0]}`), "{ this is no JSON");
  await shop.recorded(/^workspace: WFS-main: .*set aside/);
  assert.ok(!shop.has(`${SESSION}/workflow-session.json.error.md`));
});

test("a session file that is corrupt at the start is rebuilt as well, and one that is deleted is written again", async (t) => {
  const shop = await workshop(t, {
    before: (at) => {
      at.drop(`${SESSION}/workflow-session.json`, "\u0000\u0000\u0000");
      at.command("impl-1", "true");
    },
  });
  await shop.becomes("impl-1", "completed");
  await shop.until("it is rebuilt", () => {
    try {
      return file(shop)?.session_id === SESSION && file(shop)?.status === "active";
    } catch {
      return false;
    }
  });
  shop.remove(`${SESSION}/workflow-session.json`);
  await shop.until("it is there again", () => file(shop)?.status === "active");
});

test("type rises by itself and never falls; a person may set it higher", async (t) => {
  const shop = await workshop(t);
  for (let n = 1; n <= 5; n++) shop.command(`impl-${n}`, "true");
  await shop.until("five tasks are medium", () => file(shop)?.type === "medium");
  await shop.until("all are done", () => shop.tasks().filter(({ status }) => status === "completed").length === 5);
  shop.remove(`${SESSION}/.task/impl-5.json`);
  await shop.recorded(`${SESSION} impl-5: completed -> deleted`);
  assert.equal(file(shop)?.type, "medium");
  shop.put(`${SESSION}/workflow-session.json`, { ...file(shop), type: "complex" });
  await shop.recorded(`${SESSION}: steered (type)`);
  shop.command("impl-6", "true");
  await shop.becomes("impl-6", "completed");
  assert.equal(file(shop)?.type, "complex");
});

test("what a session has cost is counted, never read from a save: neither a person's nor an unfinished one of its own", async (t) => {
  const shop = await workshop(t);
  await shop.until("it is active", () => file(shop)?.status === "active");
  shop.put(`${SESSION}/workflow-session.json`, { ...file(shop), project: "Mine", cost_usd: 5 });
  await shop.recorded(`${SESSION}: steered (project)`);
  await shop.until("the cost is what it was", () => file(shop)?.cost_usd === undefined);
  assert.equal(file(shop)?.project, "Mine");
});

test("current_tasks names what runs", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits());
  await shop.until("it is named", () => file(shop)?.progress.current_tasks.join() === "impl-1");
  assert.equal(file(shop)?.current_phase, "IMPLEMENT");
  shop.release();
  await shop.until("nothing runs", () => file(shop)?.progress.current_tasks.length === 0);
});

test("rm -rf WFS-x: its agent is stopped, its end is on record, and the ledger's tree has nothing of it", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  shop.command("impl-2", `echo $$ > "$HOME/pid"; ${shop.waits()}`);
  await shop.becomes("impl-1", "completed");
  const pid = Number(await shop.until("it runs", () => shop.left("pid")?.trim()));
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  await shop.recorded(`${SESSION} impl-2: pending -> active`);
  rmSync(shop.at(SESSION), { recursive: true });
  await shop.recorded(/^WFS-main: \w+ -> deleted$/);
  await shop.until("its agent is gone", async () => !(await lives(pid)));
  await shop.recorded(`${SESSION} impl-2: active -> deleted`);
  const left = shop.recordedPaths().filter((path) => path.startsWith(`${SESSION}/`));
  assert.deepEqual(left, []);
  await pause(300);
  assert.ok(!shop.has(`${SESSION}/.task`), "it was written again");
  await shop.until("its marker is gone", () => markers(shop).length === 0);
  mkdirSync(shop.at(SESSION));
  await shop.until("the name can be used again", () => file(shop)?.status === "paused");
});

test("a session that is renamed goes on under its new name", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  renameSync(shop.at(SESSION), shop.at("WFS-renamed"));
  await shop.recorded(/^WFS-main: \w+ -> deleted$/);
  await shop.becomes("impl-1", "completed", "WFS-renamed");
  shop.touch(".active-WFS-renamed");
  shop.command("impl-2", "true", { session: "WFS-renamed", relations: { dependencies: ["impl-1"] } });
  await shop.becomes("impl-2", "completed", "WFS-renamed");
});

test("a first drop into the inbox of an empty workspace makes the first session, active", async (t) => {
  const shop = await workshop(t, { session: null });
  shop.drop("inbox/first.json", { title: "first", agent: "command", execution: { command: "true" } });
  await shop.until("it is done", () =>
    shop.sessions().some((session) => shop.tasks(session).some(({ status }) => status === "completed")),
  );
  assert.equal(markers(shop).length, 1);
});

test("a folder whose name is no session's is told about", async (t) => {
  const shop = await workshop(t);
  shop.drop("WFS-User_Auth/.task/impl-1.json", { title: "lost" });
  await shop.until("it is reported", () => shop.has("WFS-User_Auth.error.md"));
  assert.match(shop.read("WFS-User_Auth.error.md"), /bad-session-name/);
  execFileSync("mv", [shop.at("WFS-User_Auth"), shop.at("WFS-user-auth")]);
  await shop.becomes("impl-1", "pending", "WFS-user-auth");
  await shop.until("the report is gone", () => !shop.has("WFS-User_Auth.error.md"));
});
