import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { cox, environment, git, until } from "./recorded.ts";

interface Shown {
  ok: boolean;
  seconds: number;
  directory: string | null;
  claims: { claim: string; holds: boolean; found?: string }[];
  trouble?: string;
}

/** Where the demonstration puts its repository, and where nothing may be left. */
function place(t: TestContext): { dir: string; tmp: string; env: Record<string, string> } {
  const home = realpathSync(mkdtempSync(join(tmpdir(), "cox-demo-test-")));
  t.after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  const [dir, tmp] = [join(home, "here"), join(home, "tmp")];
  mkdirSync(dir);
  mkdirSync(tmp);
  return { dir, tmp, env: { TMPDIR: tmp } };
}

/** Processes that name the folder on their command line or work in it. */
function processesIn(folder: string): string[] {
  return readdirSync("/proc").filter((pid) => {
    if (!/^\d+$/.test(pid) || Number(pid) === process.pid) return false;
    try {
      return [readFileSync(`/proc/${pid}/cmdline`, "latin1"), realpathSync(`/proc/${pid}/cwd`)].some((text) =>
        text.includes(folder),
      );
    } catch {
      return false;
    }
  });
}

test("the demonstration keeps its promises, in less than a minute, and leaves nothing behind", (t) => {
  const { dir, tmp, env } = place(t);
  // Settings of the surroundings are not the demonstration's.
  const answer = cox(dir, ["demo", "--json"], {
    ...env,
    COX_LEDGER_REF: "refs/cox/elsewhere",
    COX_CONCURRENCY: "1",
    GIT_DIR: "/nowhere",
  });
  const shown = answer.json<Shown>();
  assert.ok(shown.ok, answer.out);
  assert.deepEqual(
    shown.claims.filter(({ holds }) => !holds),
    [],
  );
  assert.equal(answer.exit, 0, answer.err);
  assert.ok(shown.claims.length >= 9);
  assert.ok(shown.seconds < 60, `${shown.seconds} s`);
  assert.equal(shown.directory, null);
  assert.deepEqual(
    readdirSync(tmp).filter((name) => name.startsWith("cox-demo-")),
    [],
  );
  assert.deepEqual(processesIn(tmp), []);
});

test("it narrates what it does, says that no model is called, and --keep leaves the repository", (t) => {
  const { dir, tmp, env } = place(t);
  const { exit, out, err } = cox(dir, ["demo", "--keep"], env);
  assert.equal(exit, 0, `${err}\n${out}`);
  const [name = ""] = readdirSync(tmp).filter((entry) => entry.startsWith("cox-demo-"));
  const kept = join(tmp, name);
  assert.match(out, /The agents are scripted: no model is called/);
  assert.match(out, /\$ kill -9 \d+\n {3}The daemon is gone\. The agent \(process \d+\) works on\./);
  assert.match(out, /daemon │ .*(still runs \(pid \d+\): following it again|ended while no daemon was there)/);
  assert.match(out, /impl-3 is completed in attempt 1/);
  assert.match(out, /WFS-greeter impl-5: active -> pending/);
  assert.match(out, /- \[x\] \*\*IMPL-005\*\*: Greet in Italian/);
  assert.ok(out.includes(`To remove it: rm -rf ${kept}`));
  assert.match(git(kept, "log", "--format=%(trailers:key=Cox-Note)", "cox/ledger"), /scripted: no model was called/);
  assert.equal(cox(kept, ["log", "--task", "impl-3", "--json"]).exit, 0);
  assert.deepEqual(processesIn(tmp), [], "no daemon stays");
});

