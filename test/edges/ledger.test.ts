import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { LedgerMoved, LedgerUnwritable, openLedger } from "../../src/ledger/ledger.ts";
import { REF, SESSION, commits, folder, moved, open, repository, sh, taskPath, until } from "./ledger-lab.ts";
import { redactor } from "../../src/ledger/redact.ts";

function fsck(dir: string): void {
  assert.equal(sh(dir, "fsck", "--strict", "--full", "--no-dangling", "--no-progress"), "");
}

/** The git processes that serve a ledger: one moves the ref, one reads. */
function processesOf(dir: string): number[] {
  return execFileSync("ps", ["-ww", "-eo", "pid=,args="], { encoding: "utf8" })
    .split("\n")
    .filter((line) => /update-ref --stdin|cat-file --batch/.test(line) && line.includes(`--git-dir=${dir}/`))
    .map((line) => Number(line.trim().split(" ")[0]));
}

const packFiles = (dir: string, ending: string) =>
  readdirSync(join(dir, ".git/objects/pack")).filter((name) => name.endsWith(ending));

test("each entry is one commit, in order, with subject, trailers, people and dates", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  assert.equal(ledger.tip, null);
  assert.equal((await ledger.files()).size, 0);
  const { commits: first } = await ledger.record([
    moved(1),
    moved(2, { actor: "person", at: "2026-11-21T09:31:00.000Z" }),
  ]);
  const { commits: second } = await ledger.record([moved(3, { at: "2026-11-21T09:00:00.000Z" })]);
  assert.deepEqual(sh(dir, "rev-list", "--reverse", REF).split("\n"), [...first, ...second]);
  assert.equal(ledger.tip, second[0]);
  assert.equal(
    sh(dir, "log", "--format=%(trailers:key=Cox-Task,valueonly)", REF).replace(/\n+/g, " ").trim(),
    "impl-3 impl-2 impl-1",
  );
  assert.deepEqual(sh(dir, "log", "--reverse", "--format=%an <%ae> %cn %at %ct", REF).split("\n"), [
    "Coxswain <coxswain@localhost> Coxswain 1795253400 1795253400",
    "Ada Lovelace <ada@example.com> Coxswain 1795253460 1795253460",
    "Coxswain <coxswain@localhost> Coxswain 1795251600 1795253460", // the clock went back, history does not
  ]);
  assert.equal(
    sh(dir, "log", "-1", "--format=%B", first[0] ?? ""),
    `${SESSION} impl-1: pending -> active\n\nCox-Session: ${SESSION}\nCox-Task: impl-1\nCox-From: pending\nCox-To: active\nCox-Attempt: 1\nCox-Actor: daemon\n`,
  );
  fsck(dir);
});

test("the tree holds every file under .workflow/, each commit changes only what its entry says", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  const odd = 'WFS-x/odd "name"\\with\ttab\nline é.md';
  const bytes = Buffer.from([0, 255, 13, 10, 128]);
  await ledger.record([moved(1), moved(2)]);
  await ledger.record([
    {
      ...moved(3),
      changes: [
        { path: odd, content: bytes },
        { path: taskPath(1), content: null },
      ],
    },
  ]);
  await ledger.record([
    {
      ...moved(4),
      changes: [
        { path: odd, content: Buffer.alloc(0) },
        { path: "UPPER", content: Buffer.from("1") },
        { path: "upper", content: Buffer.from("2") },
      ],
    },
  ]);
  await ledger.record([
    {
      ...moved(5),
      changes: [
        { path: "UPPER/now/folder", content: Buffer.from("3") },
        { path: "UPPER", content: null },
      ],
    },
  ]);
  const files = await ledger.files();
  assert.deepEqual(
    [...files.keys()].sort(),
    [odd, taskPath(2), `${SESSION}/workflow-session.json`, "UPPER/now/folder", "upper"].sort(),
  );
  assert.equal(files.get(odd), ledger.blobId(Buffer.alloc(0)));
  assert.deepEqual(await ledger.read(odd), Buffer.alloc(0));
  assert.deepEqual(await ledger.read(odd, sh(dir, "rev-parse", `${REF}~2`)), bytes);
  assert.equal(await ledger.read(taskPath(1)), null);
  assert.equal(
    (await ledger.read(taskPath(1), sh(dir, "rev-parse", `${REF}~3`)))?.length,
    moved(1).changes[0]?.content?.length,
  );
  assert.equal(await ledger.read(SESSION), null);
  const changed = (commit: string) => sh(dir, "diff-tree", "-r", "--name-status", "--root", "--no-commit-id", commit);
  assert.equal(changed(`${REF}~3`), `A\t.workflow/${taskPath(2)}\nM\t.workflow/${SESSION}/workflow-session.json`);
  fsck(dir);
});

