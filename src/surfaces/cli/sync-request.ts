/** Asks the daemon to merge a history: by a file, which it answers beside it. Where none is up, one comes for this alone. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { writeFiles } from "../../store/files.ts";
import { answerFile, requestFile, type Merged, type SyncAnswer } from "../../store/sync-requests.ts";
import type { Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { runDaemon } from "./start.ts";

const LOOK_MS = 30;
const PATIENCE_MS = 60_000;

/** Undefined where nothing was there to be merged. With `commit: null`, what changed on disk is recorded all the same. */
export async function askToMerge(
  context: Context & { workspace: Workspace },
  request: { commit: string | null; from: string; trust: boolean },
): Promise<{ ok: Merged | undefined } | { trouble: Trouble }> {
  const { workspace } = context;
  const name = randomUUID();
  const [asked, answered] = [requestFile(name), answerFile(name)];
  if (request.commit !== null)
    await writeFiles(workspace.folder, [{ path: asked, content: `${JSON.stringify(request)}\n` }], false);
  try {
    const said: string[] = [];
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(LOOK_MS)) {
      const answer = join(workspace.folder, answered);
      if (existsSync(answer)) return read(answer);
      if ((await daemonOf(workspace)).up) {
        if (request.commit === null) return { ok: undefined };
        continue;
      }
      const code = await runDaemon(context, { once: false, mergeOnly: true }, (text) => said.push(text));
      if (code === 4) continue; // another one was faster
      if (code !== 0) return { trouble: failed(said) };
      if (request.commit === null) return { ok: undefined };
    }
    return {
      trouble: {
        exit: 1,
        what: "The daemon did not merge within a minute.",
        todo: "cox status says what keeps it; then cox sync again.",
      },
    };
  } finally {
    for (const path of [asked, answered]) rmSync(join(workspace.folder, path), { force: true });
  }
}

function read(file: string): { ok: Merged | undefined } | { trouble: Trouble } {
  const answer = JSON.parse(readFileSync(file, "utf8")) as SyncAnswer;
  if (!answer.ok)
    return { trouble: { exit: 1, what: "It could not be merged.", why: answer.problem, todo: "cox doctor" } };
  return { ok: answer.merged ?? undefined };
}

function failed(said: readonly string[]): Trouble {
  return {
    exit: 1,
    what: "It could not be merged.",
    why: said.join("").trim().split("\n").slice(-5).join("\n       "),
    todo: "cox doctor, then cox sync again.",
  };
}
