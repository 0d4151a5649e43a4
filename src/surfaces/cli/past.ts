/** How all stood at a moment of the ledger. */
import { openObjects } from "../../ledger/cat-file.ts";
import { readLog } from "../../ledger/log.ts";
import type { SessionId, TaskId } from "../../model/ids.ts";
import type { Status, Task } from "../../model/task.ts";
import type { Instant } from "../../model/time.ts";
import { compareTaskIds } from "../../model/ids.ts";
import { placeOf } from "../../store/paths.ts";
import { moment } from "../../views/waiting.ts";
import type { Trouble } from "./command.ts";
import type { Context } from "./context.ts";
import { findLedger, recordedFiles, type LedgerPlace } from "./ledger-place.ts";
import { numberOr, parsed, textOr } from "./recorded-responses.ts";
import { commitFor } from "./restore-commit.ts";
import { isObject, lenient } from "./tasks-on-disk.ts";
import { dollars, oneLine, table } from "./text.ts";

export interface PastTask {
  session: SessionId;
  task: TaskId;
  title: string;
  status: Status;
  reason: string | null;
  attempts: number;
  cost_usd: number;
}

export interface PastState {
  commit: string;
  at: Instant;
  subject: string;
  sessions: { session: SessionId; status: string; phase: string | null; cost_usd: number }[];
  tasks: PastTask[];
}

/** `when`: a commit of the ledger, `2h` ago, or a time. */
export async function pastAt(
  context: Context,
  when: string | undefined,
): Promise<{ ok: PastState; place: LedgerPlace } | { trouble: Trouble }> {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return found;
  const place = found.ok;
  const chosen = await commitFor(place, { at: when, ref: undefined });
  if ("trouble" in chosen) return chosen;
  return { ok: await stateAt(place, chosen.ok.commit), place };
}

async function stateAt({ repository }: LedgerPlace, commit: string): Promise<PastState> {
  const [entry] = await readLog(repository.root, commit, { limit: 1 });
  const objects = openObjects(repository.commonDir);
  const sessions: PastState["sessions"] = [];
  const tasks: PastTask[] = [];
  try {
    for (const [path, blob] of await recordedFiles(repository, commit)) {
      const place = placeOf(path);
      const isTask = place.kind === "task" && place.id !== null;
      if (!isTask && place.kind !== "session-file") continue;
      const text = (await objects.get(blob))?.content.toString() ?? "";
      if (place.kind === "session-file") {
        const value = parsed(text);
        const file = isObject(value) ? value : {};
        const [status, phase] = [textOr(file["status"]) ?? "paused", textOr(file["current_phase"])];
        sessions.push({ session: place.session, status, phase, cost_usd: numberOr(file["cost_usd"]) ?? 0 });
      } else if (isTask && place.id !== null) {
        const task = lenient(text, place.id);
        if (task) tasks.push(pastTask(place.session, task));
      }
    }
  } finally {
    await objects.close();
  }
  sessions.sort((a, b) => (a.session < b.session ? -1 : 1));
  tasks.sort((a, b) => (a.session === b.session ? compareTaskIds(a.task, b.task) : a.session < b.session ? -1 : 1));
  return { commit, at: entry?.at ?? "", subject: entry?.subject ?? "", sessions, tasks };
}

function pastTask(session: SessionId, { id, title, status, execution }: Task): PastTask {
  const spent = isObject(execution["spent"]) ? numberOr(execution["spent"]["usd"]) : null;
  const cost_usd = spent ?? numberOr(execution.last_attempt?.cost_usd) ?? 0;
  return { session, task: id, title, status, reason: execution.reason ?? null, attempts: execution.attempts, cost_usd };
}

const STATUSES: readonly Status[] = ["completed", "active", "pending", "blocked"];
const WORDS: Record<Status, string> = {
  completed: "completed",
  active: "running",
  pending: "waiting",
  blocked: "blocked",
  container: "containers",
};

/** Sessions with their counts, and the tasks that were not completed. */
export function pastText({ commit, at, subject, sessions, tasks }: PastState, { paint }: Context): string {
  const head = `As of ${moment(at)}, ${paint("yellow", commit.slice(0, 8))} ${oneLine(subject)}`;
  const lines = sessions.map(({ session, status, phase, cost_usd }) => {
    const own = tasks.filter((task) => task.session === session);
    const counts = STATUSES.map((each) => [each, own.filter((task) => task.status === each).length] as const);
    const parts = counts.flatMap(([each, count]) => (count > 0 ? [`${count} ${WORDS[each]}`] : []));
    const mark = status === "active" ? paint("green", "▸") : " ";
    const cost = cost_usd > 0 ? [dollars(cost_usd)] : [];
    return `${mark} ${paint("bold", session)}  ${[status, ...(phase ? [phase] : []), ...parts, ...cost].join(" · ")}`;
  });
  const open = tasks.filter(({ status }) => status !== "completed" && status !== "container");
  const rows = open.map(({ session, task, title, status, reason }) => [
    `${session}/${task}`,
    WORDS[status] + (reason === null ? "" : ` (${oneLine(reason, 40)})`),
    oneLine(title, 80),
  ]);
  const none = sessions.length === 0 ? ["There was no session."] : [];
  return [[head, ...lines, ...none].join("\n"), ...(rows.length > 0 ? [table(rows, "  ")] : [])].join("\n\n");
}

export interface Moved {
  session: SessionId;
  task: TaskId;
  title: string;
  /** Null: it was not there yet, or is not any more. */
  from: string | null;
  to: string | null;
  attempts: number;
  cost_usd: number;
}

/** The tasks that stand otherwise in the second state, or have been tried since. */
export function movedBetween(before: PastState, after: PastState): Moved[] {
  const keyOf = ({ session, task }: PastTask) => `${session}/${task}`;
  const then = new Map(before.tasks.map((task) => [keyOf(task), task]));
  const now = new Map(after.tasks.map((task) => [keyOf(task), task]));
  return [...new Set([...then.keys(), ...now.keys()])].flatMap((key): Moved[] => {
    const [was, is] = [then.get(key), now.get(key)];
    const of = is ?? was;
    if (!of) return [];
    const attempts = (is ?? of).attempts - (was?.attempts ?? 0);
    const cost_usd = Math.round(((is ?? of).cost_usd - (was?.cost_usd ?? 0)) * 1e6) / 1e6;
    const [from, to] = [was ? said(was) : null, is ? said(is) : null];
    if (from === to && attempts === 0 && cost_usd === 0) return [];
    return [{ session: of.session, task: of.task, title: of.title, from, to, attempts, cost_usd }];
  });
}

function said({ status, reason }: PastTask): string {
  return reason === null ? status : `${status} (${reason})`;
}
