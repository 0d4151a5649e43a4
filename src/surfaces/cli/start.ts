/** `cox start`: the daemon, here or detached. */
import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RUN } from "../../store/paths.ts";
import { done, refused, type Command, type Exit, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";

type Here = Context & { workspace: Workspace };

const READY_MS = 60_000;

export const command: Command = {
  where: "workspace",
  description:
    "Starts the daemon: it takes in what is dropped and runs the tasks of the active session, until Ctrl-C or cox stop.\nRunning agents outlive it and are found again at its next start. Exit 4 if one is up already.",
  options: [
    { name: "detach", text: "run in the background; return when it is ready" },
    { name: "once", text: "run until nothing is left to be done" },
  ],
  example: "cox start --detach",
  async run(input, context) {
    const daemon = await daemonOf(context.workspace);
    if (daemon.up) {
      const pid = daemon.holder?.pid;
      const facts = { daemon: "up", pid: pid ?? null };
      return refused({
        exit: 4,
        what: `A daemon is up already${pid === undefined ? "" : ` (pid ${pid})`}.`,
        todo: "Look: cox status; stop it: cox stop.",
        facts,
      });
    }
    if (input.flag("detach")) return detach(context, input.flag("once"));
    const say = context.json ? null : (text: string) => void process.stderr.write(text);
    const code = await runDaemon(context, { once: input.flag("once") }, say);
    return { exit: code >= 0 && code <= 4 ? (code as Exit) : 1, json: { exit: code }, text: "" };
  },
};

/** The daemon, in this process, until it ends. With `mergeOnly` it merges what waits for it, and starts nothing. */
export async function runDaemon(
  { workspace, version }: Here,
  options: { once: boolean; mergeOnly?: boolean },
  say: ((text: string) => void) | null,
): Promise<number> {
  const { startDaemon } = await import("../../daemon/start.ts");
  const terminal = say && { write: say };
  return startDaemon({ dir: workspace.repository, terminal, version, ...options });
}

async function detach({ workspace, environment }: Here, once: boolean): Promise<Outcome> {
  const folder = join(workspace.folder, RUN, "log");
  const log = join(folder, "daemon.out");
  mkdirSync(folder, { recursive: true });
  const out = openSync(log, "a", 0o644);
  const from = fstatSync(out).size;
  const program = [
    ...process.execArgv,
    process.argv[1] ?? "",
    "-C",
    workspace.repository,
    "start",
    ...(once ? ["--once"] : []),
  ];
  const child = spawn(process.execPath, program, {
    cwd: workspace.repository,
    detached: true,
    stdio: ["ignore", out, out],
    env: environment,
  });
  closeSync(out);
  let ended: string | undefined;
  child.on("error", (error) => (ended = error.message));
  child.on(
    "exit",
    (code, signal) => (ended = signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
  );
  const follow = "Follow it: cox logs -f; look: cox status; stop it: cox stop.";
  for (const deadline = Date.now() + READY_MS; ended === undefined && Date.now() < deadline; await sleep(20)) {
    const holder = holderOf(workspace);
    if (holder?.pid !== child.pid || holder?.ready !== true) continue;
    child.unref();
    return done(`The daemon is up (pid ${child.pid}).\n${follow}`, { daemon: "up", pid: child.pid, log });
  }
  const said = textFrom(log, from);
  if (ended === "it ended with exit code 0" && once)
    return done(said || "All is done.", { daemon: "down", pid: child.pid, log });
  if (ended === undefined) child.unref();
  return refused({
    exit: 1,
    what:
      ended === undefined ? `The daemon (pid ${child.pid}) is not ready after a minute.` : "The daemon did not start.",
    why: [ended, ...said.trim().split("\n").slice(-10)].filter(Boolean).join("\n       "),
    todo: ended === undefined ? follow : "Start it here to see what it says: cox start",
    facts: { log },
  });
}

function holderOf(workspace: Workspace): { pid?: unknown; ready?: unknown } | undefined {
  try {
    return JSON.parse(readFileSync(join(workspace.folder, RUN, "daemon.json"), "utf8")) as {
      pid?: unknown;
      ready?: unknown;
    };
  } catch {
    return undefined;
  }
}

function textFrom(file: string, offset: number): string {
  try {
    return readFileSync(file).subarray(offset).toString("utf8");
  } catch {
    return "";
  }
}
