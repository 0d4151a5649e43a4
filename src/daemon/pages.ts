/** Views and checkpoint of the sessions that a decision touches. They change only when their content does. SPEC section 10. */
import { join } from "node:path";
import { setImmediate as breathe } from "node:timers/promises";
import { Draft } from "../machine/draft.ts";
import type { Decision } from "../machine/machine.ts";
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, type SessionId } from "../model/ids.ts";
import { awaitsPlanApproval } from "../model/plan.ts";
import type { Task } from "../model/task.ts";
import type { Instant } from "../model/time.ts";
import { problemLine } from "../problems.ts";
import { at } from "../store/paths.ts";
import { readRegular, sha256 } from "../store/scan.ts";
import { implPlan } from "../views/impl-plan.ts";
import type { Proposed } from "../views/proposed.ts";
import { hasSummary } from "../views/reviews.ts";
import { summary } from "../views/summary.ts";
import { todoList } from "../views/todo-list.ts";
import { planShown } from "./planning.ts";
import type { Workspace } from "./workspace.ts";

/** A session with more tasks than this has its pages written now and then, not at every transition. */
const SMALL = 100;
/** Rendering may take this share of the time at most. */
const SHARE = 30;

export interface Page {
  path: string;
  content: string;
}

export class Pages {
  private readonly workspace: Workspace;
  private readonly late = new Set<SessionId>();
  private readonly nextAt = new Map<SessionId, number>();

  constructor(workspace: Workspace) {
    this.workspace = workspace;
  }

  /** Sessions whose pages are behind, and when they may be written. */
  get behind(): { session: SessionId; at: number }[] {
    return [...this.late].map((session) => ({ session, at: this.nextAt.get(session) ?? 0 }));
  }

  /** Pages that differ from what is on disk, for the state as it is after the decision. */
  async after(
    decision: Decision,
    of: { at: Instant; responses: ReadonlyMap<string, ResponseFile>; also: Iterable<SessionId>; all: boolean },
  ): Promise<Page[]> {
    const draft = new Draft(this.workspace.state);
    draft.add(...decision.changes);
    const spoilt = new Set<SessionId>(of.also);
    const sessions = new Set(spoilt);
    for (const change of decision.changes) {
      if ("session" in change) sessions.add(change.session);
      else if (change.of === "run-started") sessions.add(change.run.session);
    }
    const pages: Page[] = [];
    for (const session of sessions) {
      if (!draft.session(session)) continue;
      pages.push(...this.summaries(draft, session, decision, of.responses));
      if (spoilt.has(session)) {
        const known = new Set(pages.map(({ path }) => path));
        pages.push(...this.lostSummaries(draft, session, of.responses).filter(({ path }) => !known.has(path)));
      }
      pages.push({ path: at.checkpoint(session), content: this.checkpoint(draft, session, of.at) });
      const began = performance.now();
      const small = draft.taskCount(session) <= SMALL;
      if (!small && !of.all && began < (this.nextAt.get(session) ?? 0)) {
        this.late.add(session);
        continue;
      }
      for (const list of this.lists(draft, session, of.responses)) {
        pages.push(list);
        if (!small) await breathe();
      }
      this.late.delete(session);
      this.nextAt.set(session, performance.now() + (performance.now() - began) * SHARE);
    }
    return pages.filter((page) => this.differs(page));
  }

  /** Each takes some tens of milliseconds with ten thousand tasks. */
  private *lists(draft: Draft, session: SessionId, responses: ReadonlyMap<string, ResponseFile>): Generator<Page> {
    const file = draft.session(session);
    if (!file) return;
    const tasks = [...draft.tasks(session)];
    const problems = this.workspace.held
      .all()
      .filter(({ path, reported }) => reported && (path.startsWith(`${session}/`) || path.startsWith("inbox/")))
      .map(({ path, problems: found }) => ({ file: path, message: found.map((each) => problemLine(each)).join(" ") }));
    yield { path: at.todoList(session), content: todoList({ session: file, tasks, problems }) };
    yield {
      path: at.implPlan(session),
      content: implPlan({ session: file, tasks, proposed: this.proposed(session, tasks, responses) }),
    };
  }

