/** What is said of an attempt's work: the commits' trailers, and what keeps it from being merged. SPEC section 8. */
import { join } from "node:path";
import type { AttemptEnd, GateResult, Work } from "../model/attempt.ts";
import type { Failure } from "../model/failure.ts";
import type { SessionId } from "../model/ids.ts";
import { commitOf } from "../worktree/git.ts";
import { plainText } from "../worktree/plain.ts";
import { headOf, InTheWay, sessionBranch, taskBranch, type Place } from "../worktree/place.ts";
import type { Live } from "./live.ts";

/** The repository's configuration would have git run something that cannot be kept from running. */
export class Armed extends Error {}

export function failureOf(error: unknown, what: string): Failure {
  if (error instanceof Armed) {
    const message = `The repository's configuration has an entry that would run a program: ${JSON.stringify(error.message)}`;
    return { class: "invalid", message, hint: "Remove it from .git/config, then cox retry." };
  }
  const message = `${what}: ${(error as Error).message}`;
  if (error instanceof InTheWay) return { class: "invalid", message, hint: error.hint };
  return ["EACCES", "EPERM"].includes((error as NodeJS.ErrnoException).code ?? "")
    ? { class: "invalid", message, hint: "Give yourself the right to it again (ls -l, chmod), then cox retry." }
    : { class: "unknown", message };
}

/** Of a place that has no standing: a branch was deleted under it. */
export async function nowhere(place: Place): Promise<Failure> {
  const { ground, shared, session, task } = place;
  const branch = sessionBranch(session);
  if (!(await commitOf(shared, headOf(branch)))) {
    const message = `The branch ${branch} is gone.`;
    return { class: "invalid", message, hint: `Make it again (git branch ${branch} <commit>), then cox retry.` };
  }
  const message = `HEAD of its worktree names no commit: is ${taskBranch(session, task)} gone?`;
  const moves = plainText(join(ground.gitDir, "logs", "HEAD")) ?? "";
  const last = [...moves.matchAll(/^\w+ (\w*[1-9a-f]\w*) /gm)].at(-1)?.[1];
  const hint = `git -C ${ground.workTree} reset --soft ${last} puts it back where it was; then cox retry.`;
  return { class: "invalid", message, hint: last === undefined ? whereHint(place) : hint };
}

/** The end as it is once the code was looked at. */
export function outcomeOf(
  end: AttemptEnd,
  facts: { work?: Work; gates?: GateResult[] },
  failure?: Failure,
): AttemptEnd {
  if (!failure) return { ...end, ...facts };
  const { outcome: _outcome, result, ...rest } = end;
  return { ...rest, ...facts, outcome: "failure", result, error: failure };
}

export const NOTHING_CHANGED =
  "It changed nothing in the code, and the task requires changes (execution.require_changes).";

export function trailersOf({ run, task }: Live, { end, ledger }: { end: AttemptEnd; ledger: string | null }): string {
  const last = task.execution.last_attempt;
  const facts: [string, string | number | null | undefined][] = [
    ["Cox-Session", run.session],
    ["Cox-Task", run.id],
    ["Cox-Attempt", run.attempt],
    ["Cox-Role", run.role],
    ["Cox-Model", end.model ?? last?.model],
    ["Cox-Cost-USD", end.cost_usd ?? last?.cost_usd],
    ["Cox-Ledger", ledger],
  ];
  return facts
    .filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([key, value]) => `${key}: ${String(value).replace(/\s+/g, " ")}`)
    .join("\n");
}

export function conflict(paths: readonly string[], place: Place): Failure {
  return {
    class: "conflict",
    message: `Merging its work into ${sessionBranch(place.session)} conflicts in ${named(paths)}. The merge is begun in its worktree (${place.ground.workTree}), with the conflicts marked there.`,
    hint: "Resolve them there, then cox retry: it is merged without asking an agent again.",
  };
}

export function together(failure: Failure, session: SessionId): Failure {
  return { ...failure, message: `Merged with what ${sessionBranch(session)} has by now: ${failure.message}` };
}

export function inUse(session: SessionId, where: string): Failure {
  const message = `${sessionBranch(session)} is checked out at ${where}, and is not moved under anybody's feet.`;
  return { class: "conflict", message, hint: "Switch to another branch there, then cox retry." };
}

export function refusal(withheld: NonNullable<Work["withheld"]>, place: Place): Failure {
  const listed = withheld.slice(0, MOST_NAMED).map(({ path, why }) => `${path} (${why})`);
  const more = withheld.length > MOST_NAMED ? ` and ${withheld.length - MOST_NAMED} more` : "";
  return {
    class: "permission",
    message: `These files may not be committed: ${listed.join(", ")}${more}. Nothing of its work is merged.`,
    hint: `${whereHint(place)} Or allow them: worktree.never_commit, worktree.max_file_mb, paths.`,
  };
}

function whereHint({ ground }: Place): string {
  return `Put it in order in ${ground.workTree}, then cox retry.`;
}

const MOST_NAMED = 10;

export function named(paths: readonly string[]): string {
  const more = paths.length > MOST_NAMED ? ` and ${paths.length - MOST_NAMED} more` : "";
  return `${paths.slice(0, MOST_NAMED).join(", ")}${more}`;
}
