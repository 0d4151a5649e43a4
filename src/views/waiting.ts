/** What waits and what is wrong, each with what a person can do about it. */
import { attemptName, taskLabel, type TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { stateOf, type BlockedReason, type PendingReason, type Task } from "../model/task.ts";
import { instant, isInstant, toMs, type Instant } from "../model/time.ts";
import { unreachable } from "../model/unreachable.ts";
import { isInReview } from "../machine/review.ts";
import { releases } from "../machine/state.ts";
import { code, firstLine, markdownText } from "./markdown.ts";
import { latestAttempt } from "./outline.ts";

/** Where a task stands among others. */
export interface Surroundings {
  session: SessionFile;
  taskOf: (id: TaskId) => Task | undefined;
}

/** Why the task does not run now, though nothing is wrong with it; undefined when it runs, is done or may start. */
export function whyItWaits(task: Task, around: Surroundings): string | undefined {
  const state = stateOf(task);
  switch (state.status) {
    case "pending": {
      const parts = [waitOf(task, state.reason, state.nextAttemptAt), dependenciesOf(task, around), partsOf(task)];
      return parts.filter((part) => part !== undefined).join("; ") || undefined;
    }
    case "blocked":
      if (state.reason === "awaiting-person") return responseWanted(task, around);
      if (state.reason === "elsewhere")
        return `its agent runs on another machine: ${code("cox sync")} brings what came of it; to run it here too: ${retry(task, around)}`;
      if (state.reason !== "awaiting-approval") return undefined;
      return `awaits approval: ${command("approve", task, around)} or ${command("reject", task, around)}`;
    case "active":
    case "completed":
    case "container":
      return undefined;
    default:
      return unreachable(state);
  }
}

/** Why the task is blocked and what mends it; undefined when it is not, or only waits for a person. */
export function whatIsWrong(task: Task, around: Surroundings): string | undefined {
  const state = stateOf(task);
  if (state.status !== "blocked") return undefined;
  const mend = Object.hasOwn(MENDING, state.reason) ? MENDING[state.reason] : MENDING.failed;
  if (mend === null) return undefined;
  const { last_attempt: last, reviews } = task.execution;
  const failed = isInReview(task) ? reviews?.error : last?.error;
  const error = BY_DECISION.has(state.reason) && failed?.class !== "rejected" ? undefined : failed;
  const said = [task.execution.conflict?.message, error?.message, error?.hint].filter(
    (text) => text !== undefined && text.trim() !== "",
  );
  return [markdownText(state.reason), ...said.map((text) => firstLine(text as string)), mend(task, around)].join(" · ");
}

/** A command about a task as it has to be typed: with the session's name, unless that session is active. */
function command(verb: string, task: Task, { session }: Surroundings): string {
  return code(`cox ${verb} ${session.status === "active" ? "" : `${session.session_id}/`}${task.id}`);
}

/** How a session that is not active goes on; undefined for an active one. */
export function whySessionWaits(session: SessionFile): string | undefined {
  if (session.status === "active") return undefined;
  return `The session is ${session.status}: nothing new starts. ${code(`cox switch ${session.session_id}`)} makes it active.`;
}

/** An instant as people read it, to the second: `2026-11-21 09:30:00 UTC`. */
export function moment(at: Instant): string {
  return isInstant(at) ? `${instant(toMs(at)).slice(0, 19).replace("T", " ")} UTC` : code(at);
}

type Mend = (task: Task, around: Surroundings) => string;

const retry: Mend = (task, around) => command("retry", task, around);
const retryAfter =
  (first: string): Mend =>
  (task, around) =>
    `${first}, then ${retry(task, around)}`;
const look: Mend = (task, around) => `${command("logs", task, around)}, then ${retry(task, around)}`;

/** A higher limit releases the task by itself. */
function raise(task: Task, around: Surroundings): string {
  const over = task.execution.over_budget;
  if (!over) return retryAfter("raise `execution.budget_usd`")(task, around);
  const { of, unit, limit } = over;
  const most = unit === "usd" ? `$${limit}` : `${limit} ${unit}`;
  if (unit === "turns") return `raise \`execution.max_turns\` above ${limit}: it then goes on by itself`;
  const where = {
    attempt: `\`budget.attempt_${unit}\` in config.yaml`,
    task: `\`execution.budget_${unit}\``,
    run: `\`execution.budget_${unit}\` of the run's own task`,
    session: `\`budget_${unit}\` in workflow-session.json, or \`budget.session_${unit}\` in config.yaml`,
    day: `\`budget.day_${unit}\` in config.yaml, or wait for tomorrow`,
  }[of];
  return `the ${of}'s ${most} ${unit === "usd" ? "is" : "are"} used up: raise ${where}; it then goes on by itself`;
}

/** Null: it waits for a person, nothing is wrong. */
const MENDING: Record<BlockedReason, Mend | null> = {
  failed: look,
  stalled: look,
  timeout: retryAfter("give it more `execution.timeout`"),
  budget: raise,
  verify: look,
  conflict: (task, around) => {
    const { branch, conflict } = task.execution;
    if (conflict) {
      const [first = "", second = ""] = conflict.versions.map((commit) => commit.slice(0, 12));
      return retryAfter(`see ${code(`git diff ${first} ${second}`)}, put right what the task's file says`)(
        task,
        around,
      );
    }
    return retryAfter(`its work is kept${branch ? ` on ${code(branch)}` : ""}: resolve the conflict`)(task, around);
  },
  auth: retryAfter("log in (`cox doctor` says which account pays)"),
  invalid: retryAfter("correct what was refused"),
  untrusted: (task, { session }) => code(`cox trust .workflow/${session.session_id}/.task/${task.id}.json`),
  "awaiting-approval": null,
  "awaiting-person": null,
  rejected: retryAfter("change the task"),
  cancelled: retry,
  elsewhere: null,
};

/** Blocked by somebody's decision: the last attempt's error does not say why. */
const BY_DECISION = new Set<BlockedReason>(["untrusted", "rejected", "cancelled"]);

const WAITS: Record<PendingReason, string> = {
  backoff: "is tried again",
  "usage-limit": "usage limit: goes on",
  "breaker-open": "too many failures of its role and model: goes on",
  waiting: "waits",
  review: "its work is done and is to be reviewed",
};

function waitOf(task: Task, reason: PendingReason | undefined, at: Instant | undefined): string | undefined {
  if (!reason && !at) return undefined;
  const known = reason !== undefined && Object.hasOwn(WAITS, reason);
  const what = known ? WAITS[reason] : reason ? markdownText(reason) : "starts";
  const { last_attempt: last, reviews } = task.execution;
  const error = reason === "backoff" ? (isInReview(task) ? reviews?.error : last?.error) : undefined;
  const when = at ? ` at ${moment(at)}` : " as soon as it can";
  return `${what}${when}${error ? ` (${markdownText(error.class)}: ${firstLine(error.message, 120)})` : ""}`;
}

const MOST_DEPENDENCIES = 10;

function dependenciesOf(task: Task, { taskOf }: Surroundings): string | undefined {
  const open = task.relations.dependencies.filter((id) => !releases(taskOf(id)));
  if (open.length === 0) return undefined;
  const named = open.slice(0, MOST_DEPENDENCIES).map((id) => {
    const dependency = taskOf(id);
    const state = dependency ? stateOf(dependency) : undefined;
    if (state === undefined) return `${taskLabel(id)} (missing)`;
    return `${taskLabel(id)}${state.status === "blocked" ? ` (blocked: ${markdownText(state.reason)})` : ""}`;
  });
  const rest = open.length - named.length;
  return `waits for ${named.join(", ")}${rest > 0 ? ` and ${rest} more` : ""}`;
}

/** A step that is done in several tasks has begun, and is over when they are. */
function partsOf({ execution: { workflow } }: Task): string | undefined {
  if (workflow?.parts === undefined) return undefined;
  const { parts, for_each: list, repeat } = workflow;
  if (list !== undefined) return `waits for its ${parts} ${parts === 1 ? "item" : "items"}`;
  return repeat
    ? `waits for round ${parts} of ${repeat.max}`
    : `waits for its ${parts} ${parts === 1 ? "step" : "steps"}`;
}

function responseWanted(task: Task, around: Surroundings): string {
  const { choices, form, due_at: due, default: otherwise } = task.execution;
  const file = code(`responses/${attemptName(task.id, latestAttempt(task))}.${form ? "json" : "md"}`);
  const among = choices ? ` (${choices.map(markdownText).join(", ")})` : "";
  const then = otherwise === undefined ? "it has failed" : `it is ${code(JSON.stringify(otherwise))}`;
  const until = due ? `; at ${moment(due)} ${then}` : "";
  return `waits for a person: ${command("answer", task, around)}${among}, or write ${file}${until}`;
}
