import { test, type TestContext } from "node:test";
import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { writeFiles } from "../../src/store/files.ts";
import { isHeld, readHolder, takeLock, type Holder } from "../../src/store/lock.ts";
import { readRegular, Scanner, type Found } from "../../src/store/scan.ts";

function folder(t: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), "cox-store-")));
  t.after(() => rmSync(path, { recursive: true, force: true, maxRetries: 5 }));
  return path;
}

function put(workspace: string, path: string, content: string | Buffer = "{}"): string {
  const full = join(workspace, path);
  mkdirSync(dirname(full), { recursive: true });
  writeFileSync(full, content);
  return full;
}

/** Runs a module's text in a process of its own; it ends with the test. */
function child(
  t: TestContext,
  code: string,
  ...args: string[]
): { process: ChildProcess; line: () => Promise<string> } {
  const started = spawn(process.execPath, ["--input-type=module", "-e", code, ...args], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  t.after(async () => {
    if (started.exitCode !== null || started.signalCode !== null) return;
    started.kill("SIGKILL");
    await once(started, "exit");
  });
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  return { process: started, line: async () => String((await lines.next()).value) };
}

const module = (path: string) => JSON.stringify(new URL(`../../src/store/${path}`, import.meta.url).href);
const isRoot = process.getuid?.() === 0;
const temporary = (workspace: string) => readdirSync(join(workspace, ".run/tmp"));

// Writing

test("files are written whole, into folders that are made for them", async (t) => {
  const workspace = folder(t);
  const writes = [
    { path: "WFS-a/.task/impl-1.json", content: "{}\n" },
    { path: "WFS-a/TODO_LIST.md", content: Buffer.from("ä") },
    { path: "empty", content: "" },
  ];
  for (const durable of [true, false]) await writeFiles(workspace, writes, durable);
  for (const { path, content } of writes) assert.deepEqual(readFileSync(join(workspace, path)), Buffer.from(content));
  assert.deepEqual(temporary(workspace), []);
});

test("of two writes of one file the last counts", async (t) => {
  const workspace = folder(t);
  await writeFiles(
    workspace,
    [
      { path: "a", content: "first" },
      { path: "a", content: "last" },
    ],
    true,
  );
  assert.equal(readFileSync(join(workspace, "a"), "utf8"), "last");
});

test("a thousand files are written though few may be open", async (t) => {
  const workspace = folder(t);
  const code = `import { writeFiles } from ${module("files.ts")};
    const writes = Array.from({ length: 1000 }, (_, n) => ({ path: "x/" + n, content: "y".repeat(n) }));
    await writeFiles(process.argv[1], writes, true); console.log("done");`;
  const script = [
    "-c",
    'ulimit -n 128; exec "$0" "$@"',
    process.execPath,
    "--input-type=module",
    "-e",
    code,
    workspace,
  ];
  assert.match(execFileSync("/bin/sh", script, { encoding: "utf8" }), /done/);
  assert.equal(readdirSync(join(workspace, "x")).length, 1000);
});

test("a reader never sees half a file, however often it is written", async (t) => {
  const workspace = folder(t);
  const text = (n: number) => JSON.stringify({ first: n, fill: "x".repeat(300_000), last: n });
  await writeFiles(workspace, [{ path: "a.json", content: text(0) }], false);
  const reader = child(
    t,
    `import { readFileSync } from "node:fs";
     let on = true, reads = 0, torn = 0; const seen = new Set();
     process.stdin.on("end", () => { on = false; }).resume(); console.log("ready");
     while (on) {
       try { const { first, last } = JSON.parse(readFileSync(process.argv[1], "utf8")); if (first !== last) torn++; seen.add(first); } catch { torn++; }
       if (++reads % 20 === 0) await new Promise((go) => setImmediate(go));
     }
     console.log(JSON.stringify({ reads, torn, seen: seen.size }));`,
    join(workspace, "a.json"),
  );
  assert.equal(await reader.line(), "ready");
  for (let n = 1; n <= 300; n++) await writeFiles(workspace, [{ path: "a.json", content: text(n) }], false);
  reader.process.stdin?.end();
  const { reads, torn, seen } = JSON.parse(await reader.line());
  assert.equal(torn, 0);
  assert.ok(seen > 2, `${seen} of 300 versions seen in ${reads} reads`);
});

test("a link at the target is replaced, what it points to stays", async (t) => {
  const workspace = folder(t);
  const outside = put(folder(t), "outside.txt", "mine");
  symlinkSync(outside, join(workspace, "a.json"));
  symlinkSync("/nowhere", join(workspace, "b.json"));
  await writeFiles(
    workspace,
    [
      { path: "a.json", content: "1" },
      { path: "b.json", content: "2" },
    ],
    true,
  );
  assert.equal(readFileSync(outside, "utf8"), "mine");
  assert.ok(lstatSync(join(workspace, "a.json")).isFile() && lstatSync(join(workspace, "b.json")).isFile());
});

test("nothing is written through a linked folder, or out of the workspace", async (t) => {
  const workspace = folder(t);
  const outside = folder(t);
  symlinkSync(outside, join(workspace, "WFS-a"));
  await assert.rejects(
    writeFiles(workspace, [{ path: "WFS-a/.task/impl-1.json", content: "1" }], true),
    /symbolic link/,
  );
  await assert.rejects(writeFiles(workspace, [{ path: "../x", content: "1" }], true), /outside/);
  assert.deepEqual(readdirSync(outside), []);
});

test("a workspace that is reached through a link itself is fine", async (t) => {
  const real = folder(t);
  const link = join(folder(t), "link");
  symlinkSync(real, link);
  await writeFiles(link, [{ path: "a/b", content: "1" }], true);
  assert.equal(readFileSync(join(real, "a/b"), "utf8"), "1");
});

test("who may read a file stays as a person set it", async (t) => {
  const workspace = folder(t);
  chmodSync(put(workspace, "secret.json"), 0o600);
  await writeFiles(
    workspace,
    [
      { path: "secret.json", content: "1" },
      { path: "new.json", content: "2" },
    ],
    true,
  );
  assert.deepEqual(
    ["secret.json", "new.json"].map((name) => statSync(join(workspace, name)).mode & 0o777),
    [0o600, 0o644 & ~process.umask()],
  );
});

test("after an error nothing is left behind, and files that could be written before are whole", async (t) => {
  const workspace = folder(t);
  mkdirSync(join(workspace, "taken"));
  put(workspace, "file");
  const good = { path: "good", content: "1" };
  for (const bad of ["taken", "file/below"])
    await assert.rejects(
      writeFiles(workspace, [good, { path: bad, content: "2" }, { path: "later", content: "3" }], true),
      bad,
    );
  assert.deepEqual(temporary(workspace), []);
  assert.equal(readFileSync(join(workspace, "good"), "utf8"), "1");
});

test("on a full disk the old file stays whole, and nothing is left behind", async (t) => {
  const workspace = folder(t);
  const disk = join(workspace, "disk");
  mkdirSync(disk);
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=256k", "tmpfs", disk], { stdio: "ignore" });
  } catch {
    return t.skip("a small disk cannot be mounted here");
  }
  try {
    await writeFiles(disk, [{ path: "a.json", content: "old" }], true);
    const large = { content: "x".repeat(100_000) };
    const writes = ["a.json", "b.json", "c.json", "d.json"].map((path) => ({ path, ...large }));
    await assert.rejects(writeFiles(disk, writes, true), /ENOSPC|wrote \d+ of/);
    assert.equal(readFileSync(join(disk, "a.json"), "utf8"), "old");
    assert.deepEqual(temporary(disk), []);
    await writeFiles(disk, [{ path: "a.json", content: "new" }], true);
    assert.equal(readFileSync(join(disk, "a.json"), "utf8"), "new");
  } finally {
    execFileSync("umount", [disk]);
  }
});

