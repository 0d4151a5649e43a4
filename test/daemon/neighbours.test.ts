/** The daemon beside what else works in the repository: people, git in every state, other writers of the ledger. */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { assertWhole, killDaemon, NOTES } from "../support/survival.ts";
import { LEDGER, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const MAIN = fileURLToPath(new URL("../support/daemon-main.ts", import.meta.url));

async function daemonIn(shop: Workshop, dir: string): Promise<{ code: number | null; said: string }> {
  const { PATH = "" } = process.env;
  const env = {
    PATH,
    HOME: shop.home,
    COX_ISOLATION: "none",
    COX_LEDGER_DURABILITY: "process",
    GIT_CONFIG_NOSYSTEM: "1",
  };
  const child = spawn(process.execPath, [MAIN, dir, "once"], { env, stdio: ["pipe", "ignore", "pipe"] });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
  return { code, said };
}

async function oneMore(shop: Workshop, id: string): Promise<void> {
  shop.command(id, "true");
  await shop.becomes(id, "completed");
  await shop.recorded(`${SESSION} ${id}: active -> completed`);
}

describe("another writer of the ledger", { concurrency: 2 }, () => {
  test("that sets it back: what was recorded is put back, and the daemon goes on", async (t) => {
    const shop = await workshop(t);
    await oneMore(shop, "impl-1");
    const before = shop.git("rev-parse", LEDGER);
    shop.git("update-ref", LEDGER, `${LEDGER}~2`);
    await oneMore(shop, "impl-2");
    shop.git("merge-base", "--is-ancestor", before, LEDGER);
    await shop.until("it says so", () => /was moved to [0-9a-f]{12} by another writer.*put back to/.test(shop.output));
    await assertWhole(shop);
  });

  test("that deletes it: it is put back", async (t) => {
    const shop = await workshop(t);
    await oneMore(shop, "impl-1");
    const before = shop.git("rev-parse", LEDGER);
    shop.git("update-ref", "-d", LEDGER);
    await oneMore(shop, "impl-2");
    shop.git("merge-base", "--is-ancestor", before, LEDGER);
    await shop.until("it says so", () => /was deleted: put back/.test(shop.output));
    await assertWhole(shop);
  });

  test("that puts another history there: both are merged, nothing of either is lost", async (t) => {
    const shop = await workshop(t);
    await oneMore(shop, "impl-1");
    const ours = shop.git("rev-parse", LEDGER);
    const theirs = shop.git("commit-tree", `${LEDGER}~1^{tree}`, "-m", "another machine's");
    shop.git("update-ref", LEDGER, theirs);
    await oneMore(shop, "impl-2");
    shop.git("merge-base", "--is-ancestor", ours, LEDGER);
    shop.git("merge-base", "--is-ancestor", theirs, LEDGER);
    await shop.until("it says so", () => /merged another writer's history/.test(shop.output));
    assert.equal(`${shop.recordedFile(`${SESSION}/.task/impl-1.json`)}\n`, shop.read(`${SESSION}/.task/impl-1.json`));
    await assertWhole(shop);
  });

  test("that deletes it while no daemon is there: what is on disk is recorded anew", async (t) => {
    const shop = await workshop(t);
    await oneMore(shop, "impl-1");
    await killDaemon(shop);
    shop.git("update-ref", "-d", LEDGER);
    await shop.start();
    await oneMore(shop, "impl-2");
    assert.equal(shop.status("impl-1"), "completed");
    assert.deepEqual(shop.moves("impl-1").slice(0, 1), ["new -> pending"]);
    await assertWhole(shop);
  });
});

describe("a repository", { concurrency: 2 }, () => {
  test("without commits is recorded in", async (t) => {
    const shop = await workshop(t, {
      checked: false,
      before: (it) => {
        it.git("update-ref", "-d", "refs/heads/main");
        it.git("rm", "-q", "--cached", "README.md");
      },
    });
    await oneMore(shop, "impl-1");
    await assertWhole(shop);
    assert.equal(shop.git("status", "--porcelain"), "?? README.md");
  });

  test("with a detached HEAD is recorded in", async (t) => {
    const shop = await workshop(t, { checked: false, before: (it) => void it.git("checkout", "-q", "--detach") });
    await oneMore(shop, "impl-1");
    assert.equal(
      shop.ledger().find(({ subject }) => subject.endsWith("pending -> active"))?.trailers["Cox-Code-Commit"],
      shop.git("rev-parse", "HEAD"),
    );
    await assertWhole(shop);
  });

  test("in the middle of a rebase is recorded in, and the rebase goes on afterwards", async (t) => {
    const shop = await workshop(t, {
      checked: false,
      before: (it) => {
        const file = join(it.dir, "README.md");
        const commit = (text: string, message: string) => (
          writeFileSync(file, text),
          it.git("commit", "-qam", message)
        );
        it.git("checkout", "-q", "-b", "side");
        commit("side\n", "side");
        it.git("checkout", "-q", "main");
        commit("main\n", "main");
        it.git("checkout", "-q", "side");
        assert.throws(() => it.git("rebase", "-q", "main"));
      },
    });
    await oneMore(shop, "impl-1");
    assert.match(shop.git("status"), /rebase in progress/);
    writeFileSync(join(shop.dir, "README.md"), "both\n");
    shop.git("add", "README.md");
    shop.git("-c", "core.editor=true", "rebase", "--continue");
    await oneMore(shop, "impl-2");
    await assertWhole(shop);
  });

  test("with a linked working tree has a ledger for each", async (t) => {
    const shop = await workshop(t, { checked: false });
    const linked = join(shop.root, "linked");
    shop.git("worktree", "add", "-q", linked, "-b", "other");
    mkdirSync(join(linked, ".workflow", "inbox"), { recursive: true });
    writeFileSync(
      join(linked, ".workflow", "inbox", "a.json"),
      JSON.stringify({ title: "In the linked one", agent: "command", execution: { command: "true" } }),
    );
    const { code, said } = await daemonIn(shop, linked);
    assert.equal(code, 0, said);
    await oneMore(shop, "impl-1");
    const refs = shop.git("for-each-ref", "--format=%(refname)", "refs/cox").split("\n").sort();
    assert.deepEqual(refs, [LEDGER, "refs/cox/worktrees/linked/ledger"]);
    assert.equal(spawnSync("git", ["status", "--porcelain"], { cwd: linked, encoding: "utf8" }).stdout, "");
    await assertWhole(shop);
  });

  test("that is bare is refused, with a hint", async (t) => {
    const shop = await workshop(t, { started: false, checked: false });
    const bare = join(shop.root, "bare.git");
    shop.git("clone", "-q", "--bare", shop.dir, bare);
    mkdirSync(join(bare, ".workflow"));
    const { code, said } = await daemonIn(shop, bare);
    assert.notEqual(code, 0);
    assert.match(said, /bare repository/);
    assert.match(said, /Clone it/);
  });

  test("whose .workflow is a symbolic link is refused", async (t) => {
    const shop = await workshop(t, { started: false, checked: false });
    const other = join(shop.root, "elsewhere");
    mkdirSync(other);
    const dir = join(shop.root, "linking");
    shop.git("clone", "-q", shop.dir, dir);
    symlinkSync(other, join(dir, ".workflow"));
    const { code, said } = await daemonIn(shop, dir);
    assert.equal(code, 3);
    assert.match(said, /is a symbolic link/);
    assert.deepEqual(readdirSync(other), []);
  });

  test("with hostile configuration: nothing of it runs", async (t) => {
    const shop = await workshop(t, {
      checked: false,
      before: (it) => {
        const trap = join(it.home, "trap");
        writeFileSync(trap, `#!/bin/sh\necho "$0 $*" >> '${it.home}/sprung'\ncat\n`);
        chmodSync(trap, 0o755);
        const hooks = join(it.home, "hooks");
        mkdirSync(hooks);
        for (const hook of [
          "reference-transaction",
          "post-index-change",
          "pre-commit",
          "commit-msg",
          "post-commit",
          "pre-auto-gc",
          "post-checkout",
          "post-rewrite",
        ]) {
          writeFileSync(join(hooks, hook), `#!/bin/sh\necho ${hook} >> '${it.home}/sprung'\n`);
          chmodSync(join(hooks, hook), 0o755);
        }
        const settings = {
          "core.hooksPath": hooks,
          "core.fsmonitor": trap,
          "core.sshCommand": trap,
          "core.pager": trap,
          "core.editor": trap,
          "gpg.program": trap,
          "core.askPass": trap,
          "filter.evil.clean": trap,
          "filter.evil.smudge": trap,
          "filter.evil.process": trap,
          "diff.external": trap,
          "diff.evil.textconv": trap,
          "diff.evil.command": trap,
          "merge.evil.driver": trap,
          "credential.helper": trap,
          "alias.rev-parse": `!${trap}`,
        };
        appendFileSync(join(it.dir, ".git", "info", "attributes"), "* filter=evil diff=evil merge=evil\n");
        for (const [key, value] of Object.entries(settings)) it.git("config", key, value);
        it.git("config", "commit.gpgSign", "true");
        it.git("config", "log.showSignature", "true");
        spawnSync("rm", ["-f", join(it.home, "sprung")]);
      },
    });
    await oneMore(shop, "impl-1");
    await shop.stop();
    assert.equal(shop.left("sprung"), undefined);
  });
});

test("a person who adds, commits, stashes, switches, rebases and collects garbage beside a hundred tasks meets no error", async (t) => {
  const shop = await workshop(t, { checked: false, env: { COX_CONCURRENCY: "4", COX_RETRY_BASE: "50ms" } });
  shop.git("branch", "side");
  for (let n = 1; n <= 100; n++) shop.command(`impl-${n}`, NOTES);
  const failures: string[] = [];
  const attempt = (...args: string[]) => {
    try {
      shop.git(...args);
    } catch (error) {
      failures.push((error as Error).message);
    }
  };
  const file = (name: string, text: string) => writeFileSync(join(shop.dir, name), text);
  let rounds = 0;
  for (const end = Date.now() + 10_000; Date.now() < end; rounds++) {
    file("code.txt", `round ${rounds}\n`);
    attempt("add", "-A");
    attempt("commit", "-qm", `round ${rounds}`);
    file("code.txt", "unfinished\n");
    attempt("stash", "-q");
    attempt("switch", "-q", "side");
    file(`side-${rounds}.txt`, "side\n");
    attempt("add", "-A");
    attempt("commit", "-qm", `side ${rounds}`);
    attempt("rebase", "-q", "main");
    attempt("switch", "-q", "main");
    attempt("stash", "drop", "-q");
    if (rounds % 5 === 0) attempt("gc", "-q");
    await pause(20);
  }
  t.diagnostic(`${rounds} rounds of the person's, ${shop.ledger().length} commits of the daemon's`);
  // Git itself refuses a second gc while the one that its own commit began still runs.
  assert.deepEqual(
    failures.filter((failure) => !failure.includes("gc is already running")),
    [],
  );
  await shop.until(
    "all are completed",
    () => shop.tasks().filter(({ status }) => status === "completed").length === 100,
    60_000,
  );
  assert.doesNotMatch(shop.output, /nothing can be recorded|moved by another/);
  assert.equal(shop.git("status", "--porcelain"), "");
  await assertWhole(shop);
  assert.equal(existsSync(join(shop.dir, ".git", "index.lock")), false);
});
