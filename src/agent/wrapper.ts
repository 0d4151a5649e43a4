/**
 * The shell between the daemon and its agents: it leads a session and a process group of its own, reads commands from a
 * pipe that only the daemon holds, runs one agent at a time and writes down how it ended. A daemon that dies closes the
 * pipe: a command that it had not sent whole is never run, an agent that runs goes on, and the shell ends after it.
 *
 * To start a process takes the longer the larger the one is that does it: so the small shell does it, and a shell whose
 * agent left nothing behind serves the next one.
 */
import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { FINDS_LIMIT, setsLimit } from "./limit-mark.ts";
import { MARKER, identityOf, type ProcessIdentity, type ProcessRow } from "./proc-table.ts";
import { RUN_FILES } from "./run-folder.ts";

export interface AgentCommand {
  runDir: string;
  runId: string;
  /** Absolute, so that no shell builtin answers. */
  program: string;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  cwd: string;
  /** A file. */
  stdin: string;
}

export interface Wrapper {
  readonly identity: ProcessIdentity;
  readonly isAlive: boolean;
  /** Resolves when the agent has ended and its exit code is on disk, or the wrapper is gone. One at a time. */
  run(command: AgentCommand): Promise<void>;
  /** Ends it as soon as no agent runs; resolves when it is gone. */
  retire(this: void): Promise<void>;
}

const DESCRIPTORS_OF_A_SPAWN = 8;
/** What forks and ends all the time is missed by one look. */
const LOOKS = 2;
/** A trapped signal, unlike an ignored one, is back at its default in the agent; the shell notes it and goes on waiting. */
const TRAPS = "trap : HUP INT QUIT TERM USR1 USR2\n";

/** Throws an errno error where there is no room for a process. Does not keep this process alive. */
export async function startWrapper(): Promise<Wrapper> {
  requireDescriptors();
  const shell = execa("/bin/sh", [], {
    cwd: "/",
    env: {},
    extendEnv: false,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "ignore",
    detached: true,
    cleanup: false,
    buffer: false,
    reject: false,
  });
  if (shell.pid === undefined) throw (await shell).cause ?? new Error("the process could not be started");
  let told: (() => void) | undefined;
  let isAlive = true;
  const child = shell.nodeChildProcess;
  const gone = new Promise<void>((resolve) => {
    child.once("exit", () => {
      isAlive = false;
      told?.();
      resolve();
    });
  });
  child.unref();
  for (const pipe of [shell.stdin, shell.stdout]) (pipe as Partial<Socket>).unref?.();
  // A wrapper that is gone before its command arrives is found out by the exit code that it does not leave.
  shell.stdin.on("error", () => {});
  shell.stdout.on("data", () => told?.());
  shell.stdin.write(process.platform === "linux" ? TRAPS + FINDS_LIMIT : TRAPS);
  const identity = await identityOf(shell.pid);
  if (!identity) throw new Error("the process ended before it was started");
  return {
    identity,
    get isAlive() {
      return isAlive;
    },
    run: (command) =>
      new Promise((resolve) => {
        if (!isAlive) return resolve();
        told = () => {
          told = undefined;
          resolve();
        };
        shell.stdin.write(scriptOf(command));
      }),
    retire: async () => {
      shell.stdin.end();
      return gone;
    },
  };
}

/**
 * Wrappers that are ready, and those that were used: one of these serves again when two looks in a row found nobody but
 * it in its group, so that a run's group is always its own.
 */
export class Wrappers {
  private readonly ready: Wrapper[] = [];
  private readonly used = new Map<Wrapper, { runId: string; looks: number }>();
  private closed = false;

  /** Throws as {@link startWrapper} does. */
  async take(): Promise<Wrapper> {
    for (let one = this.ready.pop(); one; one = this.ready.pop()) if (one.isAlive) return one;
    return startWrapper();
  }

  /** One that waits spares the next run the time of a start. What cannot be started now is started when it is needed. */
  async prepare(): Promise<void> {
    if (this.closed || this.ready.length + this.used.size > 0) return;
    const one = await startWrapper().catch(() => undefined);
    if (this.closed) void one?.retire();
    else if (one) this.ready.push(one);
  }

  /** Its run has ended. */
  giveBack(wrapper: Wrapper, runId: string): void {
    if (this.closed) void wrapper.retire();
    else if (wrapper.isAlive) this.used.set(wrapper, { runId, looks: 0 });
  }

  /** The run left something running: resolves when its wrapper is none of that. */
  async dismiss(runId: string): Promise<void> {
    for (const [wrapper, used] of this.used) {
      if (used.runId !== runId) continue;
      this.used.delete(wrapper);
      await wrapper.retire();
    }
  }

  /** All processes, as a look that began after the wrappers were given back saw them. */
  looked(rows: readonly ProcessRow[]): void {
    if (this.used.size === 0) return;
    const members = new Map<number, number>();
    for (const { group } of rows) members.set(group, (members.get(group) ?? 0) + 1);
    for (const [wrapper, used] of this.used) {
      const alone = wrapper.isAlive && members.get(wrapper.identity.pid) === 1;
      if (alone && ++used.looks < LOOKS) continue;
      this.used.delete(wrapper);
      if (alone) this.ready.push(wrapper);
      else void wrapper.retire();
    }
  }

  /** Nothing is going on: one is enough. */
  rest(): void {
    for (const one of this.ready.splice(1)) void one.retire();
  }

  close(): void {
    this.closed = true;
    for (const one of [...this.ready.splice(0), ...this.used.keys()]) void one.retire();
    this.used.clear();
  }
}

/**
 * In braces, so that of a command cut off in the middle nothing is run. The subshell becomes the agent: only there is
 * standard error its file, the shell's own remarks ("Terminated") go nowhere. The code needs no rename: two to four bytes
 * and a newline are written at once, and count only with the newline. It is written into room that was taken before (`<>`
 * does not truncate): the end of an agent is known on a full disk too. Where it cannot be written the shell ends, which
 * tells as much.
 */
function scriptOf({ runDir, runId, program, args, env, cwd, stdin }: AgentCommand): string {
  const file = (name: string) => quoted(join(runDir, name));
  const exported: string[] = [];
  const odd: string[] = [];
  for (const [name, value] of Object.entries({ ...env, [MARKER]: runId })) {
    if (/^[A-Za-z_]\w*$/.test(name) && !OF_THE_SHELL.has(name)) exported.push(`${name}=${quoted(value)}`);
    else odd.push(quoted(`${name}=${value}`));
  }
  const words = [...(odd.length > 0 ? ["/usr/bin/env", ...odd] : []), ...[program, ...args].map(quoted)];
  const output = `<${quoted(stdin)} >>${file(RUN_FILES.stdout)} 2>>${file(RUN_FILES.stderr)}`;
  return (
    `{ (cd ${quoted(cwd)} && unset OLDPWD && ${setsLimit(runId)} && export ${exported.join(" ")} && exec ${words.join(" ")} ${output})\n` +
    `printf '%s\\n' "$?" 1<>${file(RUN_FILES.exit)} || exit\necho\n}\n`
  );
}

/** Names that a shell keeps for itself: it refuses to set them, or behaves otherwise when they are set. */
const OF_THE_SHELL = new Set(
  "_ IFS PPID UID EUID GROUPS SHELLOPTS BASHOPTS BASH_VERSINFO PWD OLDPWD SHLVL OPTIND OPTARG LINENO".split(" "),
);

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
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
