/** What wakes the loop: something happened, or a time has come. The earliest time set counts. */
const MOST_SLEEP_MS = 3_600_000;

export class Alarm {
  private awake: (() => void) | undefined;
  private stirred = false;
  private timer: NodeJS.Timeout | undefined;
  private regular: NodeJS.Timeout | undefined;
  private at = Number.POSITIVE_INFINITY;

  /** Something happened: the sleeper wakes, or does not go to sleep. */
  stir(): void {
    this.stirred = true;
    this.awake?.();
  }

  /** In ms since the epoch. A clock that jumps ahead or a long wait only makes it look earlier. */
  set(atMs: number): void {
    if (atMs >= this.at && this.at > Date.now()) return;
    clearTimeout(this.timer);
    this.at = atMs;
    const wait = Math.min(Math.max(1, atMs - Date.now()), MOST_SLEEP_MS);
    this.timer = setTimeout(() => {
      this.at = Number.POSITIVE_INFINITY;
      this.stir();
    }, wait);
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
    clearInterval(this.regular);
    clearTimeout(this.timer);
  }
}
