/** The folder of a run: what is written there, and how it is read while the agent may still be writing. */
import { constants as fsConstants } from "node:fs";
import { open, readFile, stat } from "node:fs/promises";
import { constants as osConstants } from "node:os";
import { join } from "node:path";
import type { ProcessIdentity } from "./proc-table.ts";
import type { ProcessEnd, RunOutput } from "./runner.ts";

export const RUN_FILES = {
  /** Who the wrapper is and for which run, as JSON; its presence means that an agent may have been started. */
  started: "started",
  /** The agent's exit code and a newline, over the blanks that kept room for it; without the newline it is not complete. */
  exit: "exit",
  stdin: "stdin",
  stdout: "stdout",
  stderr: "stderr",
  /** How much at the beginning of both is given back, as JSON; missing where all is there. */
  cut: "cut",
  /** What a `command` agent may write. */
  response: "response.json",
} as const;

const LONGEST_LINE = 1024 * 1024;
const MOST_AT_ONCE = 4 * LONGEST_LINE;
const NEWLINE = 10;
const NOBODY: ProcessIdentity = { bootId: "", pid: 0, start: "" };

/** `at`: when that was, by `sinceBoot`; of runs of older daemons it is not known. */
export type Started = ProcessIdentity & { at?: number };

/** Who was started for this run; undefined when nobody was. A file that is damaged names nobody who could be alive. */
export async function readStarted(runDir: string, runId: string): Promise<Started | undefined> {
  try {
    const started = JSON.parse(await readFile(join(runDir, RUN_FILES.started), "utf8")) as Started & { runId?: string };
    const { bootId, pid, start, at } = started;
    if (typeof started.runId === "string" && started.runId !== runId) return undefined;
    const sound = typeof bootId === "string" && Number.isSafeInteger(pid) && pid > 1 && typeof start === "string";
    return sound ? { bootId, pid, start, ...(typeof at === "number" ? { at } : {}) } : NOBODY;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    insistOn(error);
    return NOBODY;
  }
}

/** Bytes at the beginning of each file that are given back. */
export type Cut = Record<"stdout" | "stderr", number>;

export async function readCut(runDir: string): Promise<Cut> {
  const text = await readFile(join(runDir, RUN_FILES.cut), "utf8").catch((error) => insistOn(error) ?? "{}");
  try {
    const { stdout, stderr } = JSON.parse(text) as Partial<Cut>;
    return { stdout: Number(stdout) || 0, stderr: Number(stderr) || 0 };
  } catch {
    return { stdout: 0, stderr: 0 };
  }
}

/** How the agent ended; undefined when no exit code was left (yet). */
export async function readExit(runDir: string): Promise<ProcessEnd | undefined> {
  const text = await readFile(join(runDir, RUN_FILES.exit), "utf8").catch((error) => insistOn(error) ?? "");
  const code = /^(\d+)\n/.exec(text)?.[1];
  return code === undefined ? undefined : endOf(Number(code));
}

/** A shell's `$?` as an end: 128 + n stands for signal n. */
function endOf(code: number): ProcessEnd {
  const signal = Object.entries(osConstants.signals).find(([, number]) => number === code - 128)?.[0];
  return signal === undefined ? { kind: "exited", code } : { kind: "signalled", signal };
}

/**
 * What a run left behind; throws where it cannot be read now (too many open files, an I/O error). Of a longer file than `maxBytes` the last `maxBytes` are read, from the start of a line on:
 * results come last. Without an exit code the end is `vanished`, so ask only once the run has ended.
 */
export async function readRun(runDir: string, { maxBytes }: { maxBytes: number }): Promise<RunOutput> {
  const cut = await readCut(runDir);
  const [stdout, stderr, response, end] = await Promise.all([
    readEnd(join(runDir, RUN_FILES.stdout), { maxBytes, cut: cut.stdout }),
    readEnd(join(runDir, RUN_FILES.stderr), { maxBytes, cut: cut.stderr }),
    readEnd(join(runDir, RUN_FILES.response), { maxBytes }),
    readExit(runDir),
  ]);
  return {
    stdout: stdout?.text ?? "",
    stderr: stderr?.text ?? "",
    end: end ?? { kind: "vanished" },
    ...(response === undefined ? {} : { response: response.text }),
    ...(stdout?.before ? { leftOut: stdout.before } : {}),
  };
}

/**
 * The whole lines that were added since `fromByte`, without their newline, and where to go on. Reads at most 4 MiB:
 * while `next` moves there may be more. Of a line over 1 MiB the rest is dropped. A file that is missing has no lines.
 */
export async function tail(file: string, fromByte: number): Promise<{ lines: string[]; next: number }> {
  // The byte before tells whether `fromByte` is inside an overlong line whose beginning was handed out already.
  const start = Math.max(0, fromByte - 1);
  const bytes = await readAt(file, start, MOST_AT_ONCE);
  if (!bytes || bytes.length <= fromByte - start) return { lines: [], next: fromByte };
  const lines: string[] = [];
  const text = (from: number, to: number) => bytes.toString("utf8", from, Math.min(to, from + LONGEST_LINE));
  let dropping = fromByte > 0 && bytes[0] !== NEWLINE;
  let at = fromByte - start;
  for (let end = bytes.indexOf(NEWLINE, at); end !== -1; end = bytes.indexOf(NEWLINE, at)) {
    if (!dropping) lines.push(text(at, end));
    dropping = false;
    at = end + 1;
  }
  if (dropping) return { lines, next: start + bytes.length };
  if (bytes.length - at <= LONGEST_LINE) return { lines, next: start + at };
  lines.push(text(at, bytes.length));
  return { lines, next: start + bytes.length };
}

async function readEnd(
  file: string,
  { maxBytes, cut = 0 }: { maxBytes: number; cut?: number },
): Promise<{ text: string; before: number } | undefined> {
  const size = await stat(file).then(
    (found) => found.size,
    (error) => insistOn(error) ?? 0,
  );
  const from = Math.max(0, cut, size - maxBytes);
  const bytes = await readAt(file, from, maxBytes);
  if (!bytes) return undefined;
  const firstLine = from === 0 ? 0 : bytes.indexOf(NEWLINE) + 1;
  return { text: bytes.toString("utf8", firstLine), before: from + firstLine };
}

const PASSING = new Set(["EIO", "EMFILE", "ENFILE", "ENOMEM"]);

/** Throws what says nothing about the file: it is to be read again, not taken for missing. */
function insistOn(error: unknown): undefined {
  if (PASSING.has((error as NodeJS.ErrnoException).code ?? "")) throw error;
}

// An agent may have put a link or a pipe in the place of its file: neither is followed, and neither can make this wait.
async function readAt(file: string, from: number, maxBytes: number): Promise<Buffer | undefined> {
  const flags = fsConstants.O_RDONLY | fsConstants.O_NOFOLLOW | fsConstants.O_NONBLOCK;
  const handle = await open(file, flags).catch(insistOn);
  try {
    const found = await handle?.stat();
    if (!handle || !found?.isFile()) return undefined;
    const bytes = Buffer.allocUnsafe(Math.max(0, Math.min(maxBytes, found.size - from)));
    let length = 0;
    while (length < bytes.length) {
      const { bytesRead } = await handle.read(bytes, length, bytes.length - length, from + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return bytes.subarray(0, length);
  } finally {
    await handle?.close();
  }
}
