/**
 * Git at the user's own hand, for what they ask for by name (`cox land`): with their configuration, identity, signing key,
 * hooks and filters, as if they had typed it. Nothing that happens by itself comes here.
 */
import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import type { Outcome } from "./git.ts";

/** What the surroundings (a hook, an alias of git's) may say about which repository is meant. */
const PLACES =
  /^GIT_(DIR|WORK_TREE|INDEX_FILE|COMMON_DIR|OBJECT_DIRECTORY|ALTERNATE_OBJECT_DIRECTORIES|PREFIX|NAMESPACE)$/;

export function ownEnvironment(environment: NodeJS.ProcessEnv): Record<string, string> {
  const kept = Object.entries(environment).filter(([name, value]) => value !== undefined && !PLACES.test(name));
  return { ...(Object.fromEntries(kept) as Record<string, string>), GIT_MERGE_AUTOEDIT: "no" };
}

export interface Hand {
  /** Top of the working tree. */
  folder: string;
  /** Its git directory. */
  gitDir: string;
  environment: NodeJS.ProcessEnv;
}

/** Runs git to its end; it may ask for a passphrase on the terminal. */
export async function byHand({ folder, environment }: Omit<Hand, "gitDir">, args: readonly string[]): Promise<Outcome> {
  const result = await execa("git", args, {
    cwd: folder,
    env: ownEnvironment(environment),
    extendEnv: false,
    reject: false,
    stdin: "inherit",
    stripFinalNewline: false,
  });
  return { code: result.exitCode ?? -1, stdout: result.stdout, stderr: result.stderr || (result.shortMessage ?? "") };
}

export type Way = "merge" | "squash" | "ff";

/**
 * Lands a commit in what is checked out: `git merge`, so that the working tree follows. Where git refuses, or a hook does,
 * everything is as it was before.
 */
export async function mergeByHand(
  hand: Hand,
  { tip, way, message }: { tip: string; way: Way; message: string },
): Promise<{ ok: true } | { refused: string }> {
  const merge = (...flags: string[]) => byHand(hand, ["merge", "--no-autostash", ...flags, tip]);
  if (way === "ff") {
    const merged = await merge("--ff-only");
    return merged.code === 0 ? { ok: true } : { refused: said(merged) };
  }
  if (way === "merge") {
    const merged = await merge("--no-ff", "--no-edit", "-m", message);
    if (merged.code === 0) return { ok: true };
    if (existsSync(join(hand.gitDir, "MERGE_HEAD"))) await byHand(hand, ["merge", "--abort"]);
    return { refused: said(merged) };
  }
  // --ff, since a `merge.ff` of the user's and a squash exclude each other.
  const squashed = await merge("--squash", "--ff");
  const made = squashed.code === 0 ? await byHand(hand, ["commit", "-q", "-m", message]) : squashed;
  if (made.code === 0) return { ok: true };
  if (squashed.code === 0) await byHand(hand, ["reset", "-q", "--merge"]);
  for (const file of ["SQUASH_MSG", "MERGE_MSG"]) rmSync(join(hand.gitDir, file), { force: true });
  return { refused: said(made) };
}

function said({ stdout, stderr }: Outcome): string {
  return (stderr.trim() || stdout.trim()).slice(-2000);
}
