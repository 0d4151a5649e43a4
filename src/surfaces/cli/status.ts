/** `cox status`: one look at what runs, what waits and what is wrong. */
import { formatDuration, isInstant, toMs } from "../../model/time.ts";
import { done, refused, type Command } from "./command.ts";
import type { Paint } from "./output.ts";
import { look, type Picture, type SessionPicture } from "./picture.ts";
import { dollars, oneLine, table } from "./text.ts";

export const command: Command = {
  where: "workspace",
  description:
    "Shows whether the daemon is up, what runs, what waits for what, and what is wrong with the command that mends it.",
  options: [
    {
      name: "at",
      value: "when",
      text: "as it was: a commit of the ledger, 2h ago, or a time such as 2026-11-21T09:00Z",
    },
  ],
  example: "cox status",
  async run(input, context) {
    const { workspace, paint, json } = context;
    const when = input.text("at");
    if (when !== undefined) {
      const { pastAt, pastText } = await import("./past.ts");
      const past = await pastAt(context, when);
      return "trouble" in past ? refused(past.trouble) : done(pastText(past.ok, context), past.ok);
    }
    const picture = await look(workspace, Date.now());
    return done(json ? "" : textOf(picture, paint), picture);
  },
};

function textOf(picture: Picture, paint: Paint): string {
  const blocks = [head(picture, paint), running(picture, paint), waiting(picture, paint), wrong(picture, paint)];
  return blocks.filter((block) => block !== "").join("\n\n");
}

function head({ daemon, sessions }: Picture, paint: Paint): string {
  const up = daemon.up
    ? `${paint("green", "●")} The daemon is up${daemon.pid === null ? "" : ` (pid ${daemon.pid})`}.`
    : `${paint("yellow", "○")} No daemon is up: ${paint("cyan", "cox start")}`;
  const active = sessions.filter((session) => session.active);
  const shown = active.length > 0 ? active : sessions.filter((session) => session.counts !== null);
  const lines = shown.map((session) => sessionLine(session, paint));
  if (sessions.length === 0)
    lines.push(`There is no session yet: ${paint("cyan", 'cox add "title"')} makes the first one.`);
  else if (active.length === 0) {
    const first = sessions.find(({ status }) => status === "paused") ?? sessions[0];
    lines.push(
      `${paint("yellow", "No session is active: nothing new starts.")} Go on: ${paint("cyan", `cox switch ${first?.session}`)}`,
    );
  }
  const others = sessions
    .filter((session) => !shown.includes(session))
    .map(({ session, status }) => `${session} (${status})`);
  if (others.length > 0)
    lines.push(
      paint(
        "dim",
        `  others: ${others.slice(0, 8).join(", ")}${others.length > 8 ? ` and ${others.length - 8} more` : ""}`,
      ),
    );
  return [up, ...lines].join("\n");
}

function sessionLine({ session, phase, counts, cost_usd, active }: SessionPicture, paint: Paint): string {
  const parts = counts
    ? [
        `${counts.completed} of ${counts.total} completed`,
        ...(counts.active > 0 ? [`${counts.active} running`] : []),
        ...(counts.pending > 0 ? [`${counts.pending} waiting`] : []),
        ...(counts.blocked > 0 ? [paint("red", `${counts.blocked} blocked`)] : []),
      ]
    : [];
  const cost = cost_usd ? [dollars(cost_usd)] : [];
  return `${active ? paint("green", "▸") : " "} ${paint("bold", session)}  ${[phase, ...parts, ...cost].join(" · ")}`;
}