// Looking

/** What differs, as `path: what`. */
const told = (found: Found[]) =>
  found
    .map(
      (each) =>
        `${each.path}: ${each.is === "file" ? each.content.toString() : each.is === "irregular" ? each.what : each.is}`,
    )
    .sort();
async function look(scanner: Scanner): Promise<string[]> {
  const found = await scanner.full();
  for (const each of found) scanner.accept(each);
  return told(found);
}
const TASK = "WFS-a/.task/impl-1.json";

test("what is new, changed and gone is found, and what is not is not", async (t) => {
  const workspace = folder(t);
  const scanner = new Scanner(workspace);
  assert.deepEqual(await look(scanner), []);
  put(workspace, TASK, "1");
  put(workspace, "inbox/note.md", "do it");
  put(workspace, "config.yaml", "a: 1");
  assert.deepEqual(await look(scanner), [`${TASK}: 1`, "WFS-a: a folder", "config.yaml: a: 1", "inbox/note.md: do it"]);
  assert.deepEqual(await look(scanner), []);
  put(workspace, TASK, "2");
  rmSync(join(workspace, "config.yaml"));
  assert.deepEqual(await look(scanner), [`${TASK}: 2`, "config.yaml: gone"]);
  rmSync(join(workspace, "WFS-a"), { recursive: true });
  assert.deepEqual(await look(scanner), [`${TASK}: gone`, "WFS-a: gone"]);
});

