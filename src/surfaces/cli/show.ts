/** `cox show`: all that is known about one task, or one commit of the ledger. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { attemptName } from "../../model/ids.ts";
import { plain } from "../../model/plain.ts";
import { formatDuration, isInstant, toMs } from "../../model/time.ts";
import { at } from "../../store/paths.ts";
import { moment, whatIsWrong, whyItWaits, type Surroundings } from "../../views/waiting.ts";
import { done, refused, type Command, type Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { COLOURS } from "./list.ts";
import { findTask, type NamedTask } from "./naming.ts";
import type { Paint } from "./output.ts";
import { planLines, planThatWaits } from "./plan-on-disk.ts";
import { runningOf, type Running } from "./running.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { readTasks } from "./tasks-on-disk.ts";
import { TASK_ARGUMENT } from "./steer.ts";
import { dollars, oneLine, table, unmarked } from "./text.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Shows all about a task: what it is, how it stands, its latest attempt, and where its files are. With a commit of the ledger (from cox log, or cox/ledger~3): who did it, what moved, and each field that changed.",
  arguments: [{ ...TASK_ARGUMENT, text: `${TASK_ARGUMENT.text}, or a commit of the ledger` }],
  options: [{ name: "diff", text: "what it changed in the code too" }],
  example: "cox show impl-1",
  async run(input, context) {
    const { workspace, paint, environment } = context;
    const name = input.text("task") ?? "";
    const found = findTask(workspace, name);
    if ("trouble" in found) {
      const { looksLikeCommit, showCommit } = await import("./show-commit.ts");
      if (looksLikeCommit(name)) return showCommit(name, context);
      const former = found.missing && (await recordedOnce(workspace, environment, found.missing));
      return refused(former ?? found.trouble);
    }
    const proposed = planThatWaits(context, found.ok);
    const facts = { ...factsOf(workspace, found.ok), ...(proposed?.plan ? { plan: proposed.plan } : {}) };
    const lines = proposed ? [paint("bold", "It has planned, and waits for you:"), ...planLines(proposed, paint)] : [];
    const text = [textOf(found.ok, facts, paint), ...(lines.length > 0 ? [lines.join("\n")] : [])].join("\n\n");
    if (!input.flag("diff")) return done(text, facts);
    const { changesOf } = await import("./show-diff.ts");
    const changes = await changesOf(found.ok, context);
    if ("trouble" in changes) return { exit: 1, text, json: { ...facts, diff: null }, trouble: changes.trouble };
    return done(`${text}\n\n${paint("bold", "Changes")}\n${changes.ok.text}`, { ...facts, diff: changes.ok.json });
  },
};

/** What the ledger knows of a task without a file; undefined when that is nothing. */
async function recordedOnce(
  workspace: Workspace,
  environment: NodeJS.ProcessEnv,
  { session, id }: { session: string; id: string },
): Promise<Trouble | undefined> {
  const { findLedger } = await import("./ledger-place.ts");
  const { readLog } = await import("../../ledger/log.ts");
  const place = await findLedger(workspace.repository, environment);
  if ("trouble" in place) return undefined;
  const { repository, ref } = place.ok;
  const [last] = await readLog(repository.root, ref, { session, task: id, limit: 1 }).catch(() => []);
  if (!last) return undefined;
  const story = `git log ${ref} -- .workflow/${at.task(session, id)}`;
  return last.to === "deleted"
    ? { exit: 1, what: `${id} of ${session} was deleted (${moment(last.at)}).`, todo: `Its story: ${story}` }
    : {
        exit: 1,
        what: `The file of ${id} in ${session} is gone; the ledger still has the task.`,
        todo: `cox restore brings it back. Its story: ${story}`,
      };
}

interface Facts {
  session: string;
  task: string;
  file: string;
  /** The file's content, completed. */
  value: NamedTask["task"];
  waits: string | null;
  wrong: string | null;
  running: Running | null;
  /** Those that exist, relative to the repository. */
  files: Record<string, string>;
}

function factsOf(workspace: Workspace, { session, id, path, task, name }: NamedTask): Facts {
  const { sessions } = readSessions(workspace.folder);
  const { byId } = readTasks(workspace.folder, session);
  const file = sessions.find((each) => each.session_id === session);
  const around: Surroundings | undefined = file && {
    session: { ...file, status: name === id ? "active" : "paused" },
    taskOf: (other) => byId.get(other)?.task() ?? undefined,
  };
  const onDisk = byId.get(id);
  const unmarkedOr = (text: string | undefined) => (text === undefined ? null : unmarked(text));
  return {
    session,
    task: id,
    file: `.workflow/${path}`,
    value: task,
    waits: unmarkedOr(around && whyItWaits(task, around)),
    wrong: unmarkedOr(around && whatIsWrong(task, around)),
    running: task.status === "active" && onDisk ? runningOf(workspace.folder, onDisk, task, Date.now()) : null,
    files: filesOf(workspace, session, task),
  };
}

