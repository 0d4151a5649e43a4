/** What wakes the loop: something happened, or a time has come. The earliest time set counts. */
import { steady } from "./steady.ts";

/** So often the clock on the wall is asked: it may be set, and goes on while the machine sleeps. */
const ASK_MS = 10_000;
/** The longest that a timer can run. */
const LONGEST_MS = 2 ** 31 - 1;

export class Alarm {
  private awake: (() => void) | undefined;
  private stirred = false;
  private timer: NodeJS.Timeout | undefined;
  private next = Number.POSITIVE_INFINITY;
  private wallTimer: NodeJS.Timeout | undefined;
  private regular: NodeJS.Timeout | undefined;

  /** Something happened: the sleeper wakes, or does not go to sleep. */
  stir(): void {
    this.stirred = true;
    this.awake?.();
  }

  /** After so many ms in which the machine is awake, whatever becomes of the clock on the wall. */
  in(ms: number): void {
    const at = steady() + ms;
    if (at >= this.next && this.next > steady()) return;
    clearTimeout(this.timer);
    this.next = at;
    this.timer = setTimeout(
      () => {
        this.next = Number.POSITIVE_INFINITY;
        this.stir();
      },
      Math.min(Math.max(1, ms), LONGEST_MS),
    );
  }

  /** When the clock on the wall says so (ms since 1970), and at most 10 s later when it jumped there. The last one set counts. */
  at(ms: number): void {
    clearTimeout(this.wallTimer);
    if (!Number.isFinite(ms)) return;
    const left = ms - Date.now();
    this.wallTimer = setTimeout(
      () => (Date.now() >= ms ? this.stir() : this.at(ms)),
      Math.min(Math.max(1, left), ASK_MS),
    );
  }

  /** Until it is called again, or the alarm is cleared. */
  every(ms: number, act: () => void): void {
    clearInterval(this.regular);
    this.regular = setInterval(act, ms);
  }

  async sleep(): Promise<void> {
    if (!this.stirred) {
      await new Promise<void>((resolve) => (this.awake = resolve));
      this.awake = undefined;
    }
    this.stirred = false;
  }

  clear(): void {
    clearTimeout(this.timer);
    clearTimeout(this.wallTimer);
    clearInterval(this.regular);
  }
}
