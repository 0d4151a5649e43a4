/** The daemon when the machine fails it: no room, no permission, no descriptors, no file events. */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess, type SpawnOptions } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { look } from "../../src/surfaces/cli/picture.ts";
import { assertRanOnce, assertWhole, daemonPid, marked, NOTES, ran } from "../support/survival.ts";
import { LEDGER, SESSION, workshop, type Workshop } from "../support/workshop.ts";

const MAIN = fileURLToPath(new URL("../support/daemon-main.ts", import.meta.url));
const NOBODY = 65534;

function sh(file: string, ...args: string[]): boolean {
  return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

interface Daemon {
  child: ChildProcess;
  said: () => string;
  stop: () => Promise<number | null>;
}

/** A daemon that is started in another way than workshops do; stopped when the test is over. */
function daemon(
  t: TestContext,
  shop: Workshop,
  how: { prefix?: string[]; options?: SpawnOptions; env?: Record<string, string> },
): Daemon {
  const { PATH = "" } = process.env;
  const env = {
    PATH,
    HOME: shop.home,
    COX_ISOLATION: "none",
    COX_LEDGER_DURABILITY: "process",
    COX_RESCAN: "500ms",
    COX_RETRY_BASE: "100ms",
    GIT_CONFIG_NOSYSTEM: "1",
    ...how.env,
  };
  const [file, ...args] = [...(how.prefix ?? []), process.execPath, MAIN, shop.dir];
  const child = spawn(file as string, args, { env, stdio: ["pipe", "ignore", "pipe"], ...how.options });
  let said = "";
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (said += text));
  const ended = new Promise<number | null>((resolve) => child.on("close", resolve));
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGUSR2");
    return ended;
  };
  t.after(stop);
  return { child, said: () => said, stop };
}

/** The whole repository on a small file system; undefined where mounting is not allowed. */
function small(shop: Workshop, size: string): { release: () => void } | undefined {
  const aside = join(shop.root, "aside");
  renameSync(shop.dir, aside);
  spawnSync("mkdir", [shop.dir]);
  if (!sh("mount", "-t", "tmpfs", "-o", `size=${size}`, "none", shop.dir)) {
    rmSync(shop.dir, { recursive: true });
    renameSync(aside, shop.dir);
    return undefined;
  }
  cpSync(aside, shop.dir, { recursive: true });
  return { release: () => void sh("umount", "-l", shop.dir) };
}

function fill(path: string): void {
  for (const bytes of [1 << 20, 1 << 12, 1]) {
    try {
      for (;;) writeFileSync(path, Buffer.alloc(bytes, "x"), { flag: "a" });
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, "ENOSPC");
    }
  }
}

/** Every file of a session can be read whole. */
function assertNoneTruncated(shop: Workshop): void {
  for (const name of readdirSync(shop.at(SESSION, ".task"))) JSON.parse(shop.read(`${SESSION}/.task/${name}`));
  JSON.parse(shop.read(`${SESSION}/workflow-session.json`));
}

test("while the disk is full nothing new starts, no file is cut short, and with room again it goes on", async (t) => {
  const shop = await workshop(t, { started: false, checked: false, env: { COX_CONCURRENCY: "1" } });
  const mount = small(shop, "8m");
  if (!mount) return t.skip("mounting a file system is not allowed here");
  try {
    await shop.start();
    shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
    shop.command("impl-2", NOTES);
    await shop.recorded(/impl-1: pending -> active/);
    await shop.recorded(/impl-2: new -> pending/);
    await pause(600); // what is written late is written
    const filler = join(shop.dir, "filler");
    fill(filler);
    shop.release();
    await shop.until("it says so", () =>
      /nothing can be recorded, so nothing is started: .*(ENOSPC|no space|full)/i.test(shop.output),
    );
    await shop.stays("nothing new starts", () => ran(shop).length === 1, 1000);
    assertNoneTruncated(shop);
    assert.equal(shop.git("fsck", "--no-dangling"), "");
    rmSync(filler);
    await shop.becomes("impl-2", "completed");
    await shop.recorded(/impl-2: active -> completed/);
    await shop.until("it says so", () => shop.output.includes("recording works again"));
    assertRanOnce(shop);
    await assertWhole(shop);

    // Told to stop while nothing can be recorded, it goes; the next one records what happened.
    shop.command("impl-3", `rm -f "$HOME/go"; ${NOTES}; ${shop.waits()}`);
    await shop.recorded(/impl-3: pending -> active/);
    await pause(600);
    fill(filler);
    shop.release();
    await shop.until("it says so again", () => shop.output.match(/nothing can be recorded/g)?.length === 2);
    assert.equal(await shop.stop(), 1);
    assertNoneTruncated(shop);
    rmSync(filler);
    await shop.start();
    await shop.becomes("impl-3", "completed");
    assertRanOnce(shop);
    await assertWhole(shop);
    await shop.stop();
  } finally {
    for (const line of marked(shop)) process.kill(Number(line.split(" ")[0]), "SIGKILL");
    mount.release();
  }
});

