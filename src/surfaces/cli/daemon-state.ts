/** Whether a daemon is up, as other processes can know it. */
import { statSync } from "node:fs";
import { join } from "node:path";
import type { Holder } from "../../store/lock.ts";
import { RUN } from "../../store/paths.ts";
import type { Workspace } from "./context.ts";

export type Daemon = { up: true; holder: Holder | null } | { up: false };

/** Asks the kernel, by the daemon's lock. */
export async function daemonOf(workspace: Workspace): Promise<Daemon> {
  if (!statSync(join(workspace.folder, RUN, "daemon.lock"), { throwIfNoEntry: false })) return { up: false };
  const { isHeld, readHolder } = await import("../../store/lock.ts");
  return isHeld(workspace.folder) ? { up: true, holder: readHolder(workspace.folder) } : { up: false };
}

/** What becomes of an edit: one line for people. */
export function whoActs(daemon: Daemon): string {
  return daemon.up ? "The daemon is up and acts on it." : "No daemon is up: cox start acts on it.";
}
