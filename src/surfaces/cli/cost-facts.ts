/** What attempts have cost: a line of `metrics/` for each that ended, and the responses of those that have none there. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Tokens, Work } from "../../model/attempt.ts";
import { attemptName, isSessionId, isTaskId } from "../../model/ids.ts";
import { instant, isInstant, type Instant } from "../../model/time.ts";
import { at as paths } from "../../store/paths.ts";
import { numberOr, parsed, textOr, tokensOf, type AttemptKey, type Records } from "./recorded-responses.ts";
import { entriesOf, isObject, lenient } from "./tasks-on-disk.ts";

export interface Spent extends AttemptKey {
  /** When it ended; null where nobody knows any more. */
  at: Instant | null;
  role: string | null;
  model: string | null;
  cost_usd: number | null;
  tokens: Tokens | null;
  turns: number | null;
  duration_ms: number | null;
  /** Null where it is not known what it changed, or that was not asked for. */
  work: Work | null;
}

/** Each attempt once. `faulty`: lines of `metrics/` that are none. */
export async function spentIn(
  folder: string,
  records: Records,
  { works }: { works: boolean },
): Promise<{ spent: Spent[]; faulty: number }> {
  const byRun = new Map<string, Spent>();
  let faulty = 0;
  for (const line of linesIn(join(folder, "metrics"))) {
    const found = spentOf(parsed(line));
    if (!found) faulty += 1;
    // A line that was written again after a crash is the same attempt.
    else byRun.set(found.run, found.spent);
  }
  // A fork has the responses of the session that it is from.
  const seen = new Set<string>();
  const counted = new Map([...byRun.values()].map((each) => [keyOf(each), each]));
  for (const response of await records.responses((key) => works || !counted.has(keyOf(key)))) {
    const known = (response.run_id !== null && byRun.get(response.run_id)) || counted.get(keyOf(response));
    if (known) {
      known.work = response.work;
      continue;
    }
    if (response.run_id !== null && seen.has(response.run_id)) continue;
    seen.add(response.run_id ?? "");
    const { session, task, attempt, model, cost_usd, tokens, turns, duration_ms, work, written } = response;
    const text = await records.read(paths.task(session, task));
    const file = text === null ? null : lenient(text, task);
    const last = file?.execution.last_attempt;
    const ended = last?.attempt === attempt && last.ended_at && isInstant(last.ended_at) ? last.ended_at : null;
    const at = ended ?? (written === null ? null : instant(written));
    const role = file?.agent ?? null;
    counted.set(keyOf(response), {
      session,
      task,
      attempt,
      at,
      role,
      model,
      cost_usd,
      tokens,
      turns,
      duration_ms,
      work,
    });
  }
  return { spent: [...new Set([...byRun.values(), ...counted.values()])], faulty };
}

function keyOf({ session, task, attempt }: AttemptKey): string {
  return `${session}/${attemptName(task, attempt)}`;
}

function* linesIn(folder: string): Generator<string> {
  for (const entry of entriesOf(folder).toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!entry.isFile() || !/^\d{4}-\d{2}\.jsonl$/.test(entry.name)) continue;
    for (const line of readFileSync(join(folder, entry.name), "utf8").split("\n")) if (line.trim() !== "") yield line;
  }
}

function spentOf(value: unknown): { run: string; spent: Spent } | undefined {
  if (!isObject(value)) return undefined;
  const [session, task, attempt] = [textOr(value["session"]), textOr(value["task"]), numberOr(value["attempt"])];
  if (!session || !task || attempt === null || !isSessionId(session) || !isTaskId(task)) return undefined;
  const at = textOr(value["timestamp"]);
  const spent: Spent = {
    session,
    task,
    attempt,
    at: at !== null && isInstant(at) ? at : null,
    role: textOr(value["role"]),
    model: textOr(value["model"]),
    cost_usd: numberOr(value["cost_usd"]),
    tokens: tokensOf(value["tokens"]),
    turns: numberOr(value["turns"]),
    duration_ms: numberOr(value["duration_ms"]),
    work: null,
  };
  return { run: textOr(value["run_id"]) ?? keyOf(spent), spent };
}
