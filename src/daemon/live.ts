/** An agent that lives, as the daemon knows it: what it was asked, and what its end is told as. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import writeFileAtomic from "write-file-atomic";
import type { Cut, RunningProcess } from "../agent/process.ts";
import { sinceBoot } from "../agent/proc-table.ts";
import type { AttemptRequest, Progress, Runner } from "../agent/runner.ts";
import { NO_FACTS, type AttemptEnd, type ResponseFile } from "../model/attempt.ts";
import type { Event } from "../machine/event.ts";
import { leftFor } from "../machine/budget.ts";
import { allowedToRun, liveOf, ownTask, spentInRun } from "../machine/runs.ts";
import type { Failure } from "../model/failure.ts";
import { attemptName, type SessionId } from "../model/ids.ts";
import { plans } from "../model/plan.ts";
import { reviewName } from "../model/review.ts";
import type { Role } from "../model/role.ts";
import { NOTHING } from "../model/spent.ts";
import { withExecution, type LastAttempt, type Task } from "../model/task.ts";
import { toMs } from "../model/time.ts";
import type { Run, StopReason } from "../model/transition.ts";
import { at } from "../store/paths.ts";
import { answerSchema } from "../store/plan-file.ts";
import { fillCommand, isPythonFile, pythonCommand } from "../workflow/fill.ts";
import type { Place } from "../worktree/place.ts";
import { dayOf } from "./capacity.ts";
import { refusedPrompt } from "./prompts.ts";
import { allValuesFor, valuesFor } from "./step-values.ts";
import type { Workspace } from "./workspace.ts";

export interface Live {
  run: Run;
  task: Task;
  role: Role;
  runner: Runner;
  runDir: string;
  /** The worktree it works in, where it has one. */
  place?: Place;
  /** Why its work cannot be had. */
  lost?: Failure;
  /** Its gates, or its set-up, are at work. */
  checking?: boolean;
  /** Once it is started or found. */
  process?: RunningProcess;
  progress: Progress;
  read: number;
  /** Of its output, once it was looked at. */
  cut?: Cut;
  looking?: boolean;
  /** What was told of its progress last. */
  news?: string;
  /** The first reason wins. */
  stopping?: StopReason;
  /** Resolves when it shall stop. */
  told: PromiseWithResolvers<void>;
  timers: NodeJS.Timeout[];
}

/** What the runner needs to know: the settings as they are now. Where there was no prompt to make, it will start nothing. */
export async function requestFor(workspace: Workspace, live: Live): Promise<AttemptRequest> {
  const { run, task, role, runDir } = live;
  const { config, repository, folder } = workspace;
  const promptFile = join(folder, at.prompt(run.session, nameOf(run)));
  const budget = budgetOf(workspace, run.session, task);
  const isRead = role.runner !== "command" || Boolean(task.execution.prompt_file);
  const prompt = isRead ? await readFile(promptFile, "utf8") : "";
  const filled = await commandOf(workspace, live);
  const error = refusedPrompt(prompt) ?? ("error" in filled ? filled.error : undefined);
  if (error) {
    const cannot = { ...NO_FACTS, outcome: "failure" as const, result: "", error };
    live.runner = { ...live.runner, launch: async () => ({ cannot }) };
  }
  return {
    session: run.session,
    task: asking("ok" in filled ? filled.ok : task),
    ...(budget === null ? {} : { budgetUsd: budget }),
    ...resumed(task.execution.last_attempt),
    attempt: run.attempt,
    runId: run.runId,
    role,
    prompt: role.runner === "command" ? "" : prompt,
    promptFile,
    responseFile: join(runDir, "response.json"),
    cwd: live.place?.ground.workTree ?? repository,
    runDir,
    repository,
    settings: {
      claude: config.agent.claude,
      permissionMode: config.agent.permission_mode,
      trustProjectSettings: config.trust_project_settings,
      env: config.agent.env,
      deny: config.agent.deny,
      ...(config.agent.model ? { model: config.agent.model } : {}),
      ...(config.agent.fallback_model ? { fallbackModel: config.agent.fallback_model } : {}),
    },
    userEnv: process.env,
  };
}

/** Where the answer is a plan or may be one, it is asked for by schema. */
function asking(task: Task): Task {
  const plan = plans(task);
  return plan ? withExecution(task, { response_schema: answerSchema(plan) }) : task;
}

/** What the files of a run are called. */
export function nameOf({ id, attempt, review }: Run): string {
  const name = attemptName(id, attempt);
  return review ? reviewName(name, review) : name;
}

/** The task with the values in its command that its names stand for, where it is a workflow's step. */
async function commandOf(
  workspace: Workspace,
  { run, task, role, runDir }: Live,
): Promise<{ ok: Task } | { error: Failure }> {
  const { command, workflow } = task.execution;
  if (!workflow || command === undefined || role.runner !== "command") return { ok: task };
  if (workflow.python) return pythonOf(workspace, { run, task, runDir }, command);
  const what = { session: run.session, task, text: command, kind: "run" as const, base: workspace.folder };
  const filled = fillCommand(command, await valuesFor(workspace, what));
  if ("ok" in filled) return { ok: { ...task, execution: { ...task.execution, command: filled.ok } } };
  const hint = "Correct execution.command, then `cox retry`.";
  return { error: { class: "invalid", message: `In the command of ${task.id} ${filled.missing}.`, hint } };
}

