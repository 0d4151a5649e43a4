/**
 * Places in the daemon's work where a test lets it die, as `kill -9` would: between every two steps of recording and
 * acting. Off unless `COX_FAILPOINT` names one: `after-ledger`, or `after-ledger:3` for the third time it is passed.
 */
export const FAILPOINTS = [
  // The loop: look, decide, record, act.
  "observed",
  "decided",
  "before-files",
  "after-files-before-ledger",
  "after-markers",
  "after-ledger",
  "drops-removed",
  "recorded",
  "applied",
  "acted",
  "pages-written",
  "before-forget",
  "forgotten",
  // One agent: started, followed, read.
  "before-start",
  "before-spawn",
  "run-folder",
  "spawned",
  "started",
  "after-started",
  "ended-before-read",
  "swept",
  "read",
  "after-transcript",
  "after-response",
] as const;
/** Merging another history: once its files are on disk, and once it is in the ledger. */
export const MERGE_FAILPOINTS = ["merged-on-disk", "merged-forward", "merged-in-ledger"] as const;
/** A worktree: made, its work committed, checked and merged, and the worktree removed. */
export const WORKTREE_FAILPOINTS = [
  "worktree-made",
  "before-commit",
  "committed",
  "gates-passed",
  "before-publish",
  "published",
  "worktree-removed",
] as const;
export type Failpoint =
  (typeof FAILPOINTS)[number] | (typeof MERGE_FAILPOINTS)[number] | (typeof WORKTREE_FAILPOINTS)[number];

const [target = "", times = "1"] = (process.env["COX_FAILPOINT"] ?? "").split(":");
let left = Number(times);

/** Ends this process at the place that was asked for; otherwise one comparison. */
export function failpoint(name: Failpoint): void {
  if (name !== target || --left > 0) return;
  process.kill(process.pid, "SIGKILL");
  for (;;); // the signal is on its way: nothing more happens
}
