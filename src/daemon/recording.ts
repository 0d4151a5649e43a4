/** Recording that goes on trying: what cannot be written now is said, nothing is started meanwhile, and nothing is lost. */
import { setTimeout as pause } from "node:timers/promises";
import { LedgerMoved } from "../ledger/ledger.ts";
import { topOf } from "./observed-folders.ts";
import { obstaclesOf } from "./obstructed.ts";
import { record, type Batch, type Recorded } from "./record.ts";
import { rejoin } from "./rejoin.ts";
import { Troubled } from "./troubled.ts";
import type { Workspace } from "./workspace.ts";

export const RETRY_RECORD_MS = 2000;
export const SOON_MS = 100;

interface Asks {
  isLost: () => boolean;
  isToldToStop: () => boolean;
  /** Told when another history waits to be merged. */
  noteMoved: () => void;
}

export class Recording {
  private readonly workspace: Workspace;
  private readonly asks: Asks;
  private readonly troubled: Troubled;

  /** `isLost`: the daemon may do nothing more. */
  constructor(workspace: Workspace, asks: Asks) {
    this.workspace = workspace;
    this.asks = asks;
    this.troubled = new Troubled(workspace.tenure);
  }

  /**
   * Disk full, git unreadable: nothing new is started, it is said, and tried again until it works. Undefined when the
   * daemon is lost, or was told to stop meanwhile: the next one finds it all on disk, and the agents go on.
   */
  async record(batch: Batch): Promise<Recorded | undefined> {
    const { log, secrets } = this.workspace;
    const { isLost, isToldToStop } = this.asks;
    secrets.addDecided(batch.decision.changes);
    for (let failures = 0; ; failures++) {
      if (isLost()) return undefined;
      try {
        const done = await record(this.workspace, batch);
        if (failures > 0) log.say("info", "recording works again");
        await this.troubled.over();
        return done;
      } catch (error) {
        if (isLost()) return undefined;
        const obstacles = this.obstacles(batch);
        if (obstacles.length > 0) return { stale: obstacles };
        const why = error instanceof LedgerMoved ? await this.rejoined(error) : (error as Error).message;
        if (why === undefined) continue;
        if (failures === 0)
          log.say("error", `nothing can be recorded, so nothing is started: ${why}. Trying again every 2 s.`);
        await this.troubled.by(why);
        for (let waited = 0; waited < RETRY_RECORD_MS && !isToldToStop(); waited += SOON_MS) await pause(SOON_MS);
      }
      if (!isToldToStop()) continue;
      log.say("error", "stopping without having recorded the last changes: the next start does it. Agents go on.");
      return undefined;
    }
  }

  /** What stands in the way of the batch's own sessions, and is not known yet. */
  private obstacles({ decision }: Batch): string[] {
    const { folder, obstructed } = this.workspace;
    const sessions = new Set(decision.changes.flatMap((change) => ("session" in change ? [change.session] : [])));
    const found = [...sessions].flatMap((session) => obstaclesOf(folder, session));
    return found.filter((path) => !obstructed.get(topOf(path))?.has(path));
  }

  /** Undefined when our history and that of another writer are one again. */
  private async rejoined(moved: LedgerMoved): Promise<string | undefined> {
    const done = await rejoin(this.workspace, moved).catch((error: Error) => ({ problem: error.message }));
    if ("problem" in done) return done.problem;
    this.workspace.log.say("warn", done.ok);
    this.asks.noteMoved();
    return undefined;
  }
}