/** Python reads its values from a file: whatever they hold, they are no part of the program. */
async function pythonOf(
  workspace: Workspace,
  { run, task, runDir }: Pick<Live, "run" | "task" | "runDir">,
  text: string,
): Promise<{ ok: Task } | { error: Failure }> {
  const what = { session: run.session, task, base: workspace.folder };
  const named = await valuesFor(workspace, { ...what, text, kind: "python" });
  const [missing] = [...named].flatMap(([name, value]) =>
    typeof value === "string" ? `values["${name}"]: ${value}` : [],
  );
  if (missing !== undefined) {
    const hint = "Correct execution.command, then `cox retry`.";
    return { error: { class: "invalid", message: `In the Python of ${task.id} ${missing}.`, hint } };
  }
  const [values, script] = [join(runDir, "values.json"), join(runDir, "step.py")];
  await writeFileAtomic(values, JSON.stringify(await allValuesFor(workspace, what)), { fsync: false, mode: 0o600 });
  if (!isPythonFile(text)) await writeFileAtomic(script, text, { fsync: false, mode: 0o600 });
  return { ok: { ...task, execution: { ...task.execution, command: pythonCommand(text, { values, script }) } } };
}

/** A task has one agent at a time, and the one before is gone with all it started: nobody else is in that conversation. */
function resumed(last: LastAttempt | null): { resume?: string } {
  return last?.continued !== undefined && last.agent_session ? { resume: last.agent_session } : {};
}

/** What is left of all budgets. */
function budgetOf({ state, policy }: Workspace, session: SessionId, task: Task): number | null {
  const file = state.sessions.get(session)?.file;
  const spent = { usd: file?.cost_usd ?? 0, tokens: file?.tokens ?? 0, budget_usd: file?.budget_usd ?? null };
  const day = state.spent.day === dayOf(Date.now()).name ? state.spent : NOTHING;
  const tasks = state.sessions.get(session)?.tasks;
  const own = ownTask(task, (id) => tasks?.get(id));
  const steps = (own?.relations.subtasks ?? []).flatMap((id) => tasks?.get(id) ?? []);
  const live = own ? liveOf([...state.runs.values()], session, own.id) : [];
  const run = own ? { run: { spent: spentInRun(steps, live), allowed: allowedToRun(own, task) } } : {};
  return leftFor(task, { session: spent, day, ...run }, policy);
}

/** What can be seen of it, if that is other than was told last. */
export function newsOf(live: Live): Event | undefined {
  const { session, id, runId } = live.run;
  const { turns, spent, warnedUntil: warned } = live.progress;
  const news = `${spent?.usd} ${spent?.tokens} ${turns > 0} ${warned}`;
  if (live.news === news) return undefined;
  live.news = news;
  const more = warned === undefined ? {} : { warned };
  return { type: "progress", session, id, runId, seen: spent ?? NOTHING, answered: turns > 0, ...more };
}

/** In ms; where it is known when it was started, without the time that the machine slept, and whatever its clock says. */
export function ageOf({ run, process }: Live): number {
  const at = process?.startedAt;
  return Math.max(0, at === undefined ? Date.now() - toMs(run.startedAt) : sinceBoot() - at);
}

/** For `cox status` and `cox logs`: of what is over in a moment they need none. */
export async function describe(live: Live, cwd: string): Promise<void> {
  const { session, id: task, attempt, runId, role, startedAt } = live.run;
  const about = { session, task, attempt, runId, role, runner: live.role.runner, startedAt, cwd };
  await writeFileAtomic(join(live.runDir, "request.json"), `${JSON.stringify(about)}\n`, { fsync: false }).catch(
    () => {},
  );
}

export function responseOf(run: Run, end: AttemptEnd, durationMs: number): ResponseFile {
  const { agent_session, cost_usd, tokens, turns, model, permission_denials } = end;
  return {
    task: run.id,
    attempt: run.attempt,
    run_id: run.runId,
    agent_session,
    outcome: end.outcome,
    result: end.result,
    ...(end.outcome === "success" && end.structured !== undefined ? { structured: end.structured } : {}),
    ...(end.outcome === "failure" ? { error: end.error } : {}),
    cost_usd,
    tokens,
    turns,
    duration_ms: durationMs,
    model,
    permission_denials,
    ...(end.work ? { work: end.work } : {}),
    ...(end.gates ? { gates: end.gates } : {}),
    ...(run.review ? { role: run.role } : {}),
  };
}

/** The response of an attempt whose work was merged later: as it was, with what became of the work. */
export async function laterResponse(
  workspace: Workspace,
  { run, stopping }: Pick<Live, "run" | "stopping">,
  end: AttemptEnd,
): Promise<ResponseFile | undefined> {
  const path = join(workspace.folder, at.response(run.session, attemptName(run.id, run.attempt)));
  try {
    const before = JSON.parse(await readFile(path, "utf8")) as ResponseFile;
    const { error, ...rest } = before;
    // One that was stopped says nothing about the work.
    const { outcome } = stopping ? before : end;
    const why = stopping || end.outcome === "success" ? error : end.error;
    return {
      ...rest,
      outcome,
      ...(why && outcome === "failure" ? { error: why } : {}),
      ...(end.work ? { work: end.work } : {}),
      ...(end.gates ? { gates: end.gates } : {}),
    };
  } catch {
    return undefined;
  }
}
