/** `errors/patterns.json` with a real daemon: learned, recorded, edited, damaged, trusted. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ErrorPattern } from "../../src/model/pattern.ts";
import { workshop, type Workshop } from "../support/workshop.ts";

const FILE = "errors/patterns.json";
const learned = (shop: Workshop): ErrorPattern[] =>
  shop.has(FILE) ? (JSON.parse(shop.read(FILE)) as { patterns: ErrorPattern[] }).patterns : [];
const FAILS_ONCE = '[ "$COX_ATTEMPT" -gt 1 ] || { echo "cannot open /tmp/x/$$" >&2; exit 3; }';

describe("learned failures", { concurrency: 2 }, () => {
  test("are in the file and in the ledger with the transition that they came from, and known to the next daemon", async (t) => {
    const shop = await workshop(t);
    shop.command("impl-1", FAILS_ONCE);
    await shop.becomes("impl-1", "completed");
    const [only, ...others] = learned(shop);
    assert.deepEqual(others, []);
    assert.equal(only?.error_signature, "unknown:exit 3: exit code #: cannot open <path>");
    assert.deepEqual([only?.occurrence_count, only?.recovered_count, only?.recoverable], [1, 1, true]);
    const changed = shop.git("log", "--reverse", "--format=%s", "refs/cox/ledger", "--", `.workflow/${FILE}`);
    assert.deepEqual(changed.split("\n"), [
      "WFS-main impl-1: active -> pending",
      "WFS-main impl-1: active -> completed",
    ]);
    await shop.until("the ledger has the file as it is", () => shop.recordedFile(FILE) === shop.read(FILE).trimEnd());
    await shop.stop();
    shop.command("impl-2", FAILS_ONCE);
    assert.equal(await shop.once(), 0);
    assert.deepEqual([learned(shop).length, learned(shop)[0]?.occurrence_count], [1, 2]);
  });

  test("what a person marks as not recoverable is not tried again; their form, keys and order stay", async (t) => {
    const shop = await workshop(t);
    shop.command("impl-1", FAILS_ONCE);
    await shop.becomes("impl-1", "completed");
    const [pattern] = learned(shop);
    const mine = `{ "team": "core",\n  "patterns": [\n    {"error_signature": "ours"},\n    ${JSON.stringify({ why: "disk", ...pattern, recoverable: false })}\n  ] }\n`;
    shop.put(FILE, mine);
    const commit = await shop.recorded(`workspace: changed ${FILE}`);
    assert.equal(commit.author, "Ada Lovelace");
    assert.equal(shop.read(FILE), mine);
    shop.command("impl-2", FAILS_ONCE);
    const task = await shop.becomes("impl-2", "blocked");
    assert.deepEqual([shop.reason("impl-2"), task.execution.attempts], ["failed", 1]);
    const file = JSON.parse(shop.read(FILE)) as { team: string; patterns: (ErrorPattern & { why?: string })[] };
    assert.deepEqual(Object.keys(file), ["team", "patterns"]);
    assert.deepEqual(
      file.patterns.map((each) => [each.error_signature, each.why, each.occurrence_count, each.recoverable]),
      [
        ["ours", undefined, undefined, undefined],
        [pattern?.error_signature, "disk", 2, false],
      ],
    );
  });

  test("a file that cannot be used is reported and left alone, and the last good one stays in force", async (t) => {
    const shop = await workshop(t, {
      before: (to) =>
        to.drop(FILE, {
          patterns: [{ error_signature: "unknown:exit 3: exit code #: cannot open <path>", recoverable: false }],
        }),
    });
    await shop.recorded(`workspace: changed ${FILE}`);
    shop.put(FILE, '{"patterns": [{"occurrence_count": -1}]}\n');
    await shop.until("it is reported", () => shop.has(`${FILE}.error.md`));
    assert.match(shop.read(`${FILE}.error.md`), /error_signature is missing/);
    shop.command("impl-1", FAILS_ONCE);
    await shop.becomes("impl-1", "blocked");
    assert.equal(shop.read(FILE), '{"patterns": [{"occurrence_count": -1}]}\n');
    shop.remove(FILE);
    await shop.until("the report goes with it", () => !shop.has(`${FILE}.error.md`));
    await shop.until("it is gone from the ledger", () => shop.recordedFile(FILE) === undefined);
    shop.command("impl-2", FAILS_ONCE);
    await shop.becomes("impl-2", "completed");
    assert.equal(learned(shop).length, 1);
  });

  test("a file that arrived by git is not obeyed and not written", async (t) => {
    const content = `${JSON.stringify({ patterns: [{ error_signature: "unknown:exit 3: exit code #: cannot open <path>", recoverable: false }] })}\n`;
    const shop = await workshop(t, {
      checked: false,
      before: (to) => {
        to.drop(FILE, content);
        to.git("add", "-f", `.workflow/${FILE}`);
        to.git("commit", "-q", "-m", "patterns");
      },
    });
    shop.command("impl-1", FAILS_ONCE);
    await shop.becomes("impl-1", "completed");
    assert.equal(shop.read(FILE), content);
    assert.equal(shop.git("status", "--porcelain"), "");
  });

  test("a save into the file while it is being written is kept", async (t) => {
    const shop = await workshop(t, { env: { COX_CONCURRENCY: "4" } });
    for (let n = 1; n <= 12; n++) shop.command(`impl-${n}`, "exit 4", { execution: { max_attempts: 2 } });
    for (let saves = 0; saves < 40; saves++) {
      await shop.until("there is a file", () => learned(shop).length > 0);
      const file = JSON.parse(shop.read(FILE)) as { patterns: ErrorPattern[] };
      shop.put(FILE, { ...file, patterns: file.patterns.map((each) => ({ ...each, notes: `note ${saves}` })) });
      await shop.until("it is seen", () => shop.recordedFile(FILE)?.includes(`note ${saves}`));
    }
    for (let n = 1; n <= 12; n++) await shop.becomes(`impl-${n}`, "blocked");
    await shop.until("all are counted", () => learned(shop)[0]?.occurrence_count === 24);
    assert.equal(learned(shop)[0]?.notes, "note 39");
  });
});
