/** What people are told on their desktop, and how often. SPEC section 12, `notify.level`. */
import type { Config } from "../config.ts";
import type { Decision } from "../machine/machine.ts";
import type { Session, State } from "../machine/state.ts";
import { formatDuration } from "../model/time.ts";
import { showOnDesktop, type Notice } from "../notify/desktop.ts";

type Weight = "minor" | "major" | "error";

const SHOWN_BY: Record<Config["notify"]["level"], readonly Weight[]> = {
  all: ["minor", "major", "error"],
  major_events: ["major", "error"],
  errors_only: ["error"],
  none: [],
};
const NEEDS_A_PERSON = new Set(["awaiting-approval", "awaiting-person"]);
/** A queue that fails as a whole is one piece of news. */
const LEAST_BETWEEN_MS = 20_000;

export class Notices {
  private lastAt = Number.NEGATIVE_INFINITY;
  private missed = 0;
  private readonly show: (notice: Notice) => Promise<boolean>;

  constructor(show: (notice: Notice) => Promise<boolean> = showOnDesktop) {
    this.show = show;
  }

  /** Tells what is worth telling of a decision; `state` is the state after it. Nobody waits for it. */
  tell(decision: Decision, state: State, config: Config, now: number): void {
    const worth = decision.changes.flatMap((change): { weight: Weight; notice: Notice }[] => {
      if (change.of !== "task" || !change.after) return [];
      const { title, execution } = change.after;
      const name = `${change.session} ${change.id}`;
      if (change.to === "blocked" && change.by === "daemon") {
        const reason = execution.reason ?? "";
        const person = NEEDS_A_PERSON.has(reason);
        const message = person
          ? `${title}: it waits for you (${reason})`
          : `${title}: ${execution.last_attempt?.error?.message ?? reason}`;
        return [{ weight: person ? "major" : "error", notice: { title: `${name} is blocked`, message } }];
      }
      if (change.to === "pending" && execution.reason === "usage-limit") {
        return [
          {
            weight: "major",
            notice: {
              title: "Usage limit reached",
              message: `Waiting until ${execution.next_attempt_at ?? "the reset"}`,
            },
          },
        ];
      }
      if (change.to !== "completed") return [];
      const session = state.sessions.get(change.session);
      const all = session !== undefined && isDone(session);
      const took = execution.last_attempt?.duration_ms;
      const message = all ? "All tasks are completed" : `${title}${took ? ` (${formatDuration(took)})` : ""}`;
      return [
        { weight: all ? "major" : "minor", notice: { title: all ? change.session : `${name} is completed`, message } },
      ];
    });
    for (const { weight, notice } of worth) {
      if (!SHOWN_BY[config.notify.level].includes(weight)) continue;
      if (now - this.lastAt < LEAST_BETWEEN_MS) {
        this.missed++;
        continue;
      }
      const more = this.missed > 0 ? ` (and ${this.missed} more: cox status)` : "";
      this.lastAt = now;
      this.missed = 0;
      void this.show({ ...notice, message: `${notice.message}${more}` });
    }
  }
}

/** Cheap where it matters: while something can start, nobody has to look at ten thousand tasks. */
function isDone(session: Session): boolean {
  if (session.index.ready.length > 0) return false;
  for (const task of session.tasks.values()) if (task.status !== "completed") return false;
  return true;
}
