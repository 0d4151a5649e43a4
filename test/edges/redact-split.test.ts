import assert from "node:assert/strict";
import { test } from "node:test";
import { redactor } from "../../src/ledger/redact.ts";

const redact = redactor([]);
const letters = "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5bC7dE9fG1hJ3kL5mN7pQ9rS1tU3v";
const keys: [kind: string, key: string][] = [
  ["github-token", `ghp_${letters.slice(0, 36)}`],
  ["anthropic-key", `sk-ant-api03-${letters.slice(0, 60)}`],
  ["stripe-key", `sk_live_${letters.slice(0, 24)}`],
  ["google-key", `AIza${letters.slice(0, 35)}`],
  ["aws-key-id", `AKIA${"IOSFODNN7EXAMPLE"}`],
  ["jwt", `eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.${letters.slice(0, 43)}`],
];

test("a key is replaced although a line break stands in it, wherever", () => {
  for (const [kind, key] of keys) {
    for (let at = kind === "jwt" ? 12 : 9; at < key.length - 7; at += 3) {
      const text = `it is ${key.slice(0, at)}\n  ${key.slice(at)} and more`;
      const clean = `it is [redacted:${kind}] and more`;
      assert.equal(redact(text).text, clean);
      assert.equal(redact(JSON.stringify({ text })).text, JSON.stringify({ text: clean }));
    }
  }
});

test("a key that ended with its line takes nothing of the next one", () => {
  const [, key = ""] = keys[0] ?? [];
  for (const next of ["The next line", "done", "src/index.ts:12", "- item", "v2.1", "const a = 1;", ""])
    assert.equal(redact(`it is ${key}\n${next}`).text, `it is [redacted:github-token]\n${next}`);
  for (const text of [
    "sk-learn\nis a library",
    "npm_config\nregistry",
    "eyJhbGci\nis how one begins",
    "ghp_\nwith 36 letters",
  ])
    assert.deepEqual(redact(text), { text, count: 0 });
});
