/**
 * The processes of this machine, as far as runs need them: who a process is, whether it still is that one, and which
 * processes carry a run's marker. Linux is read from /proc (proc(5)), every other system through ps(1).
 */
import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { limitMark, limitOf } from "./limit-mark.ts";

/** The variable that every process of a run has in its environment. */
export const MARKER = "COX_RUN_ID";

/** One process for ever: a pid is used again, a pid with its start time on one boot is not. */
export interface ProcessIdentity {
  bootId: string;
  pid: number;
  /** Start time as the kernel tells it: opaque, only compared. */
  start: string;
}

export interface ProcessRow {
  pid: number;
  parent: number;
  group: number;
  start: string;
  /** Ended, and not yet collected by its parent: counts as dead everywhere. */
  zombie: boolean;
  /** CPU time used so far, with that of children that have ended; in hundredths of a second. */
  ticks: number;
}

interface ProcTable {
  bootId(): Promise<string>;
  row(pid: number): Promise<ProcessRow | undefined>;
  rows(): Promise<ProcessRow[]>;
  marked(runId: string, found?: (row: ProcessRow) => void): Promise<number[]>;
  /** Those of the runs that any process carries the marker of. */
  runs(runIds: readonly string[]): Promise<Set<string>>;
  variable(pid: number, name: string): string | undefined;
}

const CHASE_MS = 25;
const QUIET_MS = 2;
const MOST_NEW = 64;

let own: number | undefined;
const table: ProcTable = process.platform === "linux" ? linuxTable() : psTable();

export async function isOfThisBoot({ bootId }: ProcessIdentity): Promise<boolean> {
  return bootId === (await table.bootId());
}

/** Who has this pid now; undefined when nobody does, or only a zombie. */
export async function identityOf(pid: number): Promise<ProcessIdentity | undefined> {
  const row = await table.row(pid);
  return row && !row.zombie ? { bootId: await table.bootId(), pid, start: row.start } : undefined;
}

export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identityOf(identity.pid);
  return now !== undefined && now.start === identity.start && now.bootId === identity.bootId;
}

/** All processes but zombies. */
export async function processes(): Promise<ProcessRow[]> {
  return (await table.rows()).filter((row) => !row.zombie);
}

/**
 * The processes that have the run's marker, in their environment or (on Linux) in their limits, never this one; in their
 * environment not those of other users. `found` hears of each at the moment it is seen, and makes the search follow what forks
 * and ends all the time, since that is gone when the whole list is known.
 */
export async function withMarker(runId: string, found?: (row: ProcessRow) => void): Promise<number[]> {
  if (runId === "" || runId.includes("\0")) return [];
  return table.marked(runId, found);
}

/** Those of the runs that any process carries the marker of, in one scan. */
export async function markedRuns(runIds: readonly string[]): Promise<Set<string>> {
  return table.runs(runIds);
}

/** Ms since the machine was booted, without the time that it slept, whatever its clock says: the same for all processes. */
export function sinceBoot(): number {
  return Number(process.hrtime.bigint() / 1_000_000n);
}

/** A variable that a process was started with; undefined where it cannot be seen, as on systems without /proc. */
export function variableOf(pid: number, name: string): string | undefined {
  return name === "" ? undefined : table.variable(pid, name);
}

/** The process group that this process is in; a run never is. */
export async function ownGroup(): Promise<number | undefined> {
  return (own ??= (await table.row(process.pid))?.group);
}

/** CPU time of these processes together, in hundredths of a second. */
export async function cpuTicks(pids: number[]): Promise<number> {
  const rows = await Promise.all(pids.map((pid) => table.row(pid)));
  return rows.reduce((sum, row) => sum + (row?.ticks ?? 0), 0);
}

export async function groupMembers(pgid: number): Promise<number[]> {
  return (await processes()).filter((row) => row.group === pgid).map((row) => row.pid);
}

/** Sends a signal to exactly this process; false when it is no longer there or may not be signalled. */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  return (await isAlive(identity)) && send(identity.pid, signal);
}

/** kill(2) with its answer as a value. A negative number means a process group. */
export function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** The line of /proc/<pid>/stat, proc(5): the name in parentheses may itself hold spaces and parentheses. */
export function parseStat(text: string): ProcessRow | undefined {
  const pid = Number.parseInt(text, 10);
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  const field = (number: number) => Number(fields[number - 3]);
  const state = fields[0];
  const start = fields[22 - 3];
  if (!pid || state === undefined || start === undefined) return undefined;
  return {
    pid,
    parent: field(4),
    group: field(5),
    start,
    zombie: state === "Z" || state === "X",
    ticks: field(14) + field(15) + field(16) + field(17),
  };
}