test("in a read-only workspace nothing starts until it can be written again", async (t) => {
  if (process.getuid?.() !== 0) return t.skip("needs root, to run the daemon as somebody else");
  const shop = await workshop(t, { started: false, checked: false });
  shop.command("impl-1", "true");
  writeFileSync(join(shop.home, ".gitconfig"), "[safe]\n\tdirectory = *\n"); // we are not its owner
  if (!sh("chown", "-R", `${NOBODY}:${NOBODY}`, shop.root)) return t.skip("chown is not allowed here");
  try {
    await readOnlyForAWhile(t, shop);
  } finally {
    sh("chown", "-R", "0:0", shop.root);
  }
});

async function readOnlyForAWhile(t: TestContext, shop: Workshop): Promise<void> {
  const as = { options: { uid: NOBODY, gid: NOBODY } };
  const it = daemon(t, shop, as);
  await shop.becomes("impl-1", "completed");
  await pause(700);
  const folders = [
    "",
    SESSION,
    `${SESSION}/.task`,
    `${SESSION}/prompts`,
    `${SESSION}/responses`,
    `${SESSION}/state`,
    ".run/tmp",
  ];
  const mode = (bits: number) =>
    folders.filter((folder) => shop.has(folder)).forEach((folder) => chmodSync(shop.at(folder), bits));
  mode(0o555);
  shop.command("impl-2", NOTES); // root may
  await shop.until("it says so", () => /nothing can be recorded, so nothing is started: EACCES/.test(it.said()));
  await shop.stays("nothing starts", () => ran(shop).length === 0, 500);
  mode(0o755);
  await shop.becomes("impl-2", "completed");
  assertRanOnce(shop);
  assert.equal(await it.stop(), 0);
}

test("without descriptors nothing is taken for deleted or failed, and with some it goes on", async (t) => {
  const shop = await workshop(t, { env: { COX_RESCAN: "300ms", COX_CONCURRENCY: "8" } });
  if (!sh("prlimit", "--version")) return t.skip("there is no prlimit");
  shop.command("impl-1", `${NOTES}; ${shop.waits()}`);
  shop.command("impl-2", NOTES);
  await shop.becomes("impl-2", "completed");
  const pid = daemonPid(shop);
  const [soft, hard] = /open files\s+(\d+)\s+(\d+)/.exec(readFileSync(`/proc/${pid}/limits`, "utf8"))?.slice(1) ?? [];
  const open = readdirSync(`/proc/${pid}/fd`).length;
  assert.ok(sh("prlimit", "--pid", String(pid), `--nofile=${open}:${hard}`));
  for (let n = 3; n <= 12; n++) shop.command(`impl-${n}`, NOTES);
  await shop.until("it says that it cannot", () => /cannot be (read|started)|can be recorded/.test(shop.output));
  await shop.stays(
    "nothing is deleted",
    () => shop.status("impl-1") === "active" && shop.status("impl-2") === "completed",
    1500,
  );
  assert.ok(sh("prlimit", "--pid", String(pid), `--nofile=${soft}:${hard}`));
  shop.release();
  for (let n = 1; n <= 12; n++) {
    const task = await shop.becomes(`impl-${n}`, "completed");
    assert.equal(task.execution.attempts, 1, shop.output);
  }
  assertRanOnce(shop);
  assert.doesNotMatch(shop.subjects().join("\n"), /deleted/);
  await assertWhole(shop);
});

