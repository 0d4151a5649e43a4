/**
 * A process that records until it is killed or told to end, and tells of each transition as soon as it is acknowledged.
 * It is started by {@link startRecorder}; `node bench/recorder.ts` is that process.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, writeSync } from "node:fs";
import { createInterface } from "node:readline";
import { setTimeout as pause } from "node:timers/promises";
import { open, transition } from "./ledger-lab.ts";

interface Work {
  dir: string;
  /** Number of the first transition. */
  first: number;
  /** Asked for at the same time, each as soon as one is acknowledged. */
  together: number;
  /** With it one is asked for every so many milliseconds, while it is not told to rest. */
  everyMs?: number;
}

export interface Recorder {
  /** Ids of acknowledged commits. */
  readonly acknowledged: string[];
  readonly failures: string[];
  /** Resolves when its ledger is open. */
  opened: Promise<void>;
  say: (word: "work" | "rest") => void;
  /** SIGKILL, to it alone or to its git as well; resolves when it is gone and all that it told is here. */
  kill: (options: { git: boolean }) => Promise<void>;
  /** Lets it close its ledger. */
  end: () => Promise<void>;
}

export function startRecorder(work: Work): Recorder {
  const child = spawn(process.execPath, [import.meta.filename, JSON.stringify(work)], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const acknowledged: string[] = [];
  const failures: string[] = [];
  const opened = Promise.withResolvers<void>();
  const gone = once(child, "close");
  child.stdin.on("error", () => {}); // it was killed
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [word, id = ""] = line.split(" ");
    if (word === "open") opened.resolve();
    else if (word === "acknowledged") acknowledged.push(id);
    else failures.push(line);
  });
  void gone.then(() => opened.resolve());
  return {
    acknowledged,
    failures,
    opened: opened.promise,
    say: (word) => void child.stdin.write(`${word}\n`),
    async kill({ git }) {
      const pid = child.pid ?? 0;
      const own = git ? childrenOf(pid) : [];
      for (const each of [pid, ...own]) end(each);
      await gone;
    },
    async end() {
      child.stdin.end();
      const [code] = (await gone) as [number | null];
      if (code !== 0) failures.push(`the recorder ended with ${code}`);
    },
  };
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").split(" ").filter(Boolean).map(Number);
  } catch {
    return []; // not Linux, or gone
  }
}

function end(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // gone already
  }
}

async function record(work: Work): Promise<void> {
  let working = true;
  let ended = false;
  createInterface({ input: process.stdin })
    .on("line", (word) => (working = word === "work"))
    .on("close", () => (ended = true));
  const ledger = await open(work.dir);
  writeSync(1, "open\n");
  let next = work.first;
  const one = async () => {
    try {
      const { commits } = await ledger.record([transition(next++)]);
      writeSync(1, `acknowledged ${commits[0]}\n`);
    } catch (error) {
      writeSync(1, `failed ${String(error).replaceAll("\n", " ")}\n`);
      await pause(50);
    }
  };
  const worker = async () => {
    while (!ended) await one();
  };
  const steady = async (everyMs: number) => {
    const under = new Set<Promise<void>>();
    let due = performance.now();
    for (; !ended; await pause(1)) {
      if (!working) due = performance.now() + everyMs;
      for (; due <= performance.now(); due += everyMs) {
        const asked = one().finally(() => under.delete(asked));
        under.add(asked);
      }
    }
    await Promise.all(under);
  };
  if (work.everyMs !== undefined) await steady(work.everyMs);
  else await Promise.all(Array.from({ length: work.together }, worker));
  await ledger.close();
}

if (import.meta.main) await record(JSON.parse(process.argv[2] ?? "") as Work);
