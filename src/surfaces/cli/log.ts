/** `cox log`: the ledger, readable. */
import { followLog, LogUnreadable, readLog, type LogEntry, type LogFilter } from "../../ledger/log.ts";
import { isSessionId, isTaskId } from "../../model/ids.ts";
import { instant, isInstant, parseDuration, toMs, type Instant } from "../../model/time.ts";
import { done, refused, type Command, type Input, type Trouble } from "./command.ts";
import type { Context } from "./context.ts";
import { unreadable } from "./ledger-checks.ts";
import { findLedger, type LedgerPlace } from "./ledger-place.ts";
import { oneLine } from "./text.ts";

const MOST_SHOWN = 50;

export const command: Command = {
  where: "anywhere",
  options: [
    { name: "session", value: "session", text: "only this session", is: "session" },
    { name: "task", value: "task", text: "only this task: impl-1 (of any session) or WFS-x/impl-1", is: "task" },
    { name: "since", value: "when", text: "only what is newer: 2h, 7d, or a time such as 2026-11-21T09:00Z" },
    {
      name: "limit",
      short: "n",
      value: "count",
      text: `the newest entries, this many (default ${MOST_SHOWN}, 0 for all)`,
    },
    { name: "actor", value: "who", text: "only what the daemon or a person did", is: ["daemon", "person"] },
    { name: "follow", short: "f", text: "go on with what is recorded from now on, oldest first, until Ctrl-C" },
    { name: "reason", value: "reason", text: "only with this reason, such as failed or verify" },
  ],
  example: "cox log --task impl-1 --since 2h",
  description:
    "Show what happened, newest first: every change of a task or session, by whom, why, and what it cost. cox show <commit> shows one of them whole.",
  run,
};

async function run(input: Input, context: Context) {
  const found = await findLedger(context.dir, context.environment);
  if ("trouble" in found) return refused(found.trouble);
  const filter = filterFrom(input);
  if ("trouble" in filter) return refused(filter.trouble);
  try {
    if (input.flag("follow")) return await follow(input, context, { ...found.ok, filter: filter.ok });
    return await list(context, { ...found.ok, filter: filter.ok });
  } catch (error) {
    if (!(error instanceof LogUnreadable)) throw error;
    return refused(unreadable(found.ok.ref, error.why));
  }
}

async function list(context: Context, of: LedgerPlace & { filter: LogFilter }) {
  const { repository, ref, filter } = of;
  const { limit } = filter;
  const read = await readLog(repository.root, ref, {
    ...filter,
    ...(limit === undefined ? {} : { limit: limit + 1 }),
  });
  const entries = limit === undefined ? read : read.slice(0, limit);
  const more = read.length > entries.length;
  const json = { ref, entries, more };
  if (entries.length === 0)
    return done(`Nothing ${Object.keys(filter).length > 1 ? "like that " : ""}is recorded in ${ref}.`, json);
  const lines = entries.map((entry) => lineOf(entry, context));
  if (more)
    lines.push(context.paint("dim", `Older entries are not shown: cox log --limit 0 shows all, git log ${ref} too.`));
  return done(lines.join("\n"), json);
}

const SHOWN_BEFORE = 10;

/** The last ones first, and then what comes. Ends with the process. */
async function follow(input: Input, context: Context, of: LedgerPlace & { filter: LogFilter }) {
  const { repository, ref, tip, filter } = of;
  const print = (entry: LogEntry) =>
    context.write(`${context.json ? JSON.stringify(entry) : lineOf(entry, context)}\n`);
  const { limit, ...rest } = filter;
  const few = input.text("limit") === undefined ? SHOWN_BEFORE : limit;
  const coming = { repository: repository.root, gitDir: repository.commonDir, ref, last: tip, filter: rest };
  const before =
    tip === null ? [] : await readLog(repository.root, tip, few === undefined ? rest : { ...rest, limit: few });
  before.toReversed().forEach(print);
  if (before.length === 0)
    context.tell(`Nothing ${Object.keys(rest).length > 0 ? "like that " : ""}is recorded yet; waiting.\n`);
  await followLog(coming, (entries) => entries.forEach(print));
  return done("", undefined);
}

function lineOf(entry: LogEntry, { paint }: Context): string {
  const facts = [
    entry.attempt === null ? null : `attempt ${entry.attempt}`,
    entry.reason,
    entry.model,
    entry.cost_usd === null ? null : `$${entry.cost_usd.toFixed(entry.cost_usd > 0 && entry.cost_usd < 0.1 ? 4 : 2)}`,
    entry.actor === "person" ? `by ${entry.author}` : null,
  ].filter((fact) => fact !== null);
  const said = facts.map((fact) => oneLine(fact, 80));
  const aside = facts.length === 0 ? "" : `  ${paint("dim", said.join(" · "))}`;
  return `${paint("dim", localTime(entry.at))}  ${paint("yellow", entry.commit.slice(0, 8))}  ${oneLine(entry.subject)}${aside}`;
}

/** `2026-11-21 09:30:00`, where the reader is. */
function localTime(at: Instant): string {
  const date = new Date(at);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = [date.getFullYear(), two(date.getMonth() + 1), two(date.getDate())].join("-");
  return `${day} ${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

function filterFrom(input: Input): { ok: LogFilter } | { trouble: Trouble } {
  const filter: LogFilter = {};
  const [first = "", second] = (input.text("task") ?? "").split("/");
  const task = second ?? first;
  const session = second === undefined ? input.text("session") : first;
  if (task !== "" && !isTaskId(task)) return wrong(`${task} is not a task's id.`, "Name it impl-1 or WFS-x/impl-1.");
  if (session !== undefined && !isSessionId(session))
    return wrong(`${session} is not a session's id.`, "cox session list lists them.");
  if (task !== "") filter.task = task;
  if (session !== undefined) filter.session = session;

  const since = input.text("since");
  if (since !== undefined) {
    const ago = parseDuration(since);
    if (ago === undefined && !isInstant(since))
      return wrong(`${since} is neither a duration nor a time.`, "Such as 2h, 7d or 2026-11-21T09:00Z.");
    filter.since = instant(ago === undefined ? toMs(since) : Date.now() - ago);
  }
  const limit = input.text("limit") ?? String(MOST_SHOWN);
  if (!/^\d{1,9}$/.test(limit)) return wrong(`--limit is ${limit}; it must be a whole number.`, "0 shows all.");
  if (Number(limit) > 0) filter.limit = Number(limit);

  const actor = input.text("actor");
  if (actor !== undefined && actor !== "daemon" && actor !== "person")
    return wrong(`--actor is ${actor}.`, "It can be daemon or person.");
  if (actor !== undefined) filter.actor = actor;
  const reason = input.text("reason");
  if (reason !== undefined) filter.reason = reason;
  return { ok: filter };
}

function wrong(what: string, todo: string): { trouble: Trouble } {
  return { trouble: { exit: 2, what, todo } };
}