test("file events alone find what is dropped, edited, answered, and put into a folder that is new", async (t) => {
  const shop = await workshop(t, {
    env: { COX_RESCAN: "1h" },
    before: (at) => {
      at.command("impl-1", "true", { status: "cancelled" });
      at.drop(`${SESSION}/.task/impl-2.json`, { title: "A question", agent: "human" });
    },
  });
  await shop.becomes("impl-2", "blocked");
  shop.command("impl-3", "true");
  await shop.becomes("impl-3", "completed");
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.becomes("impl-1", "completed");
  shop.drop(`${SESSION}/responses/impl-2-a1.md`, "An answer.");
  await shop.becomes("impl-2", "completed");
  shop.command("impl-1", "true", { session: "WFS-new" });
  await shop.recorded(/WFS-new impl-1: .*pending/);
  rmSync(shop.at(SESSION, ".task", "impl-3.json"));
  await shop.recorded(/impl-3: .*deleted/);
});

test("without file events the rescan finds drops", async (t) => {
  const shop = await workshop(t, { env: { COX_NO_WATCH: "1", COX_RESCAN: "300ms" } });
  shop.drop("inbox/a.json", { title: "In the inbox", agent: "command", execution: { command: "true" } });
  await shop.becomes("impl-1", "completed");
  shop.edit("impl-1", (task) => (task.status = "pending"));
  await shop.recorded(/impl-1: completed -> pending/);
});

test("where the system has no watches left it says so, and the rescan finds drops", async (t) => {
  const shop = await workshop(t, { started: false });
  const prefix = [
    "unshare",
    "--user",
    "--map-root-user",
    "sh",
    "-c",
    'echo 0 > /proc/sys/user/max_inotify_watches && exec "$@"',
    "sh",
  ];
  if (!sh(prefix[0] as string, ...prefix.slice(1), "true")) return t.skip("user namespaces are not allowed here");
  const it = daemon(t, shop, { prefix });
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  assert.match(it.said(), /file events are lost/);
  shop.command("impl-2", "true");
  await shop.becomes("impl-2", "completed");
  assert.equal(await it.stop(), 0);
});

