/** Steps that are done for each item, in rounds, or by another workflow: each of their tasks once, whatever befalls the daemon. */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import type { Failpoint } from "../../src/daemon/failpoint.ts";
import { assertRanOnce, assertWhole, killDaemon, NOTES, ran } from "../support/survival.ts";
import { SESSION, workshop, type Workshop } from "../support/workshop.ts";
import { some } from "../support/points.ts";

type Files = Record<string, unknown>;

/** A workshop with the workflow in its inbox, and not started. */
async function withFlow(
  t: TestContext,
  steps: object[],
  { env = {}, files = {} }: { env?: Record<string, string>; files?: Files } = {},
) {
  const flow = { text: JSON.stringify({ name: "Flow", vars: {}, steps }), vars: {} };
  const before = (made: Workshop) => {
    for (const [path, content] of Object.entries(files)) made.drop(path, content);
    made.drop("inbox/run.json", flow);
  };
  return workshop(t, { session: null, env, before, started: false });
}

const statusOf = (shop: Workshop) =>
  Object.fromEntries(
    shop.tasks().map(({ id, status, execution }) => [id, execution?.reason ? `${status} ${execution.reason}` : status]),
  );
const flowOf = (shop: Workshop, id: string) =>
  (shop.task(id)?.execution as { workflow?: Record<string, unknown> } | undefined)?.workflow ?? {};
const answerOf = (shop: Workshop, name: string) =>
  JSON.parse(shop.read(`${SESSION}/responses/${name}.json`)) as {
    structured?: unknown;
    result: string;
    outcome: string;
  };
const errorOf = (shop: Workshop, id: string) =>
  (shop.task(id)?.execution?.last_attempt as { error?: { message: string } } | undefined)?.error?.message;

const LISTED = { id: "list", run: "printf 'a\\n\\nb c\\n{{x}} $(touch pwned)\\n'", output_variable: "files" };

