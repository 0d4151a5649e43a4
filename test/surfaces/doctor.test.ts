import assert from "node:assert/strict";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { accountFinding, bypassFinding } from "../../src/surfaces/cli/doctor-claude.ts";
import { versionFinding } from "../../src/surfaces/cli/doctor-git.ts";
import { nodeFinding, remoteFinding, watchesFinding } from "../../src/surfaces/cli/doctor-system.ts";
import { cox, git, read, repository, SESSION, task, workspace, write } from "./recorded.ts";

interface Report {
  ok: boolean;
  findings: { check: string; state: string; text: string; fix?: string; fixable: boolean }[];
  mended: string[];
}

/** A PATH with a Claude Code of that version on it, and a key to pay with: the parts of the world that are not looked at. */
function world(dir: string, version = "2.1.329"): Record<string, string> {
  const bin = join(dir, "../bin");
  mkdirSync(bin, { recursive: true });
  writeFileSync(join(bin, "claude"), `#!/bin/sh\necho '${version} (Claude Code)'\n`);
  chmodSync(join(bin, "claude"), 0o755);
  return { PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`, ANTHROPIC_API_KEY: "not-a-real-key-1234567890" };
}

function examine(
  dir: string,
  more = world(dir),
  ...args: string[]
): Report & { exit: number | null; of: (check: string) => Report["findings"] } {
  const answer = cox(dir, ["doctor", "--json", ...args], more);
  assert.equal(answer.err, "");
  const report = answer.json<Report>();
  return { ...report, exit: answer.exit, of: (check) => report.findings.filter((finding) => finding.check === check) };
}

test("in a sound workspace nothing is wrong, and each thing looked at is named", async (t) => {
  const { dir } = await workspace(t);
  const report = examine(dir);
  assert.deepEqual(
    report.findings.filter(({ state }) => state === "bad"),
    [],
  );
  assert.equal(report.exit, 0);
  for (const check of [
    "node",
    "git",
    "repository",
    "claude",
    "account",
    "settings",
    "exclude",
    "daemon",
    "files",
    "ledger",
  ]) {
    assert.deepEqual(
      report.of(check).map(({ state }) => state),
      ["ok"],
      check,
    );
  }
  const { out } = cox(dir, ["doctor"], world(dir));
  assert.match(out, /^✓ node {2}Node \d+/);
  assert.match(out, /✓ account {2}the account of ANTHROPIC_API_KEY pays/);
  assert.match(out, /Nothing is wrong\.\n$/);
  assert.doesNotMatch(out, /not-a-real-key/);
});

test("a missing or too old Claude Code and an account that nobody pays are wrong", async (t) => {
  const { dir } = await workspace(t);
  const missing = examine(dir, {});
  assert.equal(missing.exit, 1);
  assert.match(missing.of("claude")[0]?.fix ?? "", /npm install -g @anthropic-ai\/claude-code/);
  assert.deepEqual(
    missing.findings.filter(({ state }) => state === "bad").map(({ check }) => check),
    ["claude"],
    "without the program nobody can log in: one thing is wrong",
  );
  const old = examine(dir, world(dir, "2.0.9"));
  assert.match(old.of("claude")[0]?.text ?? "", /2\.0\.9 is older than 2\.1\.197/);
});

test("a missing Claude Code is only a warning where no task needs it", async (t) => {
  const { dir } = await workspace(t);
  for (const id of ["impl-2", "impl-3"]) write(dir, `${SESSION}/.task/${id}.json`, task(id, { agent: "command" }));
  const idle = examine(dir, {});
  assert.deepEqual([idle.exit, idle.of("claude")[0]?.state, idle.of("account")[0]?.state], [0, "warn", "warn"]);
  write(dir, "agents/shell.md", "---\nname: shell\ndescription: x\nrunner: command\ncommand: 'true'\n---\n");
  write(dir, "inbox/x.json", '{"title": "x", "agent": "shell"}');
  assert.equal(examine(dir, {}).exit, 0);
  write(dir, "inbox/y.json", '{"title": "y"}');
  assert.equal(examine(dir, {}).exit, 1);
});

test("the account that pays is told from what is there, in Claude Code's own order", async (t) => {
  const { dir } = await workspace(t);
  const home = join(dir, "../home");
  mkdirSync(join(home, ".claude"), { recursive: true });
  const env = (more: NodeJS.ProcessEnv = {}) => ({ HOME: home, ...more });
  const pays = (more?: NodeJS.ProcessEnv, trusts = false) => accountFinding(env(more), trusts).text;
  assert.match(pays(), /Nobody pays/);
  writeFileSync(join(home, ".claude.json"), '{"oauthAccount":{"emailAddress":"a@example.com"}}');
  assert.match(pays(), /logged in with/);
  writeFileSync(join(home, ".claude/.credentials.json"), "");
  assert.match(pays(), /logged in with pays \(/);
  assert.match(pays({ CLAUDE_CODE_OAUTH_TOKEN: "x" }), /CLAUDE_CODE_OAUTH_TOKEN/);
  writeFileSync(join(home, ".claude/settings.json"), '{"apiKeyHelper":"./key.sh"}');
  assert.match(pays({ CLAUDE_CODE_OAUTH_TOKEN: "x" }), /CLAUDE_CODE_OAUTH_TOKEN/);
  assert.match(pays({ CLAUDE_CODE_OAUTH_TOKEN: "x" }, true), /apiKeyHelper/);
  assert.match(pays({ ANTHROPIC_API_KEY: "x", CLAUDE_CODE_OAUTH_TOKEN: "x" }), /ANTHROPIC_API_KEY/);
  assert.match(pays({ ANTHROPIC_API_KEY: "x", CLAUDE_CODE_USE_BEDROCK: "1" }), /Bedrock/);
  assert.match(pays({ ANTHROPIC_API_KEY: "" }), /logged in/);
  assert.doesNotMatch(pays(), /example\.com/);
});

test("what lies about is mended with --fix: exclude line, orphan markers, unfinished files", async (t) => {
  const { dir } = await workspace(t);
  writeFileSync(join(dir, ".git/info/exclude"), "# mine\n");
  write(dir, ".active-WFS-gone", "");
  write(dir, ".run/tmp/0e5c", "half");
  const before = examine(dir);
  assert.equal(before.exit, 1);
  assert.deepEqual(
    before.findings.filter(({ fixable }) => fixable).map(({ check }) => check),
    ["exclude", "markers", "leftovers"],
  );
  assert.notEqual(git(dir, "status", "--porcelain"), "");
  const after = examine(dir, world(dir), "--fix");
  assert.equal(after.exit, 0);
  assert.equal(after.mended.length, 3);
  assert.equal(git(dir, "status", "--porcelain"), "");
  assert.match(readFileSync(join(dir, ".git/info/exclude"), "utf8"), /^# mine\n\/\.workflow\/\n$/);
  assert.ok(!existsSync(join(dir, ".workflow/.active-WFS-gone")));
  assert.ok(existsSync(join(dir, `.workflow/.active-${SESSION}`)));
});

test("bad files are named with their place: settings, tasks, reports, links, sizes", async (t) => {
  const { dir } = await workspace(t);
  write(dir, "config.yaml", "concurency: 2\n");
  write(dir, `${SESSION}/.task/impl-7.json`, '{"title": "x", "dependancies": [], }');
  write(dir, `${SESSION}/.task/impl-8.json`, { title: "", status: "done" });
  write(dir, "inbox/a.json", "{");
  write(dir, "inbox/a.json.error.md", "# not taken in\n");
  symlinkSync("/etc/hostname", join(dir, ".workflow/inbox/b.json"));
  write(dir, "inbox/c.json", "x".repeat(1024 * 1024 + 1));
  const { exit, of } = examine(dir);
  assert.equal(exit, 1);
  assert.match(of("settings")[0]?.text ?? "", /^config\.yaml:1:\d+ .*concurency/);
  const files = of("files").map(({ text }) => text);
  assert.ok(
    files.some((text) => /impl-7\.json:1:\d+: /.test(text)),
    files.join("\n"),
  );
  assert.ok(
    files.some((text) => /impl-8\.json:\d+:\d+ \/status: status is "done"/.test(text)),
    files.join("\n"),
  );
  assert.ok(files.some((text) => text === "inbox/a.json was not taken in."));
  assert.ok(files.some((text) => /inbox\/b\.json is a symbolic link/.test(text)));
  assert.ok(files.some((text) => /inbox\/c\.json has 1048577 bytes/.test(text)));
});

test("parents, subtasks and dependencies that do not fit are told", async (t) => {
  const { dir } = await workspace(t);
  write(
    dir,
    `${SESSION}/.task/impl-3.1.json`,
    task("impl-3.1", { relations: { parent: "impl-2", subtasks: [], dependencies: ["impl-99"] } }),
  );
  write(dir, `${SESSION}/.task/impl-9.1.json`, task("impl-9.1"));
  const found = examine(dir)
    .of("relations")
    .map(({ state, text }) => `${state} ${text}`)
    .join("\n");
  assert.match(found, /warn .*impl-3\.1 names the parent "impl-2"/);
  assert.match(found, /warn .*impl-3 names the subtasks none instead of impl-3\.1/);
  assert.match(found, /bad .*impl-9\.1 has no parent impl-9/);
  assert.match(found, /bad .*impl-3\.1 waits for impl-99/);
});

test("disk and ledger are compared: edits, deletions, lost sessions, gaps", async (t) => {
  const { dir } = await workspace(t);
  write(dir, `${SESSION}/.task/impl-3.json`, task("impl-3", { status: "blocked" }));
  rmSync(join(dir, `.workflow/${SESSION}/.task/impl-2.json`));
  const report = examine(dir);
  assert.match(report.of("unrecorded")[0]?.text ?? "", /impl-3\.json/);
  assert.match(report.of("missing")[0]?.text ?? "", /impl-2\.json/);
  assert.match(report.of("story")[0]?.text ?? "", /2 gaps .*impl-3 is blocked in its file, but pending in the ledger/);
  rmSync(join(dir, `.workflow/${SESSION}`), { recursive: true });
  assert.match(examine(dir).of("lost")[0]?.text ?? "", /WFS-user-auth/);
});

test("a ledger that cannot be read is wrong", async (t) => {
  const { dir, commits } = await workspace(t);
  const tip = commits.at(-1) ?? "";
  git(dir, "update-ref", "-d", "refs/cox/ledger");
  mkdirSync(join(dir, ".git/refs/cox"), { recursive: true });
  writeFileSync(join(dir, ".git/refs/cox/ledger"), `${"0".repeat(39)}1\n`);
  assert.equal(examine(dir).of("ledger")[0]?.state, "bad");
  writeFileSync(join(dir, ".git/refs/cox/ledger"), `${tip}\n`);
  assert.equal(examine(dir).of("ledger")[0]?.state, "ok");
});

test("tracked files under .workflow are not trusted", async (t) => {
  const { dir } = await workspace(t);
  git(dir, "add", "-f", `.workflow/${SESSION}/.task/impl-1.json`);
  const [finding] = examine(dir).of("trust");
  assert.match(finding?.text ?? "", /impl-1\.json/);
  assert.match(finding?.fix ?? "", /cox trust/);
});

test("outside of a workspace, and outside of a repository, it still says what it can", (t) => {
  const dir = repository(t);
  const report = examine(dir);
  assert.equal(report.exit, 0);
  assert.match(report.of("workspace")[0]?.fix ?? "", /cox init/);
  const nowhere = examine(join(dir, ".."), world(dir));
  assert.equal(nowhere.exit, 1);
  assert.equal(nowhere.of("repository")[0]?.state, "bad");
  assert.ok(!existsSync(join(dir, ".workflow")), "looking makes nothing");
});

test("a daemon's own files are as they were after a look", async (t) => {
  const { dir } = await workspace(t);
  const before = read(dir, `${SESSION}/.task/impl-2.json`);
  examine(dir);
  assert.equal(read(dir, `${SESSION}/.task/impl-2.json`), before);
});

test("versions, file systems, watches and permissions are judged by the figures", () => {
  assert.equal(versionFinding("git version 2.47.3\n").state, "ok");
  assert.equal(versionFinding("git version 2.39.5 (Apple Git-154)").state, "ok");
  assert.equal(versionFinding("git version 2.34.1").state, "bad");
  assert.equal(versionFinding("what?").state, "bad");
  assert.equal(nodeFinding("24.15.0").state, "ok");
  assert.equal(nodeFinding("22.1.0").state, "bad");
  assert.match(remoteFinding(0x6969).text, /^NFS/);
  assert.equal(remoteFinding(0xef53).state, "ok");
  assert.deepEqual(
    [10, 600, 1200].map((needed) => watchesFinding(needed, 1000).state),
    ["ok", "warn", "bad"],
  );
  assert.equal(bypassFinding([], {}, 0), undefined);
  assert.equal(bypassFinding(["role a"], {}, 0)?.state, "bad");
  assert.equal(bypassFinding(["role a"], { IS_SANDBOX: "1" }, 0)?.state, "warn");
  assert.equal(bypassFinding(["role a"], {}, 1000)?.state, "warn");
});

test("what a fresh worktree does not bring along is said, with the remedy", async (t) => {
  const { dir } = await workspace(t);
  assert.deepEqual(
    ["submodules", "lfs", "programs", "branch"].flatMap((check) => examine(dir).of(check)),
    [],
  );
  writeFileSync(join(dir, ".gitmodules"), '[submodule "x"]\n\tpath = x\n');
  writeFileSync(join(dir, ".gitattributes"), "*.bin filter=lfs\n");
  git(dir, "config", "filter.lfs.clean", "git-lfs clean -- %f");
  git(dir, "branch", "cox");
  const { of } = examine(dir);
  assert.match(of("submodules")[0]?.fix ?? "", /git submodule update --init/);
  assert.match(of("lfs")[0]?.fix ?? "", /git lfs install/);
  assert.match(of("programs")[0]?.text ?? "", /filter\.lfs\.clean/);
  assert.match(of("branch")[0]?.fix ?? "", /git branch -m cox/);
});
