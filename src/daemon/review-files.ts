/** The files of a review: what its reviewer is told when it begins, and what came back. */
import type { ResponseFile } from "../model/attempt.ts";
import { attemptName, taskKey, type RunId } from "../model/ids.ts";
import { reviewName } from "../model/review.ts";
import type { Transition } from "../model/transition.ts";
import { formatJson } from "../store/json-file.ts";
import { at } from "../store/paths.ts";
import { reviewPrompt } from "./reviewing.ts";
import { transcriptOf } from "./transcripts.ts";
import type { Workspace } from "./workspace.ts";

/** Undefined where this moment of a task's life is neither the beginning nor the end of a review. */
export async function reviewFiles(
  workspace: Workspace,
  { responses }: { responses: ReadonlyMap<RunId, ResponseFile> },
  { session, id, from, to, after }: Extract<Transition, { of: "task" }>,
): Promise<{ path: string; content: string | Buffer }[] | undefined> {
  const last = after?.execution.last_attempt;
  if (!after || !last) return undefined;
  const attempt = attemptName(id, last.attempt);
  if (last.reviewing && to === "active") {
    const content = await reviewPrompt(workspace, { session, task: after, attempt: last.attempt }, responses);
    return [{ path: at.prompt(session, reviewName(attempt, last.reviewing.review)), content }];
  }
  // Its run is still among those that live: the decision is not applied yet.
  const run = from === "active" ? workspace.state.runs.get(taskKey(session, id)) : undefined;
  const response = run?.review ? responses.get(run.runId) : undefined;
  if (!run?.review || !response) return undefined;
  const name = reviewName(attempt, run.review);
  const talk = workspace.config.ledger.transcripts ? await transcriptOf(workspace.folder, session, name) : [];
  return [{ path: at.response(session, name), content: formatJson(response) }, ...talk];
}
