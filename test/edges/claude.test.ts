/** The real Claude Code against a scripted service on loopback. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { chmod, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { claudeRunner } from "../../src/agent/claude.ts";
import { builtInRoles } from "../../src/agent/roles.ts";
import type { AttemptRequest, Progress } from "../../src/agent/runner.ts";
import type { AttemptEnd } from "../../src/model/attempt.ts";
import {
  attemptRequest,
  installedClaude,
  launchOf,
  newPlace,
  start,
  until,
  userEnvironment,
  type Changes,
  type Place,
} from "../support/claude-attempt.ts";
import {
  cut,
  hang,
  httpError,
  message,
  silence,
  startMessagesApi,
  text,
  toolUse,
  usageLimit,
  type MessagesApi,
  type Script,
} from "../support/messages-api.ts";

const skip = installedClaude() === undefined ? "there is no Claude Code package for this platform" : false;
const bash = (command: string) => toolUse("Bash", { command, description: "a test" });

interface Scene {
  api: MessagesApi;
  place: Place;
  request: (changes?: Changes) => AttemptRequest;
}

async function scene(t: TestContext, script: Script): Promise<Scene> {
  const api = await startMessagesApi(script);
  const place = await newPlace();
  t.after(async () => {
    await api.close();
    await place.remove();
  });
  return { api, place, request: (changes) => attemptRequest(place, api.url, changes) };
}

async function run(request: AttemptRequest): Promise<{ end: AttemptEnd; stdout: string; stderr: string }> {
  const output = await start(await launchOf(request)).ended;
  return { end: claudeRunner.read(request, output), stdout: output.stdout, stderr: output.stderr };
}

function failure(end: AttemptEnd) {
  assert.equal(end.outcome, "failure", `expected a failure, got ${JSON.stringify(end)}`);
  return (end as AttemptEnd & { outcome: "failure" }).error;
}

test("a run that writes a file and runs a command succeeds, with its facts", { skip }, async (t) => {
  const { api, place, request } = await scene(t, [
    toolUse("Write", { file_path: join("src", "a.ts"), content: "export const a = 1;\n" }),
    bash("grep -c export src/a.ts && git --version"),
    text("Done: src/a.ts exports a."),
  ]);
  const asked = request();
  const { end, stdout } = await run(asked);

  assert.equal(end.outcome, "success", JSON.stringify(end));
  assert.equal(end.result, "Done: src/a.ts exports a.");
  assert.equal(await readFile(join(place.cwd, "src", "a.ts"), "utf8"), "export const a = 1;\n");
  assert.equal(end.agent_session, asked.runId);
  assert.deepEqual(end.tokens, { input: 300, output: 60, cache_read: 0, cache_write: 0 });
  assert.equal(end.turns, 3);
  assert.ok(end.cost_usd !== null && end.cost_usd > 0);
  assert.match(end.model ?? "", /^claude-/);
  assert.deepEqual(end.permission_denials, []);
  assert.equal(api.requests.length, 3);
  assert.deepEqual(api.others, [], "nothing else is asked of the service");
  assert.match(JSON.stringify(api.requests[0]?.body.messages), /# Task impl-1/);
  assert.match(JSON.stringify(api.requests[0]?.body.system), /You develop\./);
  const tools = api.requests[0]?.body.tools?.map((tool) => tool.name) ?? [];
  assert.deepEqual(
    tools.filter((name) => /Agent|Task|Web|Cron|Skill/.test(name)),
    [],
    "only the tools that were given",
  );

  const seen: string[] = [];
  let progress: Progress = { turns: 0, costUsd: null };
  for (const line of stdout.split("\n")) {
    progress = claudeRunner.follow(progress, [line]);
    if (progress.doing !== undefined && seen.at(-1) !== progress.doing) seen.push(progress.doing);
  }
  assert.deepEqual(seen, [
    "Write src/a.ts",
    "Bash grep -c export src/a.ts && git --version",
    "Done: src/a.ts exports a.",
  ]);
  assert.equal(progress.turns, 3);
  assert.equal(progress.costUsd, end.cost_usd);
  assert.equal(progress.agentSession, asked.runId);
});

test("one denied tool among others is listed, and the run still succeeds", { skip }, async (t) => {
  const echo = { type: "tool_use", name: "Bash", input: { command: "echo fine", description: "a test" } } as const;
  const { request } = await scene(t, [
    message([{ type: "text", text: "I begin." }, echo]),
    bash("git push --force"),
    text("Could not push."),
  ]);
  const { end } = await run(request({ settings: { deny: ["Bash(git push *)"] } }));
  assert.equal(end.outcome, "success");
  assert.deepEqual(
    end.permission_denials.map((denial) => denial.tool_name),
    ["Bash"],
  );
});

test("a run in which every tool was denied is a permission failure", { skip }, async (t) => {
  const { place, request } = await scene(t, [
    toolUse("Write", { file_path: "a.txt", content: "x" }),
    text("I could not write."),
  ]);
  const { end } = await run(request({ role: { permission_mode: "manual", allowed_tools: [] } }));
  assert.equal(failure(end).class, "permission");
  assert.match(failure(end).message, /denied \(Write\)/);
  assert.match(failure(end).hint ?? "", /allowed_tools/);
  assert.equal(existsSync(join(place.cwd, "a.txt")), false);
});

for (const [what, reply, expected] of [
  ["401", httpError(401), "auth"],
  ["403", httpError(403), "auth"],
  [
    "a credit balance that is too low",
    httpError(400, "Your credit balance is too low to access the Anthropic API."),
    "auth",
  ],
  ["429", httpError(429, "slow down", { "retry-after": "90" }), "rate-limit"],
  ["529", httpError(529), "overloaded"],
  ["500", httpError(500), "overloaded"],
  ["503", httpError(503), "overloaded"],
  ["404 for the model", httpError(404, "model: nothing"), "invalid"],
  ["400", httpError(400, "messages: wrong"), "invalid"],
  ["413", httpError(413), "invalid"],
  ["a prompt that is too long", httpError(400, "prompt is too long: 250000 tokens > 200000 maximum"), "invalid"],
  ["a refusal", text("No.", { stopReason: "refusal" }), "invalid"],
] as const) {
  test(`${what} is read as ${expected}`, { skip }, async (t) => {
    const { request } = await scene(t, [reply]);
    const { end } = await run(request());
    assert.equal(failure(end).class, expected, JSON.stringify(end));
    assert.notEqual(failure(end).message, "");
    if (expected === "auth" || expected === "invalid") assert.match(failure(end).hint ?? "", /cox retry/);
  });
}

test("not being logged in is auth, with the next step, and asks nothing of the service", { skip }, async (t) => {
  const { api, place, request } = await scene(t, [text("never")]);
  const { ANTHROPIC_API_KEY: _, ...userEnv } = userEnvironment(place, api.url);
  const { end } = await run(request({ userEnv }));
  assert.equal(failure(end).class, "auth");
  assert.match(failure(end).hint ?? "", /`claude` and log in.*cox retry/);
  assert.equal(api.requests.length, 0);
});

test("a reached usage limit names the moment of its reset", { skip }, async (t) => {
  const resetsAt = 1_900_000_000;
  const { api, place, request } = await scene(t, [usageLimit(resetsAt)]);
  const { ANTHROPIC_API_KEY: _, ...env } = userEnvironment(place, api.url);
  const { end, stdout } = await run(
    request({ userEnv: { ...env, CLAUDE_CODE_OAUTH_TOKEN: "sk-ant-oat01-not-a-token" } }),
  );
  assert.equal(failure(end).class, "usage-limit", JSON.stringify(end));
  assert.equal(failure(end).retry_at, "2030-03-17T17:46:40.000Z");
  const progress = claudeRunner.follow({ turns: 0, costUsd: null }, stdout.split("\n"));
  assert.equal(progress.limitedUntil, "2030-03-17T17:46:40.000Z");
});

test("nobody listening is a network failure", { skip }, async (t) => {
  const { place, request } = await scene(t, []);
  const { end } = await run(request({ userEnv: userEnvironment(place, "http://127.0.0.1:9") }));
  assert.equal(failure(end).class, "network", JSON.stringify(end));
});

test("a stream that is cut every time is a failure that is tried again", { skip }, async (t) => {
  const { request } = await scene(t, [cut()]);
  const { end } = await run(request());
  assert.ok(["network", "crash"].includes(failure(end).class), JSON.stringify(end));
});

test("a service that never answers is given up after API_TIMEOUT_MS, as a network failure", { skip }, async (t) => {
  const { api, place, request } = await scene(t, [hang()]);
  const { end } = await run(request({ userEnv: { ...userEnvironment(place, api.url), API_TIMEOUT_MS: "1500" } }));
  assert.equal(failure(end).class, "network", JSON.stringify(end));
});

test(
  "a stream that goes silent and is stopped by us leaves a crash, its session and no result",
  { skip },
  async (t) => {
    const { api, request } = await scene(t, [bash("echo one"), silence("I was going to say")]);
    const asked = request();
    const running = start(await launchOf(asked));
    await until(() => api.requests.length === 2, "the second call");
    process.kill(running.pid, "SIGTERM");
    const end = claudeRunner.read(asked, await running.ended);
    assert.equal(failure(end).class, "crash");
    assert.equal(end.agent_session, asked.runId);
    assert.equal(end.turns, 1);
    assert.equal(end.tokens?.input, 100, "what the messages told so far");
    assert.ok(end.cost_usd !== null && end.cost_usd >= 0.0005, `an estimate: $${end.cost_usd}`);
  },
);

test("running out of turns is a budget failure, and the work of the last turn stays", { skip }, async (t) => {
  const { place, request } = await scene(t, [bash("echo x >> turns.txt")]);
  const { end } = await run(request({ execution: { max_turns: 2 } }));
  assert.equal(failure(end).class, "budget");
  assert.match(failure(end).hint ?? "", /max_turns/);
  assert.equal(await readFile(join(place.cwd, "turns.txt"), "utf8"), "x\nx\n");
});

test("running out of money is a budget failure with what was spent", { skip }, async (t) => {
  const { request } = await scene(t, [text("Long.", { usage: { input_tokens: 50_000, output_tokens: 5_000 } })]);
  const { end } = await run(request({ execution: { budget_usd: 0.01 } }));
  assert.equal(failure(end).class, "budget");
  assert.ok((end.cost_usd ?? 0) > 0.01);
});

const skipSweep =
  skip || (existsSync("/proc/self/environ") ? false : "the environment of processes cannot be read here");
test("SIGTERM while a command runs leaves a crash and no survivors", { skip: skipSweep }, async (t) => {
  const { place, request } = await scene(t, [bash("echo $$ > started; sleep 300"), text("never")]);
  const asked = request();
  t.after(() => marked(asked.runId).forEach((pid) => process.kill(pid, "SIGKILL")));
  const running = start(await launchOf(asked));
  await until(() => existsSync(join(place.cwd, "started")), "the command");
  assert.notDeepEqual(marked(asked.runId), []);
  process.kill(running.pid, "SIGTERM");
  const end = claudeRunner.read(asked, await running.ended);
  assert.equal(failure(end).class, "crash");
  await until(() => marked(asked.runId).length === 0, "the end of all that bears the marker");
});

test("an answer by schema comes back as structure; prose instead of it is a failure", { skip }, async (t) => {
  const response_schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] };
  const good = await scene(t, [toolUse("StructuredOutput", { ok: true }), text("Done.")]);
  const { end } = await run(good.request({ execution: { response_schema } }));
  assert.equal(end.outcome, "success", JSON.stringify(end));
  assert.deepEqual("structured" in end ? end.structured : undefined, { ok: true });

  const prose = await scene(t, [text("It is ok.")]);
  const other = await run(prose.request({ execution: { response_schema } }));
  assert.equal(failure(other.end).class, "unknown");
});

test("a resumed run goes on with the conversation and costs only what it adds", { skip }, async (t) => {
  const { api, request } = await scene(t, [text("First."), text("Second.")]);
  const first = request();
  const { end: before } = await run(first);
  const { end: after } = await run(request({ resume: first.runId, prompt: "# Go on" }));
  assert.equal(after.outcome, "success");
  assert.equal(after.agent_session, first.runId);
  assert.equal(after.cost_usd, before.cost_usd);
  assert.deepEqual(after.tokens, before.tokens);
  assert.match(JSON.stringify(api.requests.at(-1)?.body.messages), /First\..*# Go on/);
});

test("a conversation that is gone is told as such, and nothing is left to resume", { skip }, async (t) => {
  const { request } = await scene(t, [text("never")]);
  const { end } = await run(request({ resume: "7e57d004-2b97-4e7a-b45f-5387367791cd" }));
  assert.equal(failure(end).class, "unknown");
  assert.equal(end.agent_session, null);
});

test("settings that Claude Code refuses are a bad invocation, with its own words", { skip }, async (t) => {
  const { request } = await scene(t, [text("never")]);
  const { end } = await run(request({ execution: { response_schema: { type: "nonsense" } } }));
  assert.equal(failure(end).class, "invalid");
  assert.match(failure(end).message, /not a valid JSON Schema/);
});

test("a prompt that looks like a command is sent to the model, and a file it mentions is not", { skip }, async (t) => {
  const { api, place, request } = await scene(t, [text("Cost?")]);
  await writeFile(join(place.root, "secret.txt"), "the-secret-word");
  const { end } = await run(request({ prompt: `/cost\nsee @${join(place.root, "secret.txt")} please` }));
  assert.equal(end.outcome, "success");
  const sent = JSON.stringify(api.requests[0]?.body.messages);
  assert.match(sent, /Task:\\n\/cost/);
  assert.doesNotMatch(sent, /the-secret-word/);
});

test("nothing of a repository's own configuration runs, but its CLAUDE.md is passed on", { skip }, async (t) => {
  const { api, place, request } = await scene(t, [text("Done.")]);
  await setTraps(place);
  const { end } = await run(request());
  assert.equal(end.outcome, "success", JSON.stringify(end));
  assert.deepEqual(readdirSync(join(place.root, "sprung")), []);
  const system = JSON.stringify(api.requests[0]?.body.system);
  assert.match(system, /house-rule-4711/);
  assert.match(system, /CLAUDE\.md of the repository/);
  assert.equal(api.requests[0]?.headers["x-api-key"], "sk-ant-not-a-key");

  const trusting = request({ settings: { trustProjectSettings: true } });
  await run(trusting);
  assert.ok(readdirSync(join(place.root, "sprung")).includes("hook"), "the trap works where it is allowed to");
});

test("a built-in reviewer has its prompt and can read, but neither write nor run anything", { skip }, async (t) => {
  const role = (await builtInRoles()).find(({ name }) => name === "review-agent");
  assert.ok(role);
  const { api, place, request } = await scene(t, [
    toolUse("Read", { file_path: "a.txt" }),
    bash("touch ran"),
    toolUse("Write", { file_path: "b.txt", content: "x" }),
    text("Verdict: accept."),
  ]);
  await writeFile(join(place.cwd, "a.txt"), "read-me-4712");
  const { end } = await run({ ...request(), role });
  assert.equal(end.outcome, "success", JSON.stringify(end));
  assert.match(JSON.stringify(api.requests[0]?.body.system), /Your role: review-agent\\n\\nYou are a reviewer/);
  assert.match(JSON.stringify(api.requests[1]?.body.messages), /read-me-4712/);
  assert.deepEqual(readdirSync(place.cwd), ["a.txt"]);
});

/** A repository whose hooks, MCP server and key helper each leave a file in `sprung/`. */
async function setTraps(place: Place): Promise<void> {
  const sprung = join(place.root, "sprung");
  await Promise.all([mkdir(sprung), mkdir(join(place.cwd, ".claude"))]);
  const trap = async (name: string) => {
    const file = join(place.root, `${name}.sh`);
    await writeFile(file, `#!/bin/sh\ntouch '${join(sprung, name)}'\necho sk-ant-helper\n`);
    await chmod(file, 0o755);
    return file;
  };
  const hook = [{ hooks: [{ type: "command", command: await trap("hook") }] }];
  const helper = await trap("helper");
  const settings = { hooks: { SessionStart: hook, UserPromptSubmit: hook, Stop: hook }, apiKeyHelper: helper };
  await writeFile(join(place.cwd, ".claude", "settings.json"), JSON.stringify(settings));
  await writeFile(
    join(place.cwd, ".claude", "settings.local.json"),
    JSON.stringify({ env: { ANTHROPIC_API_KEY: "sk-ant-taken" } }),
  );
  const mcpServers = { trap: { command: await trap("mcp"), args: [] } };
  await writeFile(join(place.cwd, ".mcp.json"), JSON.stringify({ mcpServers }));
  await writeFile(join(place.cwd, "CLAUDE.md"), "Remember house-rule-4711.\n");
}

/** Ids of the processes whose environment bears the run's marker. */
function marked(runId: string): number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, "utf8").includes(`COX_RUN_ID=${runId}`);
      } catch {
        return false;
      }
    })
    .map(Number);
}
