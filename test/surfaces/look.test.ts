/** Commands that look: status, list, show, validate, trust, config. */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test, type TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { folder, labIn, repository } from "./lab.ts";

interface Picture {
  daemon: { up: boolean };
  sessions: { session: string; active: boolean; counts: Record<string, number> | null }[];
  running: Record<string, unknown>[];
  waiting: { task: string; why: string | null }[];
  waiting_more: number;
  problems: { about: string; what: string; mend: string; hint?: string }[];
  limits: unknown[];
  breakers: unknown[];
}

describe("cox status", () => {
  test("tells what runs, what waits for what, and what is wrong with the command that mends it", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first");
    lab.cox("add", "second", "--depends", "impl-1");
    lab.cox("add", "third");
    const started_at = new Date(Date.now() - 65_000).toISOString();
    lab.write(
      ".workflow/WFS-main/.task/impl-1.json",
      JSON.stringify({
        ...lab.task("impl-1"),
        status: "active",
        execution: { attempts: 2, last_attempt: { attempt: 2, run_id: "r-1", started_at } },
      }),
    );
    lab.write(
      ".workflow/.run/attempts/r-1/progress.json",
      '{"turns": 7, "costUsd": 0.42, "doing": "Edit src/x.ts\\u001b]0;owned\\u0007", "model": "opus"}',
    );
    const error = { class: "timeout", message: "it took too long" };
    lab.write(
      ".workflow/WFS-main/.task/impl-3.json",
      JSON.stringify({
        ...lab.task("impl-3"),
        status: "blocked",
        execution: { attempts: 4, reason: "failed", last_attempt: { attempt: 4, run_id: null, started_at, error } },
      }),
    );
    const until = new Date(Date.now() + 3_600_000).toISOString();
    const breakers = { "code-developer opus": { state: "open", until }, other: { state: "closed", failures: [] } };
    lab.write(
      ".workflow/WFS-main/state/checkpoint.json",
      JSON.stringify({ limits: { claude: until, old: started_at }, breakers }),
    );
    const picture = lab.json<Picture>("status");
    assert.equal(picture.daemon.up, false);
    assert.deepEqual(picture.sessions[0]?.counts, { total: 3, completed: 0, active: 1, pending: 1, blocked: 1 });
    const { task, attempt, turns, cost_usd, model } = picture.running[0] ?? {};
    assert.deepEqual([task, attempt, turns, cost_usd, model], ["impl-1", 2, 7, 0.42, "opus"]);
    assert.deepEqual(
      picture.waiting.map((each) => [each.task, each.why]),
      [["impl-2", "waits for impl-1"]],
    );
    assert.deepEqual(picture.problems, [
      { about: "task", what: "impl-3 failed · it took too long", mend: "cox logs impl-3, then cox retry impl-3" },
    ]);
    assert.deepEqual(
      [picture.limits, picture.breakers],
      [[{ account: "claude", until }], [{ key: "code-developer opus", until }]],
    );
    const { out } = lab.cox("status");
    assert.match(out, /cox start/);
    assert.match(out, /impl-1 +1m 0\ds +attempt 2 .* 7 turns \$0\.42 .*Edit src\/x\.ts\n/);
    assert.ok(!out.includes("\u001b") && !out.includes("owned"));
  });

  test("names broken, odd and reported files with what to do", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first");
    lab.write(".workflow/WFS-main/.task/impl-2.json", "{");
    lab.write(".workflow/inbox/bad.json", "[]");
    lab.write(".workflow/inbox/bad.json.error.md", "# not taken in");
    lab.write(".workflow/config.yaml.error.md", "# not taken in");
    mkdirSync(lab.at(".workflow/WFS-main/.task/impl-4.json"));
    execFileSync("mkfifo", [lab.at(".workflow/inbox/pipe.json"), lab.at(".workflow/WFS-main/.task/impl-5.json")]);
    const what = lab
      .json<Picture>("status")
      .problems.map((each) => each.what)
      .join("\n");
    for (const name of [
      "impl-2.json cannot be read",
      "impl-4.json is not a regular",
      "impl-5.json is not a regular",
      "pipe.json is not a regular",
      "bad.json was not",
      "config.yaml was not",
    ]) {
      assert.ok(what.includes(name), `${name}\n${what}`);
    }
    assert.equal(lab.cox("show", "impl-5").exit, 1);
    assert.equal(lab.cox("validate").exit, 1);
  });

  test("lists files that the branch tracks until their content is trusted", (t) => {
    const lab = repository(t, { init: true });
    const path = ".workflow/WFS-main/.task/impl-1.json";
    lab.write(path, '{"title": "from afar"}');
    lab.git("add", "-f", path);
    assert.match(
      lab
        .json<Picture>("status")
        .problems.map(({ mend }) => mend)
        .join("\n"),
      /cox trust \.workflow\/WFS-main\/\.task\/impl-1\.json/,
    );
    assert.equal(lab.cox("trust", path).exit, 0);
    const sha256 = createHash("sha256").update('{"title": "from afar"}').digest("hex");
    assert.deepEqual(JSON.parse(lab.read(".workflow/.run/trust.json")), { "WFS-main/.task/impl-1.json": sha256 });
    assert.deepEqual(lab.json<Picture>("status").problems, []);
    lab.write(path, '{"title": "from afar", "status": "pending"}');
    assert.equal(lab.json<Picture>("status").problems.length, 1);
    lab.write("outside.json", "{}");
    assert.equal(lab.cox("trust", "outside.json").exit, 2);
    assert.equal(lab.cox("trust", ".workflow/none.json").exit, 1);
  });

  test("with ten thousand tasks is complete and says how many more wait", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "main");
    for (let n = 1; n <= 10_000; n++) {
      const facts = { id: `impl-${n}`, title: `task ${n}`, status: n % 10 === 0 ? "completed" : "pending" };
      const execution = { attempts: 0, last_attempt: null };
      const text =
        n % 2 === 0 ? JSON.stringify({ ...facts, execution }, null, 2) : JSON.stringify({ execution, ...facts });
      lab.write(`.workflow/WFS-main/.task/impl-${n}.json`, text);
    }
    const { sessions, waiting, waiting_more } = lab.json<Picture>("status");
    assert.deepEqual(sessions[0]?.counts, { total: 10_000, completed: 1000, active: 0, pending: 9000, blocked: 0 });
    assert.deepEqual([waiting.length, waiting_more], [10, 8990]);
    const lines = lab.cox("list").out.trim().split("\n");
    assert.equal(lines.length, 10_000);
    assert.match(lines[9_999] ?? "", /^impl-10000 +completed +task 10000$/);
  });
});

