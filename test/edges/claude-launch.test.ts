/** What is started for an attempt, and what cannot be started. */
import assert from "node:assert/strict";
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { claudeRunner } from "../../src/agent/claude.ts";
import { isAtLeast } from "../../src/agent/claude-program.ts";
import { LONGEST_GUIDE, readGuide, systemPrompt } from "../../src/agent/claude-system-prompt.ts";
import type { Failure } from "../../src/model/failure.ts";
import {
  attemptRequest,
  launchOf,
  newPlace,
  TESTED_ROLE,
  type Changes,
  type Place,
} from "../support/claude-attempt.ts";

const OPTIONS = ["output-format", "session-id", "resume", "setting-sources", "strict-mcp-config", "settings", "tools"];
const NOWHERE = "http://127.0.0.1:9";

interface Scene extends Place {
  /** An executable that answers `--version` and `--help`, and counts in `asked` how often. */
  program: string;
  launch: (changes?: Changes) => ReturnType<typeof launchOf>;
  cannot: (changes?: Changes) => Promise<Failure>;
}

async function scene(t: TestContext, o: { version?: string; options?: string[] } = {}): Promise<Scene> {
  const place = await newPlace();
  t.after(place.remove);
  const program = join(place.root, "bin", "claude");
  await mkdir(join(place.root, "bin"));
  const help = (o.options ?? [...OPTIONS, "effort", "permission-prompts"]).map((name) => `  --${name} <x>`).join("\n");
  await script(
    program,
    `echo "$1" >> '${join(place.root, "asked")}'\n` +
      `case $1 in --version) echo '${o.version ?? "2.1.329"} (Claude Code)' ;; --help) cat <<'END'\n${help}\nEND\n;; esac\n`,
  );
  const request = (changes: Changes) =>
    attemptRequest(place, NOWHERE, { ...changes, settings: { claude: program, ...changes.settings } });
  return {
    ...place,
    program,
    launch: (changes = {}) => launchOf(request(changes)),
    cannot: async (changes = {}) => {
      const launched = await claudeRunner.launch(request(changes));
      assert.ok("cannot" in launched, "it should not be possible to start");
      return launched.cannot.error;
    },
  };
}

async function script(file: string, body: string): Promise<void> {
  await writeFile(file, `#!/bin/sh\n${body}`);
  await chmod(file, 0o755);
}

/** The values after an option, up to the next one. */
function values(args: string[], option: string): string[] {
  const from = args.indexOf(option);
  if (from === -1) return [];
  const rest = args.slice(from + 1);
  const end = rest.findIndex((value) => value.startsWith("--"));
  return end === -1 ? rest : rest.slice(0, end);
}

test("the least that is passed: no configuration of the repository, the role's tools, edits accepted", async (t) => {
  const { launch, program, cwd } = await scene(t);
  const { file, args, stdin, env, cwd: where } = await launch();
  assert.equal(file, program);
  assert.equal(where, cwd);
  assert.deepEqual(args.slice(0, 5), ["-p", "--output-format", "stream-json", "--verbose", "--session-id"]);
  assert.deepEqual(values(args, "--session-id"), [env.COX_RUN_ID]);
  assert.deepEqual(values(args, "--setting-sources"), [""]);
  assert.ok(args.includes("--strict-mcp-config"));
  assert.deepEqual(values(args, "--permission-mode"), ["acceptEdits"]);
  assert.deepEqual(values(args, "--tools"), ["Bash,Read,Edit,Write,Glob,Grep"]);
  assert.deepEqual(values(args, "--allowedTools"), ["Bash"]);
  for (const absent of [
    "--resume",
    "--model",
    "--max-turns",
    "--max-budget-usd",
    "--effort",
    "--json-schema",
    "--fallback-model",
  ]) {
    assert.ok(!args.includes(absent), absent);
  }
  assert.equal(stdin, "# Task impl-1\n\nDo it.");
  assert.ok(!args.join("\n").includes("Do it."), "the prompt goes by standard input only");
});

test("the task's word goes before the role's, the role's before the settings'", async (t) => {
  const { launch } = await scene(t);
  const settings = { model: "from-settings", fallbackModel: "fallback", permissionMode: "plan" };
  const role = { model: "from-role", max_turns: 5, effort: "low", permission_mode: "dontAsk" as const };
  const execution = { model: "from-task", max_turns: 7, effort: "high", budget_usd: 1.5 };
  const all = (await launch({ settings, role, execution })).args;
  assert.deepEqual(values(all, "--model"), ["from-task"]);
  assert.deepEqual(values(all, "--fallback-model"), ["fallback"]);
  assert.deepEqual(values(all, "--max-turns"), ["7"]);
  assert.deepEqual(values(all, "--effort"), ["high"]);
  assert.deepEqual(values(all, "--max-budget-usd"), ["1.5"]);
  assert.deepEqual(values(all, "--permission-mode"), ["dontAsk"]);
  const two = (await launch({ settings, role })).args;
  assert.deepEqual(values(two, "--model"), ["from-role"]);
  assert.deepEqual(values(two, "--effort"), ["low"]);
  const one = (await launch({ settings: { ...settings, fallbackModel: "from-settings" } })).args;
  assert.deepEqual(values(one, "--model"), ["from-settings"]);
  assert.deepEqual(values(one, "--permission-mode"), ["plan"]);
  assert.ok(!one.includes("--fallback-model"), "a model is no fallback for itself");
});

