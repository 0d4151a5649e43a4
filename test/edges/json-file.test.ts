import { test } from "node:test";
import assert from "node:assert/strict";
import fc from "fast-check";
import { formatJson, locate, MAX_BYTES, parseJson } from "../../src/store/json-file.ts";
import { syntaxTrouble } from "../../src/store/json-syntax.ts";
import { checkTaskDrop } from "../../src/store/check.ts";

/** `code line:column`, and `…` where the text may be one in the making. */
function told(content: string | Buffer): string[] {
  const parsed = parseJson(Buffer.from(content));
  if ("ok" in parsed) return [];
  return parsed.problems.map(
    ({ code, line, column }) =>
      `${code}${line === undefined ? "" : ` ${line}:${column}`}${parsed.unfinished ? " …" : ""}`,
  );
}
const value = (content: string | Buffer) => {
  const parsed = parseJson(Buffer.from(content));
  return "ok" in parsed ? parsed.ok : assert.fail(JSON.stringify(parsed.problems));
};
const messageOf = (content: string) => {
  const parsed = parseJson(Buffer.from(content));
  return "ok" in parsed ? "" : `${parsed.problems[0]?.message} ${parsed.problems[0]?.hint ?? ""}`;
};
/** The work must not take as long as something that grows faster than its input. */
function soon<T>(work: () => T, most = 2000): T {
  const from = performance.now();
  const result = work();
  const took = performance.now() - from;
  assert.ok(took < most, `${took.toFixed(0)} ms`);
  return result;
}

test("one object is what it is", () => {
  assert.deepEqual(value('{"title": "Do it", "n": [1, {"a": null}]}'), { title: "Do it", n: [1, { a: null }] });
});

test("nothing and blanks are an empty file, which may still be written", () => {
  for (const empty of ["", " ", "\n\n\t", "\ufeff"]) assert.deepEqual(told(empty), ["empty-file …"]);
});

test("a UTF-8 byte order mark is accepted", () => {
  assert.deepEqual(value('\ufeff{"title": "ä"}'), { title: "ä" });
  assert.deepEqual(told('\ufeff{"title": }'), ["not-json 1:11"]);
});

test("other encodings and broken bytes are not UTF-8", () => {
  for (const bytes of [[0xff, 0xfe, 0x7b, 0], [0x7b, 0x22, 0xe4, 0x22, 0x7d], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0x80]])
    assert.deepEqual(told(Buffer.from(bytes)), ["not-utf8"]);
});

test("anything but an object is told so", () => {
  for (const other of ["[]", "null", "1", '"text"', "true", "[{}]"])
    assert.deepEqual(told(other), ["not-an-object 1:1"], other);
});

test("1 MiB is taken, a byte more is not", () => {
  const fill = (size: number) => `{"a":"${"x".repeat(size - 8)}"}`;
  assert.deepEqual(told(fill(MAX_BYTES)), []);
  assert.deepEqual(told(fill(MAX_BYTES + 1)), ["too-large"]);
});

test("64 levels are taken, 65 are not, and the place is told", () => {
  const nested = (levels: number) => `{"a":${"[".repeat(levels - 1)}${"]".repeat(levels - 1)}}`;
  assert.deepEqual(told(nested(64)), []);
  assert.deepEqual(told(nested(65)), [`too-deep 1:${5 + 64 + 1 - 1}`]);
  assert.deepEqual(told(`{"a": "${"[{".repeat(500)}", "b": "\\"[["}`), [], "brackets in texts are no levels");
});

test("brackets without end take no time and no stack, however they are hidden", () => {
  const many = 1_000_000;
  for (const open of ["[", "{", '{"a":', "[["]) soon(() => told(open.repeat(Math.floor(many / open.length))));
  assert.deepEqual(
    soon(() => told("[".repeat(5_000_000))),
    ["too-large"],
  );
  // A text that ends at a line break for one reader and goes on for another must not let the rest through.
  for (const disguise of ['{"a":"\n', '//"\n', '/*"*/', "'\"", '{"a": 1 "']) {
    assert.equal(soon(() => told(disguise + "[".repeat(many))).length, 1, disguise);
  }
});

test("a key twice is told with both its place and its path, each one", () => {
  assert.deepEqual(told('{\n  "a": 1,\n  "b": {"c": 1, "c": 2},\n  "a": 2\n}'), [
    "duplicate-key 3:17",
    "duplicate-key 4:3",
  ]);
  const parsed = parseJson(Buffer.from('{"a/b": [{}, {"~c": 1, "~c": 2}]}'));
  assert.equal("problems" in parsed && parsed.problems[0]?.pointer, "/a~1b/1/~0c");
  assert.deepEqual(told('{"a": 1, "\\u0061": 2}'), ["duplicate-key 1:10"], "however it is written");
  assert.deepEqual(told('{"a": {"x": 1}, "b": {"x": 1}}'), []);
});

