/**
 * Git as the workshop: worktrees, merges, status and diffs, by simple-git. Agents can write the repository's own
 * configuration: no hook, filter, merge driver or monitor that it names is ever executed from here.
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { simpleGit } from "simple-git";
import { plainText } from "./plain.ts";

/** A repository, and where in it git is to work. Absolute paths. */
export interface Ground {
  /** The git directory: `.git`, or `.git/worktrees/<name>` of a linked worktree. Never looked up from `cwd`. */
  gitDir: string;
  /** The working tree; absent where none is touched. */
  workTree?: string;
  /** Another index than the worktree's own. */
  index?: string;
  /** What {@link disarm} found, as `-c` settings. */
  disarmed?: readonly string[];
}

/** How git ended. `code` is its exit code, or -1 where it could not be started. */
export interface Outcome {
  code: number;
  stdout: string;
  stderr: string;
}

/** Git refused something that was to work: a defect, a full disk, a repository that is broken. */
export class GitFailed extends Error {
  readonly outcome: Outcome;
  constructor(args: readonly string[], outcome: Outcome) {
    super(`git ${args.slice(0, 3).join(" ")} failed (exit code ${outcome.code}): ${outcome.stderr || outcome.stdout}`);
    this.outcome = outcome;
  }
}

const AUTHOR = ["user.name=Coxswain", "user.email=coxswain@localhost"];

const SAFE_CONFIG = [
  "core.hooksPath=/dev/null",
  "core.fsmonitor=false",
  "core.untrackedCache=false",
  "core.attributesFile=/dev/null",
  "core.quotePath=false",
  "commit.gpgSign=false",
  // Each would run gpg.program.
  "log.showSignature=false",
  "merge.verifySignatures=false",
  "merge.renames=true",
  // Whether a submodule is dirty is asked by a git that would run in it.
  "diff.ignoreSubmodules=dirty",
  "submodule.recurse=false",
  "advice.detachedHead=false",
  "gc.auto=0",
  "maintenance.auto=false",
  "protocol.ext.allow=never",
  // What the ledger says is done must be there after a power cut; many objects are flushed at once.
  "core.fsync=committed,reference",
  "core.fsyncMethod=batch",
  ...AUTHOR,
];

/** What is named here is set to nothing that could harm: simple-git would refuse to set it at all. */
const UNSAFE = {
  allowUnsafeHooksPath: true,
  allowUnsafeFsMonitor: true,
  allowUnsafeFilter: true,
  allowUnsafeMergeDriver: true,
  allowUnsafeDiffExternal: true,
  allowUnsafeDiffTextConv: true,
  allowUnsafeConfigPaths: true,
  allowUnsafeProtocolOverride: true,
  allowUnsafeGpgProgram: true,
};

/** Where the ref, the objects and `info/` are: for what touches no working tree. */
export function groundOf(commonDir: string): Ground {
  return { gitDir: commonDir };
}

export type RunGit = (ground: Ground, args: readonly string[], input?: string | Buffer) => Promise<Outcome>;

/** Runs git to its end; a failure is a value. What it prints is read as UTF-8. */
export const tryGit: RunGit = (ground, args, input) => run(ground, args, input);

/** A daemon has a small process start git: it is large itself, and to start one copies its tables. */
export function runBy(other: RunGit): void {
  run = other;
}

let run: RunGit = runHere;

export async function runHere(ground: Ground, args: readonly string[], input?: string | Buffer): Promise<Outcome> {
  const outcome: Outcome = { code: -1, stdout: "", stderr: "" };
  const { PATH, HOME, XDG_CONFIG_HOME } = process.env;
  const git = simpleGit({
    baseDir: ground.workTree && existsSync(ground.workTree) ? ground.workTree : ground.gitDir,
    config: [...SAFE_CONFIG, ...(ground.disarmed ?? [])],
    unsafe: UNSAFE,
    allowEnvironment: ALLOWED,
    // After an empty text simple-git would not close the input, and git would wait for more.
    ...(input === undefined ? {} : { input: () => (input === "" ? Buffer.alloc(0) : input) }),
    errors(error, { exitCode, stdOut, stdErr }) {
      outcome.code = exitCode;
      outcome.stderr = Buffer.concat(stdErr).toString().trim();
      outcome.stdout = Buffer.concat(stdOut).toString();
      return exitCode >= 0 && exitCode < 256 ? undefined : error; // beyond that it could not be started
    },
  }).env({
    ...(PATH === undefined ? {} : { PATH }),
    ...(HOME === undefined ? {} : { HOME }),
    ...(XDG_CONFIG_HOME === undefined ? {} : { XDG_CONFIG_HOME }),
    LC_ALL: "C",
    GIT_OPTIONAL_LOCKS: "0",
    GIT_TERMINAL_PROMPT: "0",
    GIT_NO_REPLACE_OBJECTS: "1",
    GIT_NO_LAZY_FETCH: "1",
    ...(ground.index === undefined ? {} : { GIT_INDEX_FILE: ground.index }),
  });
  const where = [`--git-dir=${ground.gitDir}`, ...(ground.workTree ? [`--work-tree=${ground.workTree}`] : [])];
  try {
    const literal = args[0] === "check-ignore" ? [] : ["--literal-pathspecs"]; // which it knows nothing of
    await git.raw([...where, "--no-pager", ...literal, ...args]);
  } catch (error) {
    outcome.code = -1;
    outcome.stderr ||= (error as Error).message;
  }
  return outcome;
}

