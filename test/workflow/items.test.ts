/** The items of a list, and what their values may do to the texts that they stand in: nothing. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { fillCommand, fillPrompt, givenTo, pythonCommand, type Values } from "../../src/workflow/fill.ts";
import { isOneName, itemsFrom } from "../../src/workflow/items.ts";

const TABLE: [what: string, value: unknown, text: string | undefined, items: unknown[]][] = [
  ["a list as it is", ["a", 1, null, { b: [] }], undefined, ["a", 1, null, { b: [] }]],
  ["a list that a command printed as JSON", ["a"], '["a"]', ["a"]],
  ["the lines of a text, without those that are empty", "a\n\n  b \r\n \nc", "a\n\n  b \r\n \nc", ["a", "  b ", "c"]],
  ["the line of a text that is a number", 5, "5", ["5"]],
  ["nothing of an empty text", "", "", []],
  ["nothing of an empty list", [], undefined, []],
];
for (const [what, value, text, items] of TABLE)
  test(`a step is done for ${what}`, () => {
    assert.deepEqual(itemsFrom({ value, ...(text === undefined ? {} : { text }) }), { ok: items });
  });

test("what is no list, has too many items, or one that is too long is refused in words", () => {
  const wrong = (value: unknown) => {
    const found = itemsFrom({ value });
    return "wrong" in found ? found.wrong : "";
  };
  assert.match(wrong({ a: 1 }), /it is an object, not a list/);
  assert.match(wrong(true), /it is true, not a list/);
  assert.match(wrong(Array.from({ length: 1001 }, () => 1)), /it has 1001 items, and 1000 are the most/);
  assert.match(wrong(["a", "x".repeat(70_000)]), /item 1 has more than 64 kB/);
});

test("the name of a list is one name in braces", () => {
  assert.deepEqual(["{a}", " {a.b} ", "a", "{a}{b}", "{a} ", "{{a}}", "{a}s", "{ a }"].map(isOneName), [
    ...[true, true, false, false, true, false, false, false],
  ]);
});

const hostile = fc.oneof(
  fc.string({ unit: "grapheme", maxLength: 40 }),
  fc
    .array(
      fc.constantFrom(
        "{item}",
        "{{item}}",
        "{other}",
        "$(touch pwned)",
        "`id`",
        "'",
        '"',
        "\\",
        "$HOME",
        "\n",
        "${x}",
        "#",
        "values['item']",
        '"""',
      ),
      {
        maxLength: 6,
      },
    )
    .map((parts) => parts.join(" ")),
);

test("whatever an item is, it is never expanded again: in a prompt, in what a workflow is given, in a command, in Python", () => {
  const other = "never";
  const from = { task: "impl-1.1", title: "t", attempt: 1, file: "f" };
  fc.assert(
    fc.property(hostile, (item) => {
      const values: Values = new Map([
        ["item", { value: item }],
        ["other", { value: other }],
      ]);
      const prompt = fillPrompt("<{item}>", values);
      assert.ok("ok" in prompt);
      // Only what no terminal should see is taken out of it.
      assert.ok(!prompt.ok.text.includes(other) || item.includes(other));
      const quoted = fillPrompt("<{item}>", new Map([["item", { value: item, from }]]));
      assert.ok("ok" in quoted);
      assert.deepEqual([quoted.ok.text, quoted.ok.quoted[0]?.text], ["<`item` (quoted below)>", item]);
      assert.deepEqual(givenTo("<{item}>", values), { ok: { value: `<${item}>` } });
      assert.deepEqual(givenTo("{item}", values), { ok: { value: item } });
    }),
  );
  fc.assert(
    fc.property(hostile, (item) => {
      const values: Values = new Map([["item", { value: item }]]);
      const filled = fillCommand("printf %s {item}", values);
      assert.ok("ok" in filled);
      const { stdout } = spawnSync("/bin/sh", ["-c", filled.ok], { encoding: "utf8" });
      assert.equal(stdout, item.replaceAll("\0", ""));
    }),
    { numRuns: 40 },
  );
});

test("the command for Python has none of the step's values in it, and quotes the paths", () => {
  const command = pythonCommand("print(values['item'])", {
    values: "/tmp/it's/values.json",
    script: "/tmp/it's/step.py",
  });
  assert.ok(!command.includes("print(values"));
  assert.ok(command.includes(`COX_VALUES='/tmp/it'\\''s/values.json'`));
  assert.match(pythonCommand(" scripts/sum.py\n", { values: "v", script: "s" }), /'scripts\/sum\.py' file$/);
});
