/** The daemon is killed between every two steps of a task's life, and the next one goes on as if nothing had happened. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { describe, test, type TestContext } from "node:test";
import { FAILPOINTS, type Failpoint } from "../../src/daemon/failpoint.ts";
import { assertRanOnce, assertWhole, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

/** In the inbox of an empty workspace: one that fails once, one that depends on it, one without an id, a text. */
function dropLife(shop: Workshop): void {
  const command = (line: string) => ({ agent: "command", execution: { command: `${NOTES}; ${line}` } });
  shop.drop("inbox/first.json", { id: "impl-1", title: "Fails once", ...command('[ "$COX_ATTEMPT" != 1 ]') });
  shop.drop("inbox/second.json", {
    id: "impl-2",
    title: "Waits",
    relations: { dependencies: ["impl-1"] },
    ...command("true"),
  });
  shop.drop("inbox/third.json", { title: "Has no id", ...command("true") });
  shop.drop("inbox/fourth.md", "# Is a text\n\nIts prompt is this.\n");
  shop.drop(
    "agents/code-developer.md",
    `---\nname: code-developer\ndescription: a shell\nrunner: command\ncommand: '${NOTES}; grep -q "prompt is this"'\n---\n`,
  );
}

async function killedAt(t: TestContext, point: Failpoint, passage: number): Promise<void> {
  const env: Record<string, string> = {
    COX_RETRY_BASE: "50ms",
    COX_RESCAN: "300ms",
    COX_FAILPOINT: `${point}:${passage}`,
  };
  const shop = await workshop(t, { session: null, env, before: dropLife, started: false });
  const code = await shop.once();
  if (code === 0 && passage > 1) return t.skip("it is never there so often");
  assert.equal(code, null, `it is never ${point}`);

  delete env["COX_FAILPOINT"];
  const end = await shop.once();
  assert.equal(end, 0, shop.output);
  assert.deepEqual(ran(shop).sort(), ["impl-1 1", "impl-1 2", "impl-2 1", "impl-3 1", "impl-4 1"], shop.output);
  assertRanOnce(shop);
  assert.deepEqual(
    shop.tasks().map(({ status }) => status),
    ["completed", "completed", "completed", "completed"],
  );
  assert.deepEqual(
    shop.moves("impl-1").filter((move) => move.includes("->")),
    ["new -> pending", "pending -> active", "active -> pending", "pending -> active", "active -> completed"],
  );
  assert.ok(
    !existsSync(shop.at("inbox")) ||
      ["first.json", "second.json", "third.json", "fourth.md"].every((name) => !shop.has(`inbox/${name}`)),
    "drops",
  );
  for (const id of ["001", "002", "003", "004"])
    assert.match(
      shop.read(`${SESSION}/TODO_LIST.md`),
      new RegExp(`- \\[x\\] .*IMPL-${id}\\b`),
      shop.read(`${SESSION}/TODO_LIST.md`),
    );
  for (const attempt of ["impl-1-a1", "impl-1-a2", "impl-2-a1"]) {
    assert.ok(shop.has(`${SESSION}/prompts/${attempt}.md`), attempt);
    assert.equal(
      shop.recordedFile(`${SESSION}/responses/${attempt}.json`),
      shop.read(`${SESSION}/responses/${attempt}.json`).trimEnd(),
    );
  }
  await assertWhole(shop);
}

const passages = (process.env["COX_TEST_PASSAGES"] ?? "1").split(",").map(Number);

describe("the daemon is killed", { concurrency: 2 }, () => {
  for (const point of some(FAILPOINTS, 6)) {
    for (const passage of passages) {
      test(`at ${point}, passage ${passage}, and nothing is lost or done twice`, (t) => killedAt(t, point, passage));
    }
  }
});
