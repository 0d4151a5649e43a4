import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isAlive } from "../../src/agent/proc-table.ts";
import { findRun, readRun, startProcess } from "../../src/agent/process.ts";
import type { ProcessEnd } from "../../src/agent/runner.ts";
import { startWrapper } from "../../src/agent/wrapper.ts";
import { fileHas, newRun, shell, start, survivors, until, within } from "./process-fixture.ts";

const MB = 1024 * 1024;

const ENDS: [string, ProcessEnd][] = [
  ["exit 0", { kind: "exited", code: 0 }],
  ["exit 1", { kind: "exited", code: 1 }],
  ["exit 77", { kind: "exited", code: 77 }],
  ["exit 127", { kind: "exited", code: 127 }],
  ["exit 255", { kind: "exited", code: 255 }],
  ["kill -TERM $$", { kind: "signalled", signal: "SIGTERM" }],
  ["kill -KILL $$", { kind: "signalled", signal: "SIGKILL" }],
  ["kill -INT $$", { kind: "signalled", signal: "SIGINT" }],
  ["kill -SEGV $$", { kind: "signalled", signal: "SIGSEGV" }],
];
for (const [command, end] of ENDS) {
  test(`the end of an agent that does \`${command}\` is exact`, async (t) => {
    const run = newRun(t);
    const agent = await start(run, shell(run, command));
    await within(agent.ended);
    assert.deepEqual((await readRun(run.runDir, { maxBytes: MB })).end, end);
    assert.deepEqual(await findRun(run), { state: "ended", end });
  });
}

test("the wrapper passes no ignored or trapped signal on to the agent", async (t) => {
  const run = newRun(t);
  const agent = await start(run, { ...shell(run, ""), file: "cat", args: ["/proc/self/status"] });
  await within(agent.ended);
  if (process.platform !== "linux") return;
  const { stdout } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual(stdout.match(/^Sig(Ign|Cgt).*$/gm), [`SigIgn:\t${"0".repeat(16)}`, `SigCgt:\t${"0".repeat(16)}`]);
});

test("output of both kinds is kept apart and is the agent's own", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, "echo out; echo err >&2; kill -TERM $$"));
  await within(agent.ended);
  const { stdout, stderr } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual([stdout, stderr], ["out\n", "err\n"]);
});

test("a megabyte on standard input arrives whole", async (t) => {
  const run = newRun(t);
  const stdin = "0123456789abcdé\n".repeat(MB / 16);
  const agent = await start(run, { ...shell(run, ""), file: "cat", args: [], stdin });
  await within(agent.ended);
  assert.equal((await readRun(run.runDir, { maxBytes: 4 * MB })).stdout, stdin);
});

test("arguments reach the agent as they are, whatever a shell would read in them", async (t) => {
  const run = newRun(t);
  const args = ["$(touch x)", "`touch x`", "a'b\"c", "two\nlines", "", "-n", "; touch x", "\\", "*", "é"];
  const print = "process.stdout.write(JSON.stringify(process.argv.slice(1)))";
  const agent = await start(run, { ...shell(run, ""), file: process.execPath, args: ["-e", print, "--", ...args] });
  await within(agent.ended);
  assert.deepEqual(JSON.parse((await readRun(run.runDir, { maxBytes: MB })).stdout), args);
  assert.equal(existsSync(join(run.cwd, "x")), false);
});

test("the environment is the launch's, with the marker and nothing of ours", async (t) => {
  process.env.COX_TEST_SECRET = "secret";
  t.after(() => delete process.env.COX_TEST_SECRET);
  const run = newRun(t);
  const print = "process.stdout.write(JSON.stringify(process.env))";
  const env = { PATH: "/usr/bin:/bin", TOKEN: "a b'c" };
  const agent = await start(run, { ...shell(run, ""), file: process.execPath, args: ["-e", print], env });
  await within(agent.ended);
  const seen = JSON.parse((await readRun(run.runDir, { maxBytes: MB })).stdout);
  // What every shell sets by itself.
  for (const name of ["PWD", "OLDPWD", "SHLVL", "_"]) delete seen[name];
  assert.deepEqual(seen, { ...env, COX_RUN_ID: run.runId });
});

test("a name that is also a shell builtin means the program on PATH", async (t) => {
  const run = newRun(t);
  const bin = join(run.cwd, "bin");
  mkdirSync(bin);
  writeFileSync(join(bin, "exit"), "#!/bin/sh\necho the program; exit 5\n", { mode: 0o755 });
  const agent = await start(run, { ...shell(run, ""), file: "exit", args: ["3"], env: { PATH: bin } });
  await within(agent.ended);
  const { stdout, end } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual([stdout, end], ["the program\n", { kind: "exited", code: 5 }]);
});

