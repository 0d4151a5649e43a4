/**
 * A process that starts git. To start one costs a process by its size: the daemon 10 to 30 ms of its only thread with
 * ten thousand tasks, this one 3. It ends with the daemon.
 */
import { fork, type ChildProcess } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { Ground, Outcome, RunGit } from "./git.ts";

export interface GitRequest {
  number: number;
  ground: Ground;
  args: readonly string[];
  input?: string | Buffer;
}

export interface GitAnswer {
  number: number;
  outcome: Outcome;
}

const PROGRAM = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "./git-child.ts" : "./git-child.js", import.meta.url),
);

export class GitProcess {
  private child: ChildProcess | undefined;
  private last = 0;
  private readonly waiting = new Map<number, (outcome: Outcome) => void>();

  /** As `tryGit`; where the process has ended in the middle, git could not be started. */
  readonly run: RunGit = (ground, args, input) =>
    new Promise((resolve) => {
      const child = (this.child ??= this.start());
      const number = ++this.last;
      this.waiting.set(number, resolve);
      child.channel?.ref();
      const request: GitRequest = { number, ground, args, ...(input === undefined ? {} : { input }) };
      child.send(request, (error) => {
        if (error) this.answer({ number, outcome: gone(error.message) });
      });
    });

  close(): void {
    this.child?.disconnect();
    this.child = undefined;
  }

  private start(): ChildProcess {
    // In a group of its own: a Ctrl-C in the terminal is for the daemon.
    const child = fork(PROGRAM, {
      execArgv: [],
      serialization: "advanced",
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
    });
    child.on("message", (answer: GitAnswer) => this.answer(answer));
    child.on("error", () => {});
    child.once("close", () => {
      if (this.child === child) this.child = undefined;
      for (const number of this.waiting.keys()) this.answer({ number, outcome: gone("the process for git has ended") });
    });
    child.unref();
    child.channel?.unref();
    return child;
  }

  private answer({ number, outcome }: GitAnswer): void {
    this.waiting.get(number)?.(outcome);
    this.waiting.delete(number);
    if (this.waiting.size === 0) this.child?.channel?.unref();
  }
}

function gone(why: string): Outcome {
  return { code: -1, stdout: "", stderr: `git could not be started: ${why}` };
}
