/**
 * What small commands may leave running. Looking for one run's processes costs as much as looking for all: so runs that
 * ended wait a moment and are looked for together, twice, because a process in the middle of exec has no environment.
 */
import { markedRuns } from "./proc-table.ts";
import { sweep } from "./stop-run.ts";

const TOGETHER_MS = 200;
const LOOKS = 2;

export class Leftovers {
  private readonly runs = new Map<string, number>();
  private readonly ended: (runId: string, processes: number) => void;
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> | undefined;

  /** `ended` hears of each run when it was looked for, and how many processes it had left. */
  constructor(ended: (runId: string, processes: number) => void) {
    this.ended = ended;
  }

  expect(runId: string): void {
    this.runs.set(runId, LOOKS);
    this.timer ??= setTimeout(() => this.start(), TOGETHER_MS);
  }

  /** Looks for all that is still expected, now. */
  async finish(): Promise<void> {
    clearTimeout(this.timer);
    while (this.runs.size > 0 || this.looking) {
      this.start();
      await this.looking;
      clearTimeout(this.timer);
    }
  }

  private start(): void {
    this.timer = undefined;
    this.looking ??= this.look().finally(() => {
      this.looking = undefined;
      if (this.runs.size > 0) this.timer ??= setTimeout(() => this.start(), TOGETHER_MS);
    });
  }

  private async look(): Promise<void> {
    const alive = await markedRuns();
    for (const [runId, looks] of [...this.runs]) {
      if (alive.has(runId)) {
        const { killed } = await sweep(runId);
        this.runs.delete(runId);
        this.ended(runId, killed);
      } else if (looks > 1) this.runs.set(runId, looks - 1);
      else {
        this.runs.delete(runId);
        this.ended(runId, 0);
      }
    }
  }
}
