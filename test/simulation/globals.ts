/** Time and chance as the daemon's modules find them: `Date`, `performance`, timers, `Math.random`. */
import type { Timer } from "./clock.ts";
import { world } from "./world.ts";

const RealDate = Date;

class SimulatedDate extends RealDate {
  constructor(...of: [] | [number | string | Date]) {
    if (of.length === 0) super(world().clock.wall);
    else super(of[0]);
  }

  static override now(): number {
    return world().clock.wall;
  }
}

/** A timer of the daemon that set it: a later one never hears of it. */
class DaemonTimer {
  private timer: Timer;
  private readonly life = world().life;
  private readonly every: number | undefined;
  private readonly act: () => void;

  constructor(act: () => void, ms: number, repeats: boolean) {
    this.act = act;
    this.every = repeats ? ms : undefined;
    this.timer = this.set(ms);
  }

  private set(ms: number): Timer {
    return world().clock.after(Math.max(1, ms), () => {
      if (world().life !== this.life || !world().alive) return;
      if (this.every !== undefined) this.timer = this.set(this.every);
      this.act();
    });
  }

  clear(): void {
    this.timer.act = undefined;
  }

  unref(): this {
    return this;
  }
}

const clear = (timer: unknown) => {
  if (timer instanceof DaemonTimer) timer.clear();
};

export function install(): void {
  Object.assign(globalThis, {
    Date: SimulatedDate,
    setTimeout: (act: () => void, ms = 0) => new DaemonTimer(act, ms, false),
    setInterval: (act: () => void, ms = 0) => new DaemonTimer(act, ms, true),
    clearTimeout: clear,
    clearInterval: clear,
  });
  Math.random = () => world().own.next();
  performance.now = () => world().clock.now;
}
