/**
 * What small commands may leave running. Looking for one run's processes costs as much as looking for all: so runs that
 * ended wait a moment and are looked for together, twice, because a process in the middle of exec has no environment.
 */
import { markedRuns, processes, type ProcessRow } from "./proc-table.ts";
import { sweep } from "./stop-run.ts";

const TOGETHER_MS = 200;
const LOOKS = 2;
const MOST_FAILURES = 5;

interface Listener {
  /** All that a look saw. */
  saw(rows: readonly ProcessRow[]): void;
  /** Before what a run left is ended. */
  found(runId: string): Promise<void>;
  /** The run was looked for, and had so many processes left. */
  ended(runId: string, processes: number): void;
}

export class Leftovers {
  private readonly runs = new Map<string, number>();
  private readonly tell: Listener;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;
  private failures = 0;

  constructor(tell: Listener) {
    this.tell = tell;
  }

  expect(runId: string): void {
    this.runs.set(runId, LOOKS);
    this.timer ??= setTimeout(() => this.start(), TOGETHER_MS);
  }

  /** Looks for all that is still expected, now. */
  async finish(): Promise<void> {
    clearTimeout(this.timer);
    // Where nobody can look, the next start does: the runs' folders are still there.
    for (const { failures } = this; (this.runs.size > 0 || this.looking) && this.failures < failures + MOST_FAILURES;) {
      this.start();
      await this.looking;
      clearTimeout(this.timer);
    }
  }

  private start(): void {
    this.timer = undefined;
    if (this.looking) return;
    // Too many open files, say: it is looked again.
    const looked = this.look().catch(() => void this.failures++);
    this.looking = looked.finally(() => {
      this.looking = undefined;
      if (this.runs.size > 0) this.timer ??= setTimeout(() => this.start(), TOGETHER_MS);
    });
  }

  private async look(): Promise<void> {
    const alive = await markedRuns([...this.runs.keys()]);
    this.tell.saw(await processes());
    for (const [runId, looks] of [...this.runs]) {
      if (alive.has(runId)) {
        await this.tell.found(runId);
        const { killed } = await sweep(runId);
        this.runs.delete(runId);
        this.tell.ended(runId, killed);
      } else if (looks > 1) this.runs.set(runId, looks - 1);
      else {
        this.runs.delete(runId);
        this.tell.ended(runId, 0);
      }
    }
  }
}
