/** What can begin a run by itself. */
export const TRIGGER_KINDS = ["schedule", "files", "git", "after"] as const;