test("five hundred tasks that are dropped at once are all done, each once", async (t) => {
  const shop = await workshop(t, { started: false, env: { COX_CONCURRENCY: "8" } });
  const count = Number(process.env["COX_TEST_DROP"] ?? 500);
  await shop.start();
  const began = performance.now();
  for (let n = 1; n <= count; n++) shop.command(`impl-${n}`, "true");
  const dropped = performance.now();
  const done = (what: string) =>
    shop.git("for-each-ref", LEDGER) === ""
      ? 0
      : shop
          .git("log", "--format=%s", LEDGER)
          .split("\n")
          .filter((subject) => subject.endsWith(what)).length;
  await shop.until("all are recorded", async () => (await pause(100), done("new -> pending") === count), 120_000);
  const recorded = performance.now();
  const memory = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${daemonPid(shop)}/status`, "utf8"))?.[1]) / 1024;
  await shop.until("all are done", async () => (await pause(200), done("active -> completed") === count), 600_000);
  const seconds = (from: number) => ((performance.now() - from) / 1000).toFixed(1);
  t.diagnostic(
    `${count} tasks: all recorded ${((recorded - dropped) / 1000).toFixed(1)} s after the last drop, all done ${seconds(began)} s after the first; memory at its highest ${Math.round(memory)} MB`,
  );
  assert.equal(
    shop.tasks().filter(({ status, execution }) => status === "completed" && execution.attempts === 1).length,
    count,
  );
  assert.deepEqual(marked(shop), []);
  assert.ok(statSync(shop.at(SESSION, "TODO_LIST.md")).size > 0);
  await assertWhole(shop);
});

test("while nothing can be recorded daemon.json tells since when and why", async (t) => {
  const shop = await workshop(t);
  rmSync(shop.at(".run/tmp"), { recursive: true, force: true });
  shop.drop(".run/tmp", "not a folder");
  const trouble = () =>
    (JSON.parse(shop.read(".run/daemon.json")) as { trouble?: { since: string; message: string } }).trouble;
  assert.equal(trouble(), undefined);
  shop.command("impl-1", "true");
  const { since, message } = await shop.until("it is told", trouble);
  assert.match(message, /ENOTDIR|EEXIST/);
  assert.ok(Date.parse(since) <= Date.now());
  assert.equal((JSON.parse(shop.read(".run/daemon.json")) as { ready: boolean }).ready, true);
  const { problems } = await look(
    { repository: shop.dir, folder: shop.at(), gitDir: join(shop.dir, ".git") },
    Date.now(),
  );
  assert.match(problems[0]?.what ?? "", /nothing can be recorded, so nothing is started: E/);
  shop.remove(".run/tmp");
  await shop.becomes("impl-1", "completed");
  await shop.until("it is over", () => trouble() === undefined);
});

test("something in the place of a session's folder harms that session alone, is reported, and gone it goes on", async (t) => {
  const shop = await workshop(t, {
    env: { COX_RESCAN: "500ms", COX_MAX_ACTIVE_SESSIONS: "2" },
    before: (at) => mkdirSync(at.at("WFS-b")),
  });
  shop.touch(".active-WFS-b");
  shop.touch(`.active-${SESSION}`);
  shop.command("impl-1", "true", { session: "WFS-b" });
  await shop.becomes("impl-1", "completed", "WFS-b");
  let number = 1;
  for (const part of ["prompts", "responses", ".summaries", "state", ".task"]) {
    number++;
    const [id, path] = [`impl-${number}`, `WFS-b/${part}`];
    // One that waits, for what comes of it while the folder is not there; the tasks' own folder is moved away as it is.
    if (part !== ".task") shop.command(id, shop.waits(id), { session: "WFS-b" });
    if (part !== ".task") await shop.becomes(id, "active", "WFS-b");
    await shop.until("the folder is there", () => shop.has(path));
    renameSync(shop.at(path), join(shop.root, `away-${number}`));
    shop.drop(path, "not a folder");
    await shop.until(`${part} is reported`, () => shop.has(`${path}.error.md`));
    assert.match(shop.read(`${path}.error.md`), /not-a-folder.* is a file, where the folder .* has to be/);
    shop.release(id);
    shop.command(id, "true");
    await shop.becomes(id, "completed");
    if (part !== ".task") assert.equal(shop.status(id, "WFS-b"), "active");
    const { problems } = await look(
      { repository: shop.dir, folder: shop.at(), gitDir: join(shop.dir, ".git") },
      Date.now(),
    );
    assert.ok(
      problems.some(({ what }) => what.includes(path)),
      JSON.stringify(problems),
    );
    shop.remove(path);
    renameSync(join(shop.root, `away-${number}`), shop.at(path));
    if (part === ".task") shop.command(id, "true", { session: "WFS-b" });
    await shop.becomes(id, "completed", "WFS-b");
    await shop.until("the report is gone", () => !shop.has(`${path}.error.md`));
    await shop.until("the views are right", () => /x\] \*\*IMPL-00\d/.test(shop.read("WFS-b/TODO_LIST.md")));
  }
  assert.doesNotMatch(shop.output, /can be recorded|cannot be read/);
  assert.doesNotMatch(shop.git("log", "--format=%s", LEDGER), /deleted/);
});

test("a session that rests keeps no daemon from ending, and the next one goes on with it", async (t) => {
  const shop = await workshop(t);
  shop.command("impl-1", `echo x >> "$HOME/ran"; ${shop.waits()}`);
  await shop.until("it runs", () => shop.left("ran"));
  await shop.until("its folder is there", () => shop.has(`${SESSION}/prompts`));
  shop.drop(`${SESSION}/responses`, "not a folder");
  await shop.until("it is reported", () => shop.has(`${SESSION}/responses.error.md`));
  shop.release();
  assert.equal(await shop.stop(), 0);
  assert.equal(shop.status("impl-1"), "active");
  shop.remove(`${SESSION}/responses`);
  await shop.start();
  await shop.becomes("impl-1", "completed");
  await shop.until("the report is gone", () => !shop.has(`${SESSION}/responses.error.md`));
  assert.equal(shop.left("ran"), "x\n");
});

test("a session whose folder of responses is a file now does not keep the daemon from looking at the others", async (t) => {
  const shop = await workshop(t, { env: { COX_RESCAN: "300ms" } });
  shop.command("impl-1", "true", { session: "WFS-b" });
  shop.touch(".active-WFS-b");
  await shop.becomes("impl-1", "completed", "WFS-b");
  shop.remove("WFS-b/responses");
  shop.drop("WFS-b/responses", "not a folder");
  shop.touch(`.active-${SESSION}`);
  shop.command("impl-1", "true");
  await shop.becomes("impl-1", "completed");
  assert.doesNotMatch(shop.output, /cannot be read|can be recorded/);
});