  /** Plans that wait for approval, as their files stand. */
  private proposed(
    session: SessionId,
    tasks: readonly Task[],
    responses: ReadonlyMap<string, ResponseFile>,
  ): Proposed[] {
    return tasks.filter(awaitsPlanApproval).flatMap((task) => {
      const response = this.responseOf(session, task, responses);
      const fresh = responses.has(task.execution.last_attempt?.run_id ?? "");
      const plan = response && planShown(this.workspace, { session, task, response, fresh });
      return plan ? [{ task, plan, file: `./plans/${task.id}.json` }] : [];
    });
  }

  private summaries(
    draft: Draft,
    session: SessionId,
    decision: Decision,
    responses: ReadonlyMap<string, ResponseFile>,
  ): Page[] {
    const file = draft.session(session);
    return decision.changes.flatMap((change): Page[] => {
      if (change.of !== "task" || change.session !== session || !change.after || !hasSummary(change.after) || !file)
        return [];
      return [
        {
          path: at.summary(session, change.id),
          content: summary({
            session: file,
            task: change.after,
            response: this.responseOf(session, change.after, responses),
          }),
        },
      ];
    });
  }

  /** Summaries that are not as they were written: gone, or changed by somebody. */
  private lostSummaries(draft: Draft, session: SessionId, responses: ReadonlyMap<string, ResponseFile>): Page[] {
    const file = draft.session(session);
    if (!file) return [];
    return [...draft.tasks(session)].flatMap((task): Page[] => {
      const path = at.summary(session, task.id);
      if (!hasSummary(task) || this.workspace.scanner.seen.has(path)) return [];
      return [{ path, content: summary({ session: file, task, response: this.responseOf(session, task, responses) }) }];
    });
  }

  private responseOf(
    session: SessionId,
    task: Task,
    responses: ReadonlyMap<string, ResponseFile>,
  ): ResponseFile | null {
    const last = task.execution.last_attempt;
    if (!last) return null;
    const fresh = last.run_id ? responses.get(last.run_id) : undefined;
    if (fresh) return fresh;
    const read = readRegular(join(this.workspace.folder, at.response(session, attemptName(task.id, last.attempt))));
    try {
      const response = read ? (JSON.parse(read.content.toString("utf8")) as ResponseFile) : null;
      // A person's may be only the fields that were asked for.
      const isWhole = response === null || typeof (response as { result?: unknown }).result === "string";
      return isWhole ? response : { ...response, result: JSON.stringify(response.structured ?? response) };
    } catch {
      return null;
    }
  }

  /** Where the session stands: enough to go on after a kill, together with the task files. */
  private checkpoint(draft: Draft, session: SessionId, now: Instant): string {
    const runs = draft.runs().filter((run) => run.session === session);
    const waits = draft.waiting(session);
    const { state, highest, identities } = this.workspace;
    const limits = [...new Set([...state.limits.keys(), ...LIMIT_ACCOUNTS])].flatMap((account) => {
      const until = draft.limit(account);
      return until ? [[account, until] as const] : [];
    });
    const breakers = [...this.breakerKeys(draft)].map((key) => [key, draft.breaker(key)] as const);
    const content = {
      at: now,
      session,
      runs: runs.map(({ id, attempt, runId, role, model, startedAt, stopping }) => ({
        task: id,
        attempt,
        run_id: runId,
        role,
        model,
        started_at: startedAt,
        ...(stopping ? { stopping } : {}),
        process: identities.get(runId) ?? null,
      })),
      waits: waits.map((task) => ({
        task: task.id,
        until: task.execution.next_attempt_at,
        reason: task.execution.reason ?? null,
      })),
      limits: Object.fromEntries(limits),
      breakers: Object.fromEntries(breakers),
      spent: draft.spent,
      highest: highest.get(session) ?? 0,
    };
    return `${JSON.stringify(content, null, 2)}\n`;
  }

  private breakerKeys(draft: Draft): Set<string> {
    const keys = new Set(this.workspace.state.breakers.keys());
    for (const change of draft.changes) if (change.of === "breaker") keys.add(change.key);
    return keys;
  }

  /** The checkpoint has the time in it and always differs. */
  private differs({ path, content }: Page): boolean {
    const seen = this.workspace.scanner.seen.get(path);
    return seen?.hash !== sha256(content) || !this.workspace.scanner.unchanged(path);
  }
}

const LIMIT_ACCOUNTS = ["claude"];