test("a path that leaves .workflow, or that git could take for its own, is refused and nothing is recorded", async (t) => {
  const ledger = await open(t, repository(t));
  for (const path of [
    "",
    "/etc/passwd",
    "../x",
    "a/../x",
    "a//b",
    "a/",
    ".git/config",
    "a/.GIT/hooks/x",
    "git~1",
    ".run/socket",
    "a\0b",
  ]) {
    const entry = { ...moved(1), changes: [{ path, content: Buffer.from("x") }] };
    await assert.rejects(ledger.record([moved(2), entry]), LedgerUnwritable, path);
  }
  assert.equal(ledger.tip, null);
});

test("the user's index, HEAD, stash, hooks and status stay untouched, whatever the repository says", async (t) => {
  const dir = repository(t);
  writeFileSync(join(dir, "code.txt"), "one\n");
  sh(dir, "add", ".");
  sh(dir, "commit", "-qm", "code");
  writeFileSync(join(dir, "code.txt"), "two\n");
  writeFileSync(join(dir, "staged.txt"), "staged\n");
  sh(dir, "add", "staged.txt");
  const hooks = join(dir, "..", `${dir.split("/").at(-1)}-hooks`);
  mkdirSync(hooks);
  t.after(() => execFileSync("rm", ["-r", hooks]));
  for (const hook of ["reference-transaction", "pre-commit", "post-commit", "commit-msg", "post-index-change"]) {
    writeFileSync(join(hooks, hook), `#!/bin/sh\ntouch "${hooks}/ran"\nexit 1\n`);
    chmodSync(join(hooks, hook), 0o755);
  }
  for (const [key, value] of [
    ["core.hooksPath", hooks],
    ["commit.gpgSign", "true"],
    ["gpg.program", join(hooks, "pre-commit")],
    ["core.autocrlf", "true"],
    ["core.logAllRefUpdates", "always"],
    ["core.fsmonitor", join(hooks, "pre-commit")],
    ["core.ignoreCase", "true"],
    ["filter.bad.clean", join(hooks, "pre-commit")],
    ["filter.bad.required", "true"],
    ["core.fsync", "none"],
    ["fastimport.unpackLimit", "1000"],
  ] as const)
    sh(dir, "config", key, value);
  writeFileSync(join(dir, ".git/info/attributes"), "* filter=bad\n");
  writeFileSync(join(dir, ".git/index.lock"), ""); // the user's editor is at it
  const before = {
    index: readFileSync(join(dir, ".git/index")),
    head: readFileSync(join(dir, ".git/HEAD"), "utf8"),
    main: sh(dir, "rev-parse", "main"),
  };
  const surroundings = {
    GIT_DIR: "/nowhere",
    GIT_INDEX_FILE: join(dir, "x"),
    GIT_AUTHOR_NAME: "Eve",
    GIT_TRACE: join(dir, "trace"),
  };
  Object.assign(process.env, surroundings);
  t.after(() => Object.keys(surroundings).forEach((key) => delete process.env[key]));

  const ledger = await open(t, dir);
  const crlf = Buffer.from("a\r\nb\r\n");
  await ledger.record([{ ...moved(1, { actor: "person" }), changes: [{ path: "x.md", content: crlf }] }]);
  assert.deepEqual(await ledger.read("x.md"), crlf);
  assert.equal(sh(dir, "log", "-1", "--format=%an", REF), "Ada Lovelace");
  assert.deepEqual(readFileSync(join(dir, ".git/index")), before.index);
  assert.equal(readFileSync(join(dir, ".git/HEAD"), "utf8"), before.head);
  assert.equal(sh(dir, "rev-parse", "main"), before.main);
  assert.ok(!existsSync(join(hooks, "ran")), "a hook ran");
  assert.ok(!existsSync(join(dir, ".git/logs/refs/cox")), "a reflog was written");
  assert.ok(!existsSync(join(dir, "x")) && !existsSync(join(dir, "trace")));
});

