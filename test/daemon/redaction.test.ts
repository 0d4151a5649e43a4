/** Secrets that the daemon was given once, and is not given any more, or that have changed. SPEC section 7. */
import assert from "node:assert/strict";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { cox } from "../surfaces/recorded.ts";
import { killDaemon, marked } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";

const OLD = "Orchid Lantern #4471";
const response = `${SESSION}/responses/impl-1-a1.json`;

/** All that git has, reachable or not. */
function objects(shop: Workshop): string {
  return shop.git("cat-file", "--batch-all-objects", "--batch", "--buffer");
}

function isKept(shop: Workshop): boolean {
  return shop.has(".run/secret-names.json") && shop.read(".run/secret-names.json").includes('"digest"');
}

/** A task that was given the value, has it in its text, and tells it. */
async function told(shop: Workshop): Promise<void> {
  shop.command("impl-1", 'echo "it is $PASSED, the $PASSED"; printenv PASSED | base64; cat', {
    title: `Use ${OLD} here`,
    execution: { env: ["PASSED"] },
    context: { requirements: [`- ${OLD}`] },
  });
  await shop.becomes("impl-1", "completed");
  assert.match(shop.read(response), /Orchid/);
  await shop.until("the value's digest is kept", () => isKept(shop));
  await shop.stop();
}

describe("a secret of an earlier daemon", { concurrency: 2 }, () => {
  for (const [how, value] of [
    ["is gone", undefined],
    ["is another", "Cedar Anchor #9902"],
  ] as const) {
    test(`that ${how} is not recorded by the next one, nor an edit made up`, async (t) => {
      const shop = await workshop(t, { env: { PASSED: OLD } });
      await told(shop);
      const before = shop.subjects();
      delete shop.env["PASSED"];
      if (value !== undefined) shop.env["PASSED"] = value;
      await shop.start();
      shop.command("impl-2", `echo "once more: ${OLD}"`);
      await shop.becomes("impl-2", "completed");
      await shop.stop();
      assert.deepEqual(
        shop.subjects().filter((subject) => !subject.includes("impl-2")),
        before,
      );
      const all = objects(shop);
      assert.ok(!all.includes(OLD) && !all.includes("Orchid"), "the old value is in git");
      assert.doesNotMatch(shop.read(".run/secret-names.json"), /Orchid/);
      assert.match(shop.recordedFile(`${SESSION}/responses/impl-2-a1.json`) ?? "", /once more: \[redacted:value\]/);
    });
  }

  test("stays out of git when its file was edited meanwhile, and the edit is taken", async (t) => {
    const shop = await workshop(t, { env: { PASSED: OLD } });
    await told(shop);
    delete shop.env["PASSED"];
    shop.edit("impl-1", (task) => task.context.acceptance.push("it is blue"));
    shop.put(response, shop.read(response).replace('"outcome"', '"seen": true,\n  "outcome"'));
    await shop.start();
    await shop.recorded(`${SESSION} impl-1: steered (context.acceptance)`);
    await shop.recorded(/^workspace: changed .*impl-1-a1\.json/);
    await shop.stop();
    assert.ok(!objects(shop).includes("Orchid"));
  });

  test("stays out of git although nothing is kept of it, as when .run was removed", async (t) => {
    const shop = await workshop(t, { env: { PASSED: OLD } });
    await told(shop);
    delete shop.env["PASSED"];
    rmSync(join(shop.at(".run")), { recursive: true });
    const before = shop.subjects();
    await shop.start();
    await shop.stop();
    assert.deepEqual(shop.subjects(), before);
    assert.ok(!objects(shop).includes("Orchid"));
  });

  test("is known from an agent that outlived its daemon", async (t) => {
    const shop = await workshop(t, { env: { PASSED: OLD } });
    shop.command("impl-1", `echo ready > "$HOME/ready"; ${shop.waits()}; echo "it is $PASSED"`, {
      execution: { env: ["PASSED"] },
    });
    await shop.until("the agent runs", () => shop.left("ready"));
    await killDaemon(shop);
    delete shop.env["PASSED"];
    await shop.start();
    await shop.until("it is followed", () => shop.output.includes("following it again"));
    shop.release();
    await shop.becomes("impl-1", "completed");
    assert.match(shop.read(response), /Orchid/);
    await shop.stop();
    assert.ok(!objects(shop).includes("Orchid"));
  });

  test("is known in what an agent told that ended while no daemon was there", async (t) => {
    const shop = await workshop(t, { env: { PASSED: OLD } });
    shop.command("impl-1", `echo ready > "$HOME/ready"; ${shop.waits()}; echo "it is $PASSED."`, {
      execution: { env: ["PASSED"] },
    });
    await shop.until("the agent runs", () => shop.left("ready"));
    await shop.until("the value's digest is kept", () => isKept(shop));
    await killDaemon(shop);
    shop.release();
    await shop.until("the agent has ended", () => marked(shop).length === 0);
    delete shop.env["PASSED"];
    await shop.start();
    await shop.becomes("impl-1", "completed");
    assert.match(shop.read(response), /Orchid/);
    await shop.stop();
    assert.ok(!objects(shop).includes("Orchid"));
  });

  test("does not hide an edit in its place", async (t) => {
    const shop = await workshop(t, { env: { PASSED: OLD } });
    await told(shop);
    shop.edit("impl-1", (task) => (task.title = "Use the vault here"));
    await shop.start();
    await shop.recorded(`${SESSION} impl-1: steered (title)`);
    assert.match(shop.recordedFile(`${SESSION}/.task/impl-1.json`) ?? "", /Use the vault here/);
  });
});

test("an edit made while no daemon runs is taken, although the task's error holds a secret", async (t) => {
  const shop = await workshop(t, { env: { PASSED: OLD } });
  const key = ["ghp", "0123456789abcdefghijABCDEFGHIJ012345"].join("_");
  shop.command("impl-1", `[ "$COX_ATTEMPT" = 1 ] || exit 0; echo "no: $PASSED and ${key}" >&2; exit 1`, {
    execution: { env: ["PASSED"], max_attempts: 1 },
  });
  await shop.becomes("impl-1", "blocked");
  assert.match(shop.read(`${SESSION}/.task/impl-1.json`), /no: Orchid/);
  await shop.stop();
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.start();
  await shop.becomes("impl-1", "completed");
  assert.deepEqual(shop.moves("impl-1").slice(-3), ["blocked -> pending", "pending -> active", "active -> completed"]);
  await shop.stop();
  assert.ok(!objects(shop).includes("Orchid"));
});

test("cox verify and cox doctor take a file with a redacted value for as recorded", async (t) => {
  const shop = await workshop(t, { env: { PASSED: OLD } });
  await told(shop);
  const { findings } = cox(shop.dir, ["verify", "--json"]).json<{ findings: { check: string; text: string }[] }>();
  assert.deepEqual(
    findings.filter(({ check }) => check === "unrecorded"),
    [],
  );
  assert.match(findings.find(({ check }) => check === "files")?.text ?? "", /files are as recorded/);
  assert.doesNotMatch(cox(shop.dir, ["doctor"]).out, /Changed since they were recorded/);
  shop.edit("impl-1", (task) => (task.title += "!"));
  assert.match(cox(shop.dir, ["verify"]).out, /Changed since they were recorded: WFS-main\/\.task\/impl-1\.json/);
});
