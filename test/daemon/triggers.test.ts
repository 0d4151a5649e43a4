/** What begins runs by itself, through the real daemon: each cause one run, whatever becomes of the daemon meanwhile. */
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { Failpoint } from "../../src/daemon/failpoint.ts";
import { clockThatIsSet, HOUR, setClock } from "../support/clock.ts";
import { assertRanOnce, assertWhole, killDaemon } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

const DAY = 24 * HOUR;
const NIGHTLY = '{ cron: "0 3 * * *", timezone: UTC }';
/** Writes what began the run. */
const SAYS = 'printf "%s\\n" {run.cause} >> "$HOME/causes"';

function flow(shop: Workshop, name: string, on: string, run: string = SAYS): void {
  shop.drop(
    `workflows/${name}.yaml`,
    `name: ${name}\non: ${on}\nsteps:\n  - id: it\n    run: '${run}'\n    max_attempts: 1\n`,
  );
}

const causes = (shop: Workshop) => (shop.left("causes") ?? "").split("\n").filter(Boolean);
const runs = (shop: Workshop) => shop.tasks().filter(({ id }) => !id.includes("."));

/** A daemon that has seen how things stand before anything begins. */
async function begun(
  t: TestContext,
  make: (shop: Workshop) => void,
  env: Record<string, string> = {},
): Promise<Workshop> {
  const shop = await workshop(t, { started: false, env: { COX_RESCAN: "200ms", ...env }, before: make });
  await shop.start();
  await shop.recorded(/^workspace: \w+: from now on a run begins/);
  return shop;
}

const POINTS: Failpoint[] = [
  ...(["decided", "before-files", "after-files-before-ledger", "after-ledger", "drops-removed"] as const),
  ...(["applied", "acted"] as const),
];

