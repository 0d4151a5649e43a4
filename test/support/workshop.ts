/**
 * A workshop: a temporary git repository in which the daemon works as a real process. After each test the daemon is
 * stopped, every task's chain in the ledger is checked, the user's own git state is compared with what it was before,
 * and nothing is left behind.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
} from "node:fs";
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { processes, send, withMarker } from "../../src/agent/proc-table.ts";
import type { Task } from "../../src/model/task.ts";

export const SESSION = "WFS-main";
export const LEDGER = "refs/cox/ledger";

export interface Commit {
  hash: string;
  subject: string;
  author: string;
  email: string;
  committer: string;
  trailers: Record<string, string>;
}

export interface WorkshopOptions {
  /** An active session with this name to begin with; null for an empty workspace. */
  session?: string | null;
  /** Settings, as the environment gives them (`COX_CONCURRENCY`). */
  env?: Record<string, string>;
  /** Before the daemon starts. */
  before?: (shop: Workshop) => void;
  /** false: the test starts the daemon itself. */
  started?: boolean;
  /** false for tests that destroy what the checks at the end are about. */
  checked?: boolean;
}

interface Running {
  daemon: ChildProcess | undefined;
  ended: Promise<number | null>;
}

const DEADLINE_MS = 30_000;
const MAIN = fileURLToPath(new URL("./daemon-main.ts", import.meta.url));

/** Opens a workshop that is cleared away when the test is over. */
export async function workshop(t: TestContext, options: WorkshopOptions = {}): Promise<Workshop> {
  const shop = new Workshop(options.env ?? {});
  t.after(() => shop.close());
  const session = options.session === undefined ? SESSION : options.session;
  if (session !== null) {
    mkdirSync(shop.at(session, ".task"), { recursive: true });
    shop.touch(`.active-${session}`);
  }
  options.before?.(shop);
  shop.checked = options.checked !== false;
  if (options.started !== false) await shop.start();
  return shop;
}

