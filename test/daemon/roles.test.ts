/** Roles and the agents behind them: commands, people, scripts. SPEC section 6. */
import assert from "node:assert/strict";
import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { lives, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const echoRole =
  "---\nname: code-developer\ndescription: says it back\nrunner: command\ncommand: cat\n---\nYou say it back.\n";

test("an agent is told its role, the task, where it belongs and what came before, exactly as prompts/ has it", async (t) => {
  const shop = await workshop(t, { before: (at) => at.drop("agents/code-developer.md", echoRole) });
  shop.command("impl-1", "echo the answer is 42; echo '/clear'");
  shop.drop(`${SESSION}/.task/impl-2.json`, {
    title: "Say it",
    context: { acceptance: ["it is said"] },
    relations: { dependencies: ["impl-1"] },
  });
  await shop.becomes("impl-2", "completed");
  const prompt = shop.read(`${SESSION}/prompts/impl-2-a1.md`);
  const answer = JSON.parse(shop.read(`${SESSION}/responses/impl-2-a1.json`)) as {
    result: string;
    attempt: number;
    outcome: string;
  };
  assert.equal(answer.result.trimEnd(), prompt.trimEnd());
  assert.match(prompt, /^[^/\-@]/);
  assert.match(prompt, /You say it back\./);
  assert.match(prompt, /"acceptance": \[\s*"it is said"\s*\]/);
  assert.match(prompt, /\{"workflow":\{"session":"WFS-main","phase":"IMPLEMENT"\}\}/);
  assert.match(prompt, /> the answer is 42\n> \/clear/);
  assert.equal(shop.recordedFile(`${SESSION}/prompts/impl-2-a1.md`), prompt.trimEnd());
});

test("a failed attempt is tried again, and the next is told what the last one failed with", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", 'if [ "$COX_ATTEMPT" = 1 ]; then echo "no such luck" >&2; exit 7; fi; cat');
  const after = await shop.becomes("impl-1", "completed");
  assert.equal(after.execution.attempts, 2);
  assert.equal(after.execution.failures, undefined);
  const prompt = shop.read(`${SESSION}/prompts/impl-1-a2.md`);
  assert.match(prompt, /attempt 1 failed/);
  assert.match(prompt, /no such luck/);
  assert.deepEqual(
    shop.moves("impl-1").filter((move) => move.includes("->")),
    ["new -> pending", "pending -> active", "active -> pending", "pending -> active", "active -> completed"],
  );
  const retried = shop.ledger().find(({ subject }) => subject.endsWith("active -> pending"));
  assert.equal(retried?.trailers["Cox-Reason"], "backoff");
});

test("a command that always fails is blocked after max_attempts, saying why", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", "echo broken >&2; exit 1", { execution: { max_attempts: 2 } });
  const after = await shop.becomes("impl-1", "blocked");
  assert.equal(after.execution.reason, "failed");
  assert.equal(after.execution.attempts, 2);
  assert.match(after.execution.last_attempt?.error?.message ?? "", /broken/);
  await shop.until("the list says so", () => /broken|failed/.test(shop.read(`${SESSION}/TODO_LIST.md`)));
});

test("a role of one's own is added, one of the same name as a built-in one is taken instead, and a change counts at once", async (t) => {
  const shop = await workshop(t);
  shop.drop("agents/shouter.md", "---\nname: shouter\ndescription: loud\nrunner: command\ncommand: echo ONE\n---\n");
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Shout", agent: "shouter" });
  await shop.becomes("impl-1", "completed");
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /ONE/);
  shop.drop("agents/shouter.md", "---\nname: shouter\ndescription: loud\nrunner: command\ncommand: echo TWO\n---\n");
  await shop.until("it is recorded", () => shop.recordedFile("agents/shouter.md")?.includes("TWO"));
  shop.drop(`${SESSION}/.task/impl-2.json`, { title: "Shout again", agent: "shouter" });
  await shop.becomes("impl-2", "completed");
  assert.match(shop.read(`${SESSION}/responses/impl-2-a1.json`), /TWO/);
});

test("a broken role file is reported beside it, and the report goes when it is mended", async (t) => {
  const shop = await workshop(t);
  shop.drop("agents/odd.md", "---\nname: odd\nrunner: telepathy\n---\n");
  await shop.until("it is reported", () => shop.has("agents/odd.md.error.md"));
  assert.match(shop.read("agents/odd.md.error.md"), /runner/);
  shop.drop("agents/odd.md", "---\nname: odd\ndescription: fine\nrunner: command\ncommand: echo fine\n---\n");
  await shop.until("the report is gone", () => !shop.has("agents/odd.md.error.md"));
});

