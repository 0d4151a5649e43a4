/** Hints of the watch; and that there are none, said once in the log and in `daemon.json` for `cox status`. */
import { instant } from "../model/time.ts";
import { watchWorkspace, type Watch } from "../store/watch.ts";
import type { Trouble } from "./tenure.ts";
import type { Workspace } from "./workspace.ts";

export class FileEvents {
  private readonly of: Pick<Workspace, "folder" | "log" | "tenure">;
  private readonly hint: (path: string) => void;
  private watch: Watch | undefined;
  private lost: Trouble | null = null;
  /** Until the daemon is, `daemon.json` is not written: it says so. */
  private isReady = false;

  constructor(of: Pick<Workspace, "folder" | "log" | "tenure">, hint: (path: string) => void) {
    this.of = of;
    this.hint = hint;
  }

  /** What is to be told with the daemon's being ready; from now on it is told at once. */
  ready(): { unwatched: Trouble | null } {
    this.isReady = true;
    return { unwatched: this.lost };
  }

  /** Watches from now on, afresh; resolves when it does, or cannot. */
  async again(): Promise<void> {
    const before = this.watch;
    const wasLost = this.lost;
    this.lost = null;
    const watch = watchWorkspace(this.of.folder, this.hint, (error) => {
      // One that is closed by now has nothing to say; and what is short is told by every folder.
      if (this.watch === watch && !this.lost) this.lose(error);
    });
    this.watch = watch;
    await before?.close();
    await watch.ready;
    if (!wasLost || this.lost || this.watch !== watch) return;
    this.of.log.say("info", "file events arrive again");
    await this.of.tenure.tell({ unwatched: null });
  }

  async close(): Promise<void> {
    const { watch } = this;
    this.watch = undefined;
    await watch?.close();
  }

  private lose({ message }: Error): void {
    const then = "changes are found by looking, as often as the setting rescan says";
    this.lost = { since: instant(Date.now()), message: `${message}; ${then}` };
    this.of.log.say("warn", `file events are lost (${message}): ${then}. cox doctor says what to do.`);
    if (this.isReady) void this.of.tenure.tell({ unwatched: this.lost });
  }
}
