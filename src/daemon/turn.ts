/** Work that takes long, in turns with all else that the daemon has to do: its event loop is never held for long. */
import { setImmediate as breathe } from "node:timers/promises";

const LONGEST_MS = 10;

export class Turn {
  private began = performance.now();

  /** Whether it is time to let others have theirs: `if (turn.isLong) await turn.pass()`. */
  get isLong(): boolean {
    return performance.now() - this.began >= LONGEST_MS;
  }

  async pass(): Promise<void> {
    await breathe();
    this.began = performance.now();
  }
}
