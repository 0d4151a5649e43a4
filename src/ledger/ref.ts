/** The ledger's ref, moved by git alone: one `git update-ref --stdin` that stays open, by compare-and-swap. */
import type { ChildProcess } from "node:child_process";
import { openGit } from "./git.ts";

export interface RefMover {
  /** From `old` (null: not there yet) to `next`. Resolves with nothing, or with what git said when it did not. */
  move(next: string, old: string | null): Promise<string | undefined>;
  close(): Promise<void>;
  /** Of its process while there is one, for tests. */
  readonly pid: number | undefined;
}

interface Open {
  child: ChildProcess;
  gone: Promise<void>;
  /** Resolves with what git answered when it has committed, with undefined when it ended instead. */
  answer: () => Promise<string | undefined>;
  complaint: () => string;
}

export function openRef(options: { gitDir: string; ref: string; durability: "full" | "process" }): RefMover {
  let process: Open | undefined;
  return {
    get pid() {
      return process?.child.pid;
    },
    async move(next, old) {
      process ??= start(options);
      const { child, answer, complaint, gone } = process;
      const answered = answer();
      child.stdin?.write(`start\nupdate ${options.ref} ${next} ${old ?? "0".repeat(next.length)}\ncommit\n`);
      if ((await answered) !== undefined) return undefined;
      // It ends at every refusal, and says why.
      await gone;
      process = undefined;
      return complaint() || "git update-ref ended without a message";
    },
    async close() {
      process?.child.stdin?.end();
      await process?.gone;
      process = undefined;
    },
  };
}

function start({ gitDir, durability }: { gitDir: string; durability: "full" | "process" }): Open {
  const child = openGit(["update-ref", "--stdin"], {
    cwd: gitDir,
    gitDir,
    config: ["core.filesRefLockTimeout=200", ...(durability === "full" ? [] : ["core.fsync=none"])],
  });
  let said = "";
  let told = "";
  let ended = false;
  let waiting: ((answer: string | undefined) => void) | undefined;
  const settle = (answer: string | undefined) => {
    waiting?.(answer);
    waiting = undefined;
  };
  const gone = new Promise<void>((resolve) => {
    const end = (why: string) => {
      told ||= why;
      ended = true;
      settle(undefined);
      resolve();
    };
    child.on("error", (error) => end(error.message));
    child.on("close", (code, signal) => end(`git update-ref ended (${signal ?? code})`));
  });
  child.stdin?.on("error", () => {}); // its end tells why
  child.stderr?.on("data", (chunk: Buffer) => (told = (told + chunk.toString()).slice(-4000)));
  child.stdout?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
    if (!said.includes("commit: ok\n")) return;
    settle(said);
    said = "";
  });
  return {
    child,
    gone,
    answer: () =>
      new Promise((resolve) => {
        if (ended) resolve(undefined);
        else waiting = resolve;
      }),
    complaint: () => told.trim(),
  };
}
