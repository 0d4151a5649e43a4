/** Hints of what may have changed, by chokidar. Events get lost: a rescan is what counts. */
import { join, sep } from "node:path";
import { watch, type FSWatcher } from "chokidar";
import { REQUEST } from "./cleaned.ts";
import { placeOf, RUN, type Place } from "./paths.ts";
import { SYNC_REQUESTS } from "./sync-requests.ts";

export interface Watch {
  /** Resolves when the folders are being watched; hints may come before. */
  ready: Promise<void>;
  close(): Promise<void>;
}

/**
 * Of these there are thousands. Chokidar is not told of them, since it would ask about each at the start, and again before it
 * told of it: of these the events of their folder are taken as they come.
 */
const MANY: ReadonlySet<Place["kind"]> = new Set<Place["kind"]>(["task", "response", "view"]);

/** Calls `hint` with paths relative to the workspace, and `failed` when watching is not possible (limits): then only the rescan sees. */
export function watchWorkspace(workspace: string, hint: (path: string) => void, failed: (error: Error) => void): Watch {
  // For tests, and for file systems that tell of nothing: only the rescan sees.
  if (process.env["COX_NO_WATCH"] === "1") return { ready: Promise.resolve(), close: async () => {} };
  const inside = (path: string) => {
    const name = path.slice(workspace.length + 1);
    return sep === "/" ? name : name.replaceAll(sep, "/");
  };
  const watcher: FSWatcher = watch(workspace, {
    ignoreInitial: true,
    followSymlinks: false,
    atomic: false,
    ignored: (path) => {
      const name = inside(path);
      return (
        (name.startsWith(`${RUN}/`) &&
          name !== `${RUN}/trust.json` &&
          name !== REQUEST &&
          !`${name}/`.startsWith(`${SYNC_REQUESTS}/`)) ||
        /^[^/]+\/(messages|\.chat|state|\.summaries)(\/|$)/.test(name) ||
        // Never looked at, and half of what the daemon itself writes.
        placeOf(name).kind === "output" ||
        MANY.has(placeOf(name).kind)
      );
    },
  });
  watcher.on("all", (_event, path) => hint(inside(path)));
  watcher.on("raw", (_event, name, details) => {
    const { watchedPath } = details as { watchedPath: string };
    const path = inside(name === null ? watchedPath : join(watchedPath, name));
    if (name === null || MANY.has(placeOf(path).kind)) hint(path);
  });
  watcher.on("error", (error) => failed(error as Error));
  return {
    ready: new Promise((resolve) => watcher.once("ready", () => resolve()).once("error", () => resolve())),
    close: () => watcher.close(),
  };
}
