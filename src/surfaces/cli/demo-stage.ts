/** Where the demonstration happens: a temporary repository, a daemon in it, and a way to leave nothing of either behind. */
import { spawn } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { git } from "../../ledger/git.ts";
import type { Task } from "../../model/task.ts";
import { at, RUN, WORKSPACE } from "../../store/paths.ts";
import { PROJECT, SESSION } from "./demo-script.ts";
import { openGrowing } from "./growing-file.ts";
import { startOf } from "./process-start.ts";

const COX = fileURLToPath(new URL("../../../bin/cox.js", import.meta.url));
const LOOK_MS = 50;
const PATIENCE_MS = 30_000;
const LINES_KEPT = 40;

export interface Ran {
  exit: number;
  out: string;
  err: string;
}

/** The demonstration was cut short by a person. */
export class Interrupted extends Error {}

export class Stage {
  readonly dir: string;
  /** The last that the daemon said. */
  readonly heard: string[] = [];
  private readonly env: NodeJS.ProcessEnv;
  private readonly say: (line: string) => void;
  private readonly signal: AbortSignal;
  private log: ReturnType<typeof openGrowing>;

  /** `say` gets what the daemon says, as it says it. */
  constructor(options: { env: NodeJS.ProcessEnv; say: (line: string) => void; signal: AbortSignal }) {
    this.dir = realpathSync(mkdtempSync(join(tmpdir(), "cox-demo-")));
    // Settings of the surroundings (COX_…) are not the demonstration's.
    this.env = Object.fromEntries(Object.entries(options.env).filter(([name]) => !name.startsWith("COX_")));
    this.say = options.say;
    this.signal = options.signal;
  }

  /** The project, committed; under the person's own name where git knows one. */
  async build(): Promise<void> {
    for (const [path, text] of Object.entries(PROJECT)) this.write(path, text);
    await this.git("init", "--quiet", "--initial-branch=main", "--template=");
    if ((await git(["config", "user.name"], { cwd: this.dir })).code !== 0)
      await this.git("config", "user.name", "You");
    if ((await git(["config", "user.email"], { cwd: this.dir })).code !== 0)
      await this.git("config", "user.email", "you@localhost");
    await this.git("add", "--all");
    await this.git("commit", "--quiet", "--message", "A greeter");
  }

  /** Throws when git fails: then nothing here can go on. */
  async git(...args: string[]): Promise<string> {
    const ran = await git(args, { cwd: this.dir });
    if (ran.code !== 0) throw new Error(`git ${args[0]} failed: ${ran.stderr}`);
    return ran.stdout.toString().trimEnd();
  }

  cox(...args: string[]): Promise<Ran> {
    return new Promise((done) => {
      // In a group of its own: Ctrl-C must not cut off a command between starting a daemon and saying so.
      const child = spawn(process.execPath, [COX, ...args], {
        cwd: this.dir,
        env: this.env,
        detached: true,
        stdio: ["ignore", "pipe", "pipe"],
      });
      let [out, err] = ["", ""];
      child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
      child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
      child.on("error", (error) => (err += error.message));
      child.on("close", (code) => done({ exit: code ?? 1, out: out.trimEnd(), err: err.trimEnd() }));
    });
  }

  /** As {@link cox}, but what goes wrong ends the demonstration. */
  async must(...args: string[]): Promise<string> {
    const { exit, out, err } = await this.cox(...args);
    if (this.signal.aborted) throw new Interrupted();
    if (exit !== 0) throw new Error(`cox ${args.join(" ")} ended with exit code ${exit}: ${err || out}`);
    return out;
  }

  /** Starts a daemon of its own; its process id. */
  async start(): Promise<number> {
    const { pid } = JSON.parse(await this.must("start", "--detach", "--json")) as { pid: number };
    return pid;
  }

  write(path: string, text: string): void {
    const file = join(this.dir, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }

  writeJson(path: string, value: unknown): void {
    this.write(path, `${JSON.stringify(value, null, 2)}\n`);
  }

  read(path: string): string {
    return readFileSync(join(this.dir, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.dir, path));
  }

  /** Undefined before it was taken in, and while an unfinished file stands there. */
  task(id: string): Task | undefined {
    try {
      return JSON.parse(this.read(join(WORKSPACE, at.task(SESSION, id)))) as Task;
    } catch {
      return undefined;
    }
  }

  /** What the agent of a task has printed so far, while it lives. */
  said(id: string): string {
    const run = this.task(id)?.execution.last_attempt?.run_id;
    try {
      return run ? this.read(join(WORKSPACE, RUN, "attempts", run, "stdout")) : "";
    } catch {
      return "";
    }
  }

  /** The wrappers that lead the process groups of agents that live. */
  agents(): number[] {
    const runs = join(this.dir, WORKSPACE, RUN, "attempts");
    return namesIn(runs).flatMap((run) => {
      try {
        const { pid, start } = JSON.parse(readFileSync(join(runs, run, "started"), "utf8")) as {
          pid: number;
          start: string;
        };
        return Number.isSafeInteger(pid) && pid > 1 && startOf(pid) === start ? [pid] : [];
      } catch {
        return [];
      }
    });
  }

  /** Waits for a condition, passing on what the daemon says meanwhile. */
  async until<T>(what: string, condition: () => T | undefined | false | null, patience = PATIENCE_MS): Promise<T> {
    for (const deadline = Date.now() + patience; ; await pause(LOOK_MS)) {
      this.pass();
      if (this.signal.aborted) throw new Interrupted();
      const value = condition();
      if (value) return value;
      if (Date.now() > deadline) throw new Error(`waited for ${Math.round(patience / 1000)} s in vain: ${what}`);
    }
  }

  /** Time to read what was said. */
  async rest(ms: number): Promise<void> {
    await pause(ms, undefined, { signal: this.signal }).catch(() => {});
    this.pass();
    if (this.signal.aborted) throw new Interrupted();
  }

  pass(): void {
    this.log ??= openGrowing(join(this.dir, WORKSPACE, RUN, "log", "daemon.jsonl"));
    for (const line of this.log?.lines() ?? []) {
      const text = textOf(line);
      this.heard.push(text);
      if (this.heard.length > LINES_KEPT) this.heard.shift();
      this.say(text);
    }
  }

  /** Ends the daemon and its agents; with `remove` the repository goes too. */
  async leave({ remove }: { remove: boolean }): Promise<void> {
    if (this.has(WORKSPACE)) await this.cox("stop", "--now");
    for (const pid of this.agents()) {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        // It has just ended.
      }
    }
    this.log?.close();
    if (remove) rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

function textOf(line: string): string {
  try {
    const { text } = JSON.parse(line) as { text?: unknown };
    return typeof text === "string" ? text : line;
  } catch {
    return line;
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
