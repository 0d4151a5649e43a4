/** Git as this program calls it: nothing inherited, nothing executed that a repository asks for, nothing locked. */
import { spawn, type ChildProcess, type StdioOptions } from "node:child_process";
import { existsSync } from "node:fs";
import { appendFile, mkdir, readFile, rm } from "node:fs/promises";
import { constants, setPriority } from "node:os";
import { resolve } from "node:path";
import writeFileAtomic from "write-file-atomic";

/** Expected trouble: a permanent code, what happened, what to do. */
export interface GitTrouble {
  code: "git-missing" | "no-repository" | "not-owned" | "git-failed" | "ledger-ref" | "ledger-damaged" | "ledger-sign";
  message: string;
  hint: string;
}

export interface Repository {
  /** Top of the working tree; the git directory of a bare repository. Absolute. */
  root: string;
  /** The git directory of this working tree (`.git/worktrees/x` of a linked one). */
  gitDir: string;
  /** Where objects, refs and `info/` are, shared by all working trees. */
  commonDir: string;
  bare: boolean;
  objectFormat: "sha1" | "sha256";
  /** Whether HEAD names a commit. */
  hasCommits: boolean;
  /** `branch` is null when HEAD is detached, `commit` when the branch is unborn. */
  head: { branch: string | null; commit: string | null };
}

export interface GitOptions {
  cwd: string;
  /** With it git discovers nothing and reads only this repository's own configuration. */
  gitDir?: string;
  input?: string | Buffer;
  /** More `-c` settings. */
  config?: string[];
  /** Ends git with SIGTERM. */
  signal?: AbortSignal;
  /** It gives way to all else that wants the processor. */
  inBackground?: boolean;
  /** To talk to a remote: with what the surroundings say about proxies, agents and programs for that. */
  remote?: boolean;
}

/** `code` is null when git could not be started (`missing`) or was killed. */
export interface GitOutcome {
  code: number | null;
  stdout: Buffer;
  stderr: string;
  missing: boolean;
}

const SAFE_CONFIG = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.untrackedCache=false",
  "core.logAllRefUpdates=false",
  "core.attributesFile=/dev/null",
  "commit.gpgSign=false",
  "log.showSignature=false",
  "i18n.logOutputEncoding=UTF-8",
  "gc.auto=0",
  "maintenance.auto=false",
  "protocol.ext.allow=never",
  "core.fsync=committed",
  "core.fsyncMethod=fsync",
];

/** `GIT_*` of the surroundings (a hook's GIT_DIR, a person's GIT_INDEX_FILE) must never reach git: only these do. */
export function gitEnvironment(own: boolean): NodeJS.ProcessEnv {
  const { PATH, HOME } = process.env;
  return {
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    LC_ALL: "C",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_NO_LAZY_FETCH: "1",
    ...(own ? { GIT_CONFIG_NOSYSTEM: "1", GIT_CONFIG_GLOBAL: "/dev/null" } : {}),
  };
}

/** Which repository is meant is never taken from the surroundings; how a remote is reached is. */
function remoteEnvironment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(
    ([name]) => !name.startsWith("GIT_") || /^GIT_(SSH|SSL|HTTP|PROXY|ASKPASS|CONFIG)/.test(name),
  );
  return { ...Object.fromEntries(kept), LC_ALL: "C", GIT_OPTIONAL_LOCKS: "0", GIT_TERMINAL_PROMPT: "0" };
}

/** Starts git and leaves it open; in a process group of its own, so that Ctrl-C in a terminal does not reach it. */
export function openGit(args: readonly string[], options: GitOptions & { stdio?: StdioOptions }): ChildProcess {
  const own = options.gitDir !== undefined;
  const settings = [...SAFE_CONFIG, ...(options.config ?? [])].flatMap((setting) => ["-c", setting]);
  const where = own ? [`--git-dir=${options.gitDir}`] : [];
  const child = spawn("git", [...where, "--no-pager", ...settings, ...args], {
    cwd: options.cwd,
    env: options.remote ? remoteEnvironment() : gitEnvironment(own),
    stdio: options.stdio ?? "pipe",
    ...(options.signal ? { signal: options.signal } : {}),
    detached: true,
    windowsHide: true,
  });
  if (options.inBackground && child.pid !== undefined) giveWay(child.pid);
  return child;
}

function giveWay(pid: number): void {
  try {
    setPriority(pid, constants.priority.PRIORITY_LOW);
  } catch {
    // It has ended already.
  }
}

/** Runs git to its end. A failure is a value. */
export function git(args: readonly string[], options: GitOptions): Promise<GitOutcome> {
  return new Promise((done) => {
    const child = openGit(args, options);
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout?.on("data", (chunk: Buffer) => out.push(chunk));
    child.stderr?.on("data", (chunk: Buffer) => err.push(chunk));
    child.stdin?.on("error", () => {}); // git may end without reading all its input
    child.on("error", (error: NodeJS.ErrnoException) =>
      done({ code: null, stdout: Buffer.alloc(0), stderr: error.message, missing: error.code === "ENOENT" }),
    );
    child.on("close", (code) =>
      done({ code, stdout: Buffer.concat(out), stderr: Buffer.concat(err).toString().trim(), missing: false }),
    );
    child.stdin?.end(options.input ?? "");
  });
}

