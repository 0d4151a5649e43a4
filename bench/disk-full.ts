/** A disk with less and less room, and what recording does on it: `node bench/disk-full.ts [steps]`, as root. */
import { randomBytes } from "node:crypto";
import { type LedgerEntry, LedgerUnwritable } from "../src/ledger/ledger.ts";
import { BLOCK, type Disk, diskFolder, leaveRoom, makeRoom, mountNew } from "./disk.ts";
import { makeLab, ms, quantile, type Lab } from "./lab.ts";
import { commitsAfter, fsck, leftBehind, open, recordMany, temporaryFiles, transition } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";

/** Does not shrink: so there is room for the beginning of it and not for the end, at many sizes. */
const CONTENT = 40_000;

interface Sum {
  refused: number;
  recorded: number;
  /** Milliseconds until a refusal. */
  waits: number[];
  /** Files that git began and left, for its own housekeeping to find. */
  unfinished: number;
}

export async function diskFull(steps = 24): Promise<Proof> {
  const folder = diskFolder();
  if ("impossible" in folder) return { figures: `skipped: ${folder.impossible}`, broken: [] };
  const { dir, remove } = folder.ok;
  const broken: string[] = [];
  const sum: Sum = { refused: 0, recorded: 0, waits: [], unfinished: 0 };
  try {
    for (const kind of ["tmpfs", "ext4"] as const) {
      const disk = mountNew({ dir, kind, megabytes: 32 });
      try {
        const lab = makeLab({ under: disk.at });
        broken.push(...(await fillMoreAndMore(lab, disk, { steps, sum })).map((what) => `${kind}, ${what}`));
      } finally {
        disk.unmount();
      }
    }
  } finally {
    remove();
  }
  const figures =
    `${steps} sizes of remaining room on tmpfs and on ext4: ${sum.recorded} recorded, ${sum.refused} refused ` +
    `(after ${ms(quantile(sum.waits, 0.5))}), ${sum.unfinished} unfinished files of git's left; ${broken.length} faults`;
  return { figures, broken };
}

async function fillMoreAndMore(lab: Lab, disk: Disk, at: { steps: number; sum: Sum }): Promise<string[]> {
  const broken: string[] = [];
  let ledger = await open(lab.dir);
  try {
    await recordMany(ledger, { first: 0, count: 20, together: 4 });
    for (let n = 0; n < at.steps; n++) {
      // Most steps are where it turns from nothing to all; the last ones have room.
      const left = leaveRoom(disk, n * BLOCK);
      const before = ledger.tip;
      const fault = (what: string) => broken.push(`${left} bytes left: ${what}`);
      const began = performance.now();
      try {
        await ledger.record([large(n)]);
        at.sum.recorded++;
      } catch (error) {
        at.sum.refused++;
        at.sum.waits.push(performance.now() - began);
        if (!(error instanceof LedgerUnwritable)) fault(`it threw ${String(error)}`);
        else if (!/ENOSPC|no space|disk/i.test(error.message)) fault(`the error does not say why: ${error.message}`);
        if (ledger.tip !== before) fault("it moved on although it refused");
      }
      const found = commitsAfter(lab, null).at(-1);
      if (found !== ledger.tip) fault(`the ref is at ${found}, the ledger at ${ledger.tip}`);
      const complaint = fsck(lab);
      if (complaint !== "") fault(complaint);
      if (n % 4 === 3) {
        // A restart while it is full.
        await ledger.close().catch((error: unknown) => fault(`it could not be closed: ${String(error)}`));
        const again = await open(lab.dir).catch(
          (error: unknown) => void fault(`it could not be opened: ${String(error)}`),
        );
        makeRoom(disk);
        ledger = again ?? (await open(lab.dir));
      }
      makeRoom(disk);
      await ledger.record([transition(n)]).catch((error: unknown) => fault(`it did not go on: ${String(error)}`));
    }
  } finally {
    makeRoom(disk);
    await ledger.close();
  }
  const whole = fsck(lab);
  if (whole !== "") broken.push(`in the end: ${whole}`);
  broken.push(...leftBehind(lab).map((what) => `in the end: ${what}`));
  at.sum.unfinished += temporaryFiles(lab).length;
  return broken;
}

function large(n: number): LedgerEntry {
  const entry = transition(n);
  const content = Buffer.from(randomBytes(CONTENT).toString("base64"));
  return { ...entry, changes: [...entry.changes, { path: `WFS-bench/.process/prompt-${n}.md`, content }] };
}

if (import.meta.main) await prove("disk-full", diskFull(Number(process.argv[2] ?? 24)));
