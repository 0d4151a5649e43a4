/** Asks the daemon to merge a history: by a file, which it answers beside it. Where none is up, one comes for this alone. */
import { randomUUID } from "node:crypto";
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { SYNC_REQUESTS } from "../../store/paths.ts";
import { writeFiles } from "../../store/files.ts";
import type { Trouble } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import { runDaemon } from "./start.ts";

/** As the daemon tells it. Tasks are named `WFS-x/impl-1`. */
export interface Merged {
  way: "nothing" | "forward" | "join";
  tip: string | null;
  arrived: string[];
  changed: string[];
  gone: string[];
  conflicts: { task: string; fields: string[] }[];
  renumbered: { session: string; side: "ours" | "theirs"; from: string; to: string }[];
  sessions: string[];
  paused: string[];
  beside: string[];
  kept: string[];
  refused: { path: string; why: string }[];
}

const LOOK_MS = 30;
const PATIENCE_MS = 60_000;

/** Undefined where nothing was there to be merged. With `commit: null`, what changed on disk is recorded all the same. */
export async function askToMerge(
  context: Context & { workspace: Workspace },
  request: { commit: string | null; from: string; trust: boolean },
): Promise<{ ok: Merged | undefined } | { trouble: Trouble }> {
  const { workspace } = context;
  const name = join(SYNC_REQUESTS, randomUUID());
  const [asked, answered] = [`${name}.request.json`, `${name}.answer.json`].map((path) =>
    join(workspace.folder, path),
  ) as [string, string];
  if (request.commit !== null)
    await writeFiles(
      workspace.folder,
      [{ path: `${name}.request.json`, content: `${JSON.stringify(request)}\n` }],
      false,
    );
  try {
    const said: string[] = [];
    for (const deadline = Date.now() + PATIENCE_MS; Date.now() < deadline; await sleep(LOOK_MS)) {
      if (existsSync(answered)) return read(answered);
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
    for (const path of [asked, answered]) rmSync(path, { force: true });
  }
}

function read(file: string): { ok: Merged | undefined } | { trouble: Trouble } {
  const answer = JSON.parse(readFileSync(file, "utf8")) as { ok: boolean; problem?: string } & Partial<Merged>;
  if (!answer.ok)
    return { trouble: { exit: 1, what: "It could not be merged.", why: answer.problem ?? "", todo: "cox doctor" } };
  const { ok: _ok, problem: _problem, ...merged } = answer;
  return { ok: merged.arrived === undefined ? undefined : (merged as Merged) };
}

function failed(said: readonly string[]): Trouble {
  return {
    exit: 1,
    what: "It could not be merged.",
    why: said.join("").trim().split("\n").slice(-5).join("\n       "),
    todo: "cox doctor, then cox sync again.",
  };
}