test("an agent whose daemon is killed is found running, ends by itself, and its code is known", async (t) => {
  const run = newRun(t);
  const launch = shell(run, `until [ -e ${run.cwd}/go ]; do sleep 0.02; done; echo done; exit 7`);
  const program = `
    import { startProcess } from ${JSON.stringify(new URL("../../src/agent/process.ts", import.meta.url).href)};
    const started = await startProcess(${JSON.stringify({ ...run, launch })});
    console.log(JSON.stringify(started.ok.identity));
    setInterval(() => {}, 1000);`;
  const daemon = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.after(() => daemon.kill("SIGKILL"));
  const identity = await new Promise((told) => daemon.stdout.once("data", (line) => told(JSON.parse(String(line)))));
  const dead = new Promise((gone) => daemon.once("exit", gone));
  daemon.kill("SIGKILL");
  await within(dead);

  const found = await findRun(run);
  assert.ok(found.state === "running");
  assert.deepEqual(found.process.identity, identity);
  writeFileSync(join(run.cwd, "go"), "");
  await within(found.process.ended);
  const { stdout, end } = await readRun(run.runDir, { maxBytes: MB });
  assert.deepEqual([stdout, end], ["done\n", { kind: "exited", code: 7 }]);
});

test("a daemon that dies before `started` is written has started nothing, now or later", async (t) => {
  const run = newRun(t);
  // The write is what fails here: the wrapper is there already, and must not go on.
  mkdirSync(join(run.runDir, "started.tmp"), { recursive: true });
  const started = await startProcess({ ...run, launch: shell(run, `touch ${run.cwd}/ran`) });
  assert.ok("cannot" in started);
  assert.deepEqual(await findRun(run), { state: "never-started" });
  await until("the wrapper is gone", async () => (await survivors(run)) === 0);
  assert.equal(existsSync(join(run.cwd, "ran")), false);
});

test("an empty folder means never started, and a folder of another run too", async (t) => {
  const run = newRun(t);
  assert.deepEqual(await findRun(run), { state: "never-started" });
  await within((await start(run, shell(run, "exit 0"))).ended);
  assert.deepEqual(await findRun({ ...run, runId: "another-run" }), { state: "never-started" });
});

test("a run whose daemon died before the wrapper was told to begin never ran, and is begun in its folder", async (t) => {
  const run = newRun(t);
  const wrapper = await startWrapper();
  mkdirSync(run.runDir);
  writeFileSync(join(run.runDir, "started"), JSON.stringify({ ...wrapper.identity, runId: run.runId }));
  assert.equal((await findRun(run)).state, "running");
  await wrapper.retire();
  assert.deepEqual(await findRun(run), { state: "never-started" });
  await within((await start(run, shell(run, "exit 0"))).ended);
  assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "exited", code: 0 } });
});

test("after a reboot nobody knows whether a run had begun: it has vanished", async (t) => {
  const run = newRun(t);
  mkdirSync(run.runDir);
  const identity = { bootId: "the one before", pid: 4711, start: "1", runId: run.runId };
  writeFileSync(join(run.runDir, "started"), JSON.stringify(identity));
  assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "vanished" } });
});

test("a folder serves one run: it is not started twice", async (t) => {
  const run = newRun(t);
  await within((await start(run, shell(run, "exit 0"))).ended);
  const again = await startProcess({ ...run, launch: shell(run, `touch ${run.cwd}/ran`) });
  assert.ok("cannot" in again && again.cannot.code === "EEXIST");
});

test("an agent killed together with its wrapper has vanished", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, `touch ${run.cwd}/up; sleep 60`));
  await until("the agent is up", () => fileHas(join(run.cwd, "up")));
  process.kill(-agent.identity.pid, "SIGKILL");
  await within(agent.ended);
  assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "vanished" } });
  assert.deepEqual((await readRun(run.runDir, { maxBytes: MB })).end, { kind: "vanished" });
});

test("a process that has the pid by now is not taken for the run", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, "sleep 60"));
  assert.equal((await findRun(run)).state, "running");
  await until("the agent has begun", () => existsSync(join(run.runDir, "stderr")));
  for (const wrong of [{ start: "1" }, { bootId: "another-boot" }, { pid: process.pid }]) {
    const identity = { ...agent.identity, ...wrong };
    assert.equal(await isAlive(identity), false);
    writeFileSync(join(run.runDir, "started"), JSON.stringify(identity));
    assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "vanished" } });
  }
});