function running({ running: tasks, sessions }: Picture, paint: Paint): string {
  if (tasks.length === 0) return "";
  const rows = tasks.map((each) => [
    paint("green", named(each, sessions)),
    each.running_ms === null ? "" : formatDuration(each.running_ms),
    `attempt ${each.attempt}`,
    [each.agent, each.model]
      .filter(Boolean)
      .map((text) => oneLine(text ?? "", 40))
      .join("/"),
    [each.turns === null ? "" : `${each.turns} turns`, each.cost_usd === null ? "" : dollars(each.cost_usd)]
      .filter(Boolean)
      .join(" "),
    [
      oneLine(each.title, 60),
      each.doing ? paint("dim", oneLine(each.doing, 60)) : "",
      each.limited_until ? paint("yellow", `usage limit until ${clock(each.limited_until)}`) : "",
    ]
      .filter(Boolean)
      .join(" — "),
  ]);
  return `${paint("bold", "Running")}\n${table(rows, "  ")}`;
}

function waiting({ waiting: tasks, waiting_more, limits, breakers, sessions }: Picture, paint: Paint): string {
  const rows = tasks.map((each) => [
    paint("cyan", named(each, sessions)),
    oneLine(each.title, 60),
    paint("dim", each.why ?? "may start when a slot is free"),
  ]);
  const notes = [
    ...limits.map(({ account, until }) => `usage limit of ${oneLine(account, 40)}: goes on at ${clock(until)}`),
    ...breakers.map(
      ({ key, until }) =>
        `too many failures of ${oneLine(key, 60)}: ${until ? `goes on at ${clock(until)}` : "one attempt decides"}`,
    ),
  ];
  if (rows.length + notes.length === 0) return "";
  const more = waiting_more > 0 ? [paint("dim", `  and ${waiting_more} more: cox list --status pending`)] : [];
  return [
    paint("bold", "Waiting"),
    ...(rows.length > 0 ? [table(rows, "  ")] : []),
    ...more,
    ...notes.map((note) => `  ${paint("yellow", note)}`),
  ].join("\n");
}

const MOST_WRONG = 20;

function wrong({ problems, sessions }: Picture, paint: Paint): string {
  if (problems.length === 0) return "";
  const lines = problems
    .slice(0, MOST_WRONG)
    .flatMap(({ what, mend }) => [
      `  ${paint("red", "✗")} ${oneLine(what, 400)}`,
      `    ${paint("cyan", oneLine(mend, 300))}`,
    ]);
  const rest = problems.slice(MOST_WRONG);
  const [tasks, files] = (["task", "file"] as const).map((about) => rest.filter((each) => each.about === about).length);
  const all = sessions.filter(({ counts }) => counts !== null).length > 1 ? " --all" : "";
  const more = [
    ...(tasks ? [`  and ${tasks} more: cox list --status blocked${all}`] : []),
    ...(files ? [`  and ${files} more ${files === 1 ? "file" : "files"}: cox validate, cox doctor`] : []),
  ].map((line) => paint("dim", line));
  const hints = new Set(problems.flatMap(({ hint }) => hint ?? []));
  const advice = [...hints].map((hint) => `  ${paint("cyan", `hint: ${oneLine(hint, 400)}`)}`);
  return [paint("bold", "Wrong"), ...lines, ...more, ...advice].join("\n");
}

/** As commands take it: short in the first active session, or the only one. */
function named({ session, task }: { session: string; task: string }, sessions: readonly SessionPicture[]): string {
  const active = sessions.filter((each) => each.active);
  const [only] = active.length > 0 ? active : sessions;
  return only?.session === session && (active.length > 0 || sessions.length === 1) ? task : `${session}/${task}`;
}

/** `14:05`, with the date when that is another day; in local time. */
function clock(at: string): string {
  if (!isInstant(at)) return oneLine(at, 40);
  const time = new Date(toMs(at));
  const two = (n: number) => String(n).padStart(2, "0");
  const hours = `${two(time.getHours())}:${two(time.getMinutes())}`;
  return time.toDateString() === new Date().toDateString()
    ? hours
    : `${time.getFullYear()}-${two(time.getMonth() + 1)}-${two(time.getDate())} ${hours}`;
}