test("keys that programs misread are refused, and do nothing", () => {
  assert.deepEqual(told('{"__proto__": {"polluted": true}}'), ["forbidden-key 1:2"]);
  assert.deepEqual(told('{"a": [{"constructor": 1, "prototype": 2}]}'), ["forbidden-key 1:9", "forbidden-key 1:27"]);
  assert.deepEqual(told('{"__pro\\u0074o__": 1}'), ["forbidden-key 1:2"]);
  assert.equal(({} as Record<string, unknown>)["polluted"], undefined);
});

test("a text that stops in the middle may be one in the making; each beginning of a JSON text is", () => {
  const whole = '{"title": "a \\u00e4 \\n", "n": [-1.5e+3, true, false, null, {}], "o": {"p": []}}';
  for (let end = 1; end < whole.length; end++) {
    const [problem] = told(whole.slice(0, end));
    assert.match(problem ?? "", /^not-json 1:\d+ …$/, whole.slice(0, end));
  }
  assert.deepEqual(told(whole), []);
});

test("what no further text can mend is wrong at once, at its place", () => {
  const cases: [string, string][] = [
    ['{"a": 1,}', "1:9"],
    ['{"a": 1\n "b": 2}', "2:2"],
    ["{a: 1}", "1:2"],
    ["{'a': 1}", "1:2"],
    ['{"a": tru}', "1:10"],
    ['{"a": 01}', "1:8"],
    ['{"a": .5}', "1:7"],
    ['{"a": 1.}', "1:9"],
    ['{"a": +1}', "1:7"],
    ['{"a": NaN}', "1:7"],
    ['{"a" 1}', "1:6"],
    ['{"a": [1 2]}', "1:10"],
    ['{"a": [1,]}', "1:10"],
    ['{"a": 1}}', "1:9"],
    ['{"a": 1} x', "1:10"],
    ['{"a": "x\ny"}', "1:9"],
    ['{"a": "\\x"}', "1:9"],
    ['{"a": "\\u00g0"}', "1:12"],
    ['{"a": "\u0001"}', "1:8"],
    ["// comment\n{}", "1:1"],
    ['{\r\n  "a": 1,\r\n  b\r\n}', "3:3"],
    ["not json at all", "1:2"],
    ["{}{}", "1:3"],
  ];
  for (const [text, place] of cases) assert.deepEqual(told(text), [`not-json ${place}`], text);
});

test("what is wrong is told in words, with what would be right", () => {
  assert.equal(
    messageOf('{"a": 1,}'),
    'The file is not valid JSON: "}" stands where a key in double quotes is expected. Remove the comma before it.',
  );
  assert.equal(
    messageOf("{'a': 1}"),
    `The file is not valid JSON: "'" stands where a key in double quotes or "}" is expected. JSON knows only straight double quotes.`,
  );
  assert.equal(
    messageOf('{"a": "x\n"}'),
    "The file is not valid JSON: a line break stands where a double quote at the end of the text is expected. Close the text, or write \\n for a line break in it.",
  );
  assert.equal(
    messageOf('{"a": 1'),
    'The file is not valid JSON: it ends where "," or "}" is expected. Write the rest.',
  );
  assert.match(messageOf('{"a": 1} // why'), /JSON has no comments\.$/);
  assert.match(messageOf('{"a": "\u001b[2J"}'), /the control character 27 stands/);
});

test("the reader of errors and JSON.parse agree on every text", () => {
  const token = fc.constantFrom(
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"a"',
    '"',
    "\\",
    "\\u00e4",
    "1",
    "-",
    "0",
    ".5",
    "e9",
    "true",
    "nul",
    " ",
    "\n",
    "x",
    "'",
  );
  const agree = (text: string) => {
    let valid = true;
    try {
      JSON.parse(text);
    } catch {
      valid = false;
    }
    assert.equal(syntaxTrouble(text) === undefined, valid, text);
  };
  fc.assert(
    fc.property(fc.array(token, { maxLength: 14 }), (tokens) => agree(tokens.join(""))),
    { numRuns: 20_000, seed: 20261121 },
  );
  fc.assert(
    fc.property(fc.json(), fc.nat(), fc.string({ maxLength: 2 }), (text, at, extra) => {
      agree(text);
      const place = at % (text.length + 1);
      agree(text.slice(0, place) + extra + text.slice(place));
    }),
    { numRuns: 3000, seed: 20261121 },
  );
});

