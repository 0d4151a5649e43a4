import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { recommendedRules, type FindSecrets } from "../../src/ledger/recommended-rules.ts";
import { redactor } from "../../src/ledger/redact.ts";

const find = await recommendedRules();
const letters = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9fG1hJ3kL5mN7pQ9rS1tU3v";

test("secretlint's rules find secrets at once, and tell where they stand", () => {
  const keys: [kind: string, key: string][] = [
    ["github", `ghp_${letters.slice(0, 36)}`],
    ["slack", `xoxb-${"123456789012-1234567890123-"}${letters.slice(0, 24)}`],
    ["basicauth", "https://ada:s3cr3t-pw@example.com"],
    ["database-connection-string", "mongodb://ada:s3cr3t-pw@db.internal/app"],
  ];
  for (const [kind, key] of keys) {
    const text = `Before: ${key} and after`;
    const found = find(text).find((one) => one.kind === kind);
    assert.ok(found, kind);
    assert.ok(key.includes(text.slice(found.start, found.end)), kind);
    assert.ok(found.end - found.start > 10, kind);
  }
});

test("no comment excuses a secret", () => {
  const key = `ghp_${letters.slice(0, 36)}`;
  assert.equal(find(`/* secretlint-disable */\n${key} // secretlint-disable-line`).length, 1);
});

test("what only they find is replaced; what was replaced already, once; and JSON stays JSON", () => {
  const swans: FindSecrets = (text) =>
    [...text.matchAll(/swan\S*|\[redacted:jwt\]/g)].map(({ 0: found, index }) => ({
      kind: "swan",
      start: index,
      end: index + found.length,
    }));
  const redact = redactor(["hunter2-hunter2"], swans);
  assert.deepEqual(redact("a swan1 [redacted:jwt] hunter2-hunter2"), {
    text: "a [redacted:swan] [redacted:jwt] [redacted:value]",
    count: 2,
  });
  const { text } = redact('{"a": "the swan1", "swan2": [1, "x"]}');
  assert.deepEqual(JSON.parse(text), { a: "the [redacted:swan]", "[redacted:swan]": [1, "x"] });
});

test("in our own source they find nothing that our forms do not, and nothing twice", () => {
  const [own, all] = [redactor([]), redactor([], find)];
  for (const name of readdirSync("src", { recursive: true, encoding: "utf8" })) {
    if (!name.endsWith(".ts")) continue;
    const text = readFileSync(join("src", name), "utf8");
    assert.equal(all(text).text, own(text).text, name);
    assert.equal(all(all(text).text).count, 0, name);
  }
});

test("a long text made to be slow does not take for ever", () => {
  const pieces = [
    "ghs_1_",
    "sk-ant-",
    "xoxb-",
    "glpat-",
    "https://a:b",
    "mongodb://a:",
    "postgres://u:p@",
    "a",
    "eyJ",
    "\n",
  ];
  for (const piece of pieces) {
    const start = performance.now();
    find(piece.repeat(200_000 / piece.length));
    const took = performance.now() - start;
    assert.ok(took < 10_000, `${piece} took ${Math.round(took)} ms`);
  }
});
