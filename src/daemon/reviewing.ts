/** Reviews, as the daemon has them: what a reviewer is given, and what is read from its answer. */
import { join } from "node:path";
import { composeReview } from "../agent/review-prompt.ts";
import type { AttemptEnd, ResponseFile } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import { attemptName, type RunId, type SessionId } from "../model/ids.ts";
import type { Review } from "../model/review.ts";
import { asReviewer, type Role } from "../model/role.ts";
import { newSession } from "../model/session.ts";
import type { Task } from "../model/task.ts";
import { instant } from "../model/time.ts";
import type { Run } from "../model/transition.ts";
import { forReviewer } from "../machine/review.ts";
import { isolationOf } from "../machine/overlap.ts";
import { checkReview } from "../store/check.ts";
import { at, WORKSPACE } from "../store/paths.ts";
import { SCHEMAS } from "../store/schemas.js";
import { changeOf } from "./review-change.ts";
import { readResponse } from "./step-values.ts";
import type { Workspace } from "./workspace.ts";

const {
  $schema: _schema,
  $id: _id,
  title: _title,
  ...ANSWER
} = SCHEMAS["review.schema.json"] as Record<string, unknown>;

/** The task and the role as they are started: the reviewer has what its own role gives it, less what writes. */
export function asStarted(run: Run, task: Task, role: Role): { task: Task; role: Role } {
  if (!run.review) return { task, role };
  const own = forReviewer(task, role.name);
  return { task: { ...own, execution: { ...own.execution, response_schema: ANSWER } }, role: asReviewer(role) };
}

/** What the reviewer is told, as its review begins. */
export async function reviewPrompt(
  workspace: Workspace,
  { session, task, attempt }: { session: SessionId; task: Task; attempt: number },
  responses: ReadonlyMap<RunId, ResponseFile>,
): Promise<string> {
  const { folder, state, roles, policy } = workspace;
  const reviewing = task.execution.last_attempt?.reviewing;
  const path = at.response(session, attemptName(task.id, attempt));
  const fresh = reviewing?.run_id ? responses.get(reviewing.run_id) : undefined;
  const response = fresh ?? (await readResponse(join(folder, path)));
  const maker = roles.get(task.agent);
  const apart = maker !== undefined && isolationOf(task, maker, policy) === "worktree";
  return composeReview({
    task,
    attempt,
    session: state.sessions.get(session)?.file ?? newSession(session, instant(0)),
    role: roles.get(reviewing?.role ?? "") ?? { name: reviewing?.role ?? "", prompt: "" },
    gates: response?.gates ?? [],
    result: response ? { text: response.result, file: `${apart ? folder : WORKSPACE}/${path}` } : undefined,
    change: await changeOf(workspace, task, response).catch((error: Error) => ({
      none: `The difference cannot be told (${error.message}): read the files that the task names.`,
    })),
  });
}

const [MOST_FINDINGS, MOST_CRITERIA, LONGEST_TEXT] = [50, 100, 2000];

/** What a reviewer has said; an answer that is none is a failure of the reviewer's. */
export function reviewIn(end: AttemptEnd): { end: AttemptEnd; review?: Review } {
  if (end.outcome === "failure") return { end };
  const checked = checkReview(end.structured ?? jsonIn(end.result));
  if ("ok" in checked) return { end, review: bounded(checked.ok) };
  const [first] = checked.problems;
  const error: Failure = {
    class: "unknown",
    message: `The reviewer did not answer by the schema: ${first?.message ?? "there is no answer."}`,
    hint: "See what it said (cox logs); a stronger model answers more reliably.",
  };
  const { outcome: _outcome, structured: _structured, ...rest } = end as AttemptEnd & { structured?: unknown };
  return { end: { ...rest, outcome: "failure", error } };
}

/** One that was given no schema may write its answer as text, in a block of its own or not. */
function jsonIn(text: string): unknown {
  const blocks = [...text.matchAll(/```(?:json)?\s*\n([\s\S]*?)\n\s*```/g)].map(([, inside = ""]) => inside);
  for (const part of [text, ...blocks.reverse()]) {
    try {
      return JSON.parse(part);
    } catch {
      // Prose.
    }
  }
  return undefined;
}

/** The task's file holds it: a page, not a book. */
function bounded({ verdict, summary, findings, acceptance }: Review): Review {
  const cut = (text: string) => (text.length <= LONGEST_TEXT ? text : `${text.slice(0, LONGEST_TEXT)}…`);
  const order = ["must", "should", "could"];
  const sorted = findings.toSorted((a, b) => order.indexOf(a.severity) - order.indexOf(b.severity));
  return {
    verdict,
    ...(summary === undefined ? {} : { summary: cut(summary) }),
    findings: sorted.slice(0, MOST_FINDINGS).map(({ severity, file, line, what, why }) => ({
      severity,
      ...(file ? { file: cut(file) } : {}),
      ...(line ? { line } : {}),
      what: cut(what),
      why: cut(why),
    })),
    acceptance: acceptance.slice(0, MOST_CRITERIA).map(({ criterion, met, evidence }) => ({
      criterion: cut(criterion),
      met,
      ...(evidence === undefined ? {} : { evidence: cut(evidence) }),
    })),
  };
}
