/** What every command gets: where it was started, and how it may speak. */
import { lstatSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { RUN, WORKSPACE } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import type { Paint } from "./output.ts";

export interface Context {
  /** Absolute: `-C` or the current directory. */
  dir: string;
  workspace: Workspace | null;
  json: boolean;
  paint: Paint;
  /** Whether a person sits at both ends and can be asked. */
  interactive: boolean;
  environment: NodeJS.ProcessEnv;
  /** Version of Coxswain. */
  version: string;
  /** Prints at once, on standard output; for what cannot wait until the end. */
  write: (text: string) => void;
  /** Prints at once, on standard error: progress of long work. Nothing with `--json`. */
  tell: (text: string) => void;
}

export interface Workspace {
  /** Top of the working tree. */
  repository: string;
  /** Its `.workflow` folder. */
  folder: string;
  /** `.git`, or where its file points (a linked worktree). */
  gitDir: string;
}

/** The workspace that `dir` is in: the nearest `.workflow` upwards, not beyond the repository. Starts no process. */
export function findWorkspace(dir: string): { ok: Workspace } | { trouble: Trouble } {
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) {
    return { trouble: { exit: 2, what: `${dir} is not a folder.`, todo: "Give -C an existing folder." } };
  }
  for (let at = resolve(dir); ; at = dirname(at)) {
    const gitDir = gitDirOf(at);
    const folder = join(at, WORKSPACE);
    const stat = lstatSync(folder, { throwIfNoEntry: false });
    if (stat?.isDirectory()) {
      return gitDir ? { ok: { repository: at, folder, gitDir } } : { trouble: withoutGit(at) };
    }
    if (stat && gitDir) return { trouble: notAFolder(folder, stat.isSymbolicLink()) };
    if (gitDir) return { trouble: notInitialised(at) };
    if (dirname(at) === at) return { trouble: nowhere(resolve(dir)) };
  }
}

export function notAFolder(folder: string, link: boolean): Trouble {
  return {
    exit: 3,
    what: `${folder} is ${link ? "a symbolic link" : "not a folder"}.`,
    why: "A workspace is a real folder in the repository; links are never followed out of it.",
    todo: "Move it away, then run cox init.",
  };
}

function gitDirOf(dir: string): string | undefined {
  const path = join(dir, ".git");
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory()) return path;
  if (!stat?.isFile() || stat.size > 64 * 1024) return undefined;
  const target = /^gitdir: (.+)$/m.exec(readFileSync(path, "utf8"))?.[1];
  return target === undefined ? undefined : resolve(dir, target);
}

function notInitialised(repository: string): Trouble {
  const inside = `${sep}${join(WORKSPACE, RUN)}${sep}`;
  const place = repository.indexOf(inside);
  if (place !== -1) {
    return {
      exit: 3,
      what: `${repository} is the working tree of an agent, not a workspace.`,
      todo: `Its workspace: cox -C ${repository.slice(0, place)} …`,
    };
  }
  return {
    exit: 3,
    what: `${repository} is not a workspace yet.`,
    why: `There is no ${WORKSPACE} folder in this repository.`,
    todo: "Make it one: cox init (or, if its ledger exists already: cox restore).",
  };
}

function nowhere(dir: string): Trouble {
  return {
    exit: 3,
    what: `${dir} is not in a workspace.`,
    why: `Neither it nor a folder above it has a ${WORKSPACE} folder in a git repository.`,
    todo: "Go to your repository, or name it: cox -C <dir> …; a new workspace is made by cox init.",
  };
}

function withoutGit(dir: string): Trouble {
  return {
    exit: 3,
    what: `${dir} has a ${WORKSPACE} folder, but is not a git repository.`,
    why: "Git is where everything is recorded.",
    todo: "Run git init there, then cox init.",
  };
}
