/** What agents plan: checked when they answer, and put to the machine with what completes their task. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { PlanAsked } from "../agent/plan-prompt.ts";
import type { Event } from "../machine/event.ts";
import type { AttemptEnd, ResponseFile } from "../model/attempt.ts";
import { attemptName, compareTaskIds, parentOf, type RunId, type SessionId, type TaskId } from "../model/ids.ts";
import { awaitsPlanApproval, plans, type Plan, type RightPlan } from "../model/plan.ts";
import { withExecution, type Task } from "../model/task.ts";
import { problem, type Problem } from "../problems.ts";
import { escaping } from "../store/escaping.ts";
import { locate } from "../store/json-file.ts";
import { at } from "../store/paths.ts";
import { answerIn, planIn, planText, readPlan } from "../store/plan-file.ts";
import { readRegular, sha256 } from "../store/scan.ts";
import { planProblems, plannedTasks, tellProblems, type PlanContext } from "../workflow/plan.ts";
import type { FoundFile, Look } from "./observation.ts";
import { steady } from "./steady.ts";
import { isTrusted, type Workspace } from "./workspace.ts";

/** What decides about a plan of this task now. */
function planContext(workspace: Workspace, session: SessionId, task: Task): PlanContext & { session: SessionId } {
  const { config, repository, roles, state } = workspace;
  const known = state.sessions.get(session);
  const { max_tasks: tasks, max_depth: depth, max_usd } = config.planning;
  const budget = known?.file.budget_usd ?? config.budget.session_usd;
  const left = budget === null || budget === undefined ? null : Math.max(0, budget - (known?.file.cost_usd ?? 0));
  const usd = max_usd === null || left === null ? (max_usd ?? left) : Math.min(max_usd, left);
  const ofRoles = [...roles.values()].flatMap(({ verify = [] }) => verify);
  const chosen = [config.verify, known?.file.verify ?? [], ofRoles, task.execution.verify ?? []].flat();
  return {
    session,
    task,
    tasks: known?.tasks ?? new Map(),
    roles,
    limits: { tasks, depth, usd },
    ...(task.execution.approve === "after" ? {} : { gates: new Set(chosen) }),
    escaping: (paths) => escaping(paths, repository),
  };
}

/** What an agent is told of how its answer is to be, where that is a plan or may be one. */
export function askedFor(
  workspace: Workspace,
  { session, task, base }: { session: SessionId; task: Task; base: string },
): PlanAsked | undefined {
  const plan = plans(task);
  if (!plan) return undefined;
  const { limits, gates, tasks } = planContext(workspace, session, task);
  const path = at.plan(session, task.id);
  const wasPlanned = task.execution.last_attempt?.outcome === "success" && existsSync(join(workspace.folder, path));
  const existing = [...tasks.values()].filter(({ id }) => id !== task.id && id !== parentOf(task.id));
  return {
    plan,
    roles: [...workspace.roles.values()].filter(({ name }) => name !== "command"),
    limits,
    ...(gates ? { gates: [...gates] } : {}),
    existing: existing.sort((a, b) => compareTaskIds(a.id, b.id)),
    ...(wasPlanned ? { former: `${base}/${path}` } : {}),
  };
}

/**
 * The end of an attempt whose answer is a plan, or may be one: a wrong plan is a failure that the agent is told of, like
 * that of a gate. `proposes`: its task is not done, but to be split.
 */
export async function withPlan(
  workspace: Workspace,
  session: SessionId,
  task: Task,
  end: AttemptEnd,
): Promise<{ end: AttemptEnd; proposes: boolean }> {
  const plan = plans(task);
  if (!plan || end.outcome !== "success") return { end, proposes: false };
  const answer = end.structured ?? answerIn(end.result);
  const read = planIn(answer, plan === "required");
  if ("none" in read) {
    const { structured: _answer, ...rest } = end;
    return { end: read.none === undefined ? end : { ...rest, result: read.none }, proposes: false };
  }
  const problems = "ok" in read ? planProblems(read.ok, planContext(workspace, session, task)) : read.problems;
  if ("ok" in read && problems.length === 0) {
    await workspace.held.release(at.plan(session, task.id));
    return { end: { ...end, structured: read.ok }, proposes: plan === "allowed" };
  }
  const { structured: _wrong, outcome: _outcome, ...facts } = end;
  const message = `This is no plan that can be carried out:\n${tellProblems(problems)}`;
  return { end: { ...facts, outcome: "failure", error: { class: "verify", message } }, proposes: false };
}

