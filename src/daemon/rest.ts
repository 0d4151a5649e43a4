/** What a daemon does once when nothing has gone on for a while. */
import { giveBackMemory } from "./memory.ts";
import type { Workspace } from "./workspace.ts";

export function rest({ ledger, log }: Pick<Workspace, "ledger" | "log">): void {
  void ledger.tidy().catch((error: Error) => log.say("debug", `housekeeping: ${error.message}`));
  giveBackMemory();
}
