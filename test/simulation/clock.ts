/** Simulated time: nothing happens between two events, so a day takes as long as what happens in it. */

export interface Timer {
  at: number;
  order: number;
  act: (() => void) | undefined;
}

const begins = Date.parse("2026-03-28T06:00:00.000Z");
const turn = setImmediate;

export class Clock {
  /** Monotonic, in ms since the simulation began. */
  now = 0;
  /** How far the wall clock is from where it would be: it is set, and it goes on while the machine is suspended. */
  jumped = 0;
  private order = 0;
  private readonly heap: Timer[] = [];

  /** Wall-clock time in ms since the epoch. */
  get wall(): number {
    return Math.floor(begins + this.now + this.jumped);
  }

  after(ms: number, act: () => void): Timer {
    const timer = { at: this.now + Math.max(0, ms), order: this.order++, act };
    this.push(timer);
    return timer;
  }

  /** Until nothing is left before `until`, or `step` (told after each event) says that it is enough. */
  async run(until: number, step: () => boolean): Promise<void> {
    await settled();
    for (let timer = this.heap[0]; timer && timer.at <= until; timer = this.heap[0]) {
      this.pop();
      if (!timer.act) continue;
      this.now = timer.at;
      timer.act();
      await settled();
      if (!step()) return;
    }
    this.now = Math.max(this.now, until);
  }

  private push(timer: Timer): void {
    const { heap } = this;
    let at = heap.length;
    heap.push(timer);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!before(timer, heap[above] as Timer)) break;
      heap[at] = heap[above] as Timer;
      at = above;
    }
    heap[at] = timer;
  }

  private pop(): void {
    const { heap } = this;
    const last = heap.pop() as Timer;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1] as Timer, heap[below] as Timer)) below++;
      if (!before(heap[below] as Timer, last)) break;
      heap[at] = heap[below] as Timer;
      at = below;
    }
    heap[at] = last;
  }
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** All that follows from what has just happened without time passing. */
function settled(): Promise<void> {
  return new Promise((resolve) => turn(resolve));
}