/** The repository that `dir` belongs to. */
export async function findRepository(dir: string): Promise<{ ok: Repository } | { problem: GitTrouble }> {
  const facts = [
    "--is-bare-repository",
    "--is-inside-work-tree",
    "--absolute-git-dir",
    "--git-common-dir",
    "--show-object-format",
  ];
  const [basics, commit, branch] = await Promise.all([
    git(["rev-parse", ...facts], { cwd: dir }),
    git(["rev-parse", "--quiet", "--verify", "HEAD^{commit}"], { cwd: dir }),
    git(["symbolic-ref", "--quiet", "--short", "HEAD"], { cwd: dir }),
  ]);
  if (basics.code !== 0) return { problem: refusal(dir, basics) };
  const [bareText, inside, gitDir = "", common = "", format] = basics.stdout.toString().split("\n");
  const bare = bareText === "true";
  if (!bare && inside !== "true")
    return { problem: nowhere(dir, "It is inside a git directory, not in a working tree.") };
  const top = bare ? undefined : await git(["rev-parse", "--show-toplevel"], { cwd: dir });
  if (top && top.code !== 0) return { problem: refusal(dir, top) };
  const line = (outcome: GitOutcome) => (outcome.code === 0 ? outcome.stdout.toString().trim() : null);
  const head = { branch: line(branch), commit: line(commit) };
  return {
    ok: {
      root: top ? top.stdout.toString().replace(/\n$/, "") : gitDir,
      gitDir,
      commonDir: resolve(dir, common),
      bare,
      objectFormat: format === "sha256" ? "sha256" : "sha1",
      hasCommits: head.commit !== null,
      head,
    },
  };
}

/** Files under a folder that the code's branch tracks (as the index has them), relative to the root. */
export async function trackedUnder(repository: Repository, folder: string): Promise<string[]> {
  const { root: cwd, bare } = repository;
  if (bare && !repository.hasCommits) return [];
  const args = bare ? ["ls-tree", "-r", "-z", "--name-only", "HEAD", "--", folder] : ["ls-files", "-z", "--", folder];
  const outcome = await git(["--literal-pathspecs", ...args], { cwd });
  if (outcome.code !== 0) throw new Error(`git ls-files failed in ${cwd}: ${outcome.stderr}`);
  return outcome.stdout.toString().split("\0").filter(Boolean);
}

/** Keeps `.workflow/` out of `git status` without touching a `.gitignore`. */
export const EXCLUDE_LINE = "/.workflow/";
/** Keeps line endings and filters from changing what `git restore --source=cox/ledger` writes. */
export const ATTRIBUTES_LINE = "/.workflow/** -text -filter -ident -working-tree-encoding";

/** Adds both lines to the repository's own `info/` files, once; whether anything changed. */
export async function ensureExclude(commonDir: string): Promise<boolean> {
  await mkdir(resolve(commonDir, "info"), { recursive: true });
  const excluded = await ensureLine(resolve(commonDir, "info/exclude"), EXCLUDE_LINE);
  const attributed = await ensureLine(resolve(commonDir, "info/attributes"), ATTRIBUTES_LINE);
  return excluded || attributed;
}

/** Which of the two lines stand in the repository's `info/` files. */
export async function excludedBy(commonDir: string): Promise<{ file: string; line: string }[]> {
  const lines = [
    { file: resolve(commonDir, "info/exclude"), line: EXCLUDE_LINE },
    { file: resolve(commonDir, "info/attributes"), line: ATTRIBUTES_LINE },
  ];
  const texts = await Promise.all(lines.map(({ file }) => textOf(file)));
  return lines.filter(({ line }, place) => texts[place]?.split(/\r?\n/).includes(line));
}

/** Takes both lines out again, and a file away that held nothing else; every other byte stays. */
export async function dropExclude(commonDir: string): Promise<void> {
  for (const { file, line } of await excludedBy(commonDir)) {
    const rest = (await textOf(file))
      .split(/(?<=\n)/)
      .filter((each) => each.replace(/\r?\n$/, "") !== line)
      .join("");
    if (rest === "") await rm(file);
    else await writeFileAtomic(file, rest);
  }
}

function textOf(file: string): Promise<string> {
  return readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}

async function ensureLine(file: string, line: string): Promise<boolean> {
  const text = await textOf(file);
  if (text.split(/\r?\n/).includes(line)) return false;
  await appendFile(file, `${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`);
  return true;
}

function refusal(dir: string, outcome: GitOutcome): GitTrouble {
  if (outcome.missing && existsSync(dir)) {
    return {
      code: "git-missing",
      message: "git could not be started.",
      hint: "Install git 2.36 or newer, and see that it is on PATH.",
    };
  }
  if (outcome.stderr.includes("dubious ownership")) {
    const hint = `If you trust it: git config --global --add safe.directory ${dir}`;
    return { code: "not-owned", message: `The repository at ${dir} belongs to somebody else.`, hint };
  }
  return nowhere(dir, outcome.stderr.split("\n")[0] ?? "");
}

function nowhere(dir: string, detail: string): GitTrouble {
  return {
    code: "no-repository",
    message: `${dir} is not in a git repository. ${detail}`.trim(),
    hint: "Run git init there, or go to the repository.",
  };
}