test("no user, no commit, a detached HEAD and a rebase in progress do not matter", async (t) => {
  const unborn = folder(t);
  sh(unborn, "init", "-q");
  const home = process.env.HOME;
  process.env.HOME = unborn;
  t.after(() => (process.env.HOME = home));
  const ledger = await open(t, unborn);
  await ledger.record([moved(1, { actor: "person" })]);
  assert.equal(sh(unborn, "log", "-1", "--format=%an <%ae>", REF), "Somebody <somebody@localhost>");

  const dir = repository(t);
  for (const text of ["one", "two", "three"]) {
    writeFileSync(join(dir, "code.txt"), text);
    sh(dir, "add", ".");
    sh(dir, "commit", "-qm", text);
  }
  assert.throws(() => sh(dir, "-c", "core.editor=true", "rebase", "-q", "--onto", "HEAD~2", "HEAD~1"));
  const status = sh(dir, "status");
  const inRebase = await open(t, dir);
  await inRebase.record([moved(1)]);
  assert.equal(sh(dir, "status"), status);
  assert.deepEqual(commits(dir), [`${SESSION} impl-1: pending -> active`]);
});

test("a linked working tree, a bare repository and a subfolder record into the shared repository", async (t) => {
  const dir = repository(t);
  sh(dir, "commit", "-q", "--allow-empty", "-m", "code");
  sh(dir, "worktree", "add", "-q", join(dir, "linked"));
  mkdirSync(join(dir, "sub"));
  const linked = await open(t, join(dir, "linked"));
  await linked.record([moved(1)]);
  await linked.close();
  const sub = await open(t, join(dir, "sub"));
  await sub.record([moved(2)]);
  assert.equal(commits(dir).length, 2);
  fsck(dir);

  const bare = repository(t, "--bare");
  await (await open(t, bare)).record([moved(1)]);
  assert.equal(commits(bare).length, 1);
});

test("a sha256 repository is written with its own hash", async (t) => {
  const dir = repository(t, "--object-format=sha256");
  const ledger = await open(t, dir);
  const { commits: ids } = await ledger.record([moved(1), moved(2)]);
  assert.equal(ids[0]?.length, 64);
  assert.equal((await ledger.files()).get(taskPath(1)), ledger.blobId(moved(1).changes[0]?.content ?? Buffer.alloc(0)));
  fsck(dir);
});

test("calls made at the same time are written together, each gets its own commits", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(0)]);
  const packs = () => packFiles(dir, ".idx").length;
  const before = packs();
  const recorded = await Promise.all(
    Array.from({ length: 60 }, (_, i) => ledger.record(i % 2 ? [moved(i)] : [moved(i), moved(i + 100)])),
  );
  const ids = recorded.flatMap((one) => one.commits);
  assert.deepEqual(sh(dir, "rev-list", "--reverse", REF).split("\n").slice(1), ids);
  assert.ok(packs() - before <= 3, `${packs() - before} batches for 60 calls`);
  fsck(dir);
});

test("git processes that are killed at any moment are replaced, nothing is lost and nothing doubled", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  const wanted: string[] = [];
  for (let round = 0; round < 25; round++) {
    const calls = Array.from({ length: 4 }, (_, i) => moved(round * 4 + i, { subject: `entry ${round * 4 + i}` }));
    wanted.push(...calls.map((entry) => entry.subject));
    const recording = Promise.all(calls.map((entry) => ledger.record([entry])));
    await new Promise((next) => setTimeout(next, round % 7)); // somewhere inside, or before, or after
    for (const pid of processesOf(dir)) process.kill(pid, "SIGKILL");
    await recording;
  }
  assert.deepEqual(commits(dir), wanted);
  await ledger.close();
  await (await open(t, dir)).close();
  fsck(dir);
  assert.deepEqual([...packFiles(dir, ".keep"), ...readdirSync(join(dir, ".git/refs/cox"))], ["ledger"]);
});