test("Ctrl-C ends daemon and agents, and removes the repository", async (t) => {
  const { dir, tmp, env } = place(t);
  const bin = new URL("../../bin/cox.js", import.meta.url).pathname;
  const child = spawn(process.execPath, [bin, "demo"], {
    cwd: dir,
    env: environment(dir, env),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let exit: number | null | undefined;
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.on("close", (code) => (exit = code));
  t.after(() => child.kill("SIGKILL"));
  await until("the kill of the daemon", () => out.includes("A new daemon"));
  assert.notDeepEqual(processesIn(tmp), []);
  child.kill("SIGINT");
  await until("the end", () => exit !== undefined);
  assert.equal(exit, 1);
  assert.match(out, /The repository was removed\./);
  assert.deepEqual(
    readdirSync(tmp).filter((name) => name.startsWith("cox-demo-")),
    [],
  );
  await until("all processes to be gone", () => processesIn(tmp).length === 0);
});

test("--live without Claude Code, or without a yes, starts nothing", (t) => {
  const { dir, tmp, env } = place(t);
  const without = cox(dir, ["demo", "--live", "--yes"], env);
  assert.equal(without.exit, 4);
  assert.match(without.err, /Claude Code \(claude\) was not found/);
  const unasked = cox(dir, ["demo", "--live"], { ...env, ...claude(dir) });
  assert.equal(unasked.exit, 4);
  assert.match(unasked.err, /at most \$0\.50.*\n.*no terminal to ask on.*\n.*--yes/);
  const unpaid = cox(dir, ["demo", "--live", "--yes"], { ...env, ...claude(dir), ANTHROPIC_API_KEY: "" });
  assert.equal(unpaid.exit, 4);
  assert.match(unpaid.err, /Nobody pays/);
  assert.deepEqual(
    readdirSync(tmp).filter((name) => name.startsWith("cox-demo-")),
    [],
  );
});

test("--live gives Claude Code one small task, and shows what came of it", (t) => {
  const { dir, env } = place(t);
  const { exit, out, err } = cox(dir, ["demo", "--live", "--yes"], { ...env, ...claude(dir) });
  assert.equal(exit, 0, `${err}\n${out}`);
  assert.match(out, /at most \$0\.50 at list prices; the account of ANTHROPIC_API_KEY pays/);
  assert.match(out, /\+echo "Hello, \$\{1:-world\}!"/);
  assert.match(out, /It cost \$0\.0123 at list prices\./);
  assert.match(out, /✓ the task is completed/);
});

/** A stand-in for Claude Code that knows its options, speaks its stream, and does the one task. */
function claude(dir: string): Record<string, string> {
  const bin = join(dir, "bin");
  if (!existsSync(bin)) mkdirSync(bin);
  const lines = [
    { type: "system", subtype: "init", cwd: "/", model: "stand-in", session_id: "s-1", tools: [] },
    {
      type: "assistant",
      message: { id: "m1", model: "stand-in", content: [{ type: "text", text: "Done." }], usage: {} },
      session_id: "s-1",
      parent_tool_use_id: null,
    },
    {
      type: "result",
      subtype: "success",
      is_error: false,
      result: "Done.",
      num_turns: 1,
      duration_ms: 5,
      total_cost_usd: 0.0123,
      usage: {},
      modelUsage: {},
      permission_denials: [],
      session_id: "s-1",
    },
  ];
  const options =
    "--print --output-format --verbose --session-id --resume --setting-sources --strict-mcp-config --permission-mode --tools --allowedTools --disallowedTools --settings --max-turns --max-budget-usd --append-system-prompt --append-system-prompt-file --model --fallback-model --effort --json-schema --permission-prompts";
  writeFileSync(
    join(bin, "claude"),
    `#!/bin/sh
case $1 in
  --version) echo '2.1.329 (Claude Code)'; exit ;;
  --help) echo '${options}'; exit ;;
esac
cat >/dev/null
sed -i 's/echo "Hello, world!"/echo "Hello, \${1:-world}!"/' bin/greet
cat <<'END'
${lines.map((line) => JSON.stringify(line)).join("\n")}
END
`,
  );
  chmodSync(join(bin, "claude"), 0o755);
  execFileSync(join(bin, "claude"), ["--version"]);
  return { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, ANTHROPIC_API_KEY: "not-a-real-key-1234567890" };
}