test("whatever bytes come, the answer is a value", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const parsed = parseJson(Buffer.from(bytes));
      assert.ok("ok" in parsed || parsed.problems.length > 0);
    }),
    { numRuns: 3000, seed: 20261121 },
  );
});

test("problems with a pointer get the place of the value, or of the object that lacks it", () => {
  const text = '{\n  "id": "impl-01",\n  "relations": {\n    "dependencies": ["impl-1", "x"]\n  }\n}';
  const checked = checkTaskDrop(JSON.parse(text));
  assert.ok("problems" in checked);
  assert.deepEqual(
    locate(text, checked.problems).map(({ code, line, column }) => [code, line, column]),
    [
      ["missing-field", 1, 1],
      ["bad-id", 2, 9],
      ["bad-id", 4, 32],
    ],
  );
});

test("very many problems are told as a hundred and the number of the rest, soon", () => {
  const text = `{"title": "x", "relations": {"dependencies": [${'"no",\n'.repeat(150_000)}"no"]}}`;
  const parsed = parseJson(Buffer.from(text));
  assert.ok("ok" in parsed);
  const checked = soon(() => checkTaskDrop(parsed.ok), 20_000);
  assert.ok("problems" in checked);
  const places = soon(() => locate(text, checked.problems), 20_000);
  assert.equal(places.length, 101);
  assert.match(places.at(-1)?.message ?? "", /149901 problems more/);
  const doubled = told(`{${'"a":1,\n'.repeat(140_000)}"a":1}`);
  assert.equal(doubled.length, 101);
});

test("very many unknown keys are compared with the known ones soon", () => {
  const keys = Array.from({ length: 90_000 }, (_, n) => [`pirority${n}`.slice(0, 9), n]);
  soon(() => checkTaskDrop({ title: "x", execution: Object.fromEntries(keys) }), 20_000);
});

test("text is written back in its own indentation and line ends", () => {
  const after = { a: [1, { b: 2 }] };
  const like = (text: string) => formatJson(after, text);
  assert.equal(formatJson(after), '{\n  "a": [\n    1,\n    {\n      "b": 2\n    }\n  ]\n}\n');
  assert.equal(like('{\n\t"a": 1\n}'), '{\n\t"a": [\n\t\t1,\n\t\t{\n\t\t\t"b": 2\n\t\t}\n\t]\n}\n');
  assert.equal(
    like('{\n    "a": 1\n}'),
    '{\n    "a": [\n        1,\n        {\n            "b": 2\n        }\n    ]\n}\n',
  );
  assert.equal(like('{"a": 1}'), formatJson(after));
  assert.equal(like('{\r\n  "a": 1\r\n}\r\n'), formatJson(after).replaceAll("\n", "\r\n"));
});

test("numbers that JavaScript would write otherwise stay as they are written, where nobody changed them", () => {
  const text =
    '{\n  "order": 12345678901234567890,\n  "version": 1.10,\n  "deep": [{"x": 1e3, "y": -0, "z": 0.1}],\n  "s": "1.10"\n}\n';
  const parsed = value(text);
  assert.equal(formatJson(parsed, text).replaceAll(/\s/g, ""), text.replaceAll(/\s/g, ""));
  assert.equal(typeof parsed["version"], "number");
  const changed = { ...parsed, version: 1.2, title: "new", deep: [{ x: 1000, y: 5, z: 0.1 }] };
  assert.match(formatJson(changed, text), /"order": 12345678901234567890,\n {2}"version": 1\.2,/);
  assert.match(formatJson(changed, text), /"x": 1e3,\s*"y": 5,\s*"z": 0\.1/);
  assert.match(formatJson(parsed, `\ufeff${text}`), /"version": 1\.10,/);
});

test("a value that moved to another place, or a text that is no JSON, costs at most the form of a number", () => {
  assert.equal(formatJson({ list: [2, 1.1] }, '{"list": [1.10, 2]}').replaceAll(/\s/g, ""), '{"list":[2,1.1]}');
  assert.equal(formatJson({ a: 1.1 }, '{"a": 1.10').replaceAll(/\s/g, ""), '{"a":1.1}');
});

test("what is read and written without a change is the same JSON, keys in order", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue({ maxDepth: 4 })), (object) => {
      const text = formatJson(object);
      const parsed = parseJson(Buffer.from(text));
      fc.pre("ok" in parsed); // not with __proto__ and its kin
      assert.equal(formatJson(parsed.ok, text), text);
    }),
    { numRuns: 500, seed: 20261121 },
  );
});
