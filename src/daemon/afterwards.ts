/** What follows a batch and nobody waits for: pages that people read, metrics, and folders of attempts that are on record. */
import { appendMetrics } from "../history/metrics.ts";
import type { Event } from "../machine/event.ts";
import { instant } from "../model/time.ts";
import type { Agents } from "./agents.ts";
import { failpoint } from "./failpoint.ts";
import { metricsOf } from "./measure.ts";
import type { Page } from "./pages.ts";
import { writePages } from "./record.ts";
import type { Workspace } from "./workspace.ts";

export async function afterwards(
  workspace: Workspace,
  agents: Agents,
  { events, pages }: { events: readonly Event[]; pages: readonly Page[] },
): Promise<void> {
  if (!workspace.tenure.holds()) return;
  const { folder, state, log } = workspace;
  await writePages(workspace, pages).catch((error: Error) =>
    log.say("warn", `the views could not be written: ${error.message}`),
  );
  failpoint("pages-written");
  await appendMetrics(folder, metricsOf(events, state, instant(Date.now()))).catch((error: Error) =>
    log.say("warn", `the metrics could not be written: ${error.message}`),
  );
  for (const event of events) {
    if (event.type !== "ended") continue;
    failpoint("before-forget");
    await agents.forget(event.runId);
    agents.tidying.ended(event.session, event.id);
    failpoint("forgotten");
  }
}
