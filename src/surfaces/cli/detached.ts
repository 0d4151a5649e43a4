/** A daemon in the background: started as a process of its own, and waited for until it is ready. */
import { spawn } from "node:child_process";
import { closeSync, fstatSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { RUN } from "../../store/paths.ts";
import type { Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";

type Here = Context & { workspace: Workspace };

const READY_MS = 60_000;
export const FOLLOW = "Follow it: cox logs -f; look: cox status; stop it: cox stop.";

/** `over`: with `once`, all was done; what it said. */
type Began = { pid: number | undefined; log: string } & ({ ready: true } | { over: string } | { trouble: Trouble });

export async function detached({ workspace, environment }: Here, once: boolean): Promise<Began> {
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
  for (const deadline = Date.now() + READY_MS; ended === undefined && Date.now() < deadline; await sleep(20)) {
    const holder = holderOf(workspace);
    if (holder?.pid !== child.pid || holder?.ready !== true) continue;
    child.unref();
    return { pid: child.pid, log, ready: true };
  }
  const said = textFrom(log, from);
  if (ended === "it ended with exit code 0" && once) return { pid: child.pid, log, over: said };
  if (ended === undefined) child.unref();
  const trouble: Trouble = {
    exit: 1,
    what:
      ended === undefined ? `The daemon (pid ${child.pid}) is not ready after a minute.` : "The daemon did not start.",
    why: [ended, ...said.trim().split("\n").slice(-10)].filter(Boolean).join("\n       "),
    todo: ended === undefined ? FOLLOW : "Start it here to see what it says: cox start",
    facts: { log },
  };
  return { pid: child.pid, log, trouble };
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
