/** What a proof comes to: one line of figures, and all that did not hold. */
export interface Proof {
  figures: string;
  /** A promise that was broken: something lost, torn, left behind, or refused. */
  broken: string[];
  /** Slower or larger than it should be, with nothing lost. Of times: other work on the machine can do that too. */
  missed?: string[];
}

const MOST_LINES = 30;

/** Prints it; whether all held. */
export function tell(name: string, { figures, broken, missed = [] }: Proof): boolean {
  console.log(`${name}: ${figures}`);
  const faults = [...broken.map((what) => `BROKEN ${what}`), ...missed.map((what) => `MISSED ${what}`)];
  for (const fault of faults.slice(0, MOST_LINES)) console.log(`  ${fault}`);
  if (faults.length > MOST_LINES) console.log(`  and ${faults.length - MOST_LINES} more`);
  return faults.length === 0;
}

/** For a script that is run alone. */
export async function prove(name: string, proof: Promise<Proof>): Promise<void> {
  if (!tell(name, await proof)) process.exitCode = 1;
}
