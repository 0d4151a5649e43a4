/** Points at which a daemon is killed: each takes seconds, so that `npm test` takes some, and `npm run test:long` all. */

/** So many of them, spread evenly, the last one among them. */
export function some<T>(all: readonly T[], most = 3): readonly T[] {
  if (process.env["COX_TEST_ALL"] === "1" || all.length <= most) return all;
  const step = (all.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, place) => all[Math.round(place * step)] as T);
}