function filesOf(workspace: Workspace, session: string, task: NamedTask["task"]): Record<string, string> {
  const attempt = attemptName(task.id, task.execution.last_attempt?.attempt ?? 1);
  const runId = task.execution.last_attempt?.run_id;
  const candidates: Record<string, string> = {
    task: at.task(session, task.id),
    prompt: at.prompt(session, attempt),
    response: at.response(session, attempt),
    plan: at.plan(session, task.id),
    chat: at.chat(session, attempt),
    messages: at.messages(session, attempt),
    summary: at.summary(session, task.id),
    report: at.report(at.task(session, task.id)),
    ...(runId && /^[\w-]+$/.test(runId) ? { run: `.run/attempts/${runId}` } : {}),
  };
  return Object.fromEntries(
    Object.entries(candidates)
      .filter(([, path]) => existsSync(join(workspace.folder, path)))
      .map(([key, path]) => [key, `.workflow/${path}`]),
  );
}

function textOf({ name, task }: NamedTask, facts: Facts, paint: Paint): string {
  const { status, execution, relations, context } = task;
  const reason = execution.reason ? ` (${oneLine(execution.reason, 40)})` : "";
  const rows: [string, string | null | undefined][] = [
    ["status", paint(COLOURS[status], `${status}${reason}`)],
    ["waits", facts.waits],
    ["wrong", facts.wrong === null ? null : paint("red", oneLine(facts.wrong, 600))],
    ["type", `${task.type}, by ${oneLine(task.agent, 60)}`],
    ["paths", oneLine(task.paths)],
    ["depends on", relations.dependencies.map((id) => oneLine(id, 40)).join(", ")],
    ["subtasks", relations.subtasks.map((id) => oneLine(id, 40)).join(", ")],
    [
      "gates",
      Array.isArray(execution.verify) ? execution.verify.map((gate) => oneLine(String(gate))).join(" · ") : null,
    ],
    ["command", execution.command && oneLine(execution.command)],
    [
      "approval",
      execution.approve
        ? `${oneLine(execution.approve)}${execution.approved === undefined ? "" : `, ${execution.approved ? "approved" : "rejected"}`}`
        : null,
    ],
    ["branch", execution.branch && oneLine(execution.branch)],
    ["commit", execution.commit && oneLine(execution.commit)],
  ];
  const shown = rows.filter((row): row is [string, string] => Boolean(row[1]));
  const lists = (
    [
      ["Requirements", context.requirements],
      ["Scope", context.scope],
      ["Acceptance", context.acceptance],
    ] as const
  )
    .filter(([, items]) => items.length > 0)
    .map(([title, items]) => `${paint("bold", title)}\n${items.map((item) => `  - ${oneLine(item, 500)}`).join("\n")}`);
  const files = Object.entries(facts.files).map(([key, path]) => [key, path]);
  return [
    `${paint("bold", name)}  ${oneLine(task.title)}`,
    table(
      shown.map(([key, value]) => [paint("dim", key), value]),
      "  ",
    ),
    ...lists,
    attempt(task, facts.running, paint),
    `${paint("bold", "Files")}\n${table(
      files.map(([key = "", path = ""]) => [paint("dim", key), path]),
      "  ",
    )}`,
  ]
    .filter((block) => block !== "")
    .join("\n\n");
}

function attempt({ execution }: NamedTask["task"], running: Running | null, paint: Paint): string {
  const last = execution.last_attempt;
  if (!last) return "";
  const began = isInstant(last.started_at) ? moment(last.started_at) : null;
  const tookMs =
    last.duration_ms ??
    (last.ended_at && isInstant(last.ended_at) && began
      ? toMs(last.ended_at) - toMs(last.started_at)
      : running?.running_ms);
  const cost = last.cost_usd ?? running?.cost_usd;
  const rows: [string, string | null | undefined][] = [
    ["outcome", last.outcome ? oneLine(last.outcome, 60) : running ? "running" : "not known yet"],
    ["began", began],
    ["took", typeof tookMs === "number" ? formatDuration(tookMs) : null],
    ["model", running?.model ?? (last.model && oneLine(last.model, 80))],
    ["turns", String(last.turns ?? running?.turns ?? "")],
    ["cost", typeof cost === "number" ? dollars(cost) : null],
    ["doing", running?.doing && oneLine(running.doing)],
    ["again at", execution.next_attempt_at && moment(execution.next_attempt_at)],
    ["session", last.agent_session && oneLine(last.agent_session, 80)],
  ];
  const lines = table(
    rows.filter((row): row is [string, string] => Boolean(row[1])).map(([key, value]) => [paint("dim", key), value]),
    "  ",
  );
  const error = last.error
    ? `\n  ${paint("red", `${oneLine(last.error.class, 40)}: ${plain(last.error.message).trim().replaceAll("\n", "\n    ")}`)}`
    : "";
  const hint = last.error?.hint ? `\n  ${paint("cyan", oneLine(String(last.error.hint), 400))}` : "";
  return `${paint("bold", `Attempt ${last.attempt} of ${execution.attempts}`)}\n${lines}${error}${hint}`;
}
