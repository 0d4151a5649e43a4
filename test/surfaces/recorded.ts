/** A repository with a workspace whose story is in the ledger already, and the command line to ask about it. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { ensureExclude } from "../../src/ledger/git.ts";
import { openLedger, type LedgerEntry } from "../../src/ledger/ledger.ts";
import { redactor } from "../../src/ledger/redact.ts";

export const COX = new URL("../../bin/cox.js", import.meta.url).pathname;
export const SESSION = "WFS-user-auth";
const REF = "refs/cox/ledger";
const redact = redactor([]);

/** What a command sees of the world: nothing of the machine that the tests run on but git. */
export function environment(home: string, more: Record<string, string> = {}): Record<string, string> {
  const cache = process.env["NODE_COMPILE_CACHE"];
  return {
    ...(cache ? { NODE_COMPILE_CACHE: cache } : {}),
    PATH: "/usr/local/bin:/usr/bin:/bin",
    HOME: home,
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    ...more,
  };
}

export interface Answer {
  exit: number | null;
  out: string;
  err: string;
  json<T = Record<string, unknown>>(): T;
}

export function cox(dir: string, args: readonly string[], more: Record<string, string> = {}): Answer {
  const run = spawnSync(process.execPath, [COX, ...args], {
    cwd: dir,
    env: environment(join(dir, ".."), more),
    encoding: "utf8",
    timeout: 60_000,
  });
  return { exit: run.status, out: run.stdout, err: run.stderr, json: <T>() => JSON.parse(run.stdout) as T };
}

/** The command left running; what it printed so far can be read. Stopped after the test. */
export function coxRunning(t: TestContext, dir: string, args: readonly string[], more: Record<string, string> = {}) {
  const child: ChildProcess = spawn(process.execPath, [COX, ...args], {
    cwd: dir,
    env: environment(join(dir, ".."), more),
    stdio: ["ignore", "pipe", "pipe"],
  });
  const heard = { out: "", err: "", exit: undefined as number | null | undefined };
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (heard.out += text));
  child.stderr?.setEncoding("utf8").on("data", (text: string) => (heard.err += text));
  const ended = new Promise<void>((done) => child.on("close", (code) => ((heard.exit = code), done())));
  t.after(async () => {
    child.kill("SIGKILL");
    await ended;
  });
  return heard;
}

export function git(dir: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync("git", args, { cwd: dir, env: environment(dir), encoding: "utf8" });
  if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
  return stdout.replace(/\n$/, "");
}

/** A folder with a git repository `repo` in it, one commit, removed after the test. Returns the repository. */
export function repository(t: TestContext): string {
  const home = mkdtempSync(join(tmpdir(), "cox-surface-"));
  t.after(() => rmSync(home, { recursive: true, force: true, maxRetries: 5 }));
  const dir = join(home, "repo");
  mkdirSync(dir);
  git(dir, "init", "-q", "-b", "main");
  git(dir, "config", "user.name", "Ada Lovelace");
  git(dir, "config", "user.email", "ada@example.com");
  git(dir, "commit", "-q", "--allow-empty", "-m", "begin");
  return dir;
}

export function task(
  id: string,
  more: Record<string, unknown> = {},
  execution: Record<string, unknown> = {},
): Record<string, unknown> {
  return {
    id,
    title: `Task ${id}`,
    status: "pending",
    type: "feature",
    agent: "code-developer",
    paths: "",
    context: { requirements: [], scope: [], acceptance: [], inherited_from: SESSION },
    relations: { parent: id.includes(".") ? id.split(".")[0] : null, subtasks: [], dependencies: [] },
    execution: { attempts: 0, last_attempt: null, ...execution },
    implementation: { files: [], context_notes: {}, analysis_source: "manual" },
    ...more,
  };
}

export function session(more: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    session_id: SESSION,
    project: "user auth",
    type: "simple",
    current_phase: "IMPLEMENT",
    status: "active",
    progress: { completed_phases: [], current_tasks: [] },
    ...more,
  };
}

export function write(dir: string, path: string, content: string | Record<string, unknown>): void {
  const file = join(dir, ".workflow", path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === "string" ? content : `${JSON.stringify(content, null, 2)}\n`);
}

