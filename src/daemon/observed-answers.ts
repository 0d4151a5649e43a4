/** Responses that people write: read once somebody waits for them, and once they are finished. SPEC sections 5 and 6. */
import { attemptName, type SessionId, type TaskId } from "../model/ids.ts";
import { askedOf, readAnswer } from "./answers.ts";
import { TEXT_SETTLE_MS, type FoundFile, type Look } from "./observation.ts";
import { planProblemsIn } from "./planning.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

export class ObservedAnswers {
  private readonly workspace: Workspace;
  private readonly waiting = new Map<string, { found: FoundFile; since: number }>();
  private settling = false;

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** Whether an answer in markdown is given time to be finished. */
  get restless(): boolean {
    return this.settling;
  }

  found(found: FoundFile, now: number): void {
    if (isTrusted(this.workspace, found.path, found.hash)) this.waiting.set(found.path, { found, since: now });
  }

  forget(path: string): void {
    this.waiting.delete(path);
  }

  /** Takes in each answer that is waited for by now; the others stay, they may be answers later. */
  takeIn({ seen, now, starting }: Look): void {
    const { held } = this.workspace;
    this.settling = false;
    for (const [path, { found, since }] of [...this.waiting]) {
      if (found.place.kind !== "response") continue;
      const { session, task: id, attempt, format } = found.place;
      if (!this.isAwaited(session, id, attempt)) {
        // Somebody's all the same; it may be an answer later.
        if (since === now) seen.files.push({ path, content: found.content });
        continue;
      }
      if (format === "md" && !starting && now - since < TEXT_SETTLE_MS) {
        this.settling = true;
        continue;
      }
      this.waiting.delete(path);
      const task = this.workspace.state.sessions.get(session)?.tasks.get(id);
      if (!task) continue;
      const answer = readAnswer({ content: found.content, format, task, attempt });
      if ("problems" in answer) {
        held.hold(path, { hash: found.hash, problems: answer.problems, unfinished: answer.unfinished }, now);
        continue;
      }
      const wrong = planProblemsIn(this.workspace, session, id, answer.ok);
      if (wrong.length > 0) {
        held.hold(path, { hash: found.hash, problems: wrong }, now);
        continue;
      }
      void held.release(path);
      seen.files.push({ path, content: found.content });
      seen.answers.set(`${session}/${attemptName(id, attempt)}`, answer.ok);
      const message = answer.ok.error?.message ?? answer.ok.result;
      seen.events.push({ type: "answered", session, id, attempt, outcome: answer.ok.outcome, message });
    }
  }

  /** Whether a person's response is asked for, or will be, since a person is to do the task anyway. */
  private isAwaited(session: SessionId, id: TaskId, attempt: number): boolean {
    const task = this.workspace.state.sessions.get(session)?.tasks.get(id);
    return task !== undefined && askedOf(this.workspace, task) === attempt;
  }
}