test("what a dead writer left is cleared at the next start, what is not ours stays", async (t) => {
  const dir = repository(t);
  await (await open(t, dir)).record([moved(1)]); // not closed: its pack is still kept
  const [index = ""] = packFiles(dir, ".idx");
  const kept = index.replace(".idx", ".keep");
  const pack = join(dir, ".git/objects/pack");
  writeFileSync(join(pack, "tmp_pack_foreign"), "PACK");
  writeFileSync(join(pack, `pack-${"1".repeat(40)}.keep`), "somebody's reason");
  writeFileSync(join(pack, `pack-${"2".repeat(40)}.keep`), `coxswain ${REF}\n`); // died before the pack was in place
  writeFileSync(join(pack, "cox_tmp_old"), "half a pack");
  utimesSync(join(pack, "cox_tmp_old"), 1, 1);
  mkdirSync(join(dir, ".git/objects/cox_aside"));
  utimesSync(join(dir, ".git/objects/cox_aside"), 1, 1);
  writeFileSync(join(dir, `.git/${REF}.lock`), "");
  const ledger = await open(t, dir);
  assert.deepEqual(packFiles(dir, ".keep").sort(), [`pack-${"1".repeat(40)}.keep`, kept].sort());
  await ledger.record([moved(2)]);
  assert.equal(commits(dir).length, 2);
  await ledger.close();
  assert.deepEqual(packFiles(dir, ".keep"), [`pack-${"1".repeat(40)}.keep`]);
  assert.deepEqual([existsSync(join(pack, "tmp_pack_foreign")), existsSync(join(pack, "cox_tmp_old"))], [true, false]);
  assert.ok(!existsSync(join(dir, ".git/objects/cox_aside")));
  fsck(dir);
});

test("packs of ours never count towards the user's gc.autoPackLimit while they are many", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir, { durability: "process" });
  for (let n = 0; n < 130; n++) {
    await ledger.record([moved(n)]);
    if (n % 10 > 0) continue;
    const kept = new Set(packFiles(dir, ".keep").map((name) => name.replace(".keep", ".pack")));
    assert.deepEqual(
      packFiles(dir, ".pack").filter((name) => !kept.has(name)),
      [],
    );
  }
  await ledger.close();
  assert.ok(packFiles(dir, ".pack").length < 10);
});

test("packs of one life are gathered with those of the next, which a list remembers", async (t) => {
  const dir = repository(t);
  const packList = join(folder(t), "packs");
  for (let life = 0; life < 4; life++) {
    const ledger = await open(t, dir, { packList });
    for (let n = 0; n < 6; n++) await ledger.record([moved(life * 6 + n)]);
    await ledger.close();
  }
  assert.ok(packFiles(dir, ".pack").length < 12, `${packFiles(dir, ".pack").length} packs`);
  assert.equal(commits(dir).length, 24);
  fsck(dir);
});

test("objects are made while something else is waited for, and nothing is recorded where that fails", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(1)]);
  const files = Promise.withResolvers<void>();
  const waiting = ledger.record([moved(2)], files.promise);
  const after = ledger.record([moved(3)]);
  await until("its pack is there", () => packFiles(dir, ".idx").length === 2);
  assert.equal(commits(dir).length, 1);
  files.resolve();
  await Promise.all([waiting, after]);
  assert.equal(commits(dir).length, 3);

  const trouble = new Error("the disk is full");
  const failed = ledger.record([moved(4)], Promise.reject(trouble));
  await assert.rejects(failed, (error) => error === trouble);
  await ledger.record([moved(5)]);
  assert.deepEqual([commits(dir).length, (await ledger.files()).has(taskPath(4))], [4, false]);
  fsck(dir);
});