export class Workshop {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), "cox-daemon-")));
  /** The repository. */
  readonly dir = join(this.root, "repository");
  /** `$HOME` of the daemon and its agents: where commands find and leave things, outside the repository. */
  readonly home = join(this.root, "home");
  checked = true;
  /** What the daemon gets at its next start; undefined: not set. */
  readonly env: Record<string, string>;
  private readonly before: Record<string, string>;
  private daemon: ChildProcess | undefined;
  private aside: ChildProcess | undefined;
  private ended: Promise<number | null> = Promise.resolve(null);
  private said = "";

  constructor(env: Record<string, string>) {
    this.env = env;
    mkdirSync(join(this.dir, ".workflow"), { recursive: true });
    mkdirSync(this.home);
    this.git("init", "-q", "-b", "main");
    this.git("config", "user.name", "Ada Lovelace");
    this.git("config", "user.email", "ada@example.com");
    writeFileSync(join(this.dir, "README.md"), "# A project\n");
    writeFileSync(join(this.dir, ".git", "info", "exclude"), "/.workflow/\n");
    this.git("add", "README.md");
    this.git("commit", "-q", "-m", "begin");
    this.before = this.userGit();
  }

  /** A path in `.workflow/`. */
  at(...parts: string[]): string {
    return join(this.dir, ".workflow", ...parts);
  }

  git(...args: string[]): string {
    const { status, stdout, stderr } = spawnSync("git", args, {
      cwd: this.dir,
      env: { ...this.environment(), GIT_OPTIONAL_LOCKS: "0" },
      encoding: "utf8",
    });
    if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
    return stdout.replace(/\n$/, "");
  }

  /** What recording must never touch. */
  userGit(): Record<string, string> {
    return {
      status: this.git("status", "--porcelain"),
      head: readFileSync(join(this.dir, ".git", "HEAD"), "utf8"),
      branches: this.git("for-each-ref", "refs/heads", "refs/tags", "refs/remotes", "refs/stash")
        .split("\n")
        .filter((line) => !line.includes("\trefs/heads/cox/"))
        .join("\n"),
      index: this.git("ls-files", "-s"),
      stash: this.git("stash", "list"),
      hooks: readdirSync(join(this.dir, ".git", "hooks")).join(" "),
      config: readFileSync(join(this.dir, ".git", "config"), "utf8"),
    };
  }

  // Files.

  /** Writes a file of `.workflow/` as `echo >` does; an object becomes JSON. */
  drop(path: string, content: unknown): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    writeFileSync(this.at(path), bytes(content));
  }

  /** Saves a file as `… > tmp && mv` does, the temporary name elsewhere. */
  put(path: string, content: unknown): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    const aside = join(this.root, `aside-${Math.random()}`);
    writeFileSync(aside, bytes(content));
    renameSync(aside, this.at(path));
  }

  /** A task whose agent is a shell command, as `<id>.json` of the session. */
  command(id: string, command: string, more: Record<string, unknown> = {}): void {
    const { execution, session = SESSION, ...rest } = more;
    const drop = { title: `Task ${id}`, agent: "command", ...rest, execution: { command, ...(execution as object) } };
    this.drop(`${String(session)}/.task/${id}.json`, drop);
  }

  touch(path: string): void {
    writeFileSync(this.at(path), "");
  }

  /** As `rm -r` does, again and again while the daemon writes into the folder. */
  remove(path: string): void {
    rmSync(this.at(path), { recursive: true, maxRetries: 50 });
  }

  has(path: string): boolean {
    return existsSync(this.at(path));
  }

  read(path: string): string {
    return readFileSync(this.at(path), "utf8");
  }

  /** The task's file; undefined while there is none that can be read. */
  task(id: string, session = SESSION): Task | undefined {
    try {
      return JSON.parse(this.read(`${session}/.task/${id}.json`)) as Task;
    } catch {
      return undefined;
    }
  }

  status(id: string, session = SESSION): string | undefined {
    return this.task(id, session)?.status;
  }

  reason(id: string, session = SESSION): string | null | undefined {
    return this.task(id, session)?.execution?.reason;
  }

  /** Reads the task's file, changes it, and saves it in its place. */
  edit(id: string, change: (task: Task) => void, session = SESSION): void {
    const path = `${session}/.task/${id}.json`;
    const task = JSON.parse(this.read(path)) as Task;
    change(task);
    this.put(path, task);
  }

  /** All tasks of a session, by id. */
  tasks(session = SESSION): Task[] {
    if (!this.has(`${session}/.task`)) return [];
    const names = readdirSync(this.at(session, ".task")).filter(
      (name) => /^impl-[\d.]+\.json$/.test(name) && lstatSync(this.at(session, ".task", name)).isFile(),
    );
    return names.flatMap((name) => this.task(name.slice(0, -".json".length), session) ?? []);
  }

  // Commands of tasks talk to the test by files in `$HOME`.

  /** A shell command that waits until {@link release} with the same name. */
  waits(name = "go"): string {
    return `while [ ! -e "$HOME/${name}" ]; do sleep 0.02; done`;
  }

  release(name = "go"): void {
    writeFileSync(join(this.home, name), "");
  }

  left(name: string): string | undefined {
    return existsSync(join(this.home, name)) ? readFileSync(join(this.home, name), "utf8") : undefined;
  }

  // The daemon.

  async start(mode?: "once"): Promise<void> {
    const child = spawn(process.execPath, [MAIN, this.dir, ...(mode ? [mode] : [])], {
      env: this.environment(),
      stdio: ["pipe", "ignore", "pipe"], // the first: it ends when this process does
    });
    this.daemon = child;
    child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.said += text));
    this.ended = new Promise((resolve) => child.on("close", (code) => resolve(code)));
    void this.ended.then(() => {
      if (this.daemon === child) this.daemon = undefined;
    });
    if (mode === "once") return;
    await this.until("the daemon is ready", () => {
      assert.ok(this.daemon, `the daemon ended:\n${this.said}`);
      const text = this.has(".run/daemon.json") ? this.read(".run/daemon.json") : "{}";
      const { pid, ready } = JSON.parse(text) as { pid?: number; ready?: boolean };
      return ready === true && pid === child.pid;
    });
  }

  /** Runs until nothing is left to do; the exit code. */
  async once(): Promise<number | null> {
    await this.start("once");
    return this.over();
  }

  /** The daemon's exit code, when it has ended. */
  async over(): Promise<number | null> {
    await this.until("the daemon has ended", () => this.daemon === undefined, 15_000);
    return this.ended;
  }

  /** Asks the daemon to end, without its agents: the second signal is for them. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<number | null> {
    this.daemon?.kill(signal);
    return this.over();
  }

  /** `kill -9` of the daemon's process, ready or not. */
  kill(): void {
    this.daemon?.kill("SIGKILL");
  }

  /** Puts the running daemon aside, so that another can be started; {@link attach} takes it back. */
  detach(): Running {
    const running = { daemon: this.daemon, ended: this.ended };
    this.aside = running.daemon;
    this.daemon = undefined;
    return running;
  }

  attach(running: Running): void {
    this.aside = undefined;
    ({ daemon: this.daemon, ended: this.ended } = running);
  }

  /** Whether a daemon that was started here has not ended yet. */
  get isUp(): boolean {
    return this.daemon !== undefined;
  }

  /** All that the daemon said on its terminal. */
  get output(): string {
    return this.said;
  }

  /** Agents' processes of this workshop that live. */
  async agents(): Promise<number[]> {
    const ids = new Set<string>();
    for (const [, id] of `${this.history()} ${this.said}`.matchAll(/"run_id": "([0-9a-f-]{36})"/g))
      ids.add(id as string);
    for (const id of existsSync(this.at(".run/attempts")) ? readdirSync(this.at(".run/attempts")) : []) ids.add(id);
    const found = await Promise.all([...ids].map((id) => withMarker(id)));
    return found.flat();
  }

  /** Waits for a condition; fails with what the daemon said. */
  async until<T>(what: string, holds: () => T | Promise<T>, deadlineMs = DEADLINE_MS): Promise<NonNullable<T>> {
    const deadline = performance.now() + deadlineMs;
    for (;;) {
      const value = await holds();
      if (value !== false && value !== undefined && value !== null) return value;
      if (performance.now() > deadline) assert.fail(`still not: ${what}\n--- the daemon said:\n${this.said}`);
      await pause(15);
    }
  }

  /** Waits until the task's file says so, and the ledger has it too. */
  async becomes(id: string, status: string, session = SESSION): Promise<Task> {
    await this.until(`${id} is ${status}`, () => this.status(id, session) === status);
    const isRecorded = () => this.moves(id, session).some((move) => move.endsWith(`-> ${status}`));
    await this.until(`that ${id} is ${status} is recorded`, isRecorded);
    return this.task(id, session) as Task;
  }

  /** That something stays as it is for a while. */
  async stays(what: string, holds: () => boolean, ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end; await pause(15)) {
      assert.ok(holds(), `no longer: ${what}\n--- the daemon said:\n${this.said}`);
    }
  }

  // The ledger.

  /** Commits of its own line, oldest first. */
  ledger(): Commit[] {
    if (this.git("for-each-ref", LEDGER) === "") return [];
    const format = "%H%x1f%s%x1f%an%x1f%ae%x1f%cn%x1f%(trailers:only,unfold)%x1e";
    const records = this.git("log", "--reverse", "--first-parent", `--format=${format}`, LEDGER).split("\x1e");
    return records.flatMap((record) => {
      const [hash = "", subject = "", author = "", email = "", committer = "", trailers = ""] = record
        .trim()
        .split("\x1f");
      if (!hash) return [];
      const pairs = trailers.split("\n").flatMap((line) => {
        const at = line.indexOf(": ");
        return at === -1 ? [] : [[line.slice(0, at), line.slice(at + 2)] as const];
      });
      return [{ hash, subject, author, email, committer, trailers: Object.fromEntries(pairs) }];
    });
  }

  subjects(): string[] {
    return this.ledger().map(({ subject }) => subject);
  }

  /** Subjects of one task, without its name: `new -> pending`. */
  moves(id: string, session = SESSION): string[] {
    const start = `${session} ${id}: `;
    return this.subjects().flatMap((subject) => (subject.startsWith(start) ? [subject.slice(start.length)] : []));
  }

  async recorded(subject: string | RegExp): Promise<Commit> {
    const fits = (commit: Commit) =>
      typeof subject === "string" ? commit.subject === subject : subject.test(commit.subject);
    return this.until(`${String(subject)} is in the ledger`, () => this.ledger().find(fits));
  }

  /** A recorded file's text at the tip; undefined where there is none. */
  recordedFile(path: string): string | undefined {
    try {
      return this.git("show", `${LEDGER}:.workflow/${path}`);
    } catch {
      return undefined;
    }
  }

  /** As another writer of the ledger would: a commit on the one that `onto` names, with one file changed. Its id. */
  commitOnto(onto: string, path: string, content: string, subject: string): string {
    const index = { GIT_INDEX_FILE: join(this.root, "another-index") };
    const run = (input: string, ...args: string[]) => {
      const env = { ...this.environment(), ...index };
      const { status, stdout, stderr } = spawnSync("git", args, { cwd: this.dir, env, input, encoding: "utf8" });
      if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
      return stdout.trim();
    };
    run("", "read-tree", onto);
    const blob = run(content, "hash-object", "-w", "--stdin");
    run("", "update-index", "--add", "--cacheinfo", `100644,${blob},.workflow/${path}`);
    return run(`${subject}\n`, "commit-tree", run("", "write-tree"), "-p", onto);
  }

  recordedPaths(): string[] {
    if (this.git("for-each-ref", LEDGER) === "") return [];
    return this.git("ls-tree", "-r", "--name-only", LEDGER)
      .split("\n")
      .map((path) => path.replace(/^\.workflow\//, ""));
  }

  /** For every task: begins at new, no gap, no repetition, and ends where its file stands. */
  checkChains(): void {
    const chains = new Map<string, { from: string; to: string }[]>();
    for (const { trailers, subject } of this.ledger()) {
      const { "Cox-Session": session, "Cox-Task": id, "Cox-From": from, "Cox-To": to } = trailers;
      if (!session || !id || !from || !to) continue;
      assert.equal(subject, `${session} ${id}: ${from} -> ${to}`);
      const key = `${session}/${id}`;
      chains.set(key, [...(chains.get(key) ?? []), { from, to }]);
    }
    for (const [key, moves] of chains) {
      const told = moves.map(({ from, to }) => `${from} -> ${to}`).join(", ");
      let at: string | undefined;
      for (const { from, to } of moves) {
        assert.equal(from, at === undefined || at === "deleted" ? "new" : at, `${key}: ${told}`);
        assert.notEqual(from, to, `${key}: ${told}`);
        at = to;
      }
      const [session = "", id = ""] = key.split("/");
      if (this.has(`${session}/.task/${id}.json.error.md`)) continue; // the file is a person's, and broken
      assert.equal(at, this.status(id, session) ?? "deleted", `the file of ${key}; ${told}`);
    }
    for (const task of this.has(".") ? this.sessions().flatMap((session) => this.tasks(session)) : []) {
      if (task.execution?.last_attempt) assert.ok(task.id, "a task that ran has an id");
    }
  }

  sessions(): string[] {
    return readdirSync(this.at()).filter((name) => name.startsWith("WFS-") && !name.endsWith(".md"));
  }

  // The end.

  async close(): Promise<void> {
    try {
      await this.end();
      if (!this.checked) return;
      this.checkChains();
      assert.deepEqual(this.userGit(), this.before, "the user's own git state");
      const temporary = this.has(".run/tmp") ? readdirSync(this.at(".run/tmp")) : [];
      assert.deepEqual(temporary, [], "half-written files");
    } finally {
      for (const pid of await this.agents()) send(pid, "SIGKILL");
      rmSync(this.root, { recursive: true, force: true, maxRetries: 5 });
    }
  }

  private async end(): Promise<void> {
    this.aside?.kill("SIGKILL");
    const child = this.daemon;
    if (!child) return;
    child.kill("SIGTERM");
    // Its agents too: nobody waits for them any more.
    const late = [setTimeout(() => child.kill("SIGUSR2"), 400), setTimeout(() => child.kill("SIGKILL"), 6000)];
    await this.ended;
    for (const timer of late) clearTimeout(timer);
    assert.ok(
      !this.checked || child.signalCode !== "SIGKILL",
      `the daemon did not end when it was told to:\n${this.said}`,
    );
  }

  /** All versions of all tasks in the ledger: where run ids stand. */
  private history(): string {
    if (!existsSync(join(this.dir, ".git", ...LEDGER.split("/")))) return "";
    return this.git("log", "-p", "--format=", "--unified=0", LEDGER, "--", ".workflow/*/.task");
  }

  private environment(): Record<string, string> {
    const { PATH = "", NODE_COMPILE_CACHE, TMPDIR } = process.env;
    return {
      PATH,
      ...(TMPDIR ? { TMPDIR } : {}),
      ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}),
      HOME: this.home,
      LC_ALL: "C.UTF-8",
      NO_COLOR: "1",
      GIT_CONFIG_NOSYSTEM: "1",
      COX_LEDGER_DURABILITY: "process",
      COX_ISOLATION: "none",
      COX_AGENT_STOP_GRACE: "1s",
      COX_RETRY_BASE: "100ms",
      ...this.env,
    };
  }
}

function bytes(content: unknown): string | Buffer {
  return typeof content === "string" || Buffer.isBuffer(content) ? content : `${JSON.stringify(content, null, 2)}\n`;
}

/** Whether any process of this machine has this pid. */
export async function lives(pid: number): Promise<boolean> {
  return (await processes()).some((row) => row.pid === pid);
}
