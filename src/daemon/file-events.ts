/** Hints of the watch; and that there are none, said once in the log and in `daemon.json` for `cox status`. */
import { instant } from "../model/time.ts";
import { watchWorkspace, type Watch } from "../store/watch.ts";
import type { Workspace } from "./workspace.ts";

export class FileEvents {
  private readonly workspace: Workspace;
  private readonly hint: (path: string) => void;
  private watch: Watch | undefined;
  private lost = false;

  constructor(workspace: Workspace, hint: (path: string) => void) {
    this.workspace = workspace;
    this.hint = hint;
  }

  /** Watches from now on, afresh; resolves when it does, or cannot. */
  async again(): Promise<void> {
    const before = this.watch;
    const wasLost = this.lost;
    this.lost = false;
    const watch = watchWorkspace(this.workspace.folder, this.hint, (error) => {
      // One that is closed by now has nothing to say; and what is short is told by every folder.
      if (this.watch === watch && !this.lost) this.lose(error);
    });
    this.watch = watch;
    await before?.close();
    await watch.ready;
    if (!wasLost || this.lost || this.watch !== watch) return;
    this.workspace.log.say("info", "file events arrive again");
    await this.workspace.tenure.tell({ unwatched: null });
  }

  async close(): Promise<void> {
    const { watch } = this;
    this.watch = undefined;
    await watch?.close();
  }

  private lose({ message }: Error): void {
    const { log, tenure, config } = this.workspace;
    this.lost = true;
    const then = `changes are found by looking, every ${config.rescan}`;
    log.say("warn", `file events are lost (${message}): ${then}. cox doctor says what to do.`);
    void tenure.tell({ unwatched: { since: instant(Date.now()), message: `${message}; ${then}` } });
  }
}
