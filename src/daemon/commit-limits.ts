/** What is never committed: other people's paths where they are enforced, secrets, and files that are too large. */
import { basename, matchesGlob } from "node:path";
import { pathsOf, type Task } from "../model/task.ts";
import type { Limits } from "../worktree/commit.ts";
import { tryGit, type Ground } from "../worktree/git.ts";
import type { Workspace } from "./workspace.ts";

const EXAMPLE = /(?:^|\.)(?:example|sample|template|dist)(?:\.|$)/i;
const MOST_SEARCHED_BYTES = 1024 * 1024;

/** `base`: the commit that the task's work started from. */
export function limitsFor(
  { config, secrets }: Workspace,
  task: Task,
  { shared, base }: { shared: Ground; base: string },
): Limits {
  const paths = config.paths === "enforce" ? pathsOf(task) : [];
  const { max_file_mb, never_commit } = config.worktree;
  const isWithin = (path: string) => paths.some((each) => path === each || path.startsWith(`${each}/`) || each === ".");
  return {
    maxBytes: max_file_mb * 1024 * 1024,
    refusal: async (path, read) => {
      if (paths.length > 0 && !isWithin(path)) return "it is not in the task's paths";
      if (read === null) return undefined;
      const name = basename(path);
      if (never_commit.some((form) => matchesGlob(name, form)) && !EXAMPLE.test(name))
        return "its name is that of a secret";
      const content = read();
      if (content.length === 0 || content.length > MOST_SEARCHED_BYTES || content.includes(0)) return undefined;
      const text = content.toString("utf8");
      if (secrets.redact(text) === text) return undefined;
      // What stood there before this task is not its doing.
      const before = await tryGit(shared, ["cat-file", "blob", `${base}:${path}`]);
      const known = before.code === 0 && secrets.redact(before.stdout) !== before.stdout;
      return known ? undefined : "it holds what looks like a secret";
    },
  };
}
