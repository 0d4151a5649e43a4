/** A task's attempts as they go by: each followed to its end, then the next, until the task is finished. */
import { setTimeout as pause } from "node:timers/promises";
import { attemptName } from "../../model/ids.ts";
import type { LastAttempt, Task } from "../../model/task.ts";
import { listener, type Heard } from "../../views/heard.ts";
import { readable } from "../../views/stream.ts";
import { attemptsOf, openAttempt } from "./attempt-output.ts";
import { done, refused, type Outcome } from "./command.ts";
import type { Context, Workspace } from "./context.ts";
import { daemonOf } from "./daemon-state.ts";
import type { LogsWanted } from "./logs.ts";
import { findTask, type NamedTask } from "./naming.ts";
import type { Style } from "./output.ts";

type In = Context & { workspace: Workspace };
/** A line of an agent's output: raw, and what it tells. */
interface Said {
  line: string;
  heard: Heard[];
  error: boolean;
}

const LOOK_MS = 150;

export async function taskLogs(named: NamedTask, wanted: LogsWanted, context: In): Promise<Outcome> {
  const { session, id, task } = named;
  const latest = task.execution.last_attempt;
  const attempt = wanted.attempt ?? latest?.attempt ?? attemptsOf(context.workspace.folder, session, id).at(-1);
  if (wanted.follow && wanted.attempt === undefined) return follow(named, wanted, context);
  if (attempt === undefined) {
    return refused({
      exit: 4,
      what: `${named.name} was not started yet.`,
      why: waitOf(task),
      todo: `cox logs ${named.name} -f waits for it.`,
    });
  }
  const runId = latest?.attempt === attempt ? latest.run_id : null;
  const output = openAttempt(context.workspace.folder, { session, task: id, attempt, runId });
  if (!output) {
    const known = attemptsOf(context.workspace.folder, session, id);
    if (latest?.attempt !== attempt && !known.includes(attempt)) {
      const todo = known.length > 0 ? `There ${known.length === 1 ? "is" : "are"} ${known.join(", ")}.` : undefined;
      return refused({ exit: 1, what: `${named.name} has no attempt ${attempt}.`, ...(todo ? { todo } : {}) });
    }
    return done(`Attempt ${attempt} of ${named.name} has said nothing${latest?.ended_at ? "" : " yet"}.`, {
      session,
      task: id,
      attempt,
      lines: [],
    });
  }
  const said = hear(listener(), output.read(true));
  output.close();
  const lines = said.flatMap((one) => shown(one, wanted, context));
  const json = {
    session,
    task: id,
    attempt,
    ended: latest?.attempt !== attempt || Boolean(latest.ended_at),
    heard: said.flatMap(({ heard }) => heard),
  };
  return done((wanted.lines === undefined ? lines : lines.slice(-wanted.lines)).join("\n"), json);
}

/** One attempt after the other; ends with the task. */
async function follow(first: NamedTask, wanted: LogsWanted, context: In): Promise<Outcome> {
  const name = `${first.session}/${first.id}`;
  let told = "";
  let ended: string | null = null;
  const once = (text: string) => {
    if (text !== told) context.tell(`${text}\n`);
    told = text;
  };
  for (;;) {
    const found = findTask(context.workspace, name);
    // An editor's save may leave the name empty for a moment; a task that is gone for longer is gone.
    if ("trouble" in found && (await isGone(context, name)))
      return { exit: 0, json: undefined, text: context.json ? "" : `${first.name} was deleted.` };
    const task = "ok" in found ? found.ok.task : first.task;
    const last = task.execution.last_attempt;
    const key = last && `${last.attempt} ${last.run_id}`;
    if (last && key !== ended && (task.status === "active" || last.ended_at)) {
      await followAttempt({ ...first, task }, last, {
        wanted,
        context,
        label: task.execution.attempts > 1 || last.attempt > 1,
      });
      ended = key;
      continue;
    }
    const over = endOf(task);
    if (over !== undefined) return { exit: 0, json: undefined, text: context.json ? "" : `${first.name} ${over}` };
    const daemon = await daemonOf(context.workspace);
    once(`${first.name} is waiting: ${waitOf(task)}${daemon.up ? "" : " No daemon is up: cox start."}`);
    await pause(LOOK_MS);
  }
}