export function read(dir: string, path: string): string {
  return readFileSync(join(dir, ".workflow", path), "utf8");
}

function move(
  id: string,
  from: string,
  to: string,
  more: [string, string][] = [],
): Pick<LedgerEntry, "subject" | "trailers"> {
  return {
    subject: `${SESSION} ${id}: ${from} -> ${to}`,
    trailers: [["Cox-Session", SESSION], ["Cox-Task", id], ["Cox-From", from], ["Cox-To", to], ...more],
  };
}

/** Records entries a minute apart, each with the files that it names as they are on disk now. */
export async function record(
  dir: string,
  entries: (Pick<LedgerEntry, "subject" | "trailers"> & { files?: string[]; actor?: "daemon" | "person" })[],
): Promise<string[]> {
  const opened = await openLedger({
    repository: dir,
    ref: REF,
    durability: "process",
    redact: (text) => redact(text).text,
  });
  if ("problem" in opened) throw new Error(opened.problem.message);
  try {
    const { commits } = await opened.ok.record(
      entries.map(({ subject, trailers, files = [], actor = "daemon" }, place) => ({
        subject,
        trailers: [...trailers, ["Cox-Actor", actor] as [string, string]],
        actor,
        at: new Date(Date.UTC(2026, 10, 21, 9, 30 + place)).toISOString(),
        changes: files.map((path) => ({ path, content: readFileSync(join(dir, ".workflow", path)) })),
      })),
    );
    return commits;
  } finally {
    await opened.ok.close();
  }
}

/** A session with a completed, a running and a waiting task, all of it recorded, as a daemon leaves it that was killed. */
export async function workspace(t: TestContext): Promise<{ dir: string; commits: string[] }> {
  const dir = repository(t);
  const last = {
    attempt: 1,
    run_id: "run-1",
    started_at: "2026-11-21T09:31:00.000Z",
    ended_at: "2026-11-21T09:32:00.000Z",
    outcome: "success",
  };
  const running = {
    attempt: 1,
    run_id: "run-2",
    started_at: "2026-11-21T09:33:00.000Z",
    ended_at: null,
    outcome: null,
  };
  write(dir, `${SESSION}/workflow-session.json`, session());
  write(
    dir,
    `${SESSION}/.task/impl-1.json`,
    task("impl-1", { status: "completed" }, { attempts: 1, last_attempt: last }),
  );
  write(
    dir,
    `${SESSION}/.task/impl-2.json`,
    task("impl-2", { status: "active" }, { attempts: 1, last_attempt: running }),
  );
  write(
    dir,
    `${SESSION}/.task/impl-3.json`,
    task("impl-3", { relations: { parent: null, subtasks: [], dependencies: ["impl-2"] } }),
  );
  write(dir, `.active-${SESSION}`, "");
  mkdirSync(join(dir, ".workflow/.run"), { recursive: true });
  const file = (id: string) => [`${SESSION}/.task/${id}.json`];
  const commits = await record(dir, [
    {
      subject: `${SESSION}: new -> active`,
      trailers: [["Cox-Session", SESSION]],
      files: [`${SESSION}/workflow-session.json`],
    },
    { ...move("impl-1", "new", "pending"), actor: "person", files: file("impl-1") },
    { ...move("impl-1", "pending", "active", [["Cox-Attempt", "1"]]) },
    {
      ...move("impl-1", "active", "completed", [
        ["Cox-Attempt", "1"],
        ["Cox-Model", "claude-opus-5-5"],
        ["Cox-Cost-USD", "0.0123"],
      ]),
    },
    { ...move("impl-2", "new", "pending"), actor: "person", files: file("impl-2") },
    { ...move("impl-3", "new", "pending"), actor: "person", files: file("impl-3") },
    { ...move("impl-2", "pending", "active", [["Cox-Attempt", "1"]]) },
  ]);
  await ensureExclude(join(dir, ".git"));
  return { dir, commits };
}

/** Waits for a condition, at most twenty seconds. */
export async function until<T>(what: string, condition: () => T | undefined | false | null): Promise<T> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline; await sleep(20)) {
    const value = condition();
    if (value) return value;
  }
  throw new Error(`waited in vain for ${what}`);
}