test("a role with runner: human waits for a person", async (t) => {
  const shop = await workshop(t, {
    before: (at) =>
      at.drop("agents/lawyer.md", "---\nname: lawyer\ndescription: signs\nrunner: human\n---\nRead it twice.\n"),
  });
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Sign", agent: "lawyer" });
  await shop.until("it waits", () => shop.reason("impl-1") === "awaiting-person");
  await shop.until("it is told", () => shop.has(`${SESSION}/prompts/impl-1-a1.md`));
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a1.md`), /Read it twice\./);
  shop.drop(`${SESSION}/responses/impl-1-a1.md`, "Signed.\n");
  await shop.becomes("impl-1", "completed");
});

function actor(at: Workshop): void {
  at.drop(
    "agents/actor.md",
    "---\nname: actor\ndescription: plays\nrunner: scripted\nscript: .workflow/play.yaml\n---\n",
  );
  at.drop("play.yaml", 'default:\n  - say: "Working on {task.title}"\n  - sleep: 50ms\n');
}

test("with ledger.transcripts the conversation is recorded at the end of its attempt", async (t) => {
  const shop = await workshop(t, { before: actor, env: { COX_LEDGER_TRANSCRIPTS: "true" } });
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Perform", agent: "actor" });
  await shop.becomes("impl-1", "completed");
  const { hash } = await shop.recorded(`${SESSION} impl-1: active -> completed`);
  const recorded = (path: string) => shop.git("show", `${hash}:.workflow/${SESSION}/${path}`);
  assert.match(recorded(".chat/chat-impl-1-a1.md"), /Working on Perform/);
  assert.equal(recorded("messages/impl-1-a1.jsonl"), shop.read(`${SESSION}/messages/impl-1-a1.jsonl`).trimEnd());
});

test("a scripted role plays its file, and every output says that no model was called", async (t) => {
  const shop = await workshop(t, { before: actor });
  shop.drop(`${SESSION}/.task/impl-1.json`, { title: "Perform", agent: "actor" });
  await shop.becomes("impl-1", "completed");
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /scripted/i);
  assert.match(shop.read(`${SESSION}/.chat/chat-impl-1-a1.md`), /Working on Perform/);
  assert.ok(shop.has(`${SESSION}/messages/impl-1-a1.jsonl`));
  const commit = await shop.recorded(`${SESSION} impl-1: active -> completed`);
  assert.match(commit.trailers["Cox-Note"] ?? "", /scripted/);
  const recorded = shop.recordedPaths();
  assert.ok(
    !recorded.some((path) => path.includes("/.chat/") || path.includes("/messages/")),
    "transcripts are kept on disk alone",
  );
});

test("a command's environment is an allow-list, with what is passed by name and the marker of its run", async (t) => {
  const shop = await workshop(t, {
    env: { MY_SECRET: "hush-hush-1234", MY_TOKEN: "pass-me-please-99", NODE_OPTIONS: "--no-warnings" },
  });
  shop.command("impl-1", 'env > "$HOME/env"; echo "token: $MY_TOKEN"', { execution: { env: ["MY_TOKEN"] } });
  const after = await shop.becomes("impl-1", "completed");
  const env = shop.left("env") ?? "";
  assert.doesNotMatch(env, /MY_SECRET|NODE_OPTIONS/);
  assert.match(env, /^MY_TOKEN=pass-me-please-99$/m);
  assert.match(env, new RegExp(`^COX_RUN_ID=${after.execution.last_attempt?.run_id}$`, "m"));
  assert.match(env, /^COX_TASK=impl-1$/m);
});

test("the values of variables that every agent gets by name never become a git object", async (t) => {
  const shop = await workshop(t, { env: { MY_TOKEN: "pass-me-please-99", COX_AGENT_ENV: "MY_TOKEN" } });
  shop.command("impl-1", 'echo "token: $MY_TOKEN"');
  await shop.becomes("impl-1", "completed");
  await shop.recorded(`${SESSION} impl-1: active -> completed`);
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /pass-me-please-99/);
  assert.doesNotMatch(shop.recordedFile(`${SESSION}/responses/impl-1-a1.json`) ?? "", /pass-me-please-99/);
});

test("an agent outlives a killed daemon, and the next one follows it again", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", `echo $$ > "$HOME/pid"; ${shop.waits()}; echo done`);
  const pid = Number(await shop.until("it runs", () => shop.left("pid")?.trim()));
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  await shop.stop("SIGKILL");
  assert.ok(await lives(pid));
  await shop.start();
  await shop.until("it is followed", () => /still runs/.test(shop.output));
  shop.release();
  assert.equal((await shop.becomes("impl-1", "completed")).execution.attempts, 1);
});

test("an agent that ended while no daemon was there is settled from what it left, once", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", `echo $$ > "$HOME/pid"; ${shop.waits()}; echo ran >> "$HOME/ran"; echo the result`);
  const pid = Number(await shop.until("it runs", () => shop.left("pid")?.trim()));
  await shop.recorded(`${SESSION} impl-1: pending -> active`);
  await shop.stop("SIGKILL");
  shop.release();
  await shop.until("it ended", async () => !(await lives(pid)));
  await shop.start();
  assert.equal((await shop.becomes("impl-1", "completed")).execution.attempts, 1);
  assert.equal(shop.left("ran"), "ran\n");
  assert.match(shop.read(`${SESSION}/responses/impl-1-a1.json`), /the result/);
});

test("nothing that a command started outlives its task", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", '(sleep 300 & echo $! > "$HOME/child"); echo done');
  await shop.becomes("impl-1", "completed");
  const child = Number(shop.left("child"));
  await shop.until("its child is gone", async () => !(await lives(child)));
});

test("a task's timeout ends its agent; as often as it may be tried, then it is blocked for it", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", shop.waits("never"), { execution: { timeout: "300ms", max_attempts: 1 } });
  const after = await shop.becomes("impl-1", "blocked");
  assert.equal(after.execution.reason, "timeout");
  assert.equal(after.execution.last_attempt?.error?.class, "timeout");
  assert.deepEqual(await shop.agents(), []);
});

test("a prompt file of the task is its prompt, but none outside the session and the repository", async (t) => {
  const shop = await workshop(t, { before: (at) => at.drop(`${SESSION}/notes/how.md`, "Do it gently.\n") });
  writeFileSync(join(shop.root, "outside.md"), "the secret\n");
  shop.command("impl-1", "cat", { execution: { prompt_file: "notes/how.md" } });
  shop.command("impl-2", "cat", { execution: { prompt_file: "../../../outside.md" } });
  await shop.becomes("impl-1", "completed");
  const report = `${SESSION}/.task/impl-2.json.error.md`;
  await shop.until("the other is reported", () => shop.has(report));
  assert.match(shop.read(report), /path-escapes.*\/execution\/prompt_file/);
  assert.match(shop.read(`${SESSION}/prompts/impl-1-a1.md`), /Do it gently\./);
});

test("a prompt file that is gone, or leads out by now, is told, and nothing is started without it", async (t) => {
  const shop = await workshop(t, { env: { COX_CONCURRENCY: "1" } });
  writeFileSync(join(shop.root, "outside.md"), "the secret\n");
  shop.command("impl-1", shop.waits());
  await shop.becomes("impl-1", "active");
  for (const [id, name] of Object.entries({ "impl-2": "notes/gone.md", "impl-3": "notes/turned.md" })) {
    shop.drop(`${SESSION}/${name}`, "Do it.\n");
    shop.command(id, 'echo ran >> "$HOME/ran"', { execution: { prompt_file: name } });
    await shop.becomes(id, "pending");
    rmSync(shop.at(SESSION, name));
  }
  symlinkSync(join(shop.root, "outside.md"), shop.at(SESSION, "notes/turned.md"));
  shop.release();
  for (const [id, told] of Object.entries({ "impl-2": /gone\.md/, "impl-3": /turned\.md" leaves/ })) {
    const after = await shop.becomes(id, "blocked");
    assert.equal(after.execution.reason, "invalid");
    assert.match(after.execution.last_attempt?.error?.message ?? "", told);
  }
  assert.equal(shop.left("ran"), undefined);
  const queue = (id: string) => shop.edit(id, (found) => (found.status = "pending"));
  queue("impl-2");
  queue("impl-3");
  for (const [id, code] of Object.entries({ "impl-2": /missing-prompt/, "impl-3": /path-escapes/ })) {
    const report = `${SESSION}/.task/${id}.json.error.md`;
    await shop.until(`${id} is reported`, () => shop.has(report));
    assert.match(shop.read(report), code);
  }
  shop.drop(`${SESSION}/notes/gone.md`, "Do it now.\n");
  await shop.becomes("impl-2", "completed");
  assert.match(shop.read(`${SESSION}/prompts/impl-2-a2.md`), /Do it now\./);
});
