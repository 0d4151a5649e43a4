/** What a failure is known by. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { groupOf } from "../../src/model/error-group.ts";
import type { FailureClass } from "../../src/model/failure.ts";
import { programIn, signatureOf } from "../../src/model/pattern.ts";

const of = (kind: FailureClass, message: string, tool?: string) => signatureOf({ class: kind, message }, tool);

test("a signature has class, status, host or tool, and the message without what varies", () => {
  const cases: [string, string][] = [
    [
      of("overloaded", 'API Error: 529 {"type":"error","request_id":"req_011CSHoEeqs5C35K2UUqR7Fy"}'),
      'overloaded:529: API Error: # {"type":"error","request_id":"<id>"}',
    ],
    [of("network", "connect ECONNREFUSED 127.0.0.1:44321"), "network:127.0.0.1: connect ECONNREFUSED #"],
    [
      of("network", "fetch of https://api.github.com/repos/a/b?page=2 failed"),
      "network:api.github.com: fetch of <url> failed",
    ],
    [
      of("unknown", "exit code 2:\nnpm error path /home/ada/x/package.json", "npm"),
      "unknown:exit 2:npm: exit code #: npm error path <path>",
    ],
    [
      of("invalid", "exit code 127: the command was not found:\nsh: 1: frobnicate: not found"),
      "invalid:exit 127:frobnicate: exit code #: the command was not found: sh: #: frobnicate: not found",
    ],
    [of("timeout", "The time limit was reached.", "make"), "timeout:make: The time limit was reached"],
    [of("crash", ""), "crash"],
  ];
  for (const [got, wanted] of cases) assert.equal(got, wanted);
});

test("numbers, paths, ids, times and folders make no difference", () => {
  const word = fc.stringMatching(/^[a-z]{1,8}$/);
  const path = fc.array(word, { minLength: 1, maxLength: 4 }).map((parts) => `/${parts.join("/")}`);
  const file = fc.tuple(word, word).map(([folder, name]) => `${folder}/${name}.ts`);
  const when = fc.date({ min: new Date(0), max: new Date("2090-01-01"), noInvalidDate: true });
  const varying = fc.record({ n: fc.nat(), path, file, uuid: fc.uuid(), at: when });
  const message = ({ n, path: where, file: which, uuid, at }: ReturnType<typeof varying.generate>["value"]) =>
    `request ${uuid} at ${at.toISOString()} read ${n} bytes of ${where}, see ${which}`;
  fc.assert(
    fc.property(varying, varying, (one, other) => of("unknown", message(one)) === of("unknown", message(other))),
  );
});

test("a signature is one short line, whatever the message is", () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 5000 }), (message) => {
      const signature = of("unknown", message);
      return signature.length < 600 && !/[\n\r\u001b]/.test(signature);
    }),
  );
  const long = `${"a".repeat(50_000)} ${"/x".repeat(50_000)}`;
  const began = performance.now();
  of("unknown", long);
  assert.ok(performance.now() - began < 200);
});

test("a command is known by its program", () => {
  assert.deepEqual(["npm test", "CI=1 /usr/bin/make -j2", "./run.sh", "  ( cd x )", ""].map(programIn), [
    "npm",
    "make",
    "run.sh",
    undefined,
    undefined,
  ]);
});

test("failures fall into the groups that people think in", () => {
  const groups: [string, string][] = [
    [of("timeout", "The time limit was reached."), "timeout"],
    [of("stalled", "It was silent for too long."), "timeout"],
    [of("network", "Connection error."), "network"],
    [of("permission", "It may not write.", "Bash"), "permission"],
    [of("unknown", "exit code 1: EACCES: permission denied, open '/x'"), "permission"],
    [of("invalid", "exit code 127: the command was not found: sh: 1: x: not found"), "missing dependency"],
    [of("unknown", "exit code 1: Error: Cannot find module 'left-pad'"), "missing dependency"],
    [
      of("verify", "The gate `npm test` ended with exit code 1. ModuleNotFoundError: No module named 'x'"),
      "missing dependency",
    ],
    [of("overloaded", "API Error: 529 Overloaded"), "API error"],
    [of("invalid", "API Error: 400 prompt is too long"), "API error"],
    [of("rate-limit", "API Error: 429"), "rate limit"],
    [of("usage-limit", "You've hit your limit"), "rate limit"],
    [of("auth", "Not logged in"), "authentication"],
    [of("crash", "its process is gone"), "other"],
    ["NetworkTimeout:api.github.com", "timeout"],
  ];
  for (const [signature, group] of groups) assert.equal(groupOf(signature), group, signature);
});