describe("a step for each item of a list", { concurrency: 2 }, () => {
  test("of 50, whose daemon is killed twice in their midst: each is done once, and the list is whole and in order", async (t) => {
    const items = Array.from({ length: 50 }, (_, n) => `item {n} ${n}`);
    const steps = [
      { id: "each", for_each: items, run: `${NOTES}; sleep 0.05; printf %s {item}`, output_variable: "all" },
      { id: "end", run: `printf %s {all} > "$HOME/all"` },
    ];
    const shop = await withFlow(t, steps);
    for (const far of [12, 30]) {
      await shop.start();
      await shop.until(`${far} have begun`, () => ran(shop).length >= far);
      await killDaemon(shop);
    }
    assert.equal(await shop.once(), 0, shop.output);
    assertRanOnce(shop);
    assert.deepEqual(
      ran(shop).toSorted((a, b) => a.localeCompare(b, "en", { numeric: true })),
      items.map((_, n) => `impl-1.${n + 3} 1`),
    );
    assert.deepEqual(JSON.parse(shop.left("all") ?? ""), items);
    assert.deepEqual(answerOf(shop, "impl-1.1-a1").structured, items);
    assert.equal(shop.tasks().length, 53);
    assert.deepEqual(new Set(Object.values(statusOf(shop))), new Set(["completed"]));
    await assertWhole(shop);
  });

  const POINTS: [Failpoint, number][] = [
    ...[3, 4, 5, 6, 7].map((n): [Failpoint, number] => ["after-files-before-ledger", n]),
    ...(["decided", "after-ledger", "applied"] as const).map((point): [Failpoint, number] => [point, 4]),
  ];
  for (const [point, passage] of some(POINTS))
    test(`whose daemon is killed at ${point}, passed ${passage} times, goes on with each item once`, async (t) => {
      const env: Record<string, string> = { COX_FAILPOINT: `${point}:${passage}` };
      const steps = [
        LISTED,
        { id: "each", for_each: "{files}", max_parallel: 1, run: `${NOTES}; printf %s {item}`, output_variable: "all" },
        { id: "end", run: `printf %s {all} > "$HOME/all"` },
      ];
      const shop = await withFlow(t, steps, { env });
      if ((await shop.once()) !== null) return t.skip("it is never there so often");
      delete env["COX_FAILPOINT"];
      assert.equal(await shop.once(), 0, shop.output);
      assertRanOnce(shop);
      assert.equal(ran(shop).length, 3, shop.output);
      assert.deepEqual(JSON.parse(shop.left("all") ?? ""), ["a", "b c", "{x} $(touch pwned)"]);
      assert.equal(shop.tasks().length, 7);
      assert.equal(shop.status("impl-1"), "completed");
      await assertWhole(shop);
    });

  test("gives item, field and index to texts and conditions; what is skipped has no result", async (t) => {
    const steps = [
      {
        ...{
          id: "each",
          for_each: [{ n: 1 }, { n: 2 }, { n: 3 }],
          when: "item.n != 2 && index < 5",
          output_variable: "all",
        },
        run: "printf %s {index}:{item.n}",
      },
      { id: "end", run: `printf %s {all} > "$HOME/all"` },
    ];
    const shop = await withFlow(t, steps);
    assert.equal(await shop.once(), 0, shop.output);
    assert.deepEqual(JSON.parse(shop.left("all") ?? ""), ["0:1", null, "2:3"]);
    assert.equal(flowOf(shop, "impl-1.4")["skipped"], true);
  });

  test("runs no more of them at once than it says", async (t) => {
    const busy = 'mkdir "$HOME/busy" || echo clash >> "$HOME/clash"; sleep 0.05; rmdir "$HOME/busy"';
    const shop = await withFlow(t, [{ id: "each", for_each: [1, 2, 3, 4], max_parallel: 1, run: busy }]);
    assert.equal(await shop.once(), 0, shop.output);
    assert.equal(shop.left("clash"), undefined);
  });

  test("of nothing is done at once, with an empty list", async (t) => {
    const steps = [
      { id: "list", run: "true", output_variable: "files" },
      { id: "each", for_each: "{files}", run: "exit 1", output_variable: "all" },
      { id: "end", run: `printf %s {all}{steps.each.outcome} > "$HOME/all"` },
    ];
    const shop = await withFlow(t, steps);
    assert.equal(await shop.once(), 0, shop.output);
    assert.equal(shop.left("all"), "[]success");
  });

  test("has failed if one of them has, and goes on where it may fail; a retry of the step is one of what failed", async (t) => {
    const each = {
      ...{ id: "each", for_each: ["a", "b"], output_variable: "all", retry: { attempts: 1 } },
      run: `${NOTES}; [ {item} != b ] || [ -e "$HOME/go" ] && printf %s {item}`,
    };
    const steps = [
      { ...each, continue_on_error: true },
      { id: "end", run: `printf %s {all}{steps.each.outcome} > "$HOME/all"` },
    ];
    const shop = await withFlow(t, steps);
    await shop.once();
    assert.equal(shop.left("all"), '["a",null]failure');
    assert.deepEqual(statusOf(shop), {
      ...{ "impl-1": "completed", "impl-1.1": "blocked failed", "impl-1.2": "completed" },
      ...{ "impl-1.3": "completed", "impl-1.4": "blocked failed" },
    });
    assert.equal(errorOf(shop, "impl-1.1"), "1 of 2 items failed: impl-1.4.");

    shop.release("go");
    shop.edit("impl-1.1", (task) => (task.status = "pending"));
    assert.equal(await shop.once(), 0, shop.output);
    assert.deepEqual(ran(shop), ["impl-1.3 1", "impl-1.4 1", "impl-1.4 2"]);
    assert.deepEqual(answerOf(shop, "impl-1.1-a2").structured, ["a", "b"]);
  });

  test("is steered by its tasks: one that is deleted has no result, one that is edited another; cancelled, it starts no more", async (t) => {
    const wait = { for_each: ["a", "b", "c"], max_parallel: 1, output_variable: "all" };
    const shop = await withFlow(t, [
      {
        id: "each",
        ...wait,
        run: `[ {index} != 0 ] || while [ ! -e "$HOME/go" ]; do sleep 0.02; done; printf %s {item}`,
      },
      {
        id: "next",
        for_each: [1, 2],
        max_parallel: 1,
        run: `${NOTES}; while [ ! -e "$HOME/end" ]; do sleep 0.02; done`,
      },
    ]);
    await shop.start();
    await shop.becomes("impl-1.3", "active");
    shop.remove(`${SESSION}/.task/impl-1.4.json`);
    shop.edit("impl-1.5", (task) => ((task.execution as { workflow: { item: string } }).workflow.item = "other"));
    await shop.recorded(/impl-1\.5: steered/);
    await shop.recorded(/impl-1\.4: .* -> deleted/);
    shop.release("go");
    await shop.becomes("impl-1.1", "completed");
    assert.deepEqual(answerOf(shop, "impl-1.1-a1").structured, ["a", null, "other"]);

    await shop.until("the next step has begun", () => ran(shop).length === 1);
    shop.edit("impl-1.2", (task) => (task.status = "blocked"));
    const [first, second] = shop.tasks().filter(({ id }) => flowOf(shop, id)["part_of"] === "impl-1.2");
    await shop.becomes(first?.id ?? "", "blocked");
    await shop.becomes(second?.id ?? "", "blocked");
    assert.equal(shop.reason(second?.id ?? ""), "cancelled");
    assert.equal(ran(shop).length, 1);
  });

  test("that is no list, or too long, waits for a person, who is told why", async (t) => {
    const steps = [
      { id: "object", run: `echo '{{"a": 1}'`, output_variable: "object", needs: [] },
      { id: "long", run: "seq 1001", output_variable: "long", needs: [] },
      { id: "of_object", for_each: "{object}", run: "true", needs: ["object"] },
      { id: "of_long", for_each: "{long}", run: "true", needs: ["long"] },
    ];
    const shop = await withFlow(t, steps);
    assert.equal(await shop.once(), 1);
    assert.deepEqual(
      ["impl-1.3", "impl-1.4"].map((id) => [shop.reason(id), flowOf(shop, id)["trouble"]]),
      [
        ["invalid", "In its list {object}: it is an object, not a list."],
        [
          "invalid",
          "In its list {long}: it has 1001 items, and 1000 are the most: let the step before cut it into lists.",
        ],
      ],
    );
  });
});

