/**
 * The end of everything a run started. The process group is not enough: Claude Code gives each command a session of its
 * own. What counts is the marker, in the environment and (on Linux) in the limits, and descent. Beyond reach is only
 * what cleared its environment and set its own limits (elsewhere: cleared its environment), left the group and lost its
 * parent, all before anyone looked.
 */
import { setTimeout as pause } from "node:timers/promises";
import { isAlive, ownGroup, processes, send, signalProcess, withMarker } from "./proc-table.ts";
import type { ProcessIdentity, ProcessRow } from "./proc-table.ts";
import { readExit, readStarted } from "./run-folder.ts";

const LOOK_MS = 20;
const BETWEEN_SWEEPS_MS = 10;
/** After this long, what is left cannot be killed: it sits in the kernel, or belongs to another user. */
const GIVE_UP_MS = 10_000;

export interface Stopped {
  /** Processes that were sent SIGKILL. */
  killed: number;
  /** Processes that are still there after 10 seconds of that: 0 unless the kernel does not let go of them. */
  left: number;
}

/**
 * Stops a run and all it started. First SIGINT to the agent alone, which then ends its own children, and after `graceMs`
 * SIGTERM to the group; or SIGTERM to the group at once. When the second grace (half of the first) is over too, or
 * nobody is left to wait for: SIGKILL to everything.
 */
export async function stopRun(o: {
  runDir: string;
  runId: string;
  graceMs: number;
  first: "SIGINT" | "SIGTERM";
}): Promise<Stopped> {
  // What cannot be read now is ended by its marker.
  const wrapper = await readStarted(o.runDir, o.runId).catch(() => undefined);
  // A wrapper whose agent has ended may serve another run by now.
  if (!wrapper || (await readExit(o.runDir).catch(() => undefined)) || !(await isAlive(wrapper))) return sweep(o.runId);
  const rows = await processes();
  // Remembered now, because descent can no longer be seen when the parent has ended.
  const tree = withDescendants(rows, new Set([wrapper.pid]));
  const group = tree.filter((row) => row.group === wrapper.pid);
  const identity = ({ pid, start }: ProcessRow): ProcessIdentity => ({ bootId: wrapper.bootId, pid, start });
  if (o.first === "SIGINT") {
    for (const row of tree) if (row.parent === wrapper.pid) await signalProcess(identity(row), "SIGINT");
    if (!(await goneWithin([wrapper], o.graceMs))) {
      await signalGroup(wrapper, "SIGTERM");
      await goneWithin([wrapper], o.graceMs / 2);
    }
  } else {
    await signalGroup(wrapper, "SIGTERM");
    await goneWithin(group.map(identity), o.graceMs);
  }
  return killAll(o.runId, wrapper, tree);
}

/** Kills what carries the run's marker: after a normal end too, for what the agent left in the background. */
export async function sweep(runId: string): Promise<Stopped> {
  return killAll(runId, undefined, []);
}

// Twice nothing in a row, because a process in the middle of exec has no environment for a moment.
async function killAll(runId: string, wrapper: ProcessIdentity | undefined, known: ProcessRow[]): Promise<Stopped> {
  const killed = new Set<string>();
  const deadline = performance.now() + GIVE_UP_MS;
  for (let quiet = 0; ;) {
    const victims = await killOnce(runId, wrapper, known);
    for (const { pid, start } of victims) killed.add(`${pid} ${start}`);
    quiet = victims.length === 0 ? quiet + 1 : 0;
    if (quiet === 2) return { killed: killed.size, left: 0 };
    if (performance.now() > deadline) return { killed: killed.size, left: victims.length };
    await pause(BETWEEN_SWEEPS_MS);
  }
}

// What is found is frozen on the spot, with its group: it can neither fork away nor lose its children while the rest of
// the family is looked up. Its group is the run's as well, since a group never reaches beyond a session, and the run
// began its own; the check of our own group covers a run that was started in no session of its own.
async function killOnce(
  runId: string,
  wrapper: ProcessIdentity | undefined,
  known: ProcessRow[],
): Promise<ProcessRow[]> {
  const own = await ownGroup();
  const groups = new Set<number>();
  const marked = await withMarker(runId, (row) => {
    send(row.pid, "SIGSTOP");
    if (row.group > 1 && row.group !== own && send(-row.group, "SIGSTOP")) groups.add(row.group);
  });
  if (marked.length === 0 && known.length === 0) return [];
  if (wrapper && (await isAlive(wrapper))) groups.add(wrapper.pid);
  const rows = await processes();
  const remembered = new Map(known.map((row) => [row.pid, row.start]));
  const roots = rows.filter(
    (row) => marked.includes(row.pid) || groups.has(row.group) || remembered.get(row.pid) === row.start,
  );
  const victims = withDescendants(rows, new Set(roots.map((row) => row.pid))).filter((row) => row.pid !== process.pid);
  for (const group of groups) send(-group, "SIGKILL");
  for (const row of victims) send(row.pid, "SIGKILL");
  return victims;
}

function withDescendants(rows: ProcessRow[], pids: Set<number>): ProcessRow[] {
  const family = new Set(pids);
  for (let before = -1; before !== family.size;) {
    before = family.size;
    for (const row of rows) if (family.has(row.parent)) family.add(row.pid);
  }
  return rows.filter((row) => family.has(row.pid));
}

// A stopped process acts on a signal only once it goes on.
async function signalGroup(leader: ProcessIdentity, signal: NodeJS.Signals): Promise<void> {
  if ((await isAlive(leader)) && send(-leader.pid, signal)) send(-leader.pid, "SIGCONT");
}

async function goneWithin(identities: ProcessIdentity[], ms: number): Promise<boolean> {
  const deadline = performance.now() + ms;
  for (;;) {
    const alive = await Promise.all(identities.map(isAlive));
    if (!alive.includes(true)) return true;
    if (performance.now() >= deadline) return false;
    await pause(LOOK_MS);
  }
}
