/** The pages about git: every example of docs/history.md is run as it stands, every line of docs/beside-git.md is looked at. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { ensureExclude } from "../../src/ledger/git.ts";
import { openLedger, type Ledger } from "../../src/ledger/ledger.ts";
import { cox, environment, git, repository } from "./recorded.ts";

const page = (name: string) => readFileSync(new URL(`../../docs/${name}`, import.meta.url), "utf8");
const S = "WFS-shop";

/** Three tasks; the first is tried twice, the second is changed by a person. */
async function shop(t: TestContext, dir: string): Promise<void> {
  await ensureExclude(join(dir, ".git"));
  const opened = await openLedger({ repository: dir, ref: "refs/cox/ledger", durability: "process", redact: (x) => x });
  assert.ok("ok" in opened);
  const ledger: Ledger = opened.ok;
  t.after(() => ledger.close());
  let minute = 0;
  const commit = (
    text: string,
    trailers: [string, string][],
    file: [path: string, value: unknown],
    actor: "person" | "daemon" = "daemon",
  ) => {
    const content = `${JSON.stringify(file[1], null, 2)}\n`;
    const path = join(dir, ".workflow", file[0]);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, content);
    return ledger.record([
      {
        subject: `${S} ${text}`,
        trailers: [["Cox-Session", S], ...trailers, ["Cox-Actor", actor]],
        actor,
        at: new Date(Date.UTC(2026, 10, 21, 9, minute++)).toISOString(),
        changes: [{ path: file[0], content: Buffer.from(content) }],
      },
    ]);
  };
  const move = (id: string, from: string, to: string, more: [string, string][] = []) =>
    commit(
      `${id}: ${from} -> ${to}`,
      [["Cox-Task", id], ["Cox-From", from], ["Cox-To", to], ...more],
      [`${S}/.task/${id}.json`, { id, title: `Task ${id}`, status: to, context: { acceptance: ["it is paid"] } }],
      from === "new" ? "person" : "daemon",
    );
  for (const id of ["impl-1", "impl-2", "impl-3"]) await move(id, "new", "pending");
  await move("impl-1", "pending", "active", [["Cox-Attempt", "1"]]);
  await move("impl-1", "active", "pending", [
    ["Cox-Attempt", "1"],
    ["Cox-Reason", "backoff"],
    ["Cox-Cost-USD", "0.25"],
  ]);
  await commit(
    "impl-2: steered (context.acceptance)",
    [["Cox-Task", "impl-2"]],
    [
      `${S}/.task/impl-2.json`,
      { id: "impl-2", title: "Task impl-2", status: "pending", context: { acceptance: ["it is paid by invoice"] } },
    ],
    "person",
  );
  await move("impl-1", "pending", "active", [["Cox-Attempt", "2"]]);
  await move("impl-1", "active", "completed", [
    ["Cox-Attempt", "2"],
    ["Cox-Cost-USD", "0.5"],
  ]);
}

const ANSWERS: Record<string, RegExp> = {
  "--format='%h %an  %s'":
    /^[0-9a-f]+ Coxswain {2}WFS-shop impl-1: active -> completed\n(?:.*\n){6}.*impl-1: new -> pending\n$/,
  "--reverse": /^Ada Lovelace {2}WFS-shop impl-1: new -> pending\n(?:.*\n){3}Coxswain {2}.*active -> completed\n$/,
  "key=Cox-Task": /^impl-1 completed\nimpl-1 active\nimpl-2 \nimpl-1 pending\n/,
  "Cox-Actor: person": /^WFS-shop impl-2: steered \(context.acceptance\)\n(?:WFS-shop impl-\d: new -> pending\n){3}$/,
  "Cox-From: active": /^WFS-shop impl-1: active -> pending\n$/,
  "key=Cox-Cost-USD": /^0\.75\n$/,
  "git show cox/ledger\n": /Cox-To: completed[^]*-  "status": "active",\n\+  "status": "completed",/,
  "git diff cox/ledger~5": /impl-1\.json[^]*impl-2\.json/,
  "git show cox/ledger~1:": /"status": "active"/,
  "git blame": /^[0-9a-f^]+ .*\d+\) {2,}"it is paid by invoice"$/m,
  "-S'by invoice'": /^WFS-shop impl-2: steered \(context.acceptance\)\n$/,
  "git bisect start": /WFS-shop impl-2: steered \(context.acceptance\)\n/,
  "git push": /^$/,
  negotiationAlgorithm: /^$/,
};