test("what was not accepted is found again", async (t) => {
  const workspace = folder(t);
  put(workspace, TASK, "1");
  const scanner = new Scanner(workspace);
  assert.deepEqual(told(await scanner.full()), told(await scanner.full()));
});

test("a change that keeps size and time of change is seen", async (t) => {
  const workspace = folder(t);
  const file = put(workspace, TASK, "old");
  const scanner = new Scanner(workspace);
  await look(scanner);
  const { atime, mtime } = statSync(file);
  writeFileSync(file, "new");
  utimesSync(file, atime, mtime);
  assert.deepEqual(await look(scanner), [`${TASK}: new`]);
});

test("a change right after the look is seen, though the clock of the disk did not move on", async (t) => {
  const workspace = folder(t);
  const scanner = new Scanner(workspace);
  for (let n = 100; n < 400; n++) {
    put(workspace, TASK, `a${n}`);
    assert.ok((await look(scanner)).includes(`${TASK}: a${n}`));
    put(workspace, TASK, `b${n}`);
    assert.deepEqual(await look(scanner), [`${TASK}: b${n}`]);
  }
});

test("a file that was only touched, or replaced by the same content, has not changed", async (t) => {
  const workspace = folder(t);
  const file = put(workspace, TASK, "same");
  const scanner = new Scanner(workspace);
  await look(scanner);
  utimesSync(file, 1, 1);
  assert.deepEqual(await look(scanner), []);
  rmSync(file);
  writeFileSync(file, "same");
  assert.deepEqual(await look(scanner), []);
});

test("what the daemon wrote is not found, what a person writes over it at once is", async (t) => {
  const workspace = folder(t);
  const scanner = new Scanner(workspace);
  await writeFiles(workspace, [{ path: TASK, content: "ours" }], false);
  scanner.wrote(TASK, "ours");
  assert.ok(scanner.unchanged(TASK));
  assert.deepEqual(await look(scanner), ["WFS-a: a folder"]);
  await writeFiles(workspace, [{ path: TASK, content: "ours" }], false);
  put(workspace, TASK, "mine");
  scanner.wrote(TASK, "ours");
  assert.ok(!scanner.unchanged(TASK));
  assert.deepEqual(await look(scanner), [`${TASK}: mine`]);
});

test("unchanged: as last seen, or as little there as before", async (t) => {
  const workspace = folder(t);
  const scanner = new Scanner(workspace);
  assert.ok(scanner.unchanged(TASK));
  const file = put(workspace, TASK, "1");
  assert.ok(!scanner.unchanged(TASK));
  await look(scanner);
  assert.ok(scanner.unchanged(TASK));
  writeFileSync(file, "2");
  assert.ok(!scanner.unchanged(TASK));
  rmSync(file);
  assert.ok(!scanner.unchanged(TASK));
  mkdirSync(file);
  await look(scanner);
  assert.ok(scanner.unchanged(TASK));
});

