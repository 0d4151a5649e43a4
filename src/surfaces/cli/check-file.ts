/** What is wrong with one file of a workspace, as `cox validate` tells it. */
import { isUtf8 } from "node:buffer";
import { join } from "node:path";
import { takeIn } from "../../machine/intake.ts";
import type { SessionId, TaskId } from "../../model/ids.ts";
import { newSession } from "../../model/session.ts";
import { plain } from "../../model/plain.ts";
import { RUNNERS } from "../../model/role.ts";
import type { Task, TaskDrop } from "../../model/task.ts";
import { problem, type Problem } from "../../problems.ts";
import { checkPatterns, checkSession, checkTaskDrop } from "../../store/check.ts";
import { readConfig } from "../../store/config-file.ts";
import { locate, parseJson } from "../../store/json-file.ts";
import { isTextDrop, isWorkflowDrop, WORKSPACE, type Place } from "../../store/paths.ts";
import { readPlan } from "../../store/plan-file.ts";
import { readWorkflow, workflowsIn } from "../../store/workflow-file.ts";
import { escaping, promptFileIs } from "../../store/escaping.ts";

/** What a task's rules are checked against; null outside of a workspace. */
export interface Among {
  repository: string;
  /** A session of null is the one that the inbox goes to. */
  taskOf: (session: SessionId | null, id: TaskId) => Task | undefined;
  /** The highest number that a session's tasks have. */
  highest: (session: SessionId | null) => number;
  roles: ReadonlySet<string>;
}

/** Undefined: not a file that has a form to be checked. */
export function checkFile(content: Buffer, place: Place, among: Among | null): Problem[] | undefined {
  switch (place.kind) {
    case "config": {
      const read = readConfig(content.toString("utf8"));
      return "ok" in read ? [] : read.problems;
    }
    case "session-file":
      return checkSessionFile(content, place.session);
    case "patterns": {
      const parsed = parseJson(content);
      const checked = "ok" in parsed ? checkPatterns(parsed.ok) : parsed;
      return "ok" in parsed && "problems" in checked ? locate(parsed.text, checked.problems) : problemsOf(parsed);
    }
    case "task":
      return checkTask(content, { session: place.session, id: place.id }, among);
    case "inbox":
      if (isWorkflowDrop(place.name)) return checkWorkflowFile(content, among);
      return isTextDrop(place.name) ? checkText(content) : checkTask(content, { session: null, id: null }, among);
    case "role":
      return checkRole(content);
    case "plan":
      return problemsOf(readPlan(content));
    case "response":
      return place.format === "json" ? problemsOf(parseJson(content)) : undefined;
    default:
      return undefined;
  }
}

function checkSessionFile(content: Buffer, session: SessionId): Problem[] {
  const parsed = parseJson(content);
  if ("problems" in parsed) return parsed.problems;
  const given = parsed.ok["session_id"];
  const checked = checkSession({ ...newSession(session, new Date(0).toISOString()), ...parsed.ok });
  const problems = "problems" in checked ? checked.problems : [];
  if (typeof given === "string" && given !== session) {
    problems.push(
      problem("bad-session", `session_id is ${JSON.stringify(given)}, but the folder is ${session}.`, {
        pointer: "/session_id",
        hint: "The folder's name counts.",
      }),
    );
  }
  return locate(parsed.text, problems);
}

function checkTask(
  content: Buffer,
  from: { session: SessionId | null; id: TaskId | null },
  among: Among | null,
): Problem[] {
  const parsed = parseJson(content);
  if ("problems" in parsed) return parsed.problems;
  const checked = checkTaskDrop(parsed.ok);
  const problems = "problems" in checked ? checked.problems : rulesOf(checked.ok, from, among);
  return locate(parsed.text, problems);
}

/** What the daemon would report: of a task's own file as an edit, of any other as a drop. */
function rulesOf(
  drop: TaskDrop,
  { session, id }: { session: SessionId | null; id: TaskId | null },
  among: Among | null,
): Problem[] {
  if (!among) return [];
  if (id !== null && drop.id !== undefined && drop.id !== id && !isDropOf(drop, among.taskOf(session, drop.id))) {
    return [
      problem("id-changed", `The file of ${id} says id ${drop.id}.`, {
        pointer: "/id",
        hint: `Put ${id} back, or drop a new file.`,
      }),
    ];
  }
  const outside = escaping(drop.paths ?? "", among.repository);
  const { repository } = among;
  const workspace = join(repository, WORKSPACE);
  const promptFile = (name: string, own: string) => promptFileIs(name, { repository, workspace, session: own });
  const { refused } = takeIn([{ file: "", sha256: "", drop, idByName: id, escaping: outside, promptFile }], {
    session: session ?? "",
    taskOf: (other) => (other === id ? undefined : among.taskOf(session, other)),
    highest: among.highest(session),
    roles: among.roles,
    roleNames: () => [...among.roles],
  });
  return refused.flatMap(({ problems }) => problems);
}

/** A file that never was the task of its name: nothing was taken in from it, or it is a copy of the task that it names. */
function isDropOf({ execution }: TaskDrop, named: Task | undefined): boolean {
  const source = execution?.source;
  return source === undefined || JSON.stringify(source) === JSON.stringify(named?.execution.source);
}

function checkWorkflowFile(content: Buffer, among: Among | null): Problem[] {
  if (!isUtf8(content)) return [problem("not-utf8", "The file is not UTF-8 text.", { hint: "Save it as UTF-8." })];
  const others = among ? workflowsIn(join(among.repository, WORKSPACE), () => undefined) : undefined;
  const read = readWorkflow(content.toString("utf8"), among?.roles, others);
  return "ok" in read ? [] : read.problems;
}

function checkText(content: Buffer): Problem[] {
  if (!isUtf8(content)) return [problem("not-utf8", "The file is not UTF-8 text.", { hint: "Save it as UTF-8." })];
  const isEmpty = plain(content.toString("utf8")).replace(/[#\s]/g, "") === "";
  return isEmpty ? [problem("empty-file", "The file has no text.", { hint: "Its first line is the title." })] : [];
}

/** Only the outline: the daemon reads roles in full, and reports what it finds beside the file. */
function checkRole(content: Buffer): Problem[] {
  const text = content.toString("utf8");
  const front = /^\uFEFF?---[ \t]*\r?\n(?:([\s\S]*?)\r?\n)?---[ \t]*(?:\r?\n|$)/.exec(text);
  if (!front)
    return [
      problem("bad-role", "The role file has no front matter.", {
        line: 1,
        column: 1,
        hint: "Begin with a line ---, then name: and description:, then a line ---, then the prompt.",
      }),
    ];
  const lines = (front[1] ?? "").split("\n");
  const at = lines.findIndex((line) => line.startsWith("runner:"));
  const runner = lines[at]?.replace(/^runner:\s*["']?|["']?\s*$/g, "");
  if (runner === undefined || runner === "" || (RUNNERS as readonly string[]).includes(runner)) return [];
  return [
    problem("bad-role", `There is no runner ${JSON.stringify(runner)}.`, {
      line: at + 2,
      column: 1,
      hint: `Write one of: ${RUNNERS.join(", ")}.`,
    }),
  ];
}

function problemsOf(parsed: ReturnType<typeof parseJson>): Problem[] {
  return "problems" in parsed ? parsed.problems : [];
}
