/**
 * Agent processes: started so that they outlive the daemon, and found again by the next one. SPEC section 6.
 *
 * Between daemon and agent stands a wrapper (wrapper.ts). It is told to start the agent when `started` is on disk; a
 * daemon that dies earlier tells it nothing, and it ends without having started anything: so a run without `started`
 * never ran, and there is no moment at which that could change. Nor did one whose wrapper is gone and whose output files
 * were never opened, which is the first that is done for an agent: its daemon died between `started` and telling.
 */
import { accessSync, constants, existsSync, mkdirSync, renameSync, statSync, writeFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { isAlive, isOfThisBoot, sinceBoot } from "./proc-table.ts";
import type { ProcessIdentity } from "./proc-table.ts";
import { RUN_FILES, readExit, readStarted, type Started } from "./run-folder.ts";
import type { Launch, ProcessEnd } from "./runner.ts";
import { startWrapper, type Wrapper } from "./wrapper.ts";

export type { ProcessIdentity } from "./proc-table.ts";
export { capOutput } from "./cap-output.ts";
export { readCut, readRun, tail, type Cut } from "./run-folder.ts";
export { stopRun, sweep } from "./stop-run.ts";

export interface RunningProcess {
  /** The wrapper's, which lives as long as the agent. */
  identity: ProcessIdentity;
  /** When it was started, by {@link sinceBoot}; of an older daemon's it is not known. */
  startedAt?: number;
  /** Resolves when the agent has ended. Does not keep this process alive. */
  ended: Promise<void>;
  /** Of a process that this daemon started. */
  wrapper?: Wrapper;
}

/** Why nothing was started: `code` is an errno name such as ENOENT. */
export interface CannotStart {
  code: string;
  message: string;
  hint: string;
}

const POLL_MS = 200;
const ROOM_FOR_CODE = " ".repeat(7) + "\n";

/** What execve(2) takes: each text, and all together with room to spare. */
const LONGEST_WORD = 128 * 1024;
const LONGEST_COMMAND = 1024 * 1024;

/**
 * Starts the launch in a session of its own, standard input from a file, output appended to `runDir/stdout` and
 * `runDir/stderr`, with COX_RUN_ID in the environment. Resolves once `runDir/started` is written and the agent is on
 * its way; never rejects. A folder serves one run. `take` gives the wrapper, which it is to be given back to; without it
 * a new one is started, and retired with its agent.
 */
export async function startProcess(o: {
  runDir: string;
  runId: string;
  launch: Launch;
  take?: () => Promise<Wrapper>;
  /** Hears of each step when it is done. */
  reached?: (step: "run-folder" | "spawned" | "started") => void;
}): Promise<{ ok: RunningProcess } | { cannot: CannotStart }> {
  const { runDir, runId, launch } = o;
  let wrapper: Wrapper | undefined;
  try {
    const program = executable(launch);
    requireShort([program, ...launch.args], launch.env);
    if (existsSync(join(runDir, RUN_FILES.started)) && hasOutput(runDir)) throw errno("EEXIST", runDir);
    mkdirSync(runDir, { recursive: true, mode: 0o700 });
    const stdin = typeof launch.stdin === "string" ? join(runDir, RUN_FILES.stdin) : launch.stdin.file;
    if (typeof launch.stdin === "string") await writeFile(stdin, launch.stdin, { mode: 0o600 });
    writeFileSync(join(runDir, RUN_FILES.exit), ROOM_FOR_CODE, { mode: 0o600 });
    o.reached?.("run-folder");
    wrapper = await (o.take ?? startWrapper)();
    const { identity } = wrapper;
    o.reached?.("spawned");
    const startedAt = sinceBoot();
    writeStarted(runDir, runId, { ...identity, at: startedAt });
    o.reached?.("started");
    const { args, env, cwd } = launch;
    const ended = wrapper.run({ runDir, runId, program, args, env, cwd, stdin });
    return { ok: { identity, startedAt, ended: o.take ? ended : ended.then(wrapper.retire), wrapper } };
  } catch (error) {
    void wrapper?.retire();
    return { cannot: whyNot(error as NodeJS.ErrnoException, launch) };
  }
}

/**
 * After a daemon's restart: what became of a run. `ended` says that the wrapper is gone; what the agent may have left
 * running is for `sweep`.
 */
export async function findRun(o: {
  runDir: string;
  runId: string;
}): Promise<
  { state: "never-started" } | { state: "running"; process: RunningProcess } | { state: "ended"; end: ProcessEnd }
> {
  const started = await readStarted(o.runDir, o.runId);
  if (!started) return { state: "never-started" };
  const { at, ...identity } = started;
  const alive = await isAlive(identity);
  // Only in this order: a code that is written after the look at the file belongs to a wrapper that was alive.
  const end = await readExit(o.runDir);
  if (end) return { state: "ended", end };
  // Of another boot nobody knows which of its files reached the disk.
  if (!alive && !hasOutput(o.runDir) && (await isOfThisBoot(identity))) return { state: "never-started" };
  if (!alive) return { state: "ended", end: { kind: "vanished" } };
  return {
    state: "running",
    process: { identity, ended: gone(identity), ...(at === undefined ? {} : { startedAt: at }) },
  };
}

/** Whether an agent was begun in this folder: its output is opened before it is. */
function hasOutput(runDir: string): boolean {
  return existsSync(join(runDir, RUN_FILES.stdout)) || existsSync(join(runDir, RUN_FILES.stderr));
}

async function gone(identity: ProcessIdentity): Promise<void> {
  while (await isAlive(identity)) await new Promise<void>((next) => setTimeout(next, POLL_MS).unref());
}

// These are a few bytes that nothing is synced for: in the thread pool they would wait behind what is.
function writeStarted(runDir: string, runId: string, started: Started): void {
  const file = join(runDir, RUN_FILES.started);
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ ...started, runId })}\n`, { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
}

function requireShort(words: readonly string[], env: Readonly<Record<string, string>>): void {
  const lengths = [...words, ...Object.entries(env).map(([name, value]) => `${name}=${value}`)].map((word) =>
    Buffer.byteLength(word),
  );
  const all = lengths.reduce((sum, length) => sum + length + 9, 0);
  if (Math.max(...lengths) >= LONGEST_WORD || all > LONGEST_COMMAND) throw errno("E2BIG", words[0] ?? "");
}

/** The file that `launch.file` names, found as execvp(3) does; an absolute path, so that no shell builtin answers. */
function executable({ file, env, cwd }: Launch): string {
  if (!statSync(cwd).isDirectory()) throw errno("ENOTDIR", cwd);
  const folders = file.includes("/") ? [cwd] : (env.PATH ?? "/usr/local/bin:/usr/bin:/bin").split(delimiter);
  let trouble = "ENOENT";
  for (const folder of folders) {
    const path = isAbsolute(file) ? file : resolve(cwd, folder, file);
    try {
      accessSync(path, constants.X_OK);
      if (statSync(path).isFile()) return path;
      trouble = "EACCES";
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "EACCES") trouble = "EACCES";
    }
  }
  throw errno(trouble, file);
}

function errno(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code, path });
}

function whyNot(error: NodeJS.ErrnoException, launch: Launch): CannotStart {
  const code = error.code ?? "UNKNOWN";
  const place = error.path === launch.cwd ? `the folder ${launch.cwd}` : (error.path ?? launch.file);
  const say = (message: string, hint: string) => ({ code, message, hint });
  switch (code) {
    case "ENOENT":
    case "ENOTDIR":
      return say(`${place} does not exist.`, `Install ${launch.file}, or correct its path in the configuration.`);
    case "EACCES":
    case "EPERM":
      return say(`${place} may not be executed.`, "Make it executable for the user who runs the daemon.");
    case "EEXIST":
      return say(`A run was started in ${place} before.`, "Give each run a folder of its own.");
    case "EMFILE":
    case "ENFILE":
      return say("Too many files are open.", "Run fewer agents at once, or raise the limit (ulimit -n).");
    case "EAGAIN":
    case "ENOMEM":
      return say(
        "The system has no room for another process.",
        "Run fewer agents at once, or raise the limit (ulimit -u).",
      );
    case "E2BIG":
      return say("The arguments and environment are too long.", "Pass long text in the prompt, not in arguments.");
    case "ENOSPC":
    case "EDQUOT":
      return say("The disk is full.", "Free some space; the run's folder could not be written.");
    default:
      return say(
        `${launch.file} could not be started: ${error.message}`,
        "See the message; the run is tried again as the policy says.",
      );
  }
}