test("a FIFO, a link, a folder or a device named like a task is told, never opened, and never hangs", async (t) => {
  const workspace = folder(t);
  const at = (name: string) => join(workspace, "WFS-a/.task", name);
  put(workspace, TASK, "1");
  put(workspace, "outside.txt", "secret");
  execFileSync("mkfifo", [at("fifo.json"), join(workspace, "config.yaml"), at("impl-2.json")]);
  symlinkSync(join(workspace, "outside.txt"), at("link.json"));
  symlinkSync("/", at("root.json"));
  symlinkSync("nowhere", at("dangling.json"));
  mkdirSync(at("folder.json"));
  put(workspace, "WFS-a/.task/folder.json/impl-3.json", "not a task");
  mkdirSync(join(workspace, "inbox/drop.json"), { recursive: true });
  symlinkSync(folder(t), join(workspace, "WFS-linked"));
  const device = isRoot && tryTo(() => execFileSync("mknod", [at("device.json"), "c", "1", "5"], { stdio: "ignore" }));
  const scanner = new Scanner(workspace);
  const expected = [
    `${TASK}: 1`,
    "WFS-a/.task/dangling.json: a symbolic link",
    ...(device ? ["WFS-a/.task/device.json: a device"] : []),
    "WFS-a/.task/fifo.json: a FIFO",
    "WFS-a/.task/folder.json: a folder",
    "WFS-a/.task/impl-2.json: a FIFO",
    "WFS-a/.task/link.json: a symbolic link",
    "WFS-a/.task/root.json: a symbolic link",
    "WFS-a: a folder",
    "WFS-linked: a symbolic link",
    "config.yaml: a FIFO",
    "inbox/drop.json: a folder",
    "outside.txt: secret",
  ];
  assert.deepEqual(await look(scanner), expected.sort());
  assert.deepEqual(await look(scanner), []);
  rmSync(at("fifo.json"));
  put(workspace, "WFS-a/.task/fifo.json", "a file now");
  rmSync(at("link.json"));
  assert.deepEqual(await look(scanner), ["WFS-a/.task/fifo.json: a file now", "WFS-a/.task/link.json: gone"]);
  for (const name of ["impl-2.json", "root.json", "folder.json"]) assert.equal(readRegular(at(name)), undefined);
});

function tryTo(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch {
    return false;
  }
}

test("a file over 1 MiB is told with its size and not read", async (t) => {
  const workspace = folder(t);
  const file = put(workspace, TASK, Buffer.alloc(1024 * 1024 + 1));
  const scanner = new Scanner(workspace);
  assert.deepEqual(await look(scanner), [`${TASK}: oversized`, "WFS-a: a folder"]);
  assert.deepEqual(await look(scanner), []);
  writeFileSync(file, "small");
  assert.deepEqual(await look(scanner), [`${TASK}: small`]);
});

test("files in the making, the daemon's own, and what is not of the workspace are not looked at", async (t) => {
  const workspace = folder(t);
  for (const name of [".a.json.swp", "a.json~", "b.json.tmp", "c.part", ".hidden.json", "d.crswap", "x.png"])
    put(workspace, `inbox/${name}`);
  for (const path of [
    ".run/x.json",
    "WFS-a/messages/impl-1-a1.jsonl",
    "WFS-a/.chat/chat-impl-1-a1.md",
    "WFS-a/state/checkpoint.json",
    "WFS-a/prompts/impl-1-a1.md",
    "WFS-a/.task/notes.txt",
  ])
    put(workspace, path);
  assert.deepEqual(await look(new Scanner(workspace)), ["WFS-a: a folder"]);
});

