/** `cox errors`: failures learned over time, with what helps against them. SPEC section 9. */
import { join } from "node:path";
import { ERROR_GROUPS, groupOf, SUGGESTIONS, type ErrorGroup } from "../../model/error-group.ts";
import type { SessionId } from "../../model/ids.ts";
import { noPatterns, type ErrorPattern, type PatternsFile } from "../../model/pattern.ts";
import { checkPatterns } from "../../store/check.ts";
import { locate, parseJson } from "../../store/json-file.ts";
import { at, WORKSPACE } from "../../store/paths.ts";
import { readRegular } from "../../store/scan.ts";
import { done, refused, type Command, type Trouble } from "./command.ts";
import type { Workspace } from "./context.ts";
import { findSession } from "./naming.ts";
import type { Paint } from "./output.ts";
import { readSessions } from "./sessions-on-disk.ts";
import { readTasks } from "./tasks-on-disk.ts";
import { oneLine, table } from "./text.ts";
import { mayObey } from "./trusted.ts";

const FILE = `${WORKSPACE}/${at.patterns}`;

export const command: Command = {
  where: "workspace",
  description: `Shows the failures that were learned over time, the latest first in each group, with a suggested fix and the tasks that\nfailed like this last. They stand in ${FILE}, which is yours to edit: with "recoverable": false a failure\nis not tried again, with true it is.`,
  options: [
    { name: "session", short: "s", value: "session", text: "only failures of this session's tasks", is: "session" },
  ],
  example: "cox errors --session user-auth",
  async run(input, { workspace, paint, json }) {
    const read = readFile(workspace);
    if ("trouble" in read) return refused(read.trouble);
    const written = input.text("session");
    const one = written === undefined ? null : findSession(workspace, written);
    if (one && "trouble" in one) return refused(one.trouble);
    const tasks = tasksBySignature(workspace, one?.ok);
    const all = read.ok.patterns.map((pattern) => shown(pattern, tasks.get(pattern.error_signature) ?? []));
    const wanted = all.filter(({ tasks: failing }) => !one || failing.length > 0);
    const latest = wanted.toSorted((a, b) => (b.last_seen ?? "").localeCompare(a.last_seen ?? ""));
    return done(json ? "" : textOf(latest, paint, one?.ok), { file: FILE, patterns: latest });
  },
};

type Shown = ErrorPattern & { group: ErrorGroup; fix: string; tasks: string[] };

function shown(pattern: ErrorPattern, tasks: string[]): Shown {
  const group = groupOf(pattern.error_signature);
  const { action, fix } = SUGGESTIONS[group];
  const own = pattern.recommended_action;
  // Whoever wrote another action knows better.
  return { ...pattern, group, fix: own && own !== action ? own : fix, tasks };
}

function textOf(patterns: readonly Shown[], paint: Paint, session: SessionId | undefined): string {
  if (patterns.length === 0) return session ? `No task of ${session} has failed last.` : "No failure was met yet.";
  const blocks = ERROR_GROUPS.flatMap((group) => {
    const inGroup = patterns.filter((pattern) => pattern.group === group);
    if (inGroup.length === 0) return [];
    const rows = inGroup.flatMap((pattern) => linesOf(pattern, paint));
    const own = new Set(inGroup.map(({ fix }) => fix));
    const fix = SUGGESTIONS[group].fix;
    return [[paint("bold", group), ...rows, ...(own.has(fix) ? [`  ${paint("cyan", `fix: ${fix}`)}`] : [])].join("\n")];
  });
  return blocks.join("\n\n");
}

const MOST_TASKS = 5;

function linesOf(pattern: Shown, paint: Paint): string[] {
  const { occurrence_count: count = 0, recovered_count: recovered = 0, last_seen: last, tasks } = pattern;
  const facts = [
    `${count} ${count === 1 ? "time" : "times"}`,
    ...(last ? [`last ${oneLine(last, 24)}`] : []),
    recovered > 0 ? `${recovered} recovered` : "none recovered",
    ...(pattern.recoverable === false ? [paint("red", "not tried again")] : []),
  ];
  const known = SUGGESTIONS[pattern.group].fix;
  const notes = [
    ...(pattern.notes ? [`note: ${oneLine(pattern.notes, 300)}`] : []),
    ...(pattern.fix === known ? [] : [paint("cyan", `fix: ${oneLine(pattern.fix, 300)}`)]),
    ...(tasks.length > 0
      ? [
          `now: ${tasks.slice(0, MOST_TASKS).join(", ")}${tasks.length > MOST_TASKS ? ` and ${tasks.length - MOST_TASKS} more` : ""}`,
        ]
      : []),
  ];
  return [
    table([[paint("yellow", oneLine(pattern.error_signature, 160))]], "  "),
    `    ${facts.join(" · ")}`,
    ...notes.map((note) => `    ${note}`),
  ];
}

/** Tasks by what they failed with last and have not succeeded since, as commands take them. */
function tasksBySignature(workspace: Workspace, only: SessionId | undefined): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const { session_id: session } of readSessions(workspace.folder).sessions) {
    if (only !== undefined && session !== only) continue;
    for (const task of readTasks(workspace.folder, session).tasks) {
      if (task.status === "completed" || task.status === "container") continue;
      const signature = task.task()?.execution.failed_with;
      if (typeof signature !== "string") continue;
      found.set(signature, [...(found.get(signature) ?? []), `${session}/${task.id}`]);
    }
  }
  return found;
}

function readFile(workspace: Workspace): { ok: PatternsFile } | { trouble: Trouble } {
  const file = readRegular(join(workspace.folder, at.patterns));
  if (!file) return { ok: noPatterns() };
  if (!mayObey(workspace, at.patterns, file.content))
    return {
      trouble: {
        exit: 1,
        what: `${FILE} arrived by git and is not obeyed.`,
        todo: `Read it, then: cox trust ${FILE}`,
      },
    };
  const parsed = parseJson(file.content);
  const checked = "ok" in parsed ? checkPatterns(parsed.ok) : parsed;
  if ("ok" in checked) return checked;
  return {
    trouble: {
      exit: 1,
      what: `${FILE} cannot be used.`,
      why: "The daemon goes by the last good one.",
      problems: "ok" in parsed ? locate(parsed.text, checked.problems) : checked.problems,
      todo: "Mend it, or remove it: what is met again is learned again.",
    },
  };
}
