/** The gates of a landing, run on what would be landed, in a worktree of their own. */
import { readdirSync, realpathSync, rmSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import type { GateResult } from "../../model/attempt.ts";
import { RUN } from "../../store/paths.ts";
import { git, groundOf, tryGit, type Ground } from "../../worktree/git.ts";
import { adminOf } from "../../worktree/place.ts";
import { ownEnvironment } from "../../worktree/own-hand.ts";
import type { Context, Workspace } from "./context.ts";

const FOLDER = "landing";
const LONGEST_OUTPUT = 8000;

/** Does something in a worktree at a commit, which is gone afterwards. One that was cut off is removed by the next. */
export async function inWorktree<T>(
  of: { workspace: Workspace; commonDir: string; commit: string; disarmed: readonly string[] },
  work: (folder: string, gitDir: string) => Promise<T>,
): Promise<T> {
  const { workspace, commonDir, commit, disarmed } = of;
  const shared: Ground = { ...groundOf(commonDir), disarmed };
  const all = join(workspace.folder, RUN, FOLDER);
  await mkdir(all, { recursive: true });
  for (const name of readdirSync(all))
    if (!isAlive(Number(name))) rmSync(join(all, name), { recursive: true, force: true });
  await tryGit(shared, ["worktree", "prune", "--verbose"]);
  const folder = join(all, String(process.pid));
  await git(shared, ["worktree", "add", "--detach", folder, commit]);
  try {
    return await work(folder, adminOf(commonDir, realpathSync(folder)) ?? "");
  } finally {
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    await tryGit(shared, ["worktree", "prune", "--verbose"]);
  }
}

/** One after another, until one fails. What they print is kept, its end at least. */
export async function runGates(
  of: { setup: readonly string[]; gates: readonly string[]; folder: string },
  context: Context,
): Promise<GateResult[]> {
  const results: GateResult[] = [];
  for (const command of [...of.setup, ...of.gates]) {
    context.tell(`gate: ${command} … `);
    const began = performance.now();
    const child = execa("/bin/sh", ["-c", command], {
      cwd: of.folder,
      env: ownEnvironment(context.environment),
      extendEnv: false,
      reject: false,
      all: true,
      buffer: false,
      stdin: "ignore",
    });
    let output = "";
    child.all.setEncoding("utf8").on("data", (text: string) => (output = (output + text).slice(-LONGEST_OUTPUT)));
    const { exitCode } = await child;
    const passed = exitCode === 0;
    const duration_ms = Math.round(performance.now() - began);
    context.tell(`${passed ? "passed" : "failed"}\n`);
    results.push({ command, passed, exit_code: exitCode ?? null, duration_ms, output });
    if (!passed) break;
  }
  return results;
}

function isAlive(pid: number): boolean {
  try {
    return pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