test("single paths are looked at, and a folder stands for what is in it", async (t) => {
  const workspace = folder(t);
  const scanner = new Scanner(workspace);
  put(workspace, TASK, "1");
  put(workspace, "WFS-a/.task/impl-2.json", "2");
  assert.deepEqual(told(scanner.some([TASK, "WFS-b/.task/impl-1.json"])), [`${TASK}: 1`]);
  const inside = scanner.some(["WFS-a"]);
  assert.deepEqual(
    told(inside).filter((each) => each.includes("json")),
    [`${TASK}: 1`, "WFS-a/.task/impl-2.json: 2"],
  );
  for (const each of inside) scanner.accept(each);
  rmSync(join(workspace, TASK));
  assert.deepEqual(told(scanner.some([TASK, "WFS-a/.task/impl-2.json"])), [`${TASK}: gone`]);
});

test("markers come newest first, those of the same moment by name", (t) => {
  const workspace = folder(t);
  const touch = (name: string, seconds: number) =>
    utimesSync(put(workspace, `.active-WFS-${name}`, ""), seconds, seconds);
  touch("old", 1000);
  touch("new", 3000);
  touch("b", 2000);
  touch("a", 2000);
  put(workspace, "WFS-new/workflow-session.json");
  assert.deepEqual(
    new Scanner(workspace).markers().map(({ session }) => session),
    ["WFS-new", "WFS-a", "WFS-b", "WFS-old"],
  );
});

test(
  "what may not be read is told, and never taken for gone",
  { skip: !isRoot && "only root can take and give back rights here" },
  async (t) => {
    const workspace = folder(t);
    chmodSync(workspace, 0o755);
    for (const path of [TASK, "WFS-a/.task/impl-2.json", "WFS-b/.task/impl-1.json", "WFS-c/.task/impl-1.json"])
      put(workspace, path, "1");
    const looker = child(
      t,
      `import { createInterface } from "node:readline";
     import { Scanner } from ${module("scan.ts")};
     process.chdir(process.argv[1]); // the way to it may be closed
     process.setgid(65534); process.setuid(65534);
     const scanner = new Scanner(".");
     for await (const _ of createInterface({ input: process.stdin })) {
       const found = await scanner.full();
       for (const each of found) scanner.accept(each);
       console.log(JSON.stringify(found.map((each) => each.path + ": " + (each.what ?? each.is)).sort()));
     }`,
      workspace,
    );
    const ask = async () => {
      looker.process.stdin?.write("\n");
      return JSON.parse(await looker.line()) as string[];
    };
    assert.equal((await ask()).length, 7);
    chmodSync(join(workspace, TASK), 0o000); // the file
    chmodSync(join(workspace, "WFS-b/.task"), 0o000); // its folder
    chmodSync(join(workspace, "WFS-c/.task"), 0o444); // its folder: names can be read, no more
    writeFileSync(join(workspace, "WFS-a/.task/impl-2.json"), "22");
    assert.deepEqual(await ask(), [
      "WFS-a/.task/impl-1.json: a file that may not be read",
      "WFS-a/.task/impl-2.json: file",
      "WFS-c/.task/impl-1.json: a file that may not be read",
    ]);
    for (const path of [TASK, "WFS-b/.task", "WFS-c/.task"])
      chmodSync(join(workspace, path), path === TASK ? 0o644 : 0o755);
    assert.deepEqual(
      (await ask()).filter((each) => each.endsWith("gone")),
      [],
    );
    rmSync(join(workspace, "WFS-b/.task/impl-1.json"));
    assert.deepEqual(await ask(), ["WFS-b/.task/impl-1.json: gone"]);
  },
);

test("ten thousand files at once are all found, once", async (t) => {
  const workspace = folder(t);
  mkdirSync(join(workspace, "WFS-a/.task"), { recursive: true });
  for (let n = 1; n <= 10_000; n++)
    writeFileSync(join(workspace, `WFS-a/.task/impl-${n}.json`), `{"title": "Task ${n}"}`);
  const scanner = new Scanner(workspace);
  const timed = async () => {
    const from = performance.now();
    const found = await look(scanner);
    return { found, took: performance.now() - from };
  };
  const [first, second, third] = [await timed(), await timed(), await timed()];
  assert.equal(new Set(first.found).size, 10_001);
  assert.deepEqual([second.found, third.found], [[], []]);
  t.diagnostic(`10,000 new files: ${first.took.toFixed(0)} ms; nothing new: ${third.took.toFixed(0)} ms`);
  assert.ok(third.took < 5000);
});