describe("a schedule whose daemon is killed", { concurrency: 2 }, () => {
  for (const point of some(POINTS))
    test(`at ${point}, whenever that is, begins one run of one cause`, async (t) => {
      const shop = await workshop(t, { started: false });
      clockThatIsSet(shop);
      flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`);
      assert.equal(await shop.once(), 0, shop.output);
      assert.deepEqual(runs(shop), [], "nothing is begun for what was before");
      let killed = 0;
      for (let day = 1; day <= 2; day++) {
        setClock(shop, day * DAY);
        // The first time the cause is recorded, the second time the request becomes a run.
        shop.env["COX_FAILPOINT"] = `${point}:${day}`;
        if ((await shop.once()) === null) killed++;
        delete shop.env["COX_FAILPOINT"];
        assert.equal(await shop.once(), 0, shop.output);
        assert.equal(new Set(causes(shop)).size, day, shop.output);
        assert.equal(causes(shop).length, day, "each cause has one run");
      }
      assert.ok(killed > 0, `it is never ${point}`);
      assert.equal(runs(shop).length, 2);
      assert.ok(runs(shop).every(({ status }) => status === "completed"));
      await assertWhole(shop);
    });
});

test("a schedule is not begun twice by a clock that is set back, and goes on when it is there again", async (t) => {
  const shop = await workshop(t, { started: false });
  clockThatIsSet(shop);
  flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`);
  await shop.once();
  setClock(shop, DAY);
  await shop.once();
  assert.equal(causes(shop).length, 1);
  for (const ahead of [0, DAY, DAY / 2, DAY + 1000]) {
    setClock(shop, ahead);
    await shop.once();
    assert.equal(causes(shop).length, 1, `${ahead}`);
  }
  setClock(shop, 2 * DAY);
  await shop.once();
  assert.equal(causes(shop).length, 2);
});

test("what was missed while no daemon was up is caught up with as the schedule says", async (t) => {
  const shop = await workshop(t, { started: false });
  clockThatIsSet(shop);
  const schedule = (catchUp: string) => `{ schedule: { cron: "0 3 * * *", timezone: UTC, catch_up: ${catchUp} } }`;
  for (const catchUp of ["none", "last", "all"])
    flow(shop, catchUp, schedule(catchUp), `echo ${catchUp} >> "$HOME/causes"`);
  await shop.once();
  // Four nights on, at noon.
  const noon = DAY / 2 - ((Date.now() + 0) % DAY);
  setClock(shop, noon + 4 * DAY);
  await shop.once();
  const of = (name: string) => causes(shop).filter((cause) => cause === name).length;
  assert.equal(of("none"), 0);
  assert.equal(of("last"), 1);
  assert.ok(of("all") >= 3 && of("all") <= 5, `${of("all")}`);
});

test("a schedule comes while the daemon is up, also when the clock jumps there, and is skipped while a run goes on", async (t) => {
  const shop = await workshop(t, { started: false });
  clockThatIsSet(shop);
  flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`, `${SAYS}; ${shop.waits()}`);
  await shop.start();
  await shop.recorded(/from now on a run begins at 0 3/);
  setClock(shop, DAY);
  await shop.until("it has begun", () => causes(shop).length === 1);
  setClock(shop, 2 * DAY);
  await shop.recorded(/^workspace: nightly: schedule \S+ is skipped$/);
  shop.release();
  await shop.becomes("impl-1", "completed");
  assert.equal(runs(shop).length, 1);
  setClock(shop, 3 * DAY);
  await shop.until("it comes again", () => causes(shop).length === 2);
});

test("a new commit on the branch and a new tag begin a run each, and none over a kill", async (t) => {
  const shop = await begun(t, (made) => {
    flow(made, "pushed", '{ git: [{ branch: main }, { tag: "v*" }] }');
    made.git("tag", "v0");
  });
  shop.checked = false; // branches and tags are made here on purpose
  shop.git("commit", "-q", "--allow-empty", "-m", "second");
  const second = shop.git("rev-parse", "HEAD");
  await shop.until("the commit has begun a run", () => causes(shop).length === 1);
  await killDaemon(shop);
  shop.git("tag", "v1");
  shop.git("tag", "other");
  shop.git("branch", "beside");
  await shop.start();
  await shop.until("the tag has begun a run", () => causes(shop).length === 2);
  shop.git("reset", "-q", "--hard", "HEAD~1");
  shop.git("pack-refs", "--all");
  await shop.until("it went back", () => shop.git("rev-parse", "main") !== second);
  await shop.stays("no run begins by going back", () => causes(shop).length === 2, 1000);
  shop.git("reset", "-q", "--hard", second);
  await shop.stays("nor by coming to a commit that has begun one", () => causes(shop).length === 2, 1000);
  assert.deepEqual(causes(shop), [second, "v1"]);
});

test("files that match begin a run when they have changed and kept still; what its own run changes begins none", async (t) => {
  const shop = await begun(
    t,
    (made) => {
      mkdirSync(join(made.dir, "docs"));
      writeFileSync(join(made.dir, "docs/a.md"), "a\n");
      flow(made, "docs", '["docs/**/*.md"]'.replace(/^/, "{ files: ") + " }", `${SAYS}; echo run >> docs/a.md`);
    },
    { COX_ISOLATION: "none" },
  );
  shop.checked = false; // the working tree is changed on purpose
  writeFileSync(join(shop.dir, "docs/b.md"), "b\n");
  writeFileSync(join(shop.dir, "docs/b.txt"), "no\n");
  await shop.until("it has begun", () => causes(shop).length === 1);
  assert.deepEqual(causes(shop), ["docs/b.md"]);
  await shop.recorded(/^workspace: docs: what changed while its own run went on begins no other$/);
  await killDaemon(shop);
  writeFileSync(join(shop.dir, "docs/a.md"), "while no daemon was up\n");
  await shop.start();
  await shop.until("it has begun again", () => runs(shop).length === 2);
  await shop.until("it is over", () => runs(shop).every(({ status }) => status === "completed"));
  await shop.stays("once", () => runs(shop).length === 2, 1000);
});

test("a run begins after another workflow's, as that ended, and once also over a kill", async (t) => {
  const shop = await begun(t, (made) => {
    made.drop("workflows/build.yaml", "name: Build\nsteps:\n  - run: 'test -e \"$HOME/good\"'\n    max_attempts: 1\n");
    flow(made, "good", "{ after: build }");
    flow(made, "bad", "{ after: { workflow: build, outcome: failure } }", 'echo bad >> "$HOME/causes"');
  });
  await shop.recorded(/^workspace: bad: from now on/);
  await shop.recorded(/^workspace: good: from now on/);
  shop.drop("inbox/one.json", { workflow: "build" });
  await shop.until("the failure has begun a run", () => causes(shop).length === 1);
  shop.release("good");
  shop.drop("inbox/two.json", { workflow: "build" });
  await shop.until("the success has begun a run", () => causes(shop).length === 2);
  await killDaemon(shop);
  await shop.start();
  await shop.stays("no run begins again", () => causes(shop).length === 2, 700);
  assert.equal(causes(shop)[0], "bad");
  assert.match(causes(shop)[1] ?? "", /^build-\d+$/);
});

test("runs that begin each other come to an end", async (t) => {
  const shop = await begun(t, (made) => {
    flow(made, "ping", "{ after: pong }", 'echo x >> "$HOME/causes"');
    flow(made, "pong", "{ after: ping }", 'echo x >> "$HOME/causes"');
  });
  await shop.recorded(/^workspace: pong: from now on/);
  shop.drop("inbox/first.json", { workflow: "ping" });
  await shop.recorded(/begins no run: 10 have begun each other$/);
  await shop.until("the last is over", () => runs(shop).every(({ status }) => status === "completed"));
  assert.equal(causes(shop).length, 11);
});

test("overlap: a later cause waits for the run's end, or cancels it", async (t) => {
  const shop = await begun(t, (made) => {
    flow(made, "queue", '{ git: { tag: "q*" } }', `${SAYS}; ${made.waits("q")}`);
    flow(made, "cancel", '{ git: { tag: "c*", overlap: cancel } }', `${SAYS}; ${made.waits("c")}`);
  });
  shop.checked = false; // tags are made here on purpose
  await shop.recorded(/^workspace: cancel: from now on/);
  for (const tag of ["q1", "c1"]) shop.git("tag", tag);
  await shop.until("both have begun", () => causes(shop).length === 2);
  for (const tag of ["q2", "c2"]) shop.git("tag", tag);
  await shop.until("one is cancelled", () => causes(shop).includes("c2"));
  await shop.recorded(/^workspace: cancel: cancel-\d+ is cancelled for git c2$/);
  await shop.recorded(/^workspace: queue: git q2 waits$/);
  assert.ok(!causes(shop).includes("q2"));
  // What waits is not forgotten either.
  await killDaemon(shop);
  await shop.start();
  shop.release("q");
  shop.release("c");
  await shop.until("what waited has begun", () => causes(shop).includes("q2"));
  await shop.until("all is over", () =>
    runs(shop).every(({ execution, status }) => status === "completed" || execution.workflow?.cause?.about === "c1"),
  );
  assert.deepEqual(causes(shop).toSorted(), ["c1", "c2", "q1", "q2"]);
  assertRanOnce(shop);
});

test("a workflow that the branch tracks begins nothing until it is trusted", async (t) => {
  const shop = await workshop(t, { started: false, env: { COX_RESCAN: "200ms" } });
  shop.checked = false; // the branch is changed on purpose
  flow(shop, "theirs", '{ schedule: "* * * * * *" }');
  shop.git("add", "-f", ".workflow/workflows/theirs.yaml");
  shop.git("commit", "-q", "-m", "a workflow");
  await shop.start();
  await shop.until("it is said", () => shop.has("workflows/theirs.yaml.error.md"));
  assert.match(
    shop.read("workflows/theirs.yaml.error.md"),
    /has triggers, is tracked .* and is not trusted\. .*cox trust/,
  );
  await shop.stays("nothing begins", () => causes(shop).length === 0, 1500);
  const { createHash } = await import("node:crypto");
  const hash = createHash("sha256").update(shop.read("workflows/theirs.yaml")).digest("hex");
  shop.drop(".run/trust.json", { "workflows/theirs.yaml": hash });
  await shop.until("it begins", () => causes(shop).length > 0);
  assert.ok(!shop.has("workflows/theirs.yaml.error.md"));
});

test("a wrong workflow is told beside it, and goes on from what is remembered when it is mended", async (t) => {
  const shop = await workshop(t, { started: false });
  clockThatIsSet(shop);
  flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`);
  await shop.once();
  shop.drop("workflows/nightly.yaml", "name: nightly\non: { schedule: often }\nsteps:\n  - run: x\n");
  assert.equal(await shop.once(), 1);
  assert.match(shop.read("workflows/nightly.yaml.error.md"), /nightly\.yaml:2:\d+: "often" is no cron/);
  setClock(shop, DAY);
  flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`);
  await shop.once();
  assert.equal(causes(shop).length, 1);
  assert.ok(!shop.has("workflows/nightly.yaml.error.md"));
});

test("a request that a person takes back begins nothing, and what is remembered is recorded and may be lost on disk", async (t) => {
  const shop = await workshop(t, { started: false, session: null });
  shop.drop("WFS-a/workflow-session.json", { session_id: "WFS-a", status: "paused" });
  clockThatIsSet(shop);
  flow(shop, "nightly", `{ schedule: ${NIGHTLY} }`);
  await shop.once();
  rmSync(shop.at("workflows/.triggers.json"));
  setClock(shop, DAY);
  await shop.start();
  const request = await shop.until(
    "it is asked for",
    () =>
      shop.git("show", "refs/cox/ledger:.workflow/workflows/.triggers.json").match(/inbox\/run-nightly-\w+\.json/)?.[0],
  );
  await shop.until("it waits in the inbox", () => shop.has(request));
  rmSync(shop.at(request));
  await shop.recorded(/^workspace: nightly: the request for schedule \S+ was removed$/);
  await shop.stop();
  shop.touch(".active-WFS-a");
  await shop.once();
  assert.deepEqual(causes(shop), []);
  assert.equal(SESSION, "WFS-main");
});
