/**
 * Agent processes: started so that they outlive the daemon, and found again by the next one. SPEC section 6.
 *
 * Between daemon and agent stands a wrapper, a few lines of POSIX shell that leads the process group. It waits for one
 * line on its standard input before it starts the agent; the daemon sends it when `started` is on disk. A daemon that
 * dies earlier closes the pipe, and the wrapper ends without having started anything: so a run without `started` never
 * ran, and there is no moment at which that could change.
 */
import { accessSync, closeSync, constants, existsSync, openSync, statSync } from "node:fs";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { delimiter, isAbsolute, join, resolve } from "node:path";
import { execa } from "execa";
import { MARKER, identityOf, isAlive } from "./proc-table.ts";
import type { ProcessIdentity } from "./proc-table.ts";
import { RUN_FILES, readExit, readStarted } from "./run-folder.ts";
import type { Launch, ProcessEnd } from "./runner.ts";

export type { ProcessIdentity } from "./proc-table.ts";
export { capOutput, readRun, tail } from "./run-folder.ts";
export { stopRun, sweep } from "./stop-run.ts";

export interface RunningProcess {
  /** The wrapper, which lives as long as the agent. */
  identity: ProcessIdentity;
  /** Resolves when the wrapper has ended. Does not keep this process alive. */
  ended: Promise<void>;
}

/** Why nothing was started: `code` is an errno name such as ENOENT. */
export interface CannotStart {
  code: string;
  message: string;
  hint: string;
}

const POLL_MS = 200;
const DESCRIPTORS_OF_A_SPAWN = 8;
const ROOM_FOR_CODE = " ".repeat(7) + "\n";

// A trapped signal, unlike an ignored one, is back at its default in the agent; the shell notes it and goes on waiting.
// The subshell becomes the agent: only there is standard error its file, the shell's own remarks ("Terminated") go
// nowhere. The code needs no rename: two to four bytes and a newline are written at once, and count only with the newline.
// It is written into room that was taken before (`<>` does not truncate): the end of an agent is known on a full disk too.
const WRAPPER = `
read -r cox_go || exit 125
trap : HUP INT QUIT TERM USR1 USR2
cox_dir=$1
cox_stdin=$2
shift 2
(exec "$@" <"$cox_stdin" >>"$cox_dir/${RUN_FILES.stdout}" 2>>"$cox_dir/${RUN_FILES.stderr}")
printf '%s\\n' "$?" 1<>"$cox_dir/${RUN_FILES.exit}"
`;

/**
 * Starts the launch in a session of its own, standard input from a file, output appended to `runDir/stdout` and
 * `runDir/stderr`, with COX_RUN_ID in the environment. Resolves once `runDir/started` is written and the agent is on
 * its way; never rejects. A folder serves one run.
 */
export async function startProcess(o: {
  runDir: string;
  runId: string;
  launch: Launch;
  /** Hears of each step when it is done. */
  reached?: (step: "run-folder" | "spawned") => void;
}): Promise<{ ok: RunningProcess } | { cannot: CannotStart }> {
  const { runDir, runId, launch } = o;
  try {
    const program = executable(launch);
    if (existsSync(join(runDir, RUN_FILES.started))) throw errno("EEXIST", runDir);
    await mkdir(runDir, { recursive: true, mode: 0o700 });
    const stdin = typeof launch.stdin === "string" ? join(runDir, RUN_FILES.stdin) : launch.stdin.file;
    if (typeof launch.stdin === "string") await writeFile(stdin, launch.stdin, { mode: 0o600 });
    await writeFile(join(runDir, RUN_FILES.exit), ROOM_FOR_CODE, { mode: 0o600 });
    o.reached?.("run-folder");
    requireDescriptors();
    const wrapper = execa("/bin/sh", ["-c", WRAPPER, "sh", runDir, stdin, program, ...launch.args], {
      cwd: launch.cwd,
      env: { ...launch.env, [MARKER]: runId },
      extendEnv: false,
      stdin: "pipe",
      stdout: "ignore",
      stderr: "ignore",
      detached: true,
      cleanup: false,
      buffer: false,
      reject: false,
    });
    if (wrapper.pid === undefined) throw (await wrapper).cause ?? new Error("the process could not be started");
    const ended = new Promise<void>((done) => wrapper.nodeChildProcess.once("exit", () => done()));
    wrapper.nodeChildProcess.unref();
    // A wrapper that is gone before it is released is found out by its missing exit code.
    wrapper.stdin.on("error", () => {});
    o.reached?.("spawned");
    const identity = await identityOf(wrapper.pid);
    if (!identity) {
      wrapper.stdin.end();
      throw new Error("the process ended before it was started");
    }
    try {
      await writeStarted(runDir, runId, identity);
    } catch (error) {
      wrapper.stdin.destroy();
      throw error;
    }
    wrapper.stdin.end("go\n");
    return { ok: { identity, ended } };
  } catch (error) {
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
  const identity = await readStarted(o.runDir, o.runId);
  if (!identity) return { state: "never-started" };
  const alive = await isAlive(identity);
  // Only in this order: a code that is written after the look at the file belongs to a wrapper that was alive.
  const end = await readExit(o.runDir);
  if (end) return { state: "ended", end };
  if (!alive) return { state: "ended", end: { kind: "vanished" } };
  return { state: "running", process: { identity, ended: gone(identity) } };
}

async function gone(identity: ProcessIdentity): Promise<void> {
  while (await isAlive(identity)) await new Promise<void>((next) => setTimeout(next, POLL_MS).unref());
}

async function writeStarted(runDir: string, runId: string, identity: ProcessIdentity): Promise<void> {
  const file = join(runDir, RUN_FILES.started);
  await writeFile(`${file}.tmp`, `${JSON.stringify({ ...identity, runId })}\n`, { mode: 0o600 });
  await rename(`${file}.tmp`, file);
}

// A spawn that fails for want of descriptors keeps those of its pipe for ever (Node 24), so that a daemon at its limit
// would never come back from it. The next statement is the spawn: what is free here is free there.
function requireDescriptors(): void {
  const spare: number[] = [];
  try {
    while (spare.length < DESCRIPTORS_OF_A_SPAWN) spare.push(openSync("/dev/null", "r"));
  } finally {
    for (const fd of spare) closeSync(fd);
  }
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