describe("what is no task", () => {
  test("a file that was refused, or cannot be read, is named as that and not counted", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first", "--agent", "human");
    lab.cox("add", "edited", "--agent", "human");
    lab.cox("start", "--once");
    const inside = ".workflow/WFS-main/.task";
    lab.write(`${inside}/impl-3.json`, JSON.stringify({ id: "impl-1", title: "again" }));
    lab.write(`${inside}/impl-4.json`, lab.read(`${inside}/impl-1.json`));
    lab.write(`${inside}/impl-5.json`, '{"title": "x", "agent": "nobody"}');
    lab.write(`${inside}/impl-2.json`, JSON.stringify({ ...lab.task("impl-2"), type: "nonsense" }));
    lab.cox("start", "--once");
    lab.write(`${inside}/impl-1.json`, "{");
    lab.write(`${inside}/impl-1.json.error.md`, "# not taken in");
    for (const id of ["impl-2", "impl-3", "impl-4", "impl-5"]) assert.ok(lab.has(`${inside}/${id}.json.error.md`), id);
    const { out } = lab.cox("list");
    assert.match(out, /^impl-1 {2}unreadable {2}see \.task\/impl-1\.json\.error\.md\nimpl-2 {2}blocked .* edited\n/);
    assert.match(
      out,
      /\nimpl-3 {2}refused {4}see \.task\/impl-3\.json\.error\.md\nimpl-4 {2}refused .*\nimpl-5 {2}refused /,
    );
    const { tasks, files } = lab.json<{ tasks: { id: string }[]; files: { id: string; is: string }[] }>("list");
    assert.deepEqual(
      [tasks.map(({ id }) => id), files.map(({ is }) => is)],
      [["impl-2"], ["unreadable", "refused", "refused", "refused"]],
    );
    assert.equal(lab.cox("list", "--names").out, "impl-2\n");
    assert.equal(lab.json<Picture>("status").sessions[0]?.counts?.total, 1);
    assert.match(lab.cox("show", "impl-3").err, /was not taken in[\s\S]*impl-3\.json\.error\.md says why/);
    assert.equal(lab.cox("cancel", "impl-5").exit, 1);
    assert.match(lab.cox("show", "impl-1").err, /cannot be read/);
    assert.equal(lab.json("add", "next")["task"], "impl-6");
    assert.match(lab.cox("add", "next", "--id", "impl-3").err, /is there already, and is no task/);
  });

  test("a deleted task that the ledger knows is told as such, with its story", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first", "--agent", "human");
    lab.cox("start", "--once");
    rmSync(lab.at(".workflow/WFS-main/.task/impl-1.json"));
    assert.match(lab.cox("show", "impl-1").err, /is gone; the ledger still has/);
    lab.cox("start", "--once");
    const { exit, err } = lab.cox("show", "impl-1");
    assert.equal(exit, 1);
    assert.match(err, /impl-1 of WFS-main was deleted \(/);
    const story = "git log refs/cox/ledger -- .workflow/WFS-main/.task/impl-1.json";
    assert.ok(err.includes(story), err);
    assert.notEqual(lab.git(...story.split(" ").slice(1)), "");
    assert.match(lab.cox("show", "impl-9").err, /There is no task impl-9/);
  });
});