describe("a step that is repeated", { concurrency: 2 }, () => {
  test("is done again until its condition holds, and sees its last result; killed in between, each round is done once", async (t) => {
    const steps = [
      {
        id: "grow",
        run: `${NOTES}; printf '%s%s' {text} {round}`,
        output_variable: "text",
        repeat: { until: "size(string(text)) >= 3", max: 9 },
      },
      { id: "end", run: `printf %s {text}{steps.grow.outcome} > "$HOME/out"` },
    ];
    const env: Record<string, string> = { COX_FAILPOINT: "after-files-before-ledger:5" };
    const shop = await withFlow(t, steps, { env });
    assert.equal(await shop.once(), null);
    delete env["COX_FAILPOINT"];
    assert.equal(await shop.once(), 0, shop.output);
    assert.equal(shop.left("out"), "123success");
    assert.equal(ran(shop).length, 3);
    assertRanOnce(shop);
    await assertWhole(shop);
  });

  test("has failed when it was done so often as it may be, and begins anew when it is tried again", async (t) => {
    const steps = [
      { id: "try", run: `${NOTES}; echo {round}`, output_variable: "n", repeat: { until: "n > 5", max: 2 } },
    ];
    const shop = await withFlow(t, steps);
    assert.equal(await shop.once(), 1);
    assert.equal(shop.reason("impl-1.1"), "failed");
    assert.equal(errorOf(shop, "impl-1.1"), "After 2 rounds its condition does not hold: n > 5");
    shop.edit("impl-1.1", (task) => (task.status = "pending"));
    await shop.once();
    assert.equal(ran(shop).length, 4);
    assert.deepEqual(Object.keys(statusOf(shop)).sort(), ["impl-1", "impl-1.1", "impl-1.4", "impl-1.5"]);
    await assertWhole(shop);
  });
});