test("every example of the page about history runs as it stands and says what the page says", async (t) => {
  const dir = repository(t);
  await shop(t, dir);
  git(join(dir, ".."), "init", "-q", "--bare", "origin.git");
  git(dir, "remote", "add", "origin", join(dir, "../origin.git"));
  const examples = [...page("history.md").matchAll(/```sh\n([^]*?)```/g)].map((match) => match[1] ?? "");
  const asked = new Set<string>();
  for (const example of examples) {
    const { status, stdout, stderr } = spawnSync("sh", ["-ec", example], {
      cwd: dir,
      env: { ...environment(dir), GIT_PAGER: "cat" },
      encoding: "utf8",
    });
    assert.equal(status, 0, `${example}${stderr}`);
    const key = Object.keys(ANSWERS).find((part) => example.includes(part));
    assert.ok(key, `nobody looks at what this says: ${example}`);
    assert.match(stdout, ANSWERS[key] ?? /^never$/, example);
    asked.add(key);
  }
  assert.deepEqual([...asked].toSorted(), Object.keys(ANSWERS).toSorted());
  const tip = git(dir, "rev-parse", "cox/ledger");
  // What the page warns of.
  git(dir, "update-ref", "refs/cox/rescue/one", tip);
  git(dir, "fetch", "-q", "--prune", "origin", "+refs/cox/*:refs/cox/*");
  assert.throws(() => git(dir, "rev-parse", "--verify", "-q", "refs/cox/rescue/one"));
  assert.equal(git(join(dir, "../origin.git"), "rev-parse", "refs/cox/ledger"), tip);
  assert.equal(git(dir, "rev-parse", "refs/cox-remotes/origin/ledger"), tip);
  assert.equal(git(dir, "status", "--porcelain"), "");
});

