/** `TODO_LIST.md`, in the older layout: where a session stands, what waits, what is wrong. */
import { taskLabel, type TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { stateOf, type Task } from "../model/task.ts";
import { unreachable } from "../model/unreachable.ts";
import { code, firstLine, generatedFrom, markdownText } from "./markdown.ts";
import { branches, isContainer, latestAttempt, leavesOf, progressOf, type Branch } from "./outline.ts";
import { summaryName } from "./summary.ts";
import { whatIsWrong, whyItWaits, whySessionWaits, type Surroundings } from "./waiting.ts";

export interface TodoListOf {
  session: SessionFile;
  tasks: readonly Task[];
  /** Files that could not be read, and why. */
  problems: readonly { file: string; message: string }[];
}

/** The page; the same state gives the same bytes, whatever the order of tasks and problems. */
export function todoList({ session, tasks, problems }: TodoListOf): string {
  const tree = branches(tasks);
  const byId = new Map<TaskId, Task>();
  for (const task of tasks) byId.set(task.id, task);
  const around: Surroundings = { session, taskOf: (id) => byId.get(id) };
  return [
    generatedFrom(".task/*.json", "the task files"),
    "",
    `# Tasks: ${markdownText(session.project)}`,
    "",
    `**Progress**: ${progressOf(tree)}`,
    "",
    "## Task Progress",
    ...(tree.length > 0 ? tree.flatMap(branchLines) : [NO_TASKS]),
    "",
    ...LEGEND,
    ...section("Waiting", waitingLines(tree, around)),
    ...section("Problems", problemLines(tree, around, problems)),
    "",
  ].join("\n");
}

const NO_TASKS = 'No tasks yet: `cox add "title"`, or drop a file into `.task/`.';

const LEGEND = [
  "## Status Legend",
  "- `▸` = Container task (has subtasks)",
  "- `- [ ]` = Pending leaf task",
  "- `- [x]` = Completed leaf task",
  "- `· running`, `· blocked: reason` = Leaf task that runs, or that needs a person",
  "- Maximum 2 levels: Main tasks and subtasks only",
];

/** Ends a markdown list without showing: what follows a container's subtasks would be rendered as one of them. */
const END_OF_LIST = "<!-- -->";

/** A container stands apart from its neighbours: directly below a list item it would be rendered as a part of it. */
function branchLines(branch: Branch, place: number, all: readonly Branch[]): string[] {
  if (!isContainer(branch)) return [leafLine(branch.task)];
  const before = all[place - 1];
  const next = all[place + 1];
  const lines = [containerLine(branch.task), ...branch.subtasks.map((task) => `  ${leafLine(task)}`)];
  if (before && !isContainer(before)) lines.unshift("");
  if (next) lines.push("");
  if (next && !isContainer(next) && branch.subtasks.length > 0) lines.push(END_OF_LIST);
  return lines;
}

function containerLine(task: Task): string {
  return `▸ ${entry(task)}${task.status === "completed" ? " · completed" : ""}`;
}

function leafLine(task: Task): string {
  const state = stateOf(task);
  switch (state.status) {
    case "completed":
      return `- [x] ${entry(task)} | [✅](./.summaries/${summaryName(task.id)})`;
    case "active":
      return `- [ ] ${entry(task)} · running (attempt ${latestAttempt(task)})`;
    case "blocked":
      return `- [ ] ${entry(task)} · blocked: ${markdownText(state.reason)}`;
    case "pending":
    case "container":
      return `- [ ] ${entry(task)}`;
    default:
      return unreachable(state);
  }
}

function entry(task: Task): string {
  return `**${taskLabel(task.id)}**: ${markdownText(task.title)} → [📋](./.task/${task.id}.json)`;
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? ["", `## ${title}`, ...lines] : [];
}

function waitingLines(tree: readonly Branch[], around: Surroundings): string[] {
  const leaves = leavesOf(tree);
  const unfinished = leaves.some((task) => task.status !== "completed");
  const session = unfinished ? whySessionWaits(around.session) : undefined;
  return [...(session ? [`- ${session}`] : []), ...about(leaves, (task) => whyItWaits(task, around))];
}

function problemLines(tree: readonly Branch[], around: Surroundings, problems: TodoListOf["problems"]): string[] {
  const files = problems.map(({ file, message }) => `- ${code(file)}: ${firstLine(message)}`).sort();
  return [...about(leavesOf(tree), (task) => whatIsWrong(task, around)), ...files];
}

function about(tasks: readonly Task[], say: (task: Task) => string | undefined): string[] {
  const lines: string[] = [];
  for (const task of tasks) {
    const text = say(task);
    if (text !== undefined) lines.push(`- **${taskLabel(task.id)}**: ${text}`);
  }
  return lines;
}
