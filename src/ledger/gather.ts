/**
 * Small packs are gathered into larger ones in the background, each pack of the result at least twice as large as all
 * that are smaller: so a byte is copied a few times in its life, and there are never many packs.
 */
import { randomUUID } from "node:crypto";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { git } from "./git.ts";
import { ASIDE, type OwnPack, type PackFiles } from "./pack-files.ts";

/** Bytes of the packs that become one at a time: what that costs, and what is lost when it is cut off, is bounded. */
const MOST_BYTES = 64 * 1024 * 1024;

const isRaw = ({ listing }: OwnPack) => listing !== undefined;

/**
 * Those that are to become one next: if it is worth it for so many, else none. Raw ones, whose objects are to be
 * compressed, and those that git has made are never mixed.
 */
export function toGather(packs: readonly OwnPack[], least: number): OwnPack[] {
  const sorted = [...packs].sort((a, b) => a.bytes - b.bytes);
  let sum = 0;
  let count = 0;
  sorted.forEach(({ bytes }, place) => {
    // One that is not twice as large as all below it is taken in, with all below it.
    if (bytes < 2 * sum) count = place + 1;
    sum += bytes;
  });
  const small = sorted.slice(0, count);
  const raw = small.filter(isRaw);
  const chosen = raw.length >= least ? raw : small;
  let [bytes, many] = [0, 0];
  for (const pack of chosen) {
    bytes += pack.bytes;
    if (many >= least && bytes > MOST_BYTES) break;
    many++;
  }
  return many < least ? [] : chosen.slice(0, many);
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
    // Told which packs, and not which objects, git walks through every folder of every commit in them to give them names.
    const input = (await Promise.all(packs.map((pack) => files.objects(pack)))).join("");
    const args = ["pack-objects", "--delta-base-offset", "-q", join(aside, "pack")];
    if (packs.every(isRaw)) args.splice(1, 0, "--no-reuse-object");
    const made = await git(args, { cwd: gitDir, gitDir, config, input, signal, inBackground: true });
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
  await git(args, { cwd: gitDir, gitDir, input: `${tip}\n`, signal, inBackground: true });
}
