/** kill -9 of a process that records, at random moments: `node bench/kills.ts [kills]`. */
import { setTimeout as pause } from "node:timers/promises";
import { makeLab, type Lab } from "./lab.ts";
import { age, commitsAfter, fsck, heldFiles, leftBehind, open, temporaryFiles } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";
import { startRecorder } from "./recorder.ts";

const KILLS_OF_A_REPOSITORY = 25;

export async function kills(count = 200): Promise<Proof> {
  const broken: string[] = [];
  const sum = { acknowledged: 0, extra: 0, mostExtra: 0, temporary: 0 };
  for (let done = 0; done < count; done += KILLS_OF_A_REPOSITORY) {
    const lab = makeLab();
    try {
      for (let n = done; n < Math.min(count, done + KILLS_OF_A_REPOSITORY); n++) {
        const found = await killOnce(lab, n);
        broken.push(...found.broken.map((what) => `kill ${n + 1}: ${what}`));
        sum.acknowledged += found.acknowledged;
        sum.extra += found.extra;
        sum.mostExtra = Math.max(sum.mostExtra, found.extra);
        sum.temporary += found.temporary;
      }
      const left = temporaryFiles(lab);
      age(lab, left);
      await (await open(lab.dir)).close();
      broken.push(...temporaryFiles(lab).map((path) => `${path} is there for ever`));
    } finally {
      lab.remove();
    }
  }
  const figures =
    `${count} kill -9 while recording, ${sum.acknowledged} transitions acknowledged, ${sum.extra} more recorded ` +
    `(at most ${sum.mostExtra} at once), ${sum.temporary} unfinished files left for a later start; ${broken.length} faults`;
  return { figures, broken };
}

/** One life: alone or eight at a time; most are killed at work, some while they open; every other one with its git. */
async function killOnce(lab: Lab, n: number) {
  const together = n % 2 === 0 ? 1 : 8;
  const before = commitsAfter(lab, null);
  const since = before.at(-1) ?? null;
  const already = { temporary: temporaryFiles(lab).length, held: heldFiles(lab) };
  const recorder = startRecorder({ dir: lab.dir, first: before.length, together });
  try {
    if (n % 5 !== 4) await recorder.opened;
    await pause(Math.random() * 250);
  } finally {
    await recorder.kill({ git: n % 4 < 2 });
  }
  const broken = recorder.failures.map((failure) => `it could not record: ${failure}`);
  const temporary = Math.max(0, temporaryFiles(lab).length - already.temporary);

  const ledger = await open(lab.dir);
  const recorded = commitsAfter(lab, since);
  const extra = recorded.length - recorder.acknowledged.length;
  const place = new Map(recorded.map((id, index) => [id, index]));
  const lost = recorder.acknowledged.filter((id) => !place.has(id));
  if (lost.length > 0) broken.push(`${lost.length} acknowledged are lost, the first ${lost[0]}`);
  if (extra > together) broken.push(`${extra} more than acknowledged are recorded, ${together} were asked for`);
  if (recorder.acknowledged.some((id, index) => place.get(id) !== index)) broken.push("an extra one is not the last");
  if (ledger.tip !== (recorded.at(-1) ?? since)) broken.push("the opened ledger begins elsewhere than its ref");
  await ledger.close();
  const complaint = fsck(lab);
  if (complaint !== "") broken.push(complaint);
  broken.push(...leftBehind(lab, already.held));
  return { broken, extra, temporary, acknowledged: recorder.acknowledged.length };
}

if (import.meta.main) await prove("kills", kills(Number(process.argv[2] ?? 200)));
