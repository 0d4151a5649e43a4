/** What lies in `.run/` and beside the tasks that nobody needs any more: logs, conversations, folders of runs. */
import { lstatSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { isSessionId } from "../model/ids.ts";
import { RUN } from "./paths.ts";
import { ARCHIVED, filesIn, removeEmpty } from "./put-away.ts";

export interface Outworn {
  /** Relative to `.workflow/`. */
  path: string;
  bytes: number;
}

/** Last changed before `before` (in ms). Folders of the `runs` that may still be at work are none. */
export function outworn(workspace: string, { before, runs }: { before: number; runs: ReadonlySet<string> }): Outworn[] {
  const files = (folder: string) =>
    [...filesIn(join(workspace, folder), folder)].flatMap(({ path, full }): Outworn[] => {
      const stat = lstatSync(full, { throwIfNoEntry: false });
      return stat && stat.mtimeMs < before ? [{ path, bytes: stat.size }] : [];
    });
  const conversations = namesIn(workspace)
    .filter(isSessionId)
    .flatMap((session) => [...files(`${session}/messages`), ...files(`${session}/.chat`)]);
  // A daemon in the background holds this one open.
  const logs = files(`${RUN}/log`).filter(({ path }) => !path.endsWith("/daemon.out"));
  return [...logs, ...files(ARCHIVED), ...conversations, ...folders(workspace, before, runs)];
}

export async function discard(workspace: string, what: readonly Outworn[]): Promise<void> {
  for (const { path } of what) await rm(join(workspace, path), { recursive: true, force: true });
  const emptied = new Set(what.map(({ path }) => dirname(path)).filter((folder) => folder.startsWith(`${ARCHIVED}/`)));
  for (const folder of emptied)
    for (let at = folder; at !== ARCHIVED; at = dirname(at)) await removeEmpty(join(workspace, at));
}

export interface Sizes {
  run_bytes: number;
  metrics_bytes: number;
  /** What of it is larger than it should be. */
  too_large: { folder: string; bytes: number; limit_bytes: number }[];
}

export function sizesOf(workspace: string, warnMb: number): Sizes {
  const [run, metrics] = [RUN, "metrics"].map((folder) => ({ folder, bytes: sizeOf(workspace, folder) }));
  const limit_bytes = warnMb * 1_000_000;
  const too_large = [run, metrics].flatMap((each) =>
    each && each.bytes > limit_bytes ? [{ ...each, limit_bytes }] : [],
  );
  return { run_bytes: run?.bytes ?? 0, metrics_bytes: metrics?.bytes ?? 0, too_large };
}

/** Folders of runs that no task stands behind, and what a restore left behind that was cut off. */
function folders(workspace: string, before: number, runs: ReadonlySet<string>): Outworn[] {
  const attempts = namesIn(join(workspace, RUN, "attempts"))
    .filter((run) => !runs.has(run))
    .map((run) => `${RUN}/attempts/${run}`);
  const restored = namesIn(join(workspace, RUN))
    .filter((name) => name.startsWith("restored-"))
    .map((name) => `${RUN}/${name}`);
  return [...attempts, ...restored].flatMap((path): Outworn[] => {
    let newest = lstatSync(join(workspace, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
    for (const { full } of filesIn(join(workspace, path), path))
      newest = Math.max(newest, lstatSync(full, { throwIfNoEntry: false })?.mtimeMs ?? 0);
    return newest < before ? [{ path, bytes: sizeOf(workspace, path) }] : [];
  });
}

function sizeOf(workspace: string, folder: string): number {
  let bytes = 0;
  for (const { full } of filesIn(join(workspace, folder), folder))
    bytes += lstatSync(full, { throwIfNoEntry: false })?.size ?? 0;
  return bytes;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