test("a task's own tools are passed instead of its role's, and of what the role allows only what is among them", async (t) => {
  const { launch } = await scene(t);
  const role = { tools: ["Bash", "Edit"], allowed_tools: ["Bash(npm test *)", "Edit"] };
  const { args } = await launch({ role, execution: { tools: ["Read", "Bash"] } });
  assert.deepEqual(values(args, "--tools"), ["Read,Bash"]);
  assert.deepEqual(values(args, "--allowedTools"), ["Bash(npm test *)"]);
});

test("rules among the tools and denials are passed where Claude Code looks for them", async (t) => {
  const { launch } = await scene(t);
  const role = {
    tools: ["Read", "Bash(git log *)", "mcp__docs__search"],
    allowed_tools: ["Bash(npm test *)"],
    disallowed_tools: ["WebFetch"],
  };
  const { args } = await launch({ role, settings: { deny: ["Bash(git push *)"] } });
  assert.deepEqual(values(args, "--tools"), ["Read,Bash"]);
  assert.deepEqual(values(args, "--allowedTools"), ["Bash(git log *)", "mcp__docs__search", "Bash(npm test *)"]);
  assert.deepEqual(values(args, "--disallowedTools"), ["WebFetch"]);
  const [settingsFile] = values(args, "--settings");
  assert.deepEqual(JSON.parse(await readFile(settingsFile ?? "", "utf8")), {
    permissions: { deny: ["Bash(git push *)"] },
  });
});

test("options that this version does not know are left out", async (t) => {
  const { launch } = await scene(t, { version: "2.1.197", options: OPTIONS });
  const { args, env } = await launch({ role: { effort: "high", permission_mode: "manual" } });
  assert.ok(!args.includes("--effort") && !args.includes("--permission-prompts"));
  assert.deepEqual(values(args, "--permission-mode"), ["default"]);
  assert.equal(env.CLAUDE_CODE_DISABLE_ATTACHMENTS, "1");
});

test("a resumed conversation is named instead of a new one", async (t) => {
  const { launch } = await scene(t);
  const { args } = await launch({ resume: "7e57d004-2b97-4e7a-b45f-5387367791cd" });
  assert.deepEqual(values(args, "--resume"), ["7e57d004-2b97-4e7a-b45f-5387367791cd"]);
  assert.ok(!args.includes("--session-id"));
});

test("prompts that Claude Code would take for something else get a heading", async (t) => {
  const { launch } = await scene(t);
  for (const prompt of ["/clear", "-p", "@file", "  /cost", "\n/init", "", "!ls"]) {
    assert.equal((await launch({ prompt })).stdin, `Task:\n${prompt}`);
  }
  for (const prompt of ["# Task", "Do /this @that", "ä", "1. x"])
    assert.equal((await launch({ prompt })).stdin, prompt);
});

test("the switches of a run are set, what a person chose of them stays", async (t) => {
  const { launch } = await scene(t);
  const { env } = await launch({ attempt: 3 });
  assert.equal(env.CLAUDE_CODE_DISABLE_BACKGROUND_TASKS, "1");
  assert.equal(env.CLAUDE_CODE_DISABLE_FILE_MENTIONS, "1");
  assert.equal(env.API_TIMEOUT_MS, "300000");
  assert.equal(env.CLAUDE_CODE_MAX_RETRIES, "0", "as the user's environment says");
  assert.deepEqual([env.COX_SESSION, env.COX_TASK, env.COX_ATTEMPT], ["WFS-test", "impl-1", "3"]);
  const plain = await launch({
    userEnv: { PATH: "/usr/bin:/bin", CLAUDE_CODE_DISABLE_BACKGROUND_TASKS: "0", IS_SANDBOX: undefined },
  });
  assert.equal(plain.env.CLAUDE_CODE_MAX_RETRIES, "3");
  assert.equal(plain.env.CLAUDE_CODE_DISABLE_BACKGROUND_TASKS, "1", "what the reading of the output relies on");
  assert.ok(!("IS_SANDBOX" in plain.env));
});

test("a program that is not there says how to get it and how to go on", async (t) => {
  const { cannot, root } = await scene(t);
  for (const claude of ["claude-that-does-not-exist", join(root, "nothing"), root, "./claude"]) {
    const failure = await cannot({ settings: { claude } });
    assert.equal(failure.class, "auth");
    assert.match(failure.message, /not found/);
    assert.match(failure.hint ?? "", /npm install -g @anthropic-ai\/claude-code.*log in.*cox retry/);
  }
});