describe("a workflow that another runs", { concurrency: 2 }, () => {
  const INNER = {
    name: "Inner",
    vars: { file: { required: true }, times: { type: "integer", default: 2 }, files: "own" },
    steps: [
      { id: "one", run: "printf '%s ' {file} {times} {files}", output_variable: "all" },
      { id: "two", run: `${NOTES}; printf '%s!' {all}`, when: "steps.one.outcome == 'success' && times > 0" },
      { id: "last", run: `printf '%s\n' {file} >> "$HOME/last"`, finally: true },
    ],
  };

  test("has names of its own, its last step's result, and is done for each item", async (t) => {
    const steps = [
      LISTED,
      {
        id: "each",
        for_each: "{files}",
        max_parallel: 1,
        workflow: "inner",
        vars: { file: "{item}", times: "{index}" },
        output_variable: "all",
      },
      { id: "end", run: `printf %s {all} > "$HOME/all"` },
    ];
    const shop = await withFlow(t, steps, { files: { "workflows/inner.yaml": INNER } });
    assert.equal(await shop.once(), 0, shop.output);
    // Of the first the last step is skipped: it has no result.
    assert.deepEqual(JSON.parse(shop.left("all") ?? ""), [null, "b c 1 own!", "{x} $(touch pwned) 2 own!"]);
    assert.equal(shop.left("last"), "a\nb c\n{x} $(touch pwned)\n");
    assert.equal(flowOf(shop, "impl-1.8")["step"], "each.two");
    assert.ok(shop.recordedFile(`${SESSION}/workflows/flow-1.inner.yaml`));
  });

  test("has failed if one of its steps has; the run goes on where that step is tried again", async (t) => {
    const inner = {
      name: "Inner",
      steps: [
        { id: "one", run: `[ -e "$HOME/go" ]`, max_attempts: 1 },
        { id: "two", run: "echo done" },
      ],
    };
    const steps = [
      { id: "call", workflow: "inner" },
      { id: "end", run: NOTES },
    ];
    const shop = await withFlow(t, steps, { files: { "workflows/inner.yaml": inner } });
    assert.equal(await shop.once(), 1);
    assert.equal(errorOf(shop, "impl-1.1"), "1 of its 2 steps failed: impl-1.3.");
    shop.release("go");
    shop.edit("impl-1.3", (task) => (task.status = "pending"));
    assert.equal(await shop.once(), 0, shop.output);
    assert.deepEqual(ran(shop), ["impl-1.2 1"]);
    assert.equal(answerOf(shop, "impl-1.1-a2").result, "done");
  });

  test("whose daemon is killed when its steps were written and not recorded has each of them once", async (t) => {
    const env: Record<string, string> = { COX_FAILPOINT: "after-files-before-ledger:2" };
    const steps = [{ id: "call", workflow: "inner", vars: { file: "f" } }];
    const shop = await withFlow(t, steps, { env, files: { "workflows/inner.yaml": INNER } });
    assert.equal(await shop.once(), null);
    delete env["COX_FAILPOINT"];
    assert.equal(await shop.once(), 0, shop.output);
    assert.equal(shop.tasks().length, 5);
    assert.equal(ran(shop).length, 1);
    assert.equal(answerOf(shop, "impl-1.1-a1").result, "f 2 own!");
    await assertWhole(shop);
  });
});

describe("a step in Python", { concurrency: 2 }, () => {
  const HOSTILE = `"""\n{x} $(touch pwned)' + __import__("os").name + '`;

  test("finds its values as JSON, whatever they hold, inline and in a file", async (t) => {
    const vars = { word: HOSTILE, rows: { type: "list", default: [1, 2] } };
    const steps = [
      {
        id: "count",
        python: `import json\nprint(json.dumps({"n": len(values["rows"]), "word": values["word"]}))`,
        output_variable: "got",
      },
      { id: "file", python: ".workflow/sum.py", output_variable: "sum" },
      { id: "each", for_each: [3, 4], python: 'print(values["item"] * 2, end="")', output_variable: "twice" },
      { id: "end", run: `printf '%s|%s|%s|%s' {got.n} {got.word} {sum} {twice} > "$HOME/out"` },
    ];
    const flow = { text: JSON.stringify({ name: "Flow", vars, steps }), vars: {} };
    const before = (made: Workshop) => {
      made.drop("sum.py", 'import sys\nprint(sum(values["rows"]) + values["got"]["n"], __name__, sys.argv[0])\n');
      made.drop("inbox/run.json", flow);
    };
    const shop = await workshop(t, { session: null, before, started: false });
    assert.equal(await shop.once(), 0, shop.output);
    assert.equal(shop.left("out"), `2|${HOSTILE}|5 __main__ .workflow/sum.py|[6,8]`);
  });

  test("says what is missing where there is no python3, and is not tried again", async (t) => {
    const env: Record<string, string> = {};
    const shop = await withFlow(t, [{ id: "py", python: "print(1)" }], { env });
    const bin = join(shop.root, "bin");
    mkdirSync(bin);
    for (const folder of (process.env["PATH"] ?? "").split(":").toReversed())
      for (const name of ["git", "sh", "ps"])
        if (existsSync(join(folder, name))) {
          rmSync(join(bin, name), { force: true });
          symlinkSync(join(folder, name), join(bin, name));
        }
    env["PATH"] = bin;
    assert.equal(await shop.once(), 1);
    assert.deepEqual([shop.status("impl-1.1"), shop.reason("impl-1.1")], ["blocked", "invalid"]);
    assert.match(errorOf(shop, "impl-1.1") ?? "", /there is no python3 on the PATH: install it/);
  });
});