describe("cox status at large", () => {
  test("without an active session shows the paused ones, whether a daemon is up or not", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "one");
    lab.cox("add", "x");
    lab.cox("add", "y");
    lab.cox("cancel", "impl-1");
    lab.cox("session", "new", "two", "--switch");
    lab.cox("session", "pause");
    const look = () => {
      const { sessions, problems, waiting } = lab.json<Picture>("status");
      return [sessions.map(({ counts }) => counts?.total), problems.map(({ mend }) => mend), waiting.map((w) => w.why)];
    };
    const expected = [[2, 0], ["cox retry WFS-one/impl-1"], ["its session is not active"]];
    assert.deepEqual(look(), expected);
    assert.equal(lab.cox("start", "--detach").exit, 0);
    assert.deepEqual(look(), expected);
    assert.match(lab.cox("status").out, /is up[\s\S]*WFS-one .*1 waiting · 1 blocked[\s\S]*cox switch WFS-one/);
  });

  test("counts tasks and files apart where there are more than it shows, and gives a hint only once", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("session", "new", "main");
    const hint = "Install it with `npm install`, then log in.";
    const error = { class: "auth", message: "Claude Code was not found.", hint };
    const last_attempt = { attempt: 1, run_id: null, started_at: "2026-11-21T09:30:00Z", error };
    for (let n = 1; n <= 23; n++) {
      const execution = { attempts: 1, reason: "auth", last_attempt };
      const task = { id: `impl-${n}`, title: "x", status: "blocked", execution };
      lab.write(`.workflow/WFS-main/.task/impl-${n}.json`, JSON.stringify(task));
    }
    for (const name of ["a", "b"]) {
      lab.write(`.workflow/WFS-main/.task/${name}.json`, "[]");
      lab.write(`.workflow/WFS-main/.task/${name}.json.error.md`, "# not taken in");
    }
    const { out } = lab.cox("status");
    assert.match(out, /and 3 more: cox list --status blocked\n {2}and 2 more files: cox validate/);
    assert.equal(out.split("Install it with npm install").length, 2, out);
    assert.match(out, /impl-1 auth · Claude Code was not found\.\n/);
  });
});

describe("cox list and show", () => {
  test("filter, name and describe tasks", (t) => {
    const lab = repository(t, { init: true });
    assert.match(lab.cox("list").out, /no tasks yet/);
    lab.cox("add", "first\u001b[31m red\nline");
    lab.cox("add", "second", "--depends", "impl-1", "--verify", "npm test");
    lab.cox("session", "new", "other");
    lab.cox("add", "third", "--session", "other");
    lab.cox("cancel", "impl-2");
    assert.match(lab.cox("list").out, /^impl-1 +pending +first red line\nimpl-2 +blocked \(cancelled\) +second\n$/);
    assert.equal(lab.cox("list", "--names", "--all").out, "WFS-main/impl-1\nWFS-main/impl-2\nWFS-other/impl-1\n");
    assert.deepEqual(
      lab
        .json<{ tasks: { id: string; reason: string }[] }>("list", "--status", "blocked")
        .tasks.map(({ id, reason }) => [id, reason]),
      [["impl-2", "cancelled"]],
    );
    assert.equal(lab.cox("list", "--status", "blokced").exit, 2);
    const shown = lab.cox("show", "impl-2").out;
    for (const part of [
      /blocked \(cancelled\)/,
      /cox retry impl-2/,
      /depends on +impl-1/,
      /npm test/,
      /\.task\/impl-2\.json/,
    ])
      assert.match(shown, part);
    const { value, files, session } = lab.json<{
      value: { title: string };
      files: Record<string, string>;
      session: string;
    }>("show", "WFS-other/impl-1");
    assert.deepEqual(
      [value.title, files, session],
      ["third", { task: ".workflow/WFS-other/.task/impl-1.json" }, "WFS-other"],
    );
  });
});

