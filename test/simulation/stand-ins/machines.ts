/** What is not simulated: other machines' ledgers, and cleaning up. */

/** `src/daemon/rejoin.ts`. */
export async function rejoin() {
  return { problem: "nobody else writes here" };
}

export async function rejoinAtStart(): Promise<undefined> {
  return undefined;
}

export const asideRef = (ref: string) => `${ref}-aside`;

export const tipFile = (folder: string) => `${folder}/.run/ledger-tip`;

/** `src/daemon/merging.ts`. */
export class Merging {
  async all(): Promise<boolean> {
    return true;
  }
  lookAtRef(): void {}
  noteMoved(): void {}
}

/** `src/daemon/take-in.ts`. */
export function isCutOff(): boolean {
  return false;
}

export function noteWhole(): void {}

/** `src/daemon/housekeeping.ts`. */
export class Housekeeping {
  isDue(): boolean {
    return false;
  }
  async look(): Promise<[]> {
    return [];
  }
  async finish(): Promise<void> {}
}