test("a ref that somebody else moved on, back or away is not overwritten: the call is refused with its entries", async (t) => {
  const dir = repository(t);
  const tree = sh(dir, "hash-object", "-w", "-t", "tree", "/dev/null");
  const foreign = (...parents: string[]) =>
    sh(dir, "commit-tree", tree, "-m", "theirs", ...parents.flatMap((p) => ["-p", p]));
  const moves: ((tip: string) => string | null)[] = [
    (tip) => foreign(tip),
    () => foreign(),
    (tip) => sh(dir, "rev-parse", `${tip}~1`),
    () => null,
  ];
  for (const move of moves) {
    const ledger = await open(t, dir);
    await ledger.record([moved(1), moved(2)]);
    const tip = ledger.tip ?? "";
    const theirs = move(tip);
    if (theirs) sh(dir, "update-ref", REF, theirs);
    else sh(dir, "update-ref", "-d", REF);
    const entries = [moved(3)];
    const calls = await Promise.allSettled([ledger.record(entries), ledger.record([moved(4)])]);
    for (const call of calls)
      assert.ok(call.status === "rejected" && call.reason instanceof LedgerMoved, String(call.status));
    const { reason } = calls[0] as { reason: LedgerMoved };
    assert.deepEqual([reason.expected, reason.found, reason.entries], [tip, theirs, entries]);
    assert.equal(sh(dir, "for-each-ref", "--format=%(objectname)", REF), theirs ?? "");
    await assert.rejects(ledger.record([moved(5)]), LedgerMoved);
    await ledger.close();
    const again = await open(t, dir);
    await again.record(entries);
    assert.equal(sh(dir, "log", "-1", "--format=%P", REF), theirs ?? "", String(move));
    await again.close();
  }
  fsck(dir);
});

test("ending does not move the ref again: a ledger deleted by hand stays deleted", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(1)]);
  sh(dir, "update-ref", "-d", REF);
  await ledger.close();
  assert.equal(sh(dir, "for-each-ref", REF), "");
});

test("when the ref moves after the comparison, git refuses, the second look sees it and nothing is lost", async (t) => {
  const dir = repository(t);
  const tree = sh(dir, "hash-object", "-w", "-t", "tree", "/dev/null");
  const ledger = await open(t, dir);
  let refused = 0;
  for (let round = 0; round < 12 && refused === 0; round++) {
    await ledger.record([moved(round)]);
    const tip = ledger.tip ?? "";
    const theirs = sh(dir, "commit-tree", tree, "-m", "theirs", "-p", tip);
    const many = Array.from({ length: 400 }, (_, i) => moved(i));
    const recording = ledger.record(many).catch((error: unknown) => error);
    await new Promise((next) => setTimeout(next, 6));
    const won = (() => {
      try {
        sh(dir, "update-ref", REF, theirs, tip);
        return true;
      } catch {
        return false;
      }
    })();
    const result = await recording;
    if (won) {
      refused++;
      assert.ok(result instanceof LedgerMoved, String(result));
      assert.equal(result.found, theirs);
      assert.equal(sh(dir, "rev-parse", REF), theirs);
    }
  }
  assert.equal(refused, 1);
});

test("when git cannot write, the error names the reason, and the same entry can be recorded later", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(1)]);
  mkdirSync(join(dir, `.git/${REF}.lock`)); // a lock that cannot be taken and is not ours to remove
  const entries = [moved(2)];
  await assert.rejects(
    ledger.record(entries),
    (error) => error instanceof LedgerUnwritable && error.entries[0] === entries[0],
  );
  assert.equal(ledger.tip, sh(dir, "rev-parse", REF));
  rmSync(join(dir, `.git/${REF}.lock`), { recursive: true });
  await ledger.record(entries);
  assert.equal(commits(dir).length, 2);
  fsck(dir);
});

test("a lock of the ref that nobody holds any more delays a record, and does not stop it", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  await ledger.record([moved(1)]);
  writeFileSync(join(dir, `.git/${REF}.lock`), "");
  await ledger.record([moved(2)]);
  assert.equal(commits(dir).length, 2);
  fsck(dir);
});

test("packs are gathered by themselves and by tidy, the history stays whole", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir, { durability: "process" });
  for (let n = 0; n < 120; n++) await ledger.record([moved(n)]);
  await ledger.tidy();
  const packs = () => packFiles(dir, ".idx").length;
  await until("few packs", () => packs() < 20);
  assert.ok(
    existsSync(join(dir, ".git/objects/info/commit-graphs/commit-graph-chain")),
    "the story of a file is at hand",
  );
  sh(dir, "commit-graph", "verify");
  assert.deepEqual([commits(dir).length, (await ledger.files()).size], [120, 121]);
  await ledger.record([moved(200)]);
  await ledger.close();
  fsck(dir);
});

