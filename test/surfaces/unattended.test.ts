/** A daemon whose terminal, watch or output file is gone: it goes on, and says what it lacks. */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, openSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { after, test, type TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { folder, repository, type Lab } from "./lab.ts";

const COX = new URL("../../bin/cox.js", import.meta.url).pathname;
const LOG = new URL("../../src/daemon/log.ts", import.meta.url).href;
const LOG_FILE = ".workflow/.run/log/daemon.jsonl";
const left: ChildProcess[] = [];
after(() => left.forEach((child) => child.kill("SIGKILL")));

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 30_000; !holds(); await pause(20))
    if (performance.now() > deadline) assert.fail(`still not: ${what}`);
}

interface Up {
  lab: Lab;
  pid: () => number;
  said: () => string;
}

/** The daemon in a shell's line that ends in `"$@"`. */
async function up(t: TestContext, line: string, more: Record<string, string> = {}): Promise<Up> {
  // Registered first, so that nobody works in the folder when it is removed.
  const ends: (() => void)[] = [];
  t.after(() => ends.forEach((end) => end()));
  const lab = repository(t, { init: true });
  const { PATH = "", NODE_COMPILE_CACHE = "" } = process.env;
  const env = {
    PATH,
    NODE_COMPILE_CACHE,
    HOME: join(lab.dir, ".."),
    COX_ISOLATION: "none",
    COX_NOTIFY_LEVEL: "none",
    ...more,
  };
  const args = ["-c", line, "sh", process.execPath, COX, "start"];
  const child = spawn("/bin/sh", args, { cwd: lab.dir, env, stdio: "ignore", detached: true });
  left.push(child);
  ends.push(() => lab.cox("stop", "--now"));
  const holder = () =>
    lab.has(".workflow/.run/daemon.json")
      ? (JSON.parse(lab.read(".workflow/.run/daemon.json")) as { pid: number; ready?: boolean })
      : undefined;
  await until("the daemon is ready", () => holder()?.ready === true);
  return { lab, pid: () => holder()?.pid ?? 0, said: () => (lab.has(LOG_FILE) ? lab.read(LOG_FILE) : "") };
}

async function does(lab: Lab, id: string): Promise<void> {
  lab.cox("add", id, "--agent", "command", "--command", `touch ${id}`);
  await until(`${id} is done`, () => lab.task(id).status === "completed");
}

for (const [what, line] of [
  ["whose reader is gone", `exec "$@" 2>&1 | sleep 0.1`],
  ["whose output's disk is full", `exec "$@" >/dev/full 2>&1`],
] as const) {
  test(`a daemon ${what} goes on`, async (t) => {
    if (line.includes("/dev/full") && process.platform !== "linux") return t.skip("there is no /dev/full here");
    const { lab, pid } = await up(t, line);
    const before = pid();
    await does(lab, "impl-1");
    await does(lab, "impl-2");
    assert.equal(pid(), before);
    assert.equal(lab.json<{ daemon: { up: boolean } }>("status").daemon.up, true);
  });
}

test("a daemon whose terminal is closed goes on, and reads everything again", async (t) => {
  if (spawnSync("script", ["--version"], { encoding: "utf8" }).stdout?.includes("util-linux") !== true)
    return t.skip("script(1) of util-linux is not here");
  const { lab, pid, said } = await up(t, `echo $$ > ../terminal; exec script -qc "exec $1 $2 $3" /dev/null`);
  const before = pid();
  process.kill(Number(lab.read("../terminal")), "SIGKILL");
  await until("it is told", () => said().includes("SIGHUP: "));
  await does(lab, "impl-1");
  assert.equal(pid(), before);
});

test("SIGHUP: settings, roles and files are read again, and it says so", async (t) => {
  const { lab, pid, said } = await up(t, `exec "$@"`, { COX_RESCAN: "1h", COX_NO_WATCH: "1" });
  lab.write(".workflow/config.yaml", "isolation: none\nlog_level: debug\n");
  lab.write(
    ".workflow/agents/own.md",
    "---\nname: own\ndescription: mine\nrunner: command\ncommand: touch by-role\n---\n",
  );
  lab.write(".workflow/WFS-main/.task/impl-1.json", JSON.stringify({ title: "By the role", agent: "own" }));
  lab.write(".workflow/.active-WFS-main", "");
  process.kill(pid(), "SIGHUP");
  await until("it is done", () => lab.has("by-role"));
  assert.match(said(), /SIGHUP: settings, roles and patterns are read again/);
  assert.match(said(), /config\.yaml was taken/);
});

test("lost file events are told by status and doctor, work goes on by looking, and SIGHUP asks for them again", async (t) => {
  const limit = "/proc/sys/user/max_inotify_watches";
  if (spawnSync("unshare", ["-Ur", "sh", "-c", `echo 1 > ${limit}`]).status !== 0)
    return t.skip("user namespaces are not allowed here");
  const more = `while [ ! -e ../more ] && [ -d .git ]; do sleep 0.05; done; echo 10000 > ${limit}; touch ../raised`;
  const line = `exec unshare -Ur sh -c 'echo 1 > ${limit}; { ${more}; } & exec "$@"' sh "$@"`;
  const { lab, pid, said } = await up(t, line, { COX_RESCAN: "300ms" });
  await until("it says so", () => said().includes("file events are lost"));
  assert.equal(said().match(/file events are lost/g)?.length, 1);
  await does(lab, "impl-1");
  interface Picture {
    problems: { what: string; mend: string }[];
  }
  const problems = () => lab.json<Picture>("status").problems.filter(({ what }) => what.includes("file events"));
  assert.match(problems()[0]?.what ?? "", /since .* file events are lost: ENOSPC.*; changes are found by looking/);
  assert.match(problems()[0]?.mend ?? "", new RegExp(`kill -HUP ${pid()}`));
  assert.match(lab.cox("doctor").out, /file events are lost[^]*max_user_watches/);
  lab.write("../more", "");
  await until("there is room for more", () => lab.has("../raised"));
  process.kill(pid(), "SIGHUP");
  await until("they are there again", () => said().includes("file events arrive again"));
  await until("status has no word of it", () => problems().length === 0);
});

test("the output of a daemon in the background begins anew when it is too long; another file is not touched", async (t) => {
  const dir = folder(t);
  mkdirSync(join(dir, "log"));
  const script = `import { openLog } from ${JSON.stringify(LOG)};
    const log = openLog(${JSON.stringify(dir)}, { level: "info", terminal: process.stderr });
    for (let n = 0; n < 1100; n++) log.say("info", "x ".repeat(512));`;
  const said = async (file: string) => {
    const out = openSync(file, "a");
    truncateSync(file, 10 * 1024 * 1024);
    const child = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "ignore", out] });
    assert.deepEqual(await once(child, "exit"), [0, null]);
    return statSync(file).size;
  };
  assert.ok((await said(join(dir, "other"))) > 11 * 1024 * 1024);
  assert.ok((await said(join(dir, "log", "daemon.out"))) < 1024 * 1024);
});
