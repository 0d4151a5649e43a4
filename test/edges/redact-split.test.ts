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
      const text = `it is:\n${key.slice(0, at)}\n  ${key.slice(at)} and more`;
      const clean = `it is:\n[redacted:${kind}] and more`;
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

test("what stands on the line after a key is not taken for its rest, and so not missed", () => {
  const all = keys.map(([, key]) => key);
  for (const key of all)
    for (const next of all) assert.doesNotMatch(redact(`${key}\n${next}\n`).text, /[A-Za-z0-9]{17}/);
  for (const key of [...all, "ghp_0123456789ab"]) {
    for (const next of ["DB_PASSWORD=hunter2-and-more", "password: hunter2hunter2", "MY_TOKEN = hunter2hunter2"])
      assert.doesNotMatch(redact(`${key}\n${next}\n`).text, /hunter2/, `${key} ${next}`);
    const bearer = `Bearer ${letters.slice(9, 40)}`;
    assert.doesNotMatch(redact(`${key}\n${bearer}`).text, /[A-Za-z0-9]{20}/);
  }
});

test("a secret that a stream of JSON lines tells in pieces is replaced, also inside a string", () => {
  const known = redactor(["hunter2-hunter2"]);
  const line = (text: string, n: number) =>
    JSON.stringify({ type: "stream_event", event: { index: n, delta: { type: "text_delta", text } }, uuid: `u${n}` });
  const stream = (...texts: string[]) => `${texts.map(line).join("\n")}\n`;
  const textsIn = (lines: string) =>
    lines
      .split("\n")
      .flatMap((each) => (each ? [(JSON.parse(each) as { event: { delta: { text: string } } }).event.delta.text] : []));
  const cases: [pieces: string[], clean: string[]][] = [
    ...keys.map(([kind, key]): [string[], string[]] => [
      ["it is ", key.slice(0, 11), key.slice(11, 15), `${key.slice(15)} and`, " more"],
      ["it is ", `[redacted:${kind}] and`, "", "", " more"],
    ]),
    [
      ["it is hunter2", "-hunter2."],
      ["it is [redacted:value].", ""],
    ],
    [
      ["plain", "text", "in ", "pieces"],
      ["plain", "text", "in ", "pieces"],
    ],
  ];
  for (const [pieces, clean] of cases) {
    assert.deepEqual(textsIn(known(stream(...pieces)).text), clean);
    const { result } = JSON.parse(known(JSON.stringify({ result: stream(...pieces) })).text) as { result: string };
    assert.deepEqual(textsIn(result), clean);
  }
});
