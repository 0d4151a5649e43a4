/** Since when and why nothing can be recorded, told in `daemon.json` for `cox status`. */
import { instant, type Instant } from "../model/time.ts";
import type { Tenure } from "./tenure.ts";

export class Troubled {
  private readonly tenure: Tenure;
  private since: Instant | undefined;
  private told = false;

  constructor(tenure: Tenure) {
    this.tenure = tenure;
  }

  /** Tells it once; a disk that has no room even for that is asked again the next time. */
  async by(message: string): Promise<void> {
    this.since ??= instant(Date.now());
    if (!this.told) this.told = await this.tenure.tell({ trouble: { since: this.since, message } });
  }

  /** Recording works (again). */
  async over(): Promise<void> {
    if (this.since !== undefined && (await this.tenure.tell({ trouble: null }))) {
      this.since = undefined;
      this.told = false;
    }
  }
}
