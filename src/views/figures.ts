/** What a task's attempts took: number, time, turns, tokens, cost. */
import type { ResponseFile, Tokens } from "../model/attempt.ts";
import type { LastAttempt, Task } from "../model/task.ts";
import { formatDuration, isInstant, toMs } from "../model/time.ts";
import { code } from "./markdown.ts";

/** One line each; what nobody reported is not named. All but the number of attempts is of the latest attempt. */
export function figures(task: Task, answer: ResponseFile | null): string[] {
  const { attempts, last_attempt: last } = task.execution;
  const response = last && answer?.attempt !== last.attempt ? null : answer;
  const time = response?.duration_ms ?? last?.duration_ms ?? (last ? between(last) : undefined);
  const turns = response?.turns ?? last?.turns;
  const tokens = response?.tokens ?? last?.tokens;
  const cost = response?.cost_usd ?? last?.cost_usd;
  const model = response?.model ?? last?.model;
  return [
    `- **Attempts**: ${attempts}`,
    ...(time === undefined ? [] : [`- **Time**: ${formatDuration(time)}`]),
    ...(turns == null ? [] : [`- **Turns**: ${turns}`]),
    ...(tokens == null ? [] : [`- **Tokens**: ${tokenText(tokens)}`]),
    ...(cost == null ? [] : [`- **Cost**: ${dollars(cost)} at list prices`]),
    ...(model == null ? [] : [`- **Model**: ${code(model)}`]),
    ...(attempts > 1 ? ["", "Time, turns, tokens and cost are those of the latest attempt."] : []),
  ];
}

function between({ started_at, ended_at }: LastAttempt): number | undefined {
  return ended_at && isInstant(started_at) && isInstant(ended_at) ? toMs(ended_at) - toMs(started_at) : undefined;
}

function tokenText(tokens: Tokens): string {
  const { input, output, cache_read, cache_write } = tokens;
  const cached = `${grouped(cache_read)} read from and ${grouped(cache_write)} written to the cache`;
  return `${grouped(input)} in · ${grouped(output)} out · ${cached}`;
}

/** `1234567` → `1,234,567`. */
function grouped(count: number): string {
  return String(count).replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** Cents, and below ten cents hundredths of a cent. */
function dollars(amount: number): string {
  return `$${amount.toFixed(amount > 0 && amount < 0.1 ? 4 : 2)}`;
}
