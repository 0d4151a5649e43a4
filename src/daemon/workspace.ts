/** What the parts of the daemon share: where things are, what is known, what is held. */
import type { Config } from "../config.ts";
import type { Ledger, openLedger } from "../ledger/ledger.ts";
import type { Policy } from "../machine/policy.ts";
import type { State } from "../machine/state.ts";
import type { ProcessIdentity } from "../agent/process.ts";
import type { RunId, SessionId, TaskId, TaskKey } from "../model/ids.ts";
import type { Role } from "../model/role.ts";
import type { Task } from "../model/task.ts";
import type { Scanner } from "../store/scan.ts";
import type { HeldFiles } from "./held.ts";
import type { Log } from "./log.ts";

export interface Workspace {
  /** Top of the repository's working tree. */
  repository: string;
  /** The `.workflow` folder. */
  folder: string;
  gitDir: string;
  config: Config;
  roles: Map<string, Role>;
  policy: Policy;
  state: State;
  ledger: Ledger;
  ledgerRef: string;
  /** Opens the ledger once more, at what is there now. */
  openLedger: () => ReturnType<typeof openLedger>;
  scanner: Scanner;
  held: HeldFiles;
  log: Log;
  /** The last few versions of tasks that changed lately, newest first: what a slow editor may have started from. */
  versions: Map<TaskKey, Task[]>;
  /** Drops that became tasks: `<file> <sha256>` → task. */
  sources: Map<string, { session: SessionId; id: TaskId }>;
  /** Highest task number ever given in a session. */
  highest: Map<SessionId, number>;
  /** Paths under `.workflow/` that the code's branch tracks. */
  tracked: ReadonlySet<string>;
  /** Processes of the agents that live. */
  identities: Map<RunId, ProcessIdentity>;
  /** Trusted contents of tracked files: path → SHA-256. */
  trusted: ReadonlyMap<string, string>;
}

const VERSIONS_KEPT = 6;

export function rememberVersion(workspace: Workspace, key: TaskKey, task: Task | undefined): void {
  if (!task) return;
  const versions = (workspace.versions.get(key) ?? []).filter((version) => version !== task);
  workspace.versions.delete(key); // the latest key last: the oldest is dropped first
  workspace.versions.set(key, [task, ...versions].slice(0, VERSIONS_KEPT));
  if (workspace.versions.size > 1000) {
    const [oldest] = workspace.versions.keys();
    if (oldest !== undefined) workspace.versions.delete(oldest);
  }
}

export function rememberSource(workspace: Workspace, session: SessionId, task: Task): void {
  const { source } = task.execution;
  if (source) workspace.sources.set(`${source.file} ${source.sha256}`, { session, id: task.id });
}

/** Whether a file may be obeyed: what the code's branch tracks only once its very content was trusted. */
export function isTrusted(workspace: Workspace, path: string, hash: string | null): boolean {
  return !workspace.tracked.has(path) || (hash !== null && workspace.trusted.get(path) === hash);
}