describe("cox validate", () => {
  test("tells every problem with file, line and column", (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first");
    assert.deepEqual([lab.cox("validate").exit, lab.json<{ ok: boolean }>("validate").ok], [0, true]);
    lab.write(
      ".workflow/WFS-main/.task/impl-2.json",
      '{\n  "title": "x",\n  "relations": {"dependencies": ["impl-9"]},\n  "agent": "nobody"\n}',
    );
    lab.write(".workflow/inbox/a.json", '{"titel": "x"}');
    lab.write(".workflow/config.yaml", "concurency: 2\n");
    lab.write(".workflow/agents/poet.md", "---\nname: poet\nrunner: cloud\n---\nRhyme.");
    const { exit, out } = lab.cox("validate");
    assert.equal(exit, 1);
    const lines = [
      /impl-2\.json:3:34 .*impl-9 does not exist/,
      /impl-2\.json:4:12 .*no role "nobody"/,
      /a\.json:1:\d+ .*did you mean title/,
      /config\.yaml:1:\d+ .*Did you mean concurrency/,
      /poet\.md:3:1: .*runner "cloud"/,
    ];
    for (const line of lines) assert.match(out, line);
    lab.write("draft.json", '{"title": 5}');
    assert.match(lab.cox("validate", "draft.json").out, /^draft\.json:1:11 \/title: title is 5; it must be a string/);
    assert.equal(lab.cox("validate", "none.json").exit, 1);
  });
});

describe("cox validate of drops", () => {
  test("tells the problems that the daemon reports", async (t) => {
    const lab = repository(t, { init: true });
    lab.cox("add", "first", "--agent", "human");
    assert.equal(lab.cox("start", "--detach").exit, 0);
    const drops: Record<string, string> = {
      "inbox/abs.json": '{"title": "abs", "paths": "/etc/passwd"}',
      "inbox/role.json": '{"title": "x", "agent": "nobody"}',
      "inbox/taken.json": '{"title": "x", "id": "impl-1"}',
      "inbox/command.json": '{"title": "x", "agent": "command", "relations": {"dependencies": ["impl-77"]}}',
      "inbox/empty.md": "\n",
      "WFS-main/.task/impl-7.json": '{"title": "x", "id": "impl-1"}',
      "WFS-main/.task/loose.json": '{"title": "x", "paths": "../up"}',
    };
    for (const [path, content] of Object.entries(drops)) lab.write(`.workflow/${path}`, content);
    const codes = (text: string) => [...text.matchAll(/^- `([a-z-]+)` (.*)$/gm)].map(([, code, line]) => [code, line]);
    for (const path of Object.keys(drops)) {
      const report = `.workflow/${path}.error.md`;
      for (const deadline = Date.now() + 30_000; !lab.has(report); await sleep(20))
        assert.ok(Date.now() < deadline, `${report} in vain`);
      const { files } = lab.json<{ files: { problems: { code: string; message: string }[] }[] }>(
        "validate",
        `.workflow/${path}`,
      );
      const reported = codes(lab.read(report));
      const told = files.flatMap(({ problems }) => problems);
      assert.deepEqual(
        told.map(({ code }) => code),
        reported.map(([code]) => code),
        path,
      );
      told.forEach(({ message }, place) => assert.ok(reported[place]?.[1]?.includes(message), `${path}: ${message}`));
    }
    assert.match(lab.cox("validate", ".workflow/inbox/abs.json").out, /leaves the repository/);
  });
});

