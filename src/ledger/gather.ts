/**
 * Small packs are gathered into larger ones in the background, each pack of the result at least twice as large as all
 * that are smaller: so a byte is copied a few times in its life, and there are never many packs.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { git } from "./git.ts";
import { ASIDE, type OwnPack, type PackFiles } from "./pack-files.ts";

/** In smaller packs objects are as they were written, not compressed; in larger ones that was made good before. */
const LARGE = 64 * 1024 * 1024;

/** Those that are to become one. */
export function smallOnes(packs: readonly OwnPack[]): OwnPack[] {
  const sorted = [...packs].sort((a, b) => a.bytes - b.bytes);
  let sum = 0;
  let count = 0;
  sorted.forEach(({ bytes }, place) => {
    // One that is not twice as large as all below it is taken in, with all below it.
    if (bytes < 2 * sum) count = place + 1;
    sum += bytes;
  });
  return sorted.slice(0, count);
}

/**
 * Makes one pack of these, which may go then. Resolves with it; with undefined if git could not make it, and then all is
 * as before. It is made aside: a pack that could be seen before its `.keep` would be deleted by a `git gc` that had listed
 * it, after that gc had left out what the small, kept ones hold.
 */
export async function gatherPacks(
  gitDir: string,
  files: PackFiles,
  packs: readonly OwnPack[],
  signal: AbortSignal,
): Promise<OwnPack | undefined> {
  const aside = join(gitDir, "objects", ASIDE + randomUUID());
  const taken = await files.reserve();
  let brought: OwnPack | undefined;
  try {
    await mkdir(aside);
    const config = ["pack.threads=1", "pack.packSizeLimit=0", "pack.writeReverseIndex=false"];
    const input = packs.map(({ name }) => `pack-${name}.pack\n`).join("");
    const args = ["pack-objects", "--stdin-packs", "--delta-base-offset", "-q", join(aside, "pack")];
    if (packs.reduce((sum, { bytes }) => sum + bytes, 0) < LARGE) args.splice(1, 0, "--no-reuse-object");
    const made = await git(args, { cwd: gitDir, gitDir, config, input, signal });
    const name = made.stdout.toString().trim();
    if (made.code !== 0 || !/^[0-9a-f]{40,64}$/.test(name)) return undefined;
    return (brought = await files.bring(taken, join(aside, `pack-${name}`)));
  } finally {
    if (!brought) await files.remove(taken.name);
    await rm(aside, { recursive: true, force: true });
  }
}

/** So that the story of one file is found without reading all commits; of the ledger's commits only. */
export async function writeCommitGraph(gitDir: string, tip: string, signal: AbortSignal): Promise<void> {
  const args = ["commit-graph", "write", "--split", "--changed-paths", "--stdin-commits", "--no-progress"];
  await git(args, { cwd: gitDir, gitDir, input: `${tip}\n`, signal });
}
