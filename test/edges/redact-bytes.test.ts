import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { test } from "node:test";
import { redactBytes } from "../../src/ledger/redact-bytes.ts";
import { redactor } from "../../src/ledger/redact.ts";

const key = `ghp_${"aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3zA5"}`;
const known = redactor(["hunter2-hunter2", "pässwörter-viele"]);
const clean = (content: Buffer) => redactBytes(content, (text) => known(text).text);
const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

test("one byte that is no UTF-8 does not keep the secrets in", () => {
  const before = bytes("a ", [0xff], ` ü ${key} `, [0xc3], " hunter2-hunter2 pässwörter-viele 😀", [0xed, 0xa0, 0x80]);
  const after = bytes(
    "a ",
    [0xff],
    " ü [redacted:github-token] ",
    [0xc3],
    " [redacted:value] [redacted:value] 😀",
    [0xed, 0xa0, 0x80],
  );
  assert.deepEqual(clean(before), after);
});

test("a secret is found in Latin-1 and in UTF-16, with and without a mark, and the encoding stays", () => {
  const text = `Geheim für später: ${key}, pässwörter-viele`;
  const gone = "Geheim für später: [redacted:github-token], [redacted:value]";
  const big = (wide: string) => Buffer.from(wide, "utf16le").swap16();
  assert.deepEqual(clean(Buffer.from(text, "latin1")), Buffer.from(gone, "latin1"));
  for (const mark of ["", "\ufeff"]) {
    assert.deepEqual(clean(Buffer.from(mark + text, "utf16le")), Buffer.from(mark + gone, "utf16le"));
    assert.deepEqual(clean(big(mark + text)), big(mark + gone));
  }
});

test("a mark of UTF-16 before other text keeps nothing in", () => {
  for (const start of [
    [0xff, 0xfe],
    [0xfe, 0xff],
    [0xff, 0xfe, 0],
    [0xff, 0xfe, 0, 0x41],
  ])
    assert.deepEqual(clean(bytes(start, `a ${key}`)), bytes(start, "a [redacted:github-token]"));
});

test("bytes that are no text, and text without a secret, stay as they are", () => {
  const noise = randomBytes(20_000);
  for (const content of [noise, bytes("plain ü", [0xff]), Buffer.from("plain"), Buffer.alloc(0), Buffer.alloc(9)])
    assert.equal(clean(content), content);
});