describe("settings that arrived by git", () => {
  /** A clone of a repository whose branch has settings that would run a program and lead to another ledger. */
  function clone(t: TestContext) {
    const evil = join(folder(t), "evil");
    writeFileSync(evil, `#!/bin/sh\ntouch '${evil}.ran'\necho '2.1.329 (Claude Code)'\n`);
    chmodSync(evil, 0o755);
    const upstream = repository(t, { init: true });
    const config = `agent:\n  claude: ${evil}\nledger:\n  ref: refs/cox/evil\n`;
    upstream.write(".workflow/config.yaml", config);
    upstream.git("add", "-f", ".workflow/config.yaml");
    upstream.git("commit", "-q", "-m", "settings");
    const dir = join(folder(t), "clone");
    upstream.git("clone", "-q", upstream.dir, dir);
    const sha256 = createHash("sha256").update(config).digest("hex");
    return { lab: labIn(dir), upstream, ran: () => existsSync(`${evil}.ran`), sha256 };
  }

  test("are not obeyed by any command until they are trusted", (t) => {
    const { lab, ran } = clone(t);
    const doctor = lab.json<{ findings: { check: string; state: string; text: string }[] }>("doctor");
    const settings = doctor.findings.find(({ check }) => check === "settings");
    assert.deepEqual([settings?.state, ran()], ["warn", false]);
    assert.match(settings?.text ?? "", /not trusted, so it is not obeyed: the defaults are in force/);
    assert.match(lab.cox("config").out, /not obeyed: the defaults.*cox trust \.workflow\/config\.yaml/);
    assert.deepEqual(
      [lab.cox("config", "get", "ledger.ref").out, lab.cox("config", "get", "agent.claude").out],
      ["refs/cox/ledger\n", "claude\n"],
    );
    assert.equal(lab.json("log")["ref"], "refs/cox/ledger");
    assert.match(lab.cox("restore").err, /recorded in refs\/cox\/ledger/);
    assert.equal(lab.cox("trust", ".workflow/config.yaml").exit, 0);
    assert.equal(lab.json("log")["ref"], "refs/cox/evil");
    lab.cox("doctor");
    assert.ok(ran());
    lab.write(".workflow/config.yaml", `${lab.read(".workflow/config.yaml")}# more\n`);
    assert.equal(lab.json("log")["ref"], "refs/cox/ledger");
  });

  test("are not trusted by a list that arrived by git as well, nor as a submodule, nor through a link", (t) => {
    const { lab, upstream, sha256, ran } = clone(t);
    upstream.write(".workflow/.run/trust.json", JSON.stringify({ "config.yaml": sha256 }));
    upstream.git("add", "-f", ".workflow/.run/trust.json");
    upstream.git("commit", "-q", "-m", "trust me");
    lab.git("pull", "-q");
    assert.equal(lab.json("log")["ref"], "refs/cox/ledger");
    assert.equal(lab.cox("trust", ".workflow/config.yaml").exit, 4);
    const mends = lab.json<Picture>("status").problems.map(({ mend }) => mend);
    assert.ok(
      mends.some((mend) => mend.includes("git rm -f .workflow/.run/trust.json")),
      mends.join("\n"),
    );
    lab.git("rm", "-q", "-f", ".workflow/.run/trust.json");
    assert.equal(lab.cox("trust", ".workflow/config.yaml").exit, 0);
    assert.equal(lab.json("log")["ref"], "refs/cox/evil");

    const commit = lab.git("rev-parse", "HEAD").trim();
    lab.git("rm", "-q", "-r", "--cached", ".workflow");
    lab.git("update-index", "--add", "--cacheinfo", `160000,${commit},.workflow`);
    assert.equal(lab.json("log")["ref"], "refs/cox/ledger");
    renameSync(lab.at(".workflow"), lab.at("elsewhere"));
    symlinkSync("elsewhere", lab.at(".workflow"));
    assert.equal(lab.json("log")["ref"], "refs/cox/ledger");
    lab.cox("doctor");
    assert.ok(!ran());
  });
});

describe("cox config", () => {
  test("shows what is in force and where it comes from", (t) => {
    const lab = repository(t, { init: true });
    lab.write(".workflow/config.yaml", "retry:\n  attempts: 2\n");
    const env = { COX_CONCURRENCY: "9" };
    assert.match(
      lab.coxWith({ env }, "config").out,
      /concurrency +9 +COX_CONCURRENCY\n[\s\S]*retry\.attempts +2 +config\.yaml/,
    );
    assert.equal(lab.cox("config", "get", "retry.attempts").out, "2\n");
    assert.deepEqual(lab.json("config", "get", "retry.base"), { name: "retry.base", value: "2s", from: "default" });
    assert.match(lab.cox("config", "get", "retry.atempts").err, /Did you mean retry\.attempts/);
    assert.equal(lab.cox("config", "set", "x").exit, 2);
    assert.match(lab.cox("config", "--docs").out, /Attempts in all before a task is blocked/);
    lab.write(".workflow/config.yaml", "retry: 5\n");
    assert.equal(lab.cox("config").exit, 1);
  });
});
