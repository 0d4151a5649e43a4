/**
 * `git gc` of the user's, again and again, while transitions are recorded: with `--prune=now`, which deletes all that
 * is not named, and without, which looks at all that is recent. `node bench/beside-gc.ts [seconds]`.
 */
import { setTimeout as pause } from "node:timers/promises";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { makeLab } from "./lab.ts";
import { commitsAfter, fsck, leftBehind, open } from "./ledger-lab.ts";
import { prove, type Proof } from "./proof.ts";
import { startRecorder } from "./recorder.ts";

export async function besideGc(seconds = 60): Promise<Proof> {
  const lab = makeLab({ files: 200 });
  const broken: string[] = [];
  let rounds = 0;
  try {
    const recorder = startRecorder({ dir: lab.dir, first: 0, together: 8 });
    await recorder.opened;
    try {
      for (const end = Date.now() + seconds * 1000; Date.now() < end; rounds++) {
        const args = ["gc", "--quiet", ...(rounds % 2 === 0 ? ["--prune=now"] : [])];
        const gc = spawn("git", args, {
          cwd: lab.dir,
          stdio: ["ignore", "ignore", "pipe"],
        });
        let said = "";
        gc.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
        const [code] = (await once(gc, "close")) as [number | null];
        if (code !== 0) broken.push(`git ${args.join(" ")} ended with ${code}: ${said.trim()}`);
        const complaint = lab.complaint("commit", "--allow-empty", "-qm", `round ${rounds}`);
        if (complaint !== "") broken.push(complaint);
        await pause(Math.random() * 20);
      }
    } finally {
      await recorder.end();
    }
    const there = new Set(commitsAfter(lab, null));
    const lost = recorder.acknowledged.filter((id) => !there.has(id));
    broken.push(...recorder.failures.map((failure) => `it could not record: ${failure}`));
    if (lost.length > 0) broken.push(`${lost.length} acknowledged are lost, the first ${lost[0]}`);
    if (there.size !== recorder.acknowledged.length + lost.length)
      broken.push(`${there.size} are recorded, ${recorder.acknowledged.length} were acknowledged`);
    // An end that takes too long leaves the rest to the next start.
    await (await open(lab.dir)).close();
    const complaint = fsck(lab);
    if (complaint !== "") broken.push(complaint);
    broken.push(...leftBehind(lab));
    const figures =
      `${rounds} git gc, every other with --prune=now, in ${seconds} s beside ${recorder.acknowledged.length} transitions; ` +
      `${broken.length} faults`;
    return { figures, broken };
  } finally {
    lab.remove();
  }
}

if (import.meta.main) await prove("beside-gc", besideGc(Number(process.argv[2] ?? 60)));
