/**
 * Tasks that may be obeyed by now, or no longer. SPEC section 13. Only a person's word, in `trust.json`, gives trust; what
 * git tracks can but take it away.
 */
import { at } from "../store/paths.ts";
import type { Look } from "./observation.ts";
import { isTracked, isTrusted, wasTrusted, type Workspace } from "./workspace.ts";

/** `tracked`: the paths that the code's branch tracks and did not track before. */
export function foundTrustChanged(workspace: Workspace, tracked: ReadonlySet<string>, { seen, starting }: Look): void {
  const { scanner, state } = workspace;
  if (!starting) seen.reload.config = seen.reload.roles = true;
  for (const [session, { tasks }] of state.sessions) {
    for (const [id, task] of tasks) {
      const path = at.task(session, id);
      const hash = scanner.seen.get(path)?.hash ?? null;
      const { source } = task.execution;
      const untrusted = task.status === "blocked" && task.execution.reason === "untrusted";
      if (untrusted) {
        const named =
          wasTrusted(workspace, path, hash) || (source && wasTrusted(workspace, source.file, source.sha256));
        if (named) seen.events.push({ type: "trust-changed", session, id, trusted: true });
      } else if (isTracked(tracked, path) && !isTrusted(workspace, path, hash)) {
        seen.events.push({ type: "trust-changed", session, id, trusted: false });
      }
    }
  }
}
