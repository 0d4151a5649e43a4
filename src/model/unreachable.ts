/** Ends a switch over a union: a case that was forgotten breaks the build here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable case: ${JSON.stringify(value)}`);
}
