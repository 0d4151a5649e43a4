/** Redaction fails closed. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Secrets } from "../../src/daemon/secrets.ts";

const failing = () => () => {
  throw new Error("a broken form");
};

test("what could not be looked through is withheld, and a task's file stays one", () => {
  const { redact } = new Secrets({}, failing);
  assert.equal(redact("plain text with hunter2hunter2"), "[withheld: redaction failed]");
  const task = {
    id: "impl-1",
    title: "Use hunter2hunter2",
    status: "pending",
    agent: "code-developer",
    execution: {
      attempts: 2,
      env: ["TOKEN"],
      last_attempt: { outcome: "failure", error: { message: "hunter2hunter2" } },
    },
  };
  const said = redact(JSON.stringify(task));
  assert.doesNotMatch(said, /hunter2|TOKEN/);
  const kept = JSON.parse(said) as typeof task;
  assert.deepEqual(
    [kept.id, kept.status, kept.agent, kept.execution.attempts],
    ["impl-1", "pending", "code-developer", 2],
  );
  assert.equal(kept.title, "[withheld: redaction failed]");
});

test("a secret in the place of a plain word is withheld too", () => {
  const { redact } = new Secrets({}, failing);
  assert.doesNotMatch(redact(JSON.stringify({ id: "sk-ant-api03-abc", status: "S3cret" })), /sk-ant|S3cret/);
});

test("keys that are not ours and long numbers are withheld too", () => {
  const { redact } = new Secrets({}, failing);
  const said = redact(
    JSON.stringify({
      id: "impl-1",
      hunter2hunter2: { status: "pending" },
      "hunter2-too": 2,
      pin: 987654321,
      flag: true,
    }),
  );
  assert.doesNotMatch(said, /hunter2|987654321/);
  assert.deepEqual(JSON.parse(said), {
    id: "impl-1",
    "[withheld:2]": { status: "[withheld: redaction failed]" },
    "[withheld:3]": 2,
    "[withheld:4]": "[withheld: redaction failed]",
    "[withheld:5]": true,
  });
});

test("what agents get without being named for it is known by its value where its name says that it is a secret", () => {
  const environment = {
    ANTHROPIC_AUTH_TOKEN: "gateway-word-of-ours",
    CLAUDE_CODE_MAX_TOKEN: "1000000000000",
    CLAUDE_KEY: "/home/ada/.keys",
    LANG: "C.UTF-8",
  };
  const secrets = new Secrets(environment);
  secrets.addUnasked(environment);
  assert.equal(
    secrets.redact("gateway-word-of-ours 1000000000000 /home/ada/.keys C.UTF-8"),
    "[redacted:value] 1000000000000 /home/ada/.keys C.UTF-8",
  );
});
