/** Worktrees that are no longer needed go, beside everything else; the daemon's end waits for it. */
import type { SessionId, TaskId } from "../model/ids.ts";
import type { Change } from "../model/transition.ts";
import type { Workspace } from "./workspace.ts";
import type { Workshop } from "./workshop.ts";

export class Tidying {
  private readonly workspace: Workspace;
  private readonly workshop: Workshop;
  private readonly under = new Set<Promise<void>>();

  constructor(workspace: Workspace, workshop: Workshop) {
    this.workspace = workspace;
    this.workshop = workshop;
  }

  /** After a run's end is on record. */
  ended(session: SessionId, id: TaskId): void {
    this.later(this.workshop.tidy(session, id));
  }

  /** After it is on record that tasks are gone, or that all parts of one are done which had begun it itself. */
  over(changes: readonly Change[]): void {
    for (const change of changes)
      if (
        change.of === "task" &&
        (change.to === "deleted" || (change.from === "container" && change.to === "completed"))
      )
        this.later(this.workshop.tidy(change.session, change.id));
  }

  /** Of a session that has left the disk. */
  session(session: SessionId): void {
    this.later(this.workshop.tidySession(session));
  }

  /** What a daemon before this one left. */
  all(): void {
    this.later(this.workshop.tidyAll());
  }

  async settled(): Promise<void> {
    while (this.under.size > 0) await Promise.all(this.under);
  }

  private later(work: Promise<void>): void {
    const watched = work.catch((error: Error) => this.workspace.log.say("warn", `a worktree stays: ${error.message}`));
    this.under.add(watched);
    void watched.finally(() => this.under.delete(watched));
  }
}
