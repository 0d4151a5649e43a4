/** Tasks that may be obeyed by now, or no longer, as the code's branch tracks their files. SPEC section 13. */
import { at } from "../store/paths.ts";
import type { Look } from "./observation.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

/** `tracked`: the paths that the code's branch tracks and did not track before. */
export function foundTrustChanged(workspace: Workspace, tracked: ReadonlySet<string>, { seen, starting }: Look): void {
  const { scanner, state } = workspace;
  if (!starting) seen.reload.config = seen.reload.roles = true;
  for (const [session, { tasks }] of state.sessions) {
    for (const [id, task] of tasks) {
      const path = at.task(session, id);
      const trusted = isTrusted(workspace, path, scanner.seen.get(path)?.hash ?? null);
      const untrusted = task.status === "blocked" && task.execution.reason === "untrusted";
      if (untrusted && trusted) seen.events.push({ type: "trust-changed", session, id, trusted });
      else if (tracked.has(path) && !trusted) seen.events.push({ type: "trust-changed", session, id, trusted });
    }
  }
}
