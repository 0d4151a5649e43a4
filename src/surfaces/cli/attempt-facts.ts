/** All that is known of an attempt that made a part of the code. */
import { readLog } from "../../ledger/log.ts";
import { attemptName } from "../../model/ids.ts";
import { at as paths, WORKSPACE } from "../../store/paths.ts";
import { nameOf, type Maker } from "../../worktree/trailers.ts";
import type { CodePlace } from "./code-place.ts";
import { numberOr, parsed, textOr, type Records } from "./recorded-responses.ts";
import { isObject, lenient } from "./tasks-on-disk.ts";

/** What is not known is null. Paths are relative to the repository. */
export interface AttemptFacts {
  /** `WFS-x/impl-1-a2`. */
  name: string;
  session: string;
  task: string;
  attempt: number | null;
  title: string | null;
  role: string | null;
  model: string | null;
  cost_usd: number | null;
  turns: number | null;
  duration_ms: number | null;
  outcome: string | null;
  prompt: string | null;
  acceptance: string[];
  /** Tasks that reviewed it, and who approved it. */
  reviewers: ({ task: string; title: string; role: string } | { person: string })[];
  /** Commit of the ledger, as the code's commit names it. */
  ledger: string | null;
}

export async function factsOf(maker: Maker, place: CodePlace, records: Records): Promise<AttemptFacts> {
  const { session, task, attempt, ledger } = maker;
  const name = attempt === null ? null : attemptName(task, attempt);
  const [taskText, responseText, prompt] = await Promise.all([
    records.read(paths.task(session, task), ledger),
    name === null ? null : records.read(paths.response(session, name), ledger),
    name === null ? null : records.read(paths.prompt(session, name), ledger),
  ]);
  const file = taskText === null ? null : lenient(taskText, task);
  const given = parsed(responseText);
  const response = isObject(given) ? given : {};
  return {
    name: nameOf(maker),
    session,
    task,
    attempt,
    title: file?.title ?? null,
    role: maker.role ?? file?.agent ?? null,
    model: maker.model ?? textOr(response["model"]),
    cost_usd: maker.cost_usd ?? numberOr(response["cost_usd"]),
    turns: numberOr(response["turns"]),
    duration_ms: numberOr(response["duration_ms"]),
    outcome: textOr(response["outcome"]),
    prompt: prompt === null || name === null ? null : `${WORKSPACE}/${paths.prompt(session, name)}`,
    acceptance: file?.context.acceptance ?? [],
    reviewers: file ? await reviewersOf(maker, { approved: file.execution }, place, records) : [],
    ledger,
  };
}

async function reviewersOf(
  { session, task }: Maker,
  { approved: { approve, approved } }: { approved: { approve?: string; approved?: boolean } },
  { repository, tip }: CodePlace,
  records: Records,
): Promise<AttemptFacts["reviewers"]> {
  const found: AttemptFacts["reviewers"] = [];
  for (const id of await records.tasksOf(session)) {
    const text = id === task ? null : await records.read(paths.task(session, id));
    if (!text?.includes(task) || !text.includes("review")) continue;
    const other = lenient(text, id);
    if (other?.status !== "completed" || !other.agent.includes("review")) continue;
    if (other.relations.dependencies.includes(task))
      found.push({ task: `${session}/${id}`, title: other.title, role: other.agent });
  }
  if (approve !== "after" || approved !== true || tip === null) return found;
  const edits = await readLog(repository.root, tip, { session, task, actor: "person" }).catch(() => []);
  const approval = edits.find(({ subject }) => subject.includes("execution.approved"));
  return approval ? [...found, { person: approval.author }] : found;
}
