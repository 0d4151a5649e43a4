/** Where the output of an attempt is: live in `.run/attempts/`, afterwards in `messages/` or, for commands, in the response. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { attemptName, parseAttemptName, type SessionId, type TaskId } from "../../model/ids.ts";
import { at, RUN } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { openGrowing } from "./growing-file.ts";
import { isObject } from "./tasks-on-disk.ts";

export interface AttemptOutput {
  /** Lines since the last call, of standard output and then of standard error; `rest`: also what has no line end yet. */
  read(rest?: boolean): { lines: string[]; errors: string[] };
  close(): void;
}

/** Undefined while there is nothing, or nothing any more. */
export function openAttempt(
  folder: string,
  of: { session: SessionId; task: TaskId; attempt: number; runId: string | null },
): AttemptOutput | undefined {
  const { session, task, attempt, runId } = of;
  const name = attemptName(task, attempt);
  const runDir = runId !== null && /^[\w-]+$/.test(runId) ? join(folder, RUN, "attempts", runId) : undefined;
  const cut = cutOf(runDir);
  const out = runDir === undefined ? undefined : openGrowing(join(runDir, "stdout"), cut("stdout"));
  const err = runDir === undefined ? undefined : openGrowing(join(runDir, "stderr"), cut("stderr"));
  if (out || err) {
    return {
      read: (rest) => ({ lines: out?.lines(rest) ?? [], errors: err?.lines(rest) ?? [] }),
      close: () => [out, err].forEach((file) => file?.close()),
    };
  }
  const kept = openGrowing(join(folder, at.messages(session, name)));
  if (kept) return { read: (rest) => ({ lines: kept.lines(rest), errors: [] }), close: () => kept.close() };
  const answer = answerOf(folder, session, name);
  return answer === undefined ? undefined : once(answer);
}

/** Attempts that left something, lowest first. */
export function attemptsOf(folder: string, session: SessionId, task: TaskId): number[] {
  const numbers = ["prompts", "messages", "responses"].flatMap((kind) =>
    namesIn(join(folder, session, kind)).flatMap((name) => {
      const parsed = parseAttemptName(name.replace(/\.(md|json|jsonl)$/, ""));
      return parsed?.task === task ? [parsed.attempt] : [];
    }),
  );
  return [...new Set(numbers)].sort((a, b) => a - b);
}

/** Where what is left of its output begins: of a very long one the beginning is given back. */
function cutOf(runDir: string | undefined): (name: "stdout" | "stderr") => number {
  try {
    const text = runDir === undefined ? undefined : readRegular(join(runDir, "cut"))?.content.toString("utf8");
    const cut: unknown = JSON.parse(text ?? "{}");
    return (name) => (isObject(cut) ? Number(cut[name]) || 0 : 0);
  } catch {
    return () => 0;
  }
}

function answerOf(folder: string, session: SessionId, name: string): { lines: string[]; errors: string[] } | undefined {
  const content = readRegular(join(folder, at.response(session, name)))?.content;
  if (!content) return undefined;
  try {
    const value: unknown = JSON.parse(content.toString("utf8"));
    if (!isObject(value)) return undefined;
    const error = isObject(value["error"]) ? value["error"]["message"] : undefined;
    return { lines: linesOf(value["result"]), errors: linesOf(error) };
  } catch {
    return undefined;
  }
}

function once(all: { lines: string[]; errors: string[] }): AttemptOutput {
  let left = all;
  return {
    read() {
      const now = left;
      left = { lines: [], errors: [] };
      return now;
    },
    close: () => {},
  };
}

function linesOf(text: unknown): string[] {
  return typeof text !== "string" || text === "" ? [] : text.trimEnd().split("\n");
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}
