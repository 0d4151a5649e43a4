/**
 * The clock for waits, in ms: it begins where the clock on the wall stood, and neither jumps nor goes back when that one is
 * set. It stands still while the machine sleeps.
 */
let began: number | undefined;

export function steady(): number {
  began ??= Date.now() - performance.now();
  return began + performance.now();
}
