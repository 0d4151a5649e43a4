/** What is said of triggers, budgets and outputs that are wrong: each with its line and what to do. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readWorkflow } from "../../src/store/workflow-file.ts";

const told = (yaml: string) => {
  const read = readWorkflow(`name: x\n${yaml}\nsteps:\n  - run: "true"\n    id: it\n    output_variable: out\n`, [
    "command",
  ]);
  if ("ok" in read) return [];
  return read.problems.map(({ line, message, hint }) => `${line} ${message} ${hint ?? ""}`.trim());
};

const WRONG: [what: string, yaml: string, told: RegExp][] = [
  ["no cron", 'on: { schedule: "every day" }', /^2 "every day" is no cron: .* Such as "0 3 \* \* 1-5"/],
  [
    "a minute too many",
    'on:\n  schedule:\n    - cron: "61 * * * *"',
    /^4 "61 \* \* \* \*" is no cron: Invalid value for minute: 61\./,
  ],
  [
    "a zone that there is not",
    'on:\n  schedule:\n    cron: "0 3 * * *"\n    timezone: Mars/Base',
    /^5 There is no time zone Mars\/Base\. Take a name such as/,
  ],
  [
    "catching up by cancelling",
    'on:\n  schedule: { cron: "0 3 * * *", catch_up: all, overlap: cancel }',
    /^3 Each run that is caught up with would cancel.* catch_up: last/,
  ],
  [
    "a misspelt key",
    'on:\n  schedule: { cron: "0 3 * * *", timezon: UTC }',
    /^3 There is no key on\.schedule\.timezon\. Did you mean timezone\?/,
  ],
  [
    "a misspelt word",
    'on:\n  schedule: { cron: "0 3 * * *", overlap: skipp }',
    /^3 on\.schedule\.overlap is "skipp".* Did you mean skip\?/,
  ],
  ["an unknown trigger", "on: { push: main }", /^2 There is no key on\.push\. There are schedule, files, git, after\./],
  ["a glob that leaves", "on: { files: [../x] }", /^2 The glob \.\.\/x leaves the repository\. Give it relative/],
  ["git without a ref", "on: { git: { overlap: queue } }", /^2 A trigger of git has branch or tag.* Make two/],
  ["git with both", "on: { git: { branch: main, tag: v* } }", /^2 A trigger of git has branch or tag/],
  ["after a path", "on: { after: ./a.yaml }", /^2 \.\/a\.yaml is no name of a workflow\. Take that of its file/],
  [
    "the same twice",
    'on:\n  schedule:\n    - cron: "0 3 * * *"\n    - cron: "0 3 * * *"',
    /^5 The trigger at 0 3 \* \* \* is there twice\. Remove/,
  ],
  [
    "a variable that nobody gives",
    "vars: { who: { type: string } }\non: { after: a }",
    /^3 The variable who has no value\. Nobody is there to give it/,
  ],
  [
    "a variable that there is not",
    "vars: { who: me }\non: { after: { workflow: a, vars: { whom: you } } }",
    /^3 The workflow has no variable whom\./,
  ],
  ["no budget", "budget: { usd: 0 }", /^2 budget\.usd/],
  ["no steps at once", "concurrency: 0", /^2 concurrency/],
  ["an output of nothing", 'outputs: { a: "{ouut}" }', /^2 There is no \{ouut\}\. Did you mean \{out\}\?/],
  [
    "an output of a step that there is not",
    'outputs: { a: "{steps.i.outcome}" }',
    /^2 There is no \{steps\.i\.outcome\}\./,
  ],
  ["an output of the environment", 'outputs: { a: "{env.HOME}" }', /^2 There is no \{env\.HOME\}\./],
];

describe("what is wrong at the top of a workflow is told with its line and a remedy", () => {
  for (const [what, yaml, expected] of WRONG)
    test(what, () => {
      const all = told(yaml);
      assert.ok(
        all.some((line) => expected.test(line)),
        all.join("\n"),
      );
    });
});

test("all that can begin, bound and end a run is taken", () => {
  const yaml = `vars: { who: { type: string } }
on:
  schedule:
    - { cron: "0 3 * * 1-5", timezone: Europe/Berlin, overlap: queue, catch_up: all, vars: { who: me } }
    - { cron: "@hourly", vars: { who: me } }
  files: { paths: ["src/**/*.ts", docs], overlap: cancel, vars: { who: me } }
  git: [{ branch: main, vars: { who: me } }, { tag: "v*", vars: { who: me } }]
  after: [{ workflow: a, vars: { who: me } }, { workflow: b, outcome: failure, vars: { who: me } }]
budget: { usd: 2.5, tokens: 100000 }
concurrency: 2
outputs: { all: "{out.rows} of {who} in {run.id} of {session}: {steps.it.outcome} {run.cause}" }`;
  assert.deepEqual(told(yaml), []);
  assert.deepEqual(told('on: { schedule: "0 3 * * *", after: a, files: ["*.md"] }'), []);
});