// The lock

const HOLDER: Holder = { pid: 4711, start: "1", host: "here", since: "2026-11-21T09:30:00.000Z", version: "0.1.0" };
const HOLD = `import { takeLock } from ${module("lock.ts")};
  const taken = await takeLock(process.argv[1], { pid: process.pid, start: null, host: "there", since: "", version: "0.1.0" });
  console.log("ok" in taken ? "held" : "refused"); setInterval(() => {}, 1000);`;

async function held(t: TestContext, workspace: string): Promise<ChildProcess> {
  const holder = child(t, HOLD, workspace);
  assert.equal(await holder.line(), "held");
  return holder.process;
}

/** Takes the lock and gives it back. */
async function tryLock(workspace: string): Promise<Holder | null | "taken"> {
  const result = await takeLock(workspace, HOLDER);
  if (!("ok" in result)) return result.heldBy;
  result.ok.release();
  return "taken";
}

test("a second daemon is refused and told who holds the workspace", async (t) => {
  const workspace = folder(t);
  const holder = await held(t, workspace);
  assert.deepEqual(await tryLock(workspace), {
    pid: holder.pid,
    start: null,
    host: "there",
    since: "",
    version: "0.1.0",
  });
  assert.equal(isHeld(workspace), true);
});

test("a holder that is killed frees it at once", async (t) => {
  const workspace = folder(t);
  const holder = await held(t, workspace);
  holder.kill("SIGKILL");
  await once(holder, "exit");
  const from = performance.now();
  assert.equal(isHeld(workspace), false);
  assert.equal(await tryLock(workspace), "taken");
  assert.ok(performance.now() - from < 1000);
});

test("a holder that sleeps keeps it", async (t) => {
  const workspace = folder(t);
  const holder = await held(t, workspace);
  holder.kill("SIGSTOP");
  try {
    assert.equal(((await tryLock(workspace)) as Holder).pid, holder.pid);
    assert.equal(isHeld(workspace), true);
  } finally {
    holder.kill("SIGCONT");
  }
});

test("a lock that was given back can be taken again, by the same process too", async (t) => {
  const workspace = folder(t);
  assert.equal(isHeld(workspace), false);
  assert.equal(await tryLock(workspace), "taken");
  assert.equal(await tryLock(workspace), "taken");
  assert.equal(isHeld(workspace), false);
  assert.deepEqual(readHolder(workspace), HOLDER);
});

test("asking whether it is held keeps nobody from taking it", async (t) => {
  const workspace = folder(t);
  assert.equal(await tryLock(workspace), "taken");
  const asker = child(
    t,
    `import { isHeld } from ${module("lock.ts")};
     console.log("ready"); for (;;) { for (let n = 0; n < 50; n++) isHeld(process.argv[1]); await new Promise((go) => setImmediate(go)); }`,
    workspace,
  );
  assert.equal(await asker.line(), "ready");
  for (let n = 0; n < 100; n++) assert.equal(await tryLock(workspace), "taken");
});

test("of several that begin together one gets it", async (t) => {
  const workspace = folder(t);
  const answers = await Promise.all(Array.from({ length: 4 }, () => child(t, HOLD, workspace).line()));
  assert.deepEqual(answers.sort(), ["held", "refused", "refused", "refused"]);
});

test("who holds it is not known when the note is broken, that it is held still is", async (t) => {
  const workspace = folder(t);
  await held(t, workspace);
  writeFileSync(join(workspace, ".run/daemon.json"), "{");
  assert.equal(await tryLock(workspace), null);
  assert.ok(existsSync(join(workspace, ".run/daemon.lock")));
});
