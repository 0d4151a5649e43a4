/**
 * Power cuts: the disk is copied in the moment in which the writer dies, with what has not been synced left out, and
 * the copy is started from. `node bench/power.ts [cuts]`, as root.
 */
import { copyFileSync, constants, renameSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { diskFolder, makeImage, mountImage } from "./disk.ts";
import { makeLab, type Lab } from "./lab.ts";
import { commitsAfter, fsck, heldFiles, leftBehind, open, transition } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";
import { startRecorder } from "./recorder.ts";

const MEGABYTES = 64;
const LONGEST_LIFE_MS = 1200;

export async function power(cuts = 30): Promise<Proof> {
  const folder = diskFolder();
  if ("impossible" in folder) return { figures: `skipped: ${folder.impossible}`, broken: [] };
  const { dir, remove } = folder.ok;
  const image = join(dir, "disk");
  const broken: string[] = [];
  const missed: string[] = [];
  let acknowledged = 0;
  let extra = 0;
  try {
    makeImage(image, MEGABYTES);
    const lab = onDisk(image);
    let tip: string | null = null;
    for (let n = 0; n < cuts; n++) {
      const told = await cutOnce(lab, image, n);
      acknowledged += told.acknowledged.length;
      const found = await startAgain(lab, image, { tip, ...told });
      broken.push(...found.broken.map((what) => `cut ${n + 1}: ${what}`));
      missed.push(...found.missed.map((what) => `cut ${n + 1}: ${what}`));
      extra += found.extra;
      tip = found.tip;
    }
  } finally {
    remove();
  }
  const figures =
    `${cuts} power cuts while recording, ${acknowledged} transitions acknowledged, ` +
    `${extra} more recorded; ${broken.length} faults`;
  return { figures, broken, missed };
}

/** A repository that is on the disk from the beginning: unmounting syncs it. */
function onDisk(image: string): Lab {
  const disk = mountImage(image);
  try {
    return makeLab({ under: disk.at });
  } finally {
    disk.unmount();
  }
}

interface Told {
  acknowledged: string[];
  together: number;
  /** Locks and such that were there before. */
  held: string[];
}

/** Leaves in the place of the disk what a power cut would have left of it. */
async function cutOnce(lab: Lab, image: string, n: number): Promise<Told> {
  const together = n % 2 === 0 ? 1 : 8;
  const disk = mountImage(image);
  const held = heldFiles(lab);
  try {
    const recorder = startRecorder({ dir: lab.dir, first: n * 10_000, together });
    try {
      await recorder.opened;
      await pause(Math.random() * LONGEST_LIFE_MS);
    } finally {
      await recorder.kill({ git: true });
    }
    copyFileSync(image, `${image}-cut`, constants.COPYFILE_FICLONE);
    if (recorder.failures.length > 0) throw new Error(`it could not record: ${recorder.failures.join("; ")}`);
    return { acknowledged: recorder.acknowledged, together, held };
  } finally {
    disk.unmount();
    renameSync(`${image}-cut`, image);
  }
}

async function startAgain(
  lab: Lab,
  image: string,
  before: Told & { tip: string | null },
): Promise<{ broken: string[]; missed: string[]; extra: number; tip: string | null }> {
  const broken: string[] = [];
  const disk = mountImage(image);
  try {
    const ledger = await open(lab.dir);
    const recorded = commitsAfter(lab, before.tip);
    const there = new Set(recorded);
    const lost = before.acknowledged.filter((id) => !there.has(id));
    const extra = recorded.length - before.acknowledged.length;
    if (lost.length > 0) broken.push(`${lost.length} acknowledged are lost, the first ${lost[0]}`);
    if (extra > before.together) broken.push(`${extra} more are recorded than were acknowledged`);
    await ledger.record([transition(1)]);
    await ledger.close();
    for (const args of [["status"], ["log", "-p", "refs/cox/ledger"], ["commit", "--allow-empty", "-qm", "after"]])
      broken.push(...[lab.complaint(...args)].filter(Boolean));
    const complaint = fsck(lab);
    if (complaint !== "") broken.push(complaint);
    return { broken, missed: leftBehind(lab, before.held), extra, tip: ledger.tip };
  } catch (error) {
    broken.push(`the ledger cannot be opened: ${String(error)}`);
    return { broken, missed: [], extra: 0, tip: before.tip };
  } finally {
    disk.unmount();
  }
}

if (import.meta.main) await prove("power", power(Number(process.argv[2] ?? 30)));