/** By what stands in the first column: what must hold after it was run. */
const BESIDE: Record<string, (dir: string) => void> = {
  "git status": (dir) => assert.equal(git(dir, "status", "--porcelain"), ""),
  "git add -A": (dir) => {
    git(dir, "add", "-A");
    assert.equal(git(dir, "diff", "--cached", "--name-only"), "");
  },
  "git commit -a": (dir) => {
    const before = git(dir, "rev-parse", "cox/ledger");
    const packs = packsOf(dir);
    assert.ok(packs.length > 1);
    git(dir, "config", "gc.autoPackLimit", "1");
    git(dir, "config", "gc.autoDetach", "false");
    writeFileSync(join(dir, "code.txt"), "more\n");
    git(dir, "add", "code.txt");
    git(dir, "commit", "-qam", "code");
    git(dir, "gc", "--auto");
    assert.equal(git(dir, "show", "--format=", "--name-only", "HEAD"), "code.txt");
    assert.equal(git(dir, "rev-parse", "cox/ledger"), before);
    assert.deepEqual(packsOf(dir), packs);
    assert.doesNotMatch(readFileSync(join(dir, "../hooks-ran"), "utf8"), /refs\/cox/);
  },
  "git branch -a": (dir) => assert.doesNotMatch(git(dir, "branch", "-a"), /cox/),
  "git log": (dir) => assert.doesNotMatch(git(dir, "log", "--format=%s"), /WFS/),
  "git log --all": (dir) => {
    assert.match(git(dir, "log", "--all", "--format=%s"), /WFS/);
    assert.doesNotMatch(git(dir, "log", "--exclude=refs/cox/*", "--all", "--format=%s"), /WFS/);
  },
  "git switch": (dir) => {
    git(dir, "switch", "-qc", "other");
    git(dir, "switch", "-q", "main");
    assert.throws(() => git(dir, "switch", "cox/ledger"));
    assertThere(dir);
  },
  "git stash -u": (dir) => {
    writeFileSync(join(dir, "new.txt"), "new\n");
    git(dir, "stash", "-q", "-u");
    assertThere(dir);
    git(dir, "stash", "pop", "-q");
    git(dir, "stash", "-q", "-a");
    assert.ok(!existsSync(join(dir, ".workflow")));
    git(dir, "stash", "pop", "-q");
    assertThere(dir);
  },
  "git clean -fd": (dir) => {
    git(dir, "clean", "-qfd");
    assertThere(dir);
  },
  "git clean -fdx": (dir) => {
    git(dir, "clean", "-qfdx");
    assert.ok(!existsSync(join(dir, ".workflow")));
    git(dir, "restore", "--source=cox/ledger", "--worktree", "--", ".workflow");
    assertThere(dir);
    const tree = join(dir, ".workflow/.run/worktrees/one");
    git(dir, "worktree", "add", "-q", "--detach", tree);
    git(dir, "clean", "-qfdx");
    assert.deepEqual(readdirSync(join(dir, ".workflow")), [".run"]);
    git(dir, "worktree", "remove", tree);
    const { exit, err } = cox(dir, ["restore"]);
    assert.equal(exit, 0, err);
    assertThere(dir);
  },
  "git reset --hard": (dir) => {
    git(dir, "reset", "-q", "--hard");
    assertThere(dir);
  },
  "git worktree add": (dir) => {
    git(dir, "worktree", "add", "-q", join(dir, "../linked"));
    const linked = join(dir, "../linked");
    assert.ok(!existsSync(join(linked, ".workflow")));
    assert.equal(cox(linked, ["init"]).exit, 0);
    const { ref, tip } = cox(linked, ["verify", "--quick", "--json"]).json();
    assert.deepEqual([ref, tip], ["refs/cox/worktrees/linked/ledger", null]);
  },
  "git clone": (dir) => {
    git(dir, "clone", "-q", dir, join(dir, "../clone"));
    assert.ok(!existsSync(join(dir, "../clone/.workflow")));
    assert.equal(git(join(dir, "../clone"), "for-each-ref", "refs/cox"), "");
  },
  "git push --all": (dir) => {
    git(join(dir, ".."), "init", "-q", "--bare", "all.git");
    git(dir, "push", "-q", "--all", join(dir, "../all.git"));
    assert.equal(git(join(dir, "../all.git"), "for-each-ref", "refs/cox"), "");
  },
  "git push --mirror": (dir) => {
    git(join(dir, ".."), "init", "-q", "--bare", "mirror.git");
    git(dir, "push", "-q", "--mirror", join(dir, "../mirror.git"));
    assert.match(git(join(dir, "../mirror.git"), "for-each-ref", "refs/cox"), /refs\/cox\/ledger/);
  },
  "git gc --prune=now": (dir) => {
    git(dir, "gc", "-q", "--prune=now");
    assert.equal(git(dir, "rev-list", "--count", "cox/ledger"), "8");
    git(dir, "fsck", "--full", "--strict");
  },
};

function packsOf(dir: string): string[] {
  return readdirSync(join(dir, ".git/objects/pack")).filter((name) => name.endsWith(".pack"));
}

/** Hooks that note for which refs they were run. */
function noteHooks(dir: string): void {
  const log = join(dir, "../hooks-ran");
  writeFileSync(log, "");
  for (const hook of ["reference-transaction", "post-commit", "post-index-change", "pre-auto-gc"])
    writeFileSync(join(dir, ".git/hooks", hook), `#!/bin/sh\necho ${hook} >> ${log}\ncat >> ${log}\n`, { mode: 0o755 });
}

function assertThere(dir: string): void {
  assert.ok(existsSync(join(dir, ".workflow", S, ".task/impl-1.json")));
}

test("every line of the table of git commands is as it says", async (t) => {
  const dir = repository(t);
  writeFileSync(join(dir, "code.txt"), "code\n");
  git(dir, "add", "code.txt");
  git(dir, "commit", "-qm", "code");
  noteHooks(dir);
  await shop(t, dir);
  assert.equal(readFileSync(join(dir, "../hooks-ran"), "utf8"), "");
  const lines = [...page("beside-git.md").matchAll(/^\| `(git [^`]+)`/gm)].map((match) => match[1] ?? "");
  assert.deepEqual(lines.toSorted(), Object.keys(BESIDE).toSorted());
  for (const line of lines) BESIDE[line]?.(dir);
});