test("the program is looked for on the agent's PATH, where folders of a package manager and relative ones do not count", async (t) => {
  const { launch, cannot, root, program } = await scene(t);
  const at = (PATH: string) => ({ settings: { claude: "claude" }, userEnv: { PATH, HOME: root } });
  assert.equal((await launch(at(`/nonexistent:${join(root, "bin")}:/bin:/usr/bin`))).file, program);
  await mkdir(join(root, "node_modules", ".bin"), { recursive: true });
  await script(join(root, "node_modules", ".bin", "claude"), "echo trap\n");
  assert.equal(
    (await launch(at(`${join(root, "node_modules", ".bin")}:${join(root, "bin")}:/bin:/usr/bin`))).file,
    program,
  );
  assert.equal((await cannot(at("bin:."))).class, "auth");
});

test("a program is asked once, and again when it has changed", async (t) => {
  const { launch, root, program } = await scene(t);
  const asked = async () => (await readFile(join(root, "asked"), "utf8")).trim().split("\n").length;
  await launch();
  await launch();
  assert.equal(await asked(), 2, "--version and --help");
  await writeFile(program, `${await readFile(program, "utf8")}\n# updated\n`);
  await launch();
  assert.equal(await asked(), 4);
});

test("a program that is too old, broken, or something else is not started", async (t) => {
  const old = await scene(t, { version: "1.0.3", options: ["output-format", "resume"] });
  assert.equal((await old.cannot()).class, "invalid");
  assert.match((await old.cannot()).message, /1\.0\.3 .*too old.*--setting-sources/);
  const other = await scene(t, { version: "GNU claude" });
  assert.equal((await other.cannot()).class, "unknown");
  await script(other.program, "echo 'cannot load library' >&2; exit 127\n");
  assert.match((await other.cannot()).message, /cannot load library/);
});

test(
  "root cannot bypass permissions, and is told what to do instead",
  { skip: process.getuid?.() !== 0 && "needs root" },
  async (t) => {
    const { cannot, launch, root } = await scene(t);
    const role = { permission_mode: "bypassPermissions" as const };
    const failure = await cannot({ role });
    assert.equal(failure.class, "permission");
    assert.match(failure.hint ?? "", /acceptEdits.*IS_SANDBOX=1.*cox retry/);
    const { args } = await launch({ role, userEnv: { PATH: "/bin:/usr/bin", HOME: root, IS_SANDBOX: "1" } });
    assert.deepEqual(values(args, "--permission-mode"), ["bypassPermissions"]);
  },
);

test("files of the run that cannot be written are a failure like any other", async (t) => {
  const { cannot, program } = await scene(t);
  const failure = await cannot({ runDir: join(program, "run") });
  assert.equal(failure.class, "unknown");
  assert.match(failure.hint ?? "", /permissions of .*cox retry/);
});

test("what is too long to be passed is refused with a hint", async (t) => {
  const { cannot } = await scene(t);
  assert.equal((await cannot({ prompt: "x".repeat(10_000_001) })).class, "invalid");
  const response_schema = { description: "x".repeat(130_000) };
  assert.match((await cannot({ execution: { response_schema } })).message, /response_schema/);
});

test("the guide of the folder the agent works in goes before the repository's, each clearly headed", async (t) => {
  const { launch, root, cwd } = await scene(t);
  const repository = join(root, "repository");
  await mkdir(repository);
  await writeFile(join(repository, "AGENTS.md"), "from the repository");
  const systemOf = async (changes: Changes) => {
    const { args } = await launch({ repository, ...changes });
    return readFile(values(args, "--append-system-prompt-file")[0] ?? "", "utf8");
  };
  assert.match(
    await systemOf({}),
    /^# Your role: code-developer\n\nYou develop\.\n\n# The repository's guide \(AGENTS\.md\)\n[^]*from the repository\n$/,
  );
  await writeFile(join(cwd, "CLAUDE.md"), "from the worktree");
  assert.match(await systemOf({}), /\(CLAUDE\.md\)[^]*from the worktree\n$/);
  assert.doesNotMatch(await systemOf({ settings: { trustProjectSettings: true } }), /worktree|repository's guide/);
});

test("a guide is a regular file of limited length", async (t) => {
  const { root, cwd } = await scene(t);
  await writeFile(join(root, "secret"), "not for agents");
  await symlink(join(root, "secret"), join(cwd, "CLAUDE.md"));
  assert.equal(await readGuide(cwd), undefined);
  await mkdir(join(cwd, "AGENTS.md"));
  assert.equal(await readGuide(cwd), undefined);
  await mkdir(join(cwd, "long"));
  await writeFile(join(cwd, "long", "CLAUDE.md"), "x".repeat(LONGEST_GUIDE + 5));
  const guide = await readGuide(join(cwd, "long"));
  assert.ok(guide && guide.text.length < LONGEST_GUIDE + 100);
  assert.match(guide.text, /x\n\n\(The rest of this file was left out: it is longer than 200 kB\.\)$/);
  assert.equal(await systemPrompt({ ...TESTED_ROLE, prompt: " " }, [cwd]), undefined);
});

test("versions are compared by their numbers", () => {
  assert.ok(isAtLeast("2.1.329", "2.1.329") && isAtLeast("2.2.0", "2.1.329") && isAtLeast("2.10.0", "2.9.9"));
  assert.ok(!isAtLeast("2.1.197", "2.1.329") && !isAtLeast("1.9.999", "2.0.0"));
});
