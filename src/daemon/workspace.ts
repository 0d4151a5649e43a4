/** What the parts of the daemon share: where things are, what is known, what is held. */
import type { Config } from "../config.ts";
import type { Ledger, openLedger } from "../ledger/ledger.ts";
import type { Policy } from "../machine/policy.ts";
import type { State } from "../machine/state.ts";
import type { ProcessIdentity } from "../agent/process.ts";
import type { RunId, SessionId, TaskId, TaskKey } from "../model/ids.ts";
import type { PatternsFile } from "../model/pattern.ts";
import type { Role } from "../model/role.ts";
import type { SessionFile } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import type { Kept } from "../store/kept.ts";
import { RUN } from "../store/paths.ts";
import type { Scanner } from "../store/scan.ts";
import type { HeldFiles } from "./held.ts";
import type { Log } from "./log.ts";
import type { Secrets } from "./secrets.ts";
import type { Tenure } from "./tenure.ts";

export interface Workspace {
  /** Top of the repository's working tree. */
  repository: string;
  /** The `.workflow` folder. */
  folder: string;
  gitDir: string;
  /** Where refs and objects are, shared by all worktrees. */
  commonDir: string;
  /** Whether the repository has a commit that a worktree can start from. */
  hasCommits: boolean;
  /** The ledger commits that say an attempt began, by run. */
  begun: Map<RunId, string>;
  config: Config;
  roles: Map<string, Role>;
  policy: Policy;
  state: State;
  ledger: Ledger;
  ledgerRef: string;
  /** Opens the ledger once more, at what is there now. */
  openLedger: () => ReturnType<typeof openLedger>;
  scanner: Scanner;
  /** What the daemon's writes replaced in the last seconds. */
  kept: Kept;
  held: HeldFiles;
  log: Log;
  tenure: Tenure;
  /** What the ledger redacts by its value: to be added to before it is passed to an agent. */
  secrets: Secrets;
  /** The last few versions of tasks that changed lately, newest first: what a slow editor may have started from. */
  versions: Map<TaskKey, Task[]>;
  /** The same of sessions' files. */
  sessionVersions: Map<SessionId, SessionFile[]>;
  /** Sessions that rest, with the paths where something stands in the place of a folder of theirs. */
  obstructed: Map<SessionId, Set<string>>;
  /** The last few versions of what is known of failures, newest first: for the same. */
  patterns: PatternsFile[];
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
const TRUST_LIST = `${RUN}/trust.json`;

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

/** Each has a time of its own; what still has that of the one before is on its way to another, and never on disk. */
export function rememberSession(workspace: Workspace, session: SessionId, file: SessionFile | null): void {
  const { sessionVersions, state } = workspace;
  if (file === null) return void sessionVersions.delete(session);
  const versions = sessionVersions.get(session) ?? [state.sessions.get(session)?.file ?? file];
  const isKnown = versions.some(({ updated_at }) => updated_at === file.updated_at);
  sessionVersions.set(session, (isKnown ? versions : [file, ...versions]).slice(0, VERSIONS_KEPT));
}

export function rememberPatterns(workspace: Workspace): void {
  if (workspace.patterns[0] === workspace.state.patterns) return;
  workspace.patterns = [workspace.state.patterns, ...workspace.patterns].slice(0, VERSIONS_KEPT);
}

export function rememberSource(workspace: Workspace, session: SessionId, task: Task): void {
  const { source } = task.execution;
  if (source) workspace.sources.set(`${source.file} ${source.sha256}`, { session, id: task.id });
}

/** Whether a file may be obeyed: what the code's branch tracks only once its very content was trusted. */
export function isTrusted(
  workspace: Pick<Workspace, "tracked" | "trusted">,
  path: string,
  hash: string | null,
): boolean {
  return !isTracked(workspace.tracked, path) || wasTrusted(workspace, path, hash);
}

/** Whether the code's branch tracks the path, or a link or submodule that it is in; `.workflow` itself is the empty path. */
export function isTracked(tracked: ReadonlySet<string>, path: string): boolean {
  if (tracked.size === 0) return false;
  if (tracked.has(path) || tracked.has("")) return true;
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1))
    if (tracked.has(path.slice(0, end))) return true;
  return false;
}

/**
 * Whether a person has trusted this very content of the file (`cox trust`). A list of trust that the branch brought along
 * is no person's.
 */
export function wasTrusted(
  { tracked, trusted }: Pick<Workspace, "tracked" | "trusted">,
  path: string,
  hash: string | null,
): boolean {
  return hash !== null && trusted.get(path) === hash && !isTracked(tracked, TRUST_LIST);
}
