/** What of the user's environment reaches an agent. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { agentEnvironment, userPath } from "../../src/agent/environment.ts";
import type { RunnerKind } from "../../src/model/role.ts";

const passed = (userEnv: NodeJS.ProcessEnv, runner: RunnerKind = "claude", names: string[] = []) =>
  Object.keys(agentEnvironment({ userEnv, names, runner, extra: {} })).sort();

test("an agent gets the basics and what is named, not the rest", () => {
  const userEnv = {
    ...{
      HOME: "/h",
      USER: "u",
      LANG: "C",
      LC_TIME: "C",
      TZ: "UTC",
      XDG_CONFIG_HOME: "/x",
      https_proxy: "p",
      NO_PROXY: "n",
    },
    ...{
      GITHUB_TOKEN: "t",
      DATABASE_URL: "d",
      SSH_AUTH_SOCK: "s",
      COX_RUN_ID: "outer",
      GIT_DIR: "/g",
      LD_PRELOAD: "l",
    },
  };
  assert.deepEqual(passed(userEnv, "command", ["DATABASE_URL", "ABSENT"]), [
    ...["DATABASE_URL", "HOME", "LANG", "LC_TIME", "NO_PROXY", "TZ", "USER", "XDG_CONFIG_HOME", "https_proxy"],
  ]);
});

test("what Claude Code reads goes to the claude runner only", () => {
  const userEnv = {
    ANTHROPIC_API_KEY: "k",
    CLAUDE_CONFIG_DIR: "c",
    DISABLE_TELEMETRY: "1",
    BASH_MAX_TIMEOUT_MS: "1",
    API_TIMEOUT_MS: "1",
  };
  assert.deepEqual(passed(userEnv), Object.keys(userEnv).sort());
  assert.deepEqual(passed(userEnv, "command"), []);
});

test("variables of a cloud provider go only where Claude Code is told to use it", () => {
  const userEnv = { AWS_REGION: "r", AWS_PROFILE: "p", CLOUD_ML_REGION: "m" };
  assert.deepEqual(passed(userEnv), []);
  assert.deepEqual(passed({ ...userEnv, CLAUDE_CODE_USE_BEDROCK: "1" }), [
    "AWS_PROFILE",
    "AWS_REGION",
    "CLAUDE_CODE_USE_BEDROCK",
  ]);
  assert.deepEqual(passed({ ...userEnv, CLAUDE_CODE_USE_VERTEX: "1" }), ["CLAUDE_CODE_USE_VERTEX", "CLOUD_ML_REGION"]);
});

test("an outer Claude Code or package manager leaves no trace, even if it is named", () => {
  const userEnv = {
    ...{
      CLAUDECODE: "1",
      CLAUDE_CODE_ENTRYPOINT: "cli",
      CLAUDE_PID: "1",
      CLAUDE_CODE_SESSION_ID: "s",
      CLAUDE_EFFORT: "low",
    },
    ...{
      CLAUDE_CODE_CHILD_SESSION: "1",
      CLAUDE_CODE_MESSAGING_TOKEN: "t",
      npm_lifecycle_event: "test",
      NODE_OPTIONS: "-r x",
    },
  };
  assert.deepEqual(passed(userEnv, "claude", Object.keys(userEnv)), []);
});

test("PATH loses what a package manager put in front and keeps its order", () => {
  const path =
    "/p/node_modules/.bin:/node_modules/.bin/:/n/@npmcli/run-script/lib/node-gyp-bin:/usr/local/bin:/opt/node_modules/bin:/bin";
  assert.equal(userPath(path), "/usr/local/bin:/opt/node_modules/bin:/bin");
  const { PATH } = agentEnvironment({ userEnv: { PATH: path }, names: ["PATH"], runner: "command", extra: {} });
  assert.equal(PATH, "/usr/local/bin:/opt/node_modules/bin:/bin");
});

test("what Coxswain adds wins", () => {
  const env = agentEnvironment({
    userEnv: { COX_RUN_ID: "outer" },
    names: ["COX_RUN_ID"],
    runner: "claude",
    extra: { COX_RUN_ID: "inner" },
  });
  assert.deepEqual(env, { COX_RUN_ID: "inner" });
});