const ALLOWED = [
  "GIT_OPTIONAL_LOCKS",
  "GIT_TERMINAL_PROMPT",
  "GIT_NO_REPLACE_OBJECTS",
  "GIT_NO_LAZY_FETCH",
  "GIT_INDEX_FILE",
];

/** What git printed, without its last newline. Throws {@link GitFailed} where git fails. */
export async function git(ground: Ground, args: readonly string[], input?: string | Buffer): Promise<string> {
  const outcome = await tryGit(ground, args, input);
  if (outcome.code !== 0) throw new GitFailed(args, outcome);
  return outcome.stdout.replace(/\n$/, "");
}

/** What a command prints between NULs. */
export async function gitList(ground: Ground, args: readonly string[], input?: string | Buffer): Promise<string[]> {
  return (await git(ground, args, input)).split("\0").filter((each) => each !== "");
}

/** The commit that a name stands for; null where it stands for none. */
export async function commitOf(ground: Ground, name: string): Promise<string | null> {
  const { code, stdout } = await tryGit(ground, ["rev-parse", "--verify", "--end-of-options", `${name}^{commit}`]);
  return code === 0 ? stdout.trim() : null;
}

/** Moves refs in one transaction, each only if it stands where it is said to (null: is not there). Whether it was done. */
export async function moveRefs(
  ground: Ground,
  moves: readonly { ref: string; from: string | null | undefined; to: string | null }[],
): Promise<{ ok: true } | { refused: string }> {
  const lines = moves.map(({ ref, from, to }) => {
    const old = from === undefined ? "" : ` ${from ?? NONE.repeat(to?.length ?? 40)}`;
    return to === null ? `delete ${ref}${old}` : `update ${ref} ${to}${old}`;
  });
  // Said in parts, since it then answers: of a silent git simple-git waits a while for what may come.
  const text = ["start", ...lines, "prepare", "commit", ""].join("\n");
  const outcome = await tryGit(ground, ["update-ref", "--stdin"], text);
  return outcome.code === 0 ? { ok: true } : { refused: outcome.stderr };
}

const NONE = "0";

/** Programs that the repository's own configuration (not the user's or the system's) would have git run. */
const PROGRAMS = [
  {
    key: /^filter\.(.+)\.(clean|smudge|process|required)$/s,
    safe: ["clean=", "smudge=", "process=", "required=false"],
  },
  // A conflict is honest; what a driver of a stranger makes of two files is not.
  { key: /^merge\.(.+)\.driver$/s, safe: ["driver=false"] },
  { key: /^diff\.(.+)\.(textconv|command)$/s, safe: ["textconv=", "command="] },
] as const;

/**
 * `-c` settings that take from git every program the repository's own configuration names; the user's own filters
 * (git-lfs) stay. `cannot`: a name that no `-c` can carry.
 */
export async function disarm(ground: Ground): Promise<Disarmed> {
  const text = plainText(join(ground.gitDir, "config"));
  // What it includes may change without it.
  const key = text === undefined || /include|worktreeconfig/i.test(text) ? undefined : `${ground.gitDir}\0${text}`;
  const known = key === undefined ? undefined : disarmed.get(key);
  if (known) return known;
  const found = await listPrograms(ground);
  disarmed.clear();
  if (key !== undefined) disarmed.set(key, found);
  return found;
}

export interface Disarmed {
  settings: string[];
  names: string[];
  cannot?: string;
}

/** For the configuration as it was last. */
const disarmed = new Map<string, Disarmed>();

async function listPrograms(ground: Ground): Promise<Disarmed> {
  const listed = await gitList(ground, ["config", "--list", "--includes", "--show-scope", "--name-only", "-z"]);
  const settings = new Set<string>();
  const names = new Set<string>();
  for (let place = 0; place + 1 < listed.length; place += 2) {
    const [scope, name = ""] = [listed[place], listed[place + 1]];
    if (scope !== "local" && scope !== "worktree") continue;
    for (const { key, safe } of PROGRAMS) {
      const found = key.exec(name);
      if (!found) continue;
      if (/[=\n]/.test(name)) return { settings: [], names: [], cannot: name };
      const section = name.slice(0, name.lastIndexOf("."));
      names.add(name);
      for (const setting of safe) settings.add(`${section}.${setting}`);
    }
  }
  return { settings: [...settings], names: [...names] };
}