/** A person's answer to a task that plans, where it is none. */
export function planProblemsIn(workspace: Workspace, session: SessionId, id: TaskId, answer: ResponseFile): Problem[] {
  const task = workspace.state.sessions.get(session)?.tasks.get(id);
  if (!task || !plans(task) || answer.outcome !== "success") return [];
  const read = planIn(answer.structured ?? answerIn(answer.result), plans(task) === "required");
  if ("none" in read) return [];
  const problems = "ok" in read ? planProblems(read.ok, planContext(workspace, session, task)) : read.problems;
  return problems.map((found) => ({ ...found, pointer: `/structured${found.pointer ?? ""}` }));
}

/** The file of a plan as it goes on record with the answer; none where nothing was proposed, or a person has seen it. */
export function planFileOf(
  workspace: Workspace,
  session: SessionId,
  task: Task,
  response: ResponseFile,
): { path: string; text: string } | undefined {
  if (!plans(task) || response.outcome !== "success") return undefined;
  if (workspace.state.runs.get(`${session}/${task.id}`)?.merging) return undefined;
  const plan = proposedBy(task, response);
  return plan && { path: at.plan(session, task.id), text: planText(plan) };
}

/** Gives events that complete a task what it has planned. An approval of a plan that is wrong by now is none. */
export async function withPlans(
  workspace: Workspace,
  events: readonly Event[],
  news: { responses: ReadonlyMap<RunId, ResponseFile>; answers: ReadonlyMap<string, ResponseFile> },
): Promise<void> {
  for (const event of events) {
    if (event.type !== "ended" && event.type !== "answered" && event.type !== "task-edited") continue;
    const { session } = event;
    const id = event.type === "task-edited" ? event.task.id : event.id;
    const task = workspace.state.sessions.get(session)?.tasks.get(id);
    if (!task || !plans(task) || event.plan) continue;
    if (event.type === "task-edited") {
      await approved(workspace, event, task);
      continue;
    }
    const answer =
      event.type === "ended"
        ? news.responses.get(event.runId)
        : news.answers.get(`${session}/${attemptName(id, event.attempt)}`);
    if (event.type === "ended" && event.merging) await merged(workspace, event, task, answer);
    else if (task.execution.approve !== "after" && answer?.outcome === "success") {
      const plan = proposedBy(task, answer);
      if (plan) event.plan = rightPlan(plan, planContext(workspace, session, task), Buffer.from(planText(plan)));
    }
  }
}

function rightPlan(plan: Plan, context: PlanContext & { session: SessionId }, content: Buffer): RightPlan {
  const source = { file: at.plan(context.session, context.task.id), sha256: sha256(content) };
  return { tasks: plannedTasks(plan, context), risks: plan.risks ?? [], source };
}

type Edited = Extract<Event, { type: "task-edited" }>;
type Ended = Extract<Event, { type: "ended" }>;

async function approved(workspace: Workspace, event: Edited, before: Task): Promise<void> {
  const { session, task } = event;
  const waits =
    before.status === "blocked" && ["awaiting-approval", "rejected"].includes(before.execution.reason ?? "");
  if (!waits || before.execution.approved === true || task.execution.approved !== true) return;
  const found = await proposed(workspace, session, before);
  if (!found) return;
  // What a daemon wrote that did not come to record it is decided again.
  const relations = { ...task.relations, subtasks: before.relations.subtasks };
  const { reason, approved: said } = before.execution;
  const still = { ...task, status: before.status, relations };
  if ("right" in found) {
    event.task = withExecution(still, { reason });
    event.plan = found.right;
    return;
  }
  event.task = withExecution(still, { reason, approved: said });
  workspace.log.say("warn", `${session} ${before.id} is not approved: see ${at.report(at.plan(session, before.id))}`);
}