/** A line of `ps -o pid=,ppid=,pgid=,stat=,time=,lstart=`; lstart is five words and is taken as they stand. */
export function parsePs(line: string): ProcessRow | undefined {
  const [pid, parent, group, state, time, ...start] = line.trim().split(/\s+/);
  if (!pid || !state || !time || start.length === 0) return undefined;
  const [seconds = 0, minutes = 0, hours = 0, days = 0] = time.split(/[:-]/).reverse().map(Number);
  return {
    pid: Number(pid),
    parent: Number(parent),
    group: Number(group),
    start: start.join(" "),
    zombie: state.startsWith("Z"),
    ticks: Math.round((((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 100),
  };
}

// Synchronous on purpose: a scan takes 2 to 5 ms, asynchronous reads take several times that and see a staler picture.
function linuxTable(): ProcTable {
  let boot: string | undefined;
  let buffer = Buffer.allocUnsafe(256 * 1024);
  const pids = () =>
    readdirSync("/proc")
      .filter((name) => name.charCodeAt(0) >= 49 && name.charCodeAt(0) <= 57)
      .map(Number);
  const row = (pid: number) => {
    try {
      return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
    } catch {
      return undefined;
    }
  };
  const environ = (pid: number): Buffer | undefined => {
    let fd: number | undefined;
    try {
      fd = openSync(`/proc/${pid}/environ`, "r");
      let length = 0;
      for (;;) {
        const read = readSync(fd, buffer, length, buffer.length - length, null);
        length += read;
        if (read === 0) return buffer.subarray(0, length);
        if (length === buffer.length) buffer = Buffer.concat([buffer], buffer.length * 2);
      }
    } catch {
      return undefined;
    } finally {
      if (fd !== undefined) closeSync(fd);
    }
  };
  // A zombie has its limits still.
  const carries = (pid: number, mark: number) => limitOf(pid) === mark && row(pid)?.zombie === false;
  return {
    bootId: async () => (boot ??= readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim()),
    row: async (pid) => row(pid),
    rows: async () => pids().flatMap((pid) => row(pid) ?? []),
    marked: async (runId, found) => {
      const marked = new Set<number>();
      const [entry, mark] = [`${MARKER}=${runId}`, limitMark(runId)];
      const look = (pid: number) => {
        if (pid === process.pid || marked.has(pid)) return;
        if (!holds(environ(pid), entry) && !carries(pid, mark)) return;
        marked.add(pid);
        const now = found && row(pid);
        if (now && !now.zombie) found(now);
      };
      let newest = newestPid();
      for (const pid of pids().sort((a, b) => b - a)) look(pid);
      if (!found) return [...marked];
      // A process that forks and ends within the time of a scan is never where the scan looks: its successor always is
      // the newest. So look at what is new until nothing new comes, or for as long as a busy machine is worth it.
      const end = performance.now() + CHASE_MS;
      for (let quiet = performance.now() + QUIET_MS; performance.now() < Math.min(quiet, end);) {
        const last = newestPid();
        if (last === newest) continue;
        const first = last > newest ? Math.max(newest + 1, last - MOST_NEW) : last - MOST_NEW;
        for (let pid = last; pid >= first; pid--) look(pid);
        newest = last;
        quiet = performance.now() + QUIET_MS;
      }
      return [...marked];
    },
    runs: async (runIds) => {
      const found = new Set<string>();
      const marks = new Map(runIds.map((runId) => [limitMark(runId), runId]));
      for (const pid of pids()) {
        if (pid === process.pid) continue;
        const runId = valueOf(environ(pid), `${MARKER}=`) ?? marks.get(limitOf(pid) ?? -1);
        if (runId && (found.has(runId) || row(pid)?.zombie === false)) found.add(runId);
      }
      return found;
    },
    variable: (pid, name) => valueOf(environ(pid), `${name}=`),
  };
}

/** The pid that was given last, proc(5): the fifth field. */
function newestPid(): number {
  return Number(readFileSync("/proc/loadavg", "latin1").trim().split(" ").at(-1));
}

function valueOf(environ: Buffer | undefined, prefix: string): string | undefined {
  for (let at = environ?.indexOf(prefix) ?? -1; environ && at !== -1; at = environ.indexOf(prefix, at + 1)) {
    if (at !== 0 && environ[at - 1] !== 0) continue;
    const end = environ.indexOf(0, at);
    return environ.toString("utf8", at + prefix.length, end === -1 ? environ.length : end);
  }
  return undefined;
}

function holds(environ: Buffer | undefined, entry: string): boolean {
  if (!environ) return false;
  for (let at = environ.indexOf(entry); at !== -1; at = environ.indexOf(entry, at + 1)) {
    const end = at + Buffer.byteLength(entry);
    if ((at === 0 || environ[at - 1] === 0) && (end === environ.length || environ[end] === 0)) return true;
  }
  return false;
}

// The start time is printed in local time and words: a fixed zone and locale keep it the same text for ever.
function psTable(): ProcTable {
  let boot: string | undefined;
  const columns = "pid=,ppid=,pgid=,stat=,time=,lstart=";
  const lines = async (file: string, ...args: string[]) => {
    const { execa } = await import("execa"); // where it is needed: a daemon's first step is to be quick
    const result = await execa(file, args, { reject: false, env: { LC_ALL: "C", TZ: "UTC" }, stripFinalNewline: true });
    return String(result.stdout ?? "").split("\n");
  };
  const rows = async () => (await lines("ps", "-A", "-o", columns)).flatMap((line) => parsePs(line) ?? []);
  return {
    bootId: async () => (boot ??= (await lines("sysctl", "-n", "kern.bootsessionuuid"))[0] ?? ""),
    row: async (pid) =>
      (await lines("ps", "-o", columns, "-p", String(pid))).map(parsePs).find((row) => row?.pid === pid),
    rows,
    marked: async (runId, found) => {
      const marked = (await lines("ps", "-A", "-E", "-ww", "-o", "pid=,command="))
        .filter((line) => `${line} `.includes(` ${MARKER}=${runId} `))
        .map((line) => Number.parseInt(line, 10))
        .filter((pid) => pid !== process.pid);
      if (found && marked.length > 0) {
        for (const row of await rows()) if (marked.includes(row.pid) && !row.zombie) found(row);
      }
      return marked;
    },
    runs: async () => {
      const found = (await lines("ps", "-A", "-E", "-ww", "-o", "command=")).flatMap((line) =>
        [...line.matchAll(new RegExp(`(?:^| )${MARKER}=(\\S+)`, "g"))].map((match) => match[1] ?? ""),
      );
      return new Set(found);
    },
    variable: () => undefined,
  };
}
