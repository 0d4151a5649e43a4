/** Another machine's history that comes into a ledger while a daemon is at work on it. SPEC section 7. */
import assert from "node:assert/strict";
import { describe, test, type TestContext } from "node:test";
import { MERGE_FAILPOINTS, type Failpoint } from "../../src/daemon/failpoint.ts";
import type { Task } from "../../src/model/task.ts";
import { assertRanOnce, assertWhole, NOTES, ran } from "../support/survival.ts";
import { LEDGER, SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

const OTHER = "WFS-other";
const ASIDE = "refs/cox-moved/ledger";

/** Another machine, that has done two tasks and left one. */
async function elsewhere(t: TestContext): Promise<Workshop> {
  const there = await workshop(t, { session: OTHER });
  there.drop("agents/shell.md", "---\nname: shell\ndescription: a shell\nrunner: command\ncommand: sh\n---\n");
  there.command("impl-1", NOTES, { session: OTHER });
  there.command("impl-2", NOTES, { session: OTHER });
  await there.becomes("impl-1", "completed", OTHER);
  await there.becomes("impl-2", "completed", OTHER);
  there.command("impl-3", NOTES, { session: OTHER, execution: { approve: "before" } });
  await there.becomes("impl-3", "blocked", OTHER);
  await there.stop();
  return there;
}

const fetch = (shop: Workshop, from: Workshop) => shop.git("fetch", "-q", from.dir, `+${LEDGER}:${LEDGER}`);
const hasMerged = (shop: Workshop) => shop.subjects().some((subject) => subject.startsWith("workspace: merged"));

async function assertMerged(shop: Workshop, there: Workshop, ours: string): Promise<void> {
  for (const id of ["impl-1", "impl-2", "impl-3"]) {
    assert.equal(shop.read(`${OTHER}/.task/${id}.json`), there.read(`${OTHER}/.task/${id}.json`));
    assert.equal(`${shop.recordedFile(`${OTHER}/.task/${id}.json`)}\n`, there.read(`${OTHER}/.task/${id}.json`));
  }
  for (const path of [`${OTHER}/prompts/impl-1-a1.md`, `${OTHER}/responses/impl-2-a1.json`])
    assert.equal(shop.read(path), there.read(path));
  assert.match(shop.read(`${OTHER}/workflow-session.json`), /"status": "paused"/);
  assert.equal(shop.has("agents/shell.md"), false);
  assert.ok(!shop.recordedPaths().includes("agents/shell.md"));
  assert.ok(there.recordedPaths().includes("agents/shell.md"));
  for (const commit of [ours, there.git("rev-parse", LEDGER)]) shop.git("merge-base", "--is-ancestor", commit, LEDGER);
  await shop.until("nothing waits to be merged", () => shop.git("for-each-ref", ASIDE) === "");
  assert.deepEqual(
    ran(shop).filter((run) => !run.startsWith("impl-9 ")),
    [],
    "nothing of it ran here",
  );
  assertRanOnce(shop);
  await assertWhole(shop);
}

describe("a foreign history", { concurrency: 2 }, () => {
  test("that is fetched into the ref of a daemon at work is merged, and nothing of it starts", async (t) => {
    const there = await elsewhere(t);
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-9", NOTES);
    await shop.becomes("impl-9", "completed");
    const ours = shop.git("rev-parse", LEDGER);
    fetch(shop, there);
    await shop.until("it is merged", () => hasMerged(shop));
    await shop.becomes("impl-3", "blocked", OTHER);
    await assertMerged(shop, there, ours);
    assert.deepEqual(shop.moves("impl-1", OTHER), ["new -> pending", "pending -> completed"]);
    // And once more, with what came since.
    await there.start();
    there.edit("impl-3", (task) => (task.title = "Changed there"), OTHER);
    await there.recorded(/impl-3: steered \(title\)/);
    await there.stop();
    fetch(shop, there);
    await shop.until("the change is here", () => shop.task("impl-3", OTHER)?.title === "Changed there");
    await shop.recorded(/impl-3: noted \(title\)/);
    await assertMerged(shop, there, ours);
  });

  test("that stops a task which runs here is obeyed: its agent ends", async (t) => {
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-9", `${NOTES}; ${shop.waits()}`);
    await shop.becomes("impl-9", "active");
    await shop.until("its agent runs", async () => (await shop.agents()).length > 0);
    // What a second machine would record: the task, cancelled there by a person.
    const file = shop.recordedFile(`${SESSION}/.task/impl-9.json`) ?? "";
    const cancelled = file
      .replace('"status": "active"', '"status": "blocked"')
      .replace('"attempts": 1', '"reason": "cancelled",\n    "attempts": 1');
    const commit = shop.commitOnto(
      LEDGER,
      `${SESSION}/.task/impl-9.json`,
      `${cancelled}\n`,
      `${SESSION} impl-9: active -> blocked`,
    );
    shop.git("update-ref", LEDGER, commit);
    await shop.until("it is merged", () => hasMerged(shop));
    await shop.becomes("impl-9", "blocked");
    assert.equal(shop.reason("impl-9"), "cancelled");
    await shop.until("no agent runs", async () => (await shop.agents()).length === 0);
    await assertWhole(shop);
  });

  test("that brings work for a session at work pauses it first: nothing that came with it runs", async (t) => {
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-1", NOTES);
    await shop.becomes("impl-1", "completed");
    const task = JSON.parse(shop.read(`${SESSION}/.task/impl-1.json`)) as Task;
    const evil = {
      ...task,
      id: "impl-2",
      status: "pending",
      execution: { command: 'touch "$HOME/evil"', attempts: 0, last_attempt: null },
    };
    shop.git(
      "update-ref",
      LEDGER,
      shop.commitOnto(LEDGER, `${SESSION}/.task/impl-2.json`, JSON.stringify(evil), "evil"),
    );
    await shop.becomes("impl-2", "pending");
    await shop.until("the session is paused", () => shop.subjects().includes(`${SESSION}: active -> paused`));
    assert.equal(shop.has(`.active-${SESSION}`), false);
    await shop.stays("nothing ran", () => shop.left("evil") === undefined, 700);
    assert.match(shop.output, /WFS-main paused, cox switch goes on/);
    // A person lets it go on.
    shop.touch(`.active-${SESSION}`);
    await shop.becomes("impl-2", "completed");
    await assertWhole(shop);
  });

  test("cannot bring roles, settings, markers, or what is no task", async (t) => {
    const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
    shop.command("impl-1", NOTES);
    await shop.becomes("impl-1", "completed");
    const outside = { ...shop.task("impl-1"), id: "impl-7", status: "pending", paths: "../../etc" };
    const files = {
      "agents/code-developer.md": "---\nname: code-developer\nrunner: command\n---\n",
      "config.yaml": "concurrency: 9\n",
      ".active-WFS-evil": "",
      ".run/trust.json": "{}",
      "WFS-evil/workflow-session.json": '{"session_id": "WFS-else", "status": "active"}',
      "WFS-evil/.task/impl-1.json": '{"id": "impl-1", "title": "Not whole"}',
      [`${SESSION}/.task/impl-6.json`]: '{"id": "impl-1", "title": "Another\'s id"}',
      [`${SESSION}/.task/impl-7.json`]: JSON.stringify(outside),
      [`${SESSION}/.task/impl-8.json`]: "{ no JSON",
      "inbox/evil.json": '{"title": "Dropped"}',
    };
    let onto = shop.git("rev-parse", LEDGER);
    for (const [path, content] of Object.entries(files)) onto = shop.commitOnto(onto, path, content, `evil ${path}`);
    shop.git("update-ref", LEDGER, onto);
    await shop.until("it is merged", () => hasMerged(shop));
    shop.git("merge-base", "--is-ancestor", onto, LEDGER);
    await shop.becomes("impl-7", "blocked");
    assert.equal(shop.reason("impl-7"), "conflict");
    assert.match(shop.task("impl-7")?.execution.conflict?.message ?? "", /leaves the repository/);
    for (const path of Object.keys(files)) if (!path.endsWith("impl-7.json")) assert.equal(shop.has(path), false, path);
    assert.deepEqual(ran(shop), ["impl-1 1"]);
    await assertWhole(shop);
  });

  for (const point of some(MERGE_FAILPOINTS.filter((each) => each !== "merged-forward")))
    test(`is whole after a kill at ${point}`, (t) => killedAt(t, point));

  test("that goes on from ours is taken as it is, also after a kill in the middle", async (t) => {
    const there = await elsewhere(t);
    const env: Record<string, string> = { COX_FAILPOINT: "merged-forward" };
    const shop = await workshop(t, { session: null, env, started: false });
    shop.git("fetch", "-q", there.dir, `${LEDGER}:refs/cox-remotes/there/ledger`);
    shop.drop(".run/sync/one.request.json", { commit: "refs/cox-remotes/there/ledger", from: "there" });
    const end = await shop.once();
    delete env["COX_FAILPOINT"];
    if (end === null) await shop.once();
    await shop.start();
    await shop.until(
      "it is answered",
      () => shop.has(".run/sync/one.answer.json") || shop.has(`${OTHER}/.task/impl-3.json`),
    );
    await assertMerged(shop, there, there.git("rev-parse", LEDGER));
    await shop.stop();
  });
});

/** The daemon dies in the middle of a merge; the next one comes to the same as if it had not. */
async function killedAt(t: TestContext, point: Failpoint): Promise<void> {
  const there = await elsewhere(t);
  const env: Record<string, string> = { COX_RESCAN: "300ms", COX_FAILPOINT: point };
  const shop = await workshop(t, { env });
  shop.command("impl-9", NOTES);
  await shop.becomes("impl-9", "completed");
  const ours = shop.git("rev-parse", LEDGER);
  fetch(shop, there);
  await shop.over();
  delete env["COX_FAILPOINT"];
  await shop.start();
  await shop.until("it is merged", () => hasMerged(shop) && shop.git("for-each-ref", ASIDE) === "");
  await assertMerged(shop, there, ours);
}