async function followAttempt(
  named: NamedTask,
  last: LastAttempt,
  { wanted, context, label }: { wanted: LogsWanted; context: In; label: boolean },
): Promise<void> {
  const { session, id } = named;
  if (label) context.tell(`${attemptName(id, last.attempt)}:\n`);
  const where = { session, task: id, attempt: last.attempt, runId: last.run_id };
  const listen = listener();
  const print = (said: Said[]) => {
    for (const one of said) {
      if (context.json)
        for (const heard of one.heard)
          context.write(`${JSON.stringify({ task: id, attempt: last.attempt, ...heard })}\n`);
      else for (const line of shown(one, wanted, context)) context.write(`${line}\n`);
    }
  };
  let output = openAttempt(context.workspace.folder, where);
  for (;;) {
    const over = isOver(context, named, last);
    // Asked first, read then: what it printed before its end is all there.
    if (output) print(hear(listen, output.read(over)));
    if (over) break;
    await pause(LOOK_MS);
    output ??= openAttempt(context.workspace.folder, where);
  }
  if (!output) {
    output = openAttempt(context.workspace.folder, where);
    if (output) print(hear(listen, output.read(true)));
  }
  output?.close();
}

/** Whether the attempt has ended, or another one has begun. */
function isOver(context: In, { session, id }: NamedTask, { attempt, run_id }: LastAttempt): boolean {
  const found = findTask(context.workspace, `${session}/${id}`);
  if ("trouble" in found) return true;
  const last = found.ok.task.execution.last_attempt;
  return (
    last?.attempt !== attempt || last.run_id !== run_id || Boolean(last.ended_at) || found.ok.task.status !== "active"
  );
}

async function isGone(context: In, name: string): Promise<boolean> {
  for (let look = 0; look < 5; look++) {
    await pause(LOOK_MS);
    if ("ok" in findTask(context.workspace, name)) return false;
  }
  return true;
}

function hear(listen: (line: string) => Heard[], { lines, errors }: { lines: string[]; errors: string[] }): Said[] {
  return [
    ...lines.map((line) => ({ line, heard: listen(line), error: false })),
    ...errors.map((line): Said => ({ line, heard: [{ kind: "plain", text: line }], error: true })),
  ];
}

function shown(said: Said, { raw }: LogsWanted, { paint }: In): string[] {
  if (raw) return [said.line];
  return said.heard.flatMap((heard) => {
    const style = said.error ? "yellow" : styleOf(heard);
    return readable(heard).map((line) => (style ? paint(style, line) : line));
  });
}

function styleOf(heard: Heard): Style | undefined {
  if (heard.kind === "tool") return "cyan";
  if (heard.kind === "tool-result") return heard.failed ? "red" : "dim";
  if (heard.kind === "start") return "dim";
  if (heard.kind === "note") return "yellow";
  if (heard.kind === "result") return heard.ok ? "green" : "red";
  return undefined;
}

/** How the task is finished, in words; undefined while something may still come. */
function endOf(task: Task): string | undefined {
  if (task.status === "completed") return "is completed.";
  if (task.status === "blocked") return `is blocked: ${task.execution.reason ?? "cancelled"}.`;
  return task.status === "container" ? "is a container: its subtasks run." : undefined;
}

function waitOf(task: Task): string {
  const { reason, next_attempt_at: next } = task.execution;
  if (task.status !== "pending") return `it is ${task.status}.`;
  const waits =
    task.relations.dependencies.length > 0
      ? `it comes after ${task.relations.dependencies.join(", ")}`
      : "it is its turn when a slot is free";
  return `${reason ?? waits}${next ? ` until ${next}` : ""}.`;
}