test("a `started` cut off by a crash names nobody, and half an exit code is none", async (t) => {
  const run = newRun(t);
  mkdirSync(run.runDir);
  for (const started of ["", '{"bootId":"', "null", '{"bootId":"b","pid":0,"start":"1"}']) {
    writeFileSync(join(run.runDir, "started"), started);
    writeFileSync(join(run.runDir, "exit"), "14");
    assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "vanished" } });
  }
  writeFileSync(join(run.runDir, "exit"), "143\n");
  assert.deepEqual(await findRun(run), { state: "ended", end: { kind: "signalled", signal: "SIGTERM" } });
});

test("what cannot be started is said with its cause and leaves no process and no `started`", async (t) => {
  const run = newRun(t);
  writeFileSync(join(run.cwd, "plain"), "text");
  chmodSync(join(run.cwd, "plain"), 0o644);
  const cases = [
    ["ENOENT", shell(run, "", { file: "no-such-program-here" })],
    ["ENOENT", shell(run, "", { file: "/no/such/program" })],
    ["ENOENT", shell(run, "exit 0", { cwd: join(run.cwd, "missing") })],
    ["EACCES", shell(run, "", { file: join(run.cwd, "plain") })],
    ["ENOTDIR", shell(run, "exit 0", { cwd: join(run.cwd, "plain") })],
    ["E2BIG", shell(run, "", { args: ["x".repeat(4 * MB)] })],
  ] as const;
  for (const [code, launch] of cases) {
    const started = await startProcess({ ...run, launch });
    assert.ok("cannot" in started, code);
    assert.equal(started.cannot.code, code);
    assert.ok(started.cannot.message && started.cannot.hint);
    assert.deepEqual(await findRun(run), { state: "never-started" });
  }
  assert.equal(await survivors(run), 0);
});

test(
  "a daemon that is out of file descriptors says so, loses none by it, and goes on",
  { skip: process.platform === "win32" },
  async (t) => {
    const run = newRun(t);
    const program = `
    import { closeSync, openSync } from "node:fs";
    import { startProcess } from ${JSON.stringify(new URL("../../src/agent/process.ts", import.meta.url).href)};
    const open = [];
    try { for (;;) open.push(openSync("/dev/null", "r")); } catch {}
    const codes = [];
    for (let spare = 0; spare < 30; spare++) {
      const started = await startProcess({ runDir: ${JSON.stringify(run.runDir)} + spare, runId: ${JSON.stringify(run.runId)}, launch: ${JSON.stringify(shell(run, "exit 0"))} });
      codes.push("ok" in started ? "ok" : started.cannot.code);
      closeSync(open.pop());
    }
    for (const fd of open) closeSync(fd);
    console.log(JSON.stringify(codes));`;
    const limited = ["-c", 'ulimit -n 64; exec "$@"', "sh", process.execPath, "--input-type=module", "-e", program];
    const daemon = spawn("/bin/sh", limited, { stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    daemon.stdout.on("data", (text) => (printed += text));
    assert.equal(await within(new Promise((ended) => daemon.once("close", ended))), 0);
    const codes = JSON.parse(printed) as string[];
    assert.equal(codes[0], "EMFILE");
    assert.equal(codes.at(-1), "ok");
    assert.ok(codes.indexOf("ok") < 15, codes.join(" "));
    assert.deepEqual([...new Set(codes)].sort(), ["EMFILE", "ok"]);
    await until("nothing is left", async () => (await survivors(run)) === 0);
  },
);

test("a run goes on when its folder is all that is left of the daemon's output, and can be read meanwhile", async (t) => {
  const run = newRun(t);
  const agent = await start(run, shell(run, `echo one; until [ -e ${run.cwd}/go ]; do sleep 0.02; done; echo two`));
  await until("the first line", () => fileHas(join(run.runDir, "stdout"), "one"));
  assert.equal((await findRun(run)).state, "running");
  writeFileSync(join(run.cwd, "go"), "");
  await within(agent.ended);
  assert.equal(readFileSync(join(run.runDir, "stdout"), "utf8"), "one\ntwo\n");
  rmSync(run.runDir, { recursive: true });
  assert.deepEqual(await findRun(run), { state: "never-started" });
});
