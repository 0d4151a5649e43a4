/** A repository to measure in, and a daemon at work in it. */
import { execFileSync, spawn, spawnSync, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const LAUNCHER = join(import.meta.dirname, "..", "bin", "cox.js");

export interface Lab {
  dir: string;
  /** `.workflow`. */
  workspace: string;
  git: (...args: string[]) => string;
  /** The same where a failure is to be counted: what git complained of, empty when all was well. */
  complaint: (...args: string[]) => string;
  remove: () => void;
}

/** A repository with so many tracked files, one active session `WFS-bench`, and the given settings, in `under`. */
export function makeLab(options: { files?: number; config?: string; under?: string } = {}): Lab {
  const dir = mkdtempSync(join(options.under ?? tmpdir(), "cox-bench-"));
  const env = { ...process.env, GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_NOSYSTEM: "1" };
  const git = (...args: string[]) =>
    execFileSync("git", ["-c", "user.name=Bench", "-c", "user.email=bench@localhost", ...args], {
      cwd: dir,
      env,
      encoding: "utf8",
      maxBuffer: 1 << 28,
    });
  const complaint = (...args: string[]) => {
    const whole = ["-c", "user.name=Bench", "-c", "user.email=bench@localhost", ...args];
    const { status, stderr } = spawnSync("git", whole, { cwd: dir, env, encoding: "utf8", maxBuffer: 1 << 28 });
    return status === 0 ? "" : `git ${args.join(" ")} (${status}): ${stderr.trim()}`;
  };
  git("init", "-q", "-b", "main");
  for (let n = 0; n < (options.files ?? 10); n++) {
    const folder = join(dir, "src", `m${n % 100}`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, `f${n}.ts`), `export const f${n} = ${n};\n`);
  }
  git("add", ".");
  git("commit", "-q", "-m", "files");
  const workspace = join(dir, ".workflow");
  mkdirSync(join(workspace, "WFS-bench", ".task"), { recursive: true });
  mkdirSync(join(workspace, "inbox"), { recursive: true });
  writeFileSync(join(workspace, ".active-WFS-bench"), "");
  // What is measured is the daemon, not a checkout, unless the settings say so.
  writeFileSync(join(workspace, "config.yaml"), options.config ?? "isolation: none\n");
  return { dir, workspace, git, complaint, remove: () => rmSync(dir, { recursive: true, force: true, maxRetries: 5 }) };
}

/** Starts the daemon, with more in its environment, and waits until it watches. */
export async function startDaemon(lab: Lab, env: Record<string, string> = {}): Promise<ChildProcess> {
  rmSync(join(lab.workspace, ".run", "daemon.json"), { force: true });
  const child = spawn(LAUNCHER, ["start", "-C", lab.dir], {
    stdio: ["ignore", "ignore", "inherit"],
    env: { ...process.env, COX_LOG_LEVEL: "error", ...env },
  });
  await until(
    () => /"ready": true/.test(readIf(join(lab.workspace, ".run", "daemon.json"))),
    20_000,
    "the daemon to be ready",
  );
  return child;
}

export async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}

export async function until(condition: () => boolean, deadlineMs: number, what: string): Promise<void> {
  const end = Date.now() + deadlineMs;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`waited ${deadlineMs} ms for ${what}`);
    await pause(5);
  }
}

export function readIf(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** A figure among sorted numbers: 0.5 the median, 0.99 the 99th percentile. */
export function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? Number.NaN;
}

export const ms = (value: number) => `${value.toFixed(1)} ms`;

/** Files under `.workflow/` that the ledger holds; none while there is no ledger. */
export function recordedFiles(lab: Lab): string[] {
  return lines(lab, "ls-tree", "-r", "--name-only", "refs/cox/ledger");
}

/** Subjects of the ledger, newest first. */
export function recordedSubjects(lab: Lab): string[] {
  return lines(lab, "log", "--format=%s", "refs/cox/ledger");
}

function lines(lab: Lab, ...args: string[]): string[] {
  const began = lab.git("for-each-ref", "refs/cox/ledger") !== "";
  return began
    ? lab
        .git(...args)
        .split("\n")
        .filter(Boolean)
    : [];
}

/** CPU seconds that a process has used, and its resident memory in MB. */
export function usage(pid: number): { cpu: number; memory: number } {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  const resident = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1] ?? 0;
  return { cpu: (Number(fields[11]) + Number(fields[12])) / 100, memory: Number(resident) / 1024 };
}

/** Whether so many tasks are completed: looked at from the last one on, since they are done in order. */
export function isDone(folder: string, tasks: number): boolean {
  for (let n = tasks; n > Math.max(0, tasks - 16); n--)
    if (!/"status": "completed"/.test(readIf(join(folder, `impl-${n}.json`)))) return false;
  return true;
}
