/** Real repositories in temporary folders, and the command line as people call it. */
import { spawn, spawnSync } from "node:child_process";
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
import { text } from "node:stream/consumers";
import type { TestContext } from "node:test";

const COX = new URL("../../bin/cox.js", import.meta.url).pathname;

export interface Answer {
  exit: number | null;
  out: string;
  err: string;
}

export interface Lab {
  /** The repository. */
  dir: string;
  cox(...args: string[]): Answer;
  /** With more in the environment, or started elsewhere. */
  coxWith(more: { env?: Record<string, string>; cwd?: string; input?: string }, ...args: string[]): Answer;
  /** Parsed standard output of the command with `--json`. */
  json<T = Record<string, unknown>>(...args: string[]): T;
  together(...args: string[]): Promise<Answer>;
  git(...args: string[]): string;
  /** Path in the repository. */
  at(path: string): string;
  has(path: string): boolean;
  read(path: string): string;
  write(path: string, content: string): void;
  task(id: string, session?: string): TaskJson;
}

export interface TaskJson {
  id: string;
  title: string;
  status: string;
  agent: string;
  relations: { dependencies: string[]; parent: string | null };
  execution: Record<string, unknown>;
  [key: string]: unknown;
}

/** A folder without a repository. What a test leaves at work in a workspace in it is ended before it goes. */
export function folder(t: TestContext): string {
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "cox-cli-")));
  t.after(() => {
    for (const name of readdirSync(dir)) if (hasDaemon(join(dir, name))) labIn(join(dir, name)).cox("stop", "--now");
    rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
  });
  return dir;
}

function hasDaemon(dir: string): boolean {
  try {
    const { pid } = JSON.parse(readFileSync(join(dir, ".workflow/.run/daemon.json"), "utf8")) as { pid: number };
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** An empty repository; with `init` a workspace. */
export function repository(t: TestContext, { init = false } = {}): Lab {
  const dir = join(folder(t), "repository");
  mkdirSync(dir);
  const lab = labIn(dir);
  lab.git("init", "-q", "-b", "main");
  if (init) lab.cox("init");
  return lab;
}

export function labIn(dir: string): Lab {
  const env = environment(dirname(dir));
  const at = (path: string) => join(dir, path);
  const coxWith: Lab["coxWith"] = (more, ...args) => {
    const options = {
      cwd: more.cwd ?? dir,
      env: { ...env, ...more.env },
      encoding: "utf8",
      input: more.input ?? "",
      timeout: 60_000,
    } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, [COX, ...args], options);
    return { exit: status, out: stdout, err: stderr };
  };
  return {
    dir,
    coxWith,
    cox: (...args) => coxWith({}, ...args),
    json: <T>(...args: string[]) => JSON.parse(coxWith({}, ...args, "--json").out) as T,
    async together(...args) {
      const child = spawn(process.execPath, [COX, ...args], { cwd: dir, env, stdio: ["ignore", "pipe", "pipe"] });
      const [out, err, exit] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        new Promise<number | null>((done) => child.on("close", done)),
      ]);
      return { exit, out, err };
    },
    git(...args) {
      const { status, stdout, stderr } = spawnSync("git", args, { cwd: dir, env, encoding: "utf8" });
      if (status !== 0) throw new Error(`git ${args.join(" ")}: ${stderr}`);
      return stdout;
    },
    at,
    has: (path) => existsSync(at(path)),
    read: (path) => readFileSync(at(path), "utf8"),
    write(path, content) {
      mkdirSync(dirname(at(path)), { recursive: true });
      writeFileSync(at(path), content);
    },
    task: (id, session = "WFS-main") =>
      JSON.parse(readFileSync(at(`.workflow/${session}/.task/${id}.json`), "utf8")) as TaskJson,
  };
}

/** What a command sees of the world: git, and nothing else of the machine that the tests run on. */
function environment(home: string): Record<string, string> {
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return {
    PATH,
    HOME: home,
    LC_ALL: "C.UTF-8",
    TZ: "UTC",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_AUTHOR_NAME: "Ada Lovelace",
    GIT_AUTHOR_EMAIL: "ada@example.com",
    GIT_COMMITTER_NAME: "Ada Lovelace",
    GIT_COMMITTER_EMAIL: "ada@example.com",
    ...(NODE_COMPILE_CACHE ? { NODE_COMPILE_CACHE } : {}),
  };
}