/** Its work was approved with its plan, and is merged now. */
async function merged(
  workspace: Workspace,
  event: Ended,
  task: Task,
  response: ResponseFile | undefined,
): Promise<void> {
  if (event.end.kind !== "finished" || event.end.end.outcome !== "success") return;
  const found = await proposed(workspace, event.session, task, response);
  if (!found) return;
  if ("right" in found) {
    event.plan = found.right;
    return;
  }
  const { outcome: _outcome, ...facts } = event.end.end;
  const error = { class: "invalid" as const, message: `Its plan is wrong by now:\n${tellProblems(found.problems)}` };
  event.end = { ...event.end, end: { ...facts, outcome: "failure", error } };
}

/** What waits for approval: the file as it stands; as it was answered where that is gone. Undefined: nothing was proposed. */
async function proposed(
  workspace: Workspace,
  session: SessionId,
  task: Task,
  fresh?: ResponseFile,
): Promise<{ right: RightPlan } | { problems: Problem[] } | undefined> {
  const { folder, held } = workspace;
  const name = attemptName(task.id, task.execution.last_attempt?.attempt ?? 0);
  const response = fresh ?? trustedResponse(workspace, at.response(session, name));
  const answered = response && proposedBy(task, response);
  if (!answered) return undefined;
  const path = at.plan(session, task.id);
  const file = readRegular(join(folder, path));
  const content = file?.content ?? Buffer.from(planText(answered));
  const hash = sha256(content);
  const context = planContext(workspace, session, task);
  const read =
    file && !isTrusted(workspace, path, hash)
      ? { problems: [untrusted(path)], unfinished: false }
      : readRight(content, context);
  if ("problems" in read) {
    held.hold(path, { hash, ...read }, steady());
    return read;
  }
  await held.release(path);
  return { right: rightPlan(read.ok, context, content) };
}

function trustedResponse(workspace: Workspace, path: string): ResponseFile | undefined {
  const file = readRegular(join(workspace.folder, path));
  if (!file || !isTrusted(workspace, path, sha256(file.content))) return undefined;
  try {
    return JSON.parse(file.content.toString("utf8")) as ResponseFile;
  } catch {
    return undefined;
  }
}

function untrusted(path: string): Problem {
  const hint = `Read it, then: cox trust .workflow/${path}.`;
  return problem("untrusted-file", `${path} is tracked by the code's branch, and not trusted.`, { hint });
}

/** What is shown of what waits: its file where that can be read, else as it was answered. */
export function planShown(
  { folder }: Workspace,
  { session, task, response, fresh }: { session: SessionId; task: Task; response: ResponseFile; fresh: boolean },
): Plan | undefined {
  const answered = proposedBy(task, response);
  const file = answered && !fresh ? readRegular(join(folder, at.plan(session, task.id))) : undefined;
  const read = file && readPlan(file.content);
  return read && "ok" in read ? read.ok : answered;
}

/** A person has saved a plan: what is wrong with it is told at once where it waits for approval. */
export async function foundPlan(
  workspace: Workspace,
  { session, id, found }: { session: SessionId; id: TaskId; found: FoundFile },
  { seen, now }: Look,
): Promise<void> {
  const { path, content, hash } = found;
  seen.files.push({ path, content });
  const task = workspace.state.sessions.get(session)?.tasks.get(id);
  if (!task) return;
  seen.reload.views.add(session);
  if (!awaitsPlanApproval(task)) return workspace.held.release(path);
  const checked = readRight(content, planContext(workspace, session, task));
  if ("problems" in checked) workspace.held.hold(path, { hash, ...checked }, now);
  else await workspace.held.release(path);
}

function readRight(content: Buffer, context: PlanContext): { ok: Plan } | { problems: Problem[]; unfinished: boolean } {
  const read = readPlan(content);
  if ("problems" in read) return read;
  const problems = planProblems(read.ok, context);
  return problems.length > 0 ? { problems: locate(read.text, problems), unfinished: false } : read;
}

function proposedBy(task: Task, response: ResponseFile): Plan | undefined {
  const read = planIn(response.structured ?? answerIn(response.result ?? ""), plans(task) === "required");
  return "ok" in read ? read.ok : undefined;
}