test("secrets in contents, subjects and trailers never become git objects; other bytes stay as they are", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  const key = `sk-ant-api03-${"aB3dE5fG7hJ9".repeat(4)}`;
  const binary = Buffer.concat([Buffer.from([0xff, 0xfe, 0]), Buffer.from("binary")]);
  const content = Buffer.from(JSON.stringify({ prompt: `use ${key}`, env: "DB_PASSWORD=hunter2hunter2" }));
  const entry = moved(1, {
    subject: `steered (${key})\nand more`,
    trailers: [
      ["Cox-Reason", `it printed ${key}\r\nCox-To: forged`],
      ["Cox-Task", "impl-1"],
    ],
  });
  await ledger.record([
    {
      ...entry,
      changes: [
        { path: "a.json", content },
        { path: "b.bin", content: binary },
      ],
    },
  ]);
  const everything = sh(dir, "log", "-p", "--all", "--format=%B");
  assert.ok(!everything.includes(key) && !everything.includes("hunter2"), everything);
  assert.deepEqual(JSON.parse((await ledger.read("a.json"))?.toString() ?? ""), {
    prompt: "use [redacted:anthropic-key]",
    env: "DB_PASSWORD=[redacted:password]",
  });
  assert.deepEqual(await ledger.read("b.bin"), binary);
  assert.equal(sh(dir, "log", "-1", "--format=%(trailers:key=Cox-Redacted,valueonly)", REF).trim(), "4");
  const files = await ledger.files();
  assert.equal(files.get("a.json"), ledger.blobId(content));
  assert.notEqual(files.get("a.json"), ledger.plainId(content));
  assert.equal(files.get("b.bin"), ledger.plainId(binary));
  assert.equal(sh(dir, "log", "-1", "--format=%(trailers:key=Cox-To,valueonly)", REF), "");
  assert.equal(sh(dir, "log", "-1", "--format=%(trailers:key=Cox-Task,valueonly)", REF).trim(), "impl-1");
});

test("what cannot be a ledger is a problem with a hint", async (t) => {
  const options = { ref: REF, durability: "full", redact: (text: string) => text } as const;
  const code = async (repo: string, ref: string = REF) => {
    const opened = await openLedger({ ...options, repository: repo, ref });
    if ("ok" in opened) await opened.ok.close();
    return "problem" in opened ? opened.problem.code : "ok";
  };
  const dir = repository(t);
  assert.equal(await code(folder(t)), "no-repository");
  assert.equal(await code(join(dir, ".git")), "no-repository");
  assert.equal(await code(dir, "refs/heads/ledger"), "ledger-ref");
  assert.equal(await code(dir, "refs/cox/a..b"), "ledger-ref");
  mkdirSync(join(dir, ".git/refs/cox"), { recursive: true });
  writeFileSync(join(dir, `.git/${REF}`), "");
  assert.equal(await code(dir), "ledger-damaged");
  writeFileSync(join(dir, `.git/${REF}`), `${"1".repeat(40)}\n`);
  assert.equal(await code(dir), "ledger-damaged");
});

test("no process is left behind", async (t) => {
  const dir = repository(t);
  const ledger = await open(t, dir);
  const recording = ledger.record([moved(1)]);
  await ledger.close();
  await recording;
  await assert.rejects(ledger.record([moved(2)]), LedgerUnwritable);
  assert.deepEqual(processesOf(dir), []);
});

test("Cox-Redacted counts the subject and the trailers too, and the chain's own words stay", async (t) => {
  const dir = repository(t);
  const known = redactor(["pending", "impl-1", "hunter2hunter2", "active"]);
  const ledger = await open(t, dir, { redact: (text) => known(text).text });
  await ledger.record([
    moved(1, { changes: [], trailers: [...moved(1).trailers, ["Cox-Model", "hunter2hunter2"]] }),
    { ...moved(1, { changes: [], trailers: [] }), subject: `${SESSION} impl-1: steered (title, hunter2hunter2)` },
  ]);
  const [first = "", second = ""] = sh(dir, "log", "--reverse", "--format=%B%x01", REF).split("\x01\n");
  assert.match(first, /^WFS-user-auth impl-1: pending -> active\n/);
  assert.match(first, /^Cox-Task: impl-1\nCox-From: pending\nCox-To: active$/m);
  assert.match(first, /^Cox-Model: \[redacted:value\]\nCox-Redacted: 1$/m);
  assert.match(second, /^WFS-user-auth impl-1: steered \(title, \[redacted:value\]\)\n\nCox-Redacted: 1$/m);
});
