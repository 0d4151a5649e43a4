/** Where the code is that a command is asked about, and where its story is. */
import { lstatSync, realpathSync } from "node:fs";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { findRepository, type Repository } from "../../ledger/git.ts";
import { disarm, type Ground } from "../../worktree/git.ts";
import type { Trouble } from "./command.ts";
import { findLedger } from "./ledger-place.ts";
import type { Context } from "./context.ts";

export interface CodePlace {
  repository: Repository;
  /** With the working tree, if there is one; nothing that the repository's configuration names is executed. */
  ground: Ground;
  ref: string;
  /** Newest commit of the ledger; null where there is none (a clone has the branches alone). */
  tip: string | null;
}

export async function findCode({ dir, environment }: Context): Promise<{ ok: CodePlace } | { trouble: Trouble }> {
  const found = await findLedger(dir, environment);
  if ("trouble" in found) return found;
  const ground = await groundIn(found.ok.repository);
  return "trouble" in ground ? ground : { ok: { ...found.ok, ground: ground.ok } };
}

export async function groundIn(repository: Repository): Promise<{ ok: Ground } | { trouble: Trouble }> {
  const { gitDir, root, bare } = repository;
  const ground: Ground = bare ? { gitDir } : { gitDir, workTree: root };
  const { settings, cannot } = await disarm(ground);
  if (cannot !== undefined) {
    const what = `The repository's configuration has a setting that cannot be put aside: ${JSON.stringify(cannot)}.`;
    const why = "It names a program that git would run.";
    return { trouble: { exit: 4, what, why, todo: "Look at it: git config --list --show-origin; take it out." } };
  }
  return { ok: { ...ground, disarmed: settings } };
}

/** The repository alone, for what needs no ledger. */
export async function repositoryOf(dir: string): Promise<{ ok: Repository } | { trouble: Trouble }> {
  const found = await findRepository(dir);
  if ("ok" in found) return found;
  const { code, message, hint } = found.problem;
  return { trouble: { exit: code === "no-repository" ? 3 : 1, what: message, todo: hint } };
}

/** A file as a person names it, relative to the repository's root; undefined outside of it. */
export function pathIn(repository: Repository, dir: string, written: string): string | undefined {
  const path = resolve(dir, written);
  const folder = dirname(path);
  // The folder may be reached by a link; the file itself is meant as it is.
  const there = lstatSync(folder, { throwIfNoEntry: false });
  const real = there ? join(realpathSync(folder), basename(path)) : path;
  const root = realpathSync(repository.root);
  const inside = relative(root, real);
  if (inside === "" || inside === ".." || inside.startsWith(`..${sep}`)) return undefined;
  return inside.split(sep).join("/");
}
