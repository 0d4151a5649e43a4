/** `.summaries/IMPL-<id>-summary.md`: how a task came out. */
import type { GateResult, ResponseFile, Work } from "../model/attempt.ts";
import { attemptName, taskLabel, type TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { stateOf, type Task } from "../model/task.ts";
import { formatDuration } from "../model/time.ts";
import { code, cut, fenced, firstLine, generatedFrom, markdownText } from "./markdown.ts";
import { figures } from "./figures.ts";
import { reviewLines } from "./reviews.ts";
import { latestAttempt } from "./outline.ts";
import { changedFiles, plannedFiles } from "./changes.ts";

export interface SummaryOf {
  session: SessionFile;
  task: Task;
  /** What came back from the latest attempt; null when nothing did. */
  response: ResponseFile | null;
}

/** `impl-1.2` → `IMPL-1.2-summary.md`. */
export function summaryName(id: TaskId): string {
  return `IMPL-${id.slice("impl-".length)}-summary.md`;
}

export function summary({ session, task, response }: SummaryOf): string {
  const answer = responseName(task, response);
  return [
    generatedFrom(`.task/${task.id}.json${response ? ` and ${answer}` : ""}`, "the task file"),
    "",
    `# ${taskLabel(task.id)}: ${markdownText(task.title)}`,
    "",
    `**Outcome**: ${outcome(task)}`,
    "",
    `Session ${code(session.session_id)} · agent ${code(task.agent)} · type ${task.type} · [📋](../.task/${task.id}.json)`,
    ...section("What changed", changes(task, response)),
    ...section("Outputs", outputs(task)),
    ...section("Result", result(response, answer)),
    ...section("Error", error(task, response)),
    ...section("Permission denials", denials(response)),
    ...section("Acceptance criteria", orNone(task.context.acceptance.map((text) => `- ${markdownText(text)}`))),
    ...section("Gates", gates(task, response)),
    ...section("Reviews", reviewLines(task)),
    ...section("Figures", figures(task, response)),
    "",
  ].join("\n");
}

const LONGEST_RESULT = 20_000;
const LONGEST_INPUT = 200;
const MOST_FILES = 200;

function responseName(task: Task, response: ResponseFile | null): string {
  return `responses/${attemptName(task.id, response?.attempt ?? latestAttempt(task))}.json`;
}

function outcome(task: Task): string {
  const state = stateOf(task);
  const what = state.status === "blocked" ? `blocked: ${markdownText(state.reason)}` : state.status;
  const { last_attempt } = task.execution;
  return `${what} · ${last_attempt ? `attempt ${last_attempt.attempt}` : "without an attempt"}`;
}

function changes(task: Task, response: ResponseFile | null): string[] {
  const { commit, branch } = task.execution;
  const { work } = response ?? {};
  const files = changedFiles(response);
  const lines = [
    ...(commit ? [`- Commit ${code(commit)}: ${code(`git show --stat ${commit}`)}`] : []),
    ...(branch && commit ? [`- Branch ${code(branch)}${merged(work)}`] : []),
    ...(work && !work.commit ? ["- Nothing: the code is as it was."] : []),
    ...list((work?.files ?? []).map(changedFile)),
    ...list((work?.withheld ?? []).map(({ path, why }) => `Not committed: ${code(path)}: ${markdownText(why)}`)),
    ...list((work?.noticed ?? []).map((text) => `**Look at it**: ${markdownText(text)}`)),
    ...list(files.filter((path) => !work?.files.some((file) => file.path === path)).map(code)),
  ];
  if (work && lines.length > 0) return lines;
  if (!commit && files.length === 0) lines.push(...list(plannedFiles(task).map((file) => `Planned: ${code(file)}`)));
  return orNone(lines);
}

function merged(work: Work | undefined): string {
  return work === undefined ? "" : work.merged ? `, merged as ${code(work.merged)}` : ", not merged";
}

function changedFile({ path, blob, added, deleted }: Work["files"][number]): string {
  const lines = added === null || deleted === null ? "" : ` (+${added} −${deleted})`;
  return `${code(path)}${blob === null ? " deleted" : ""}${lines}`;
}

function list(items: readonly string[]): string[] {
  const rest = items.length - MOST_FILES;
  return [...items.slice(0, MOST_FILES).map((item) => `- ${item}`), ...(rest > 0 ? [`- … and ${rest} more`] : [])];
}

function result(response: ResponseFile | null, answer: string): string[] {
  if (!response) return ["No response is on record."];
  if (response.result.trim() === "") return ["The agent said nothing."];
  const cutOff = response.result.length > LONGEST_RESULT;
  return [
    "What the agent said, word for word:",
    "",
    fenced(cut(response.result, LONGEST_RESULT)),
    ...(cutOff ? ["", `The rest is in ${code(answer)}.`] : []),
  ];
}

/** What a run of a workflow came to. */
function outputs({ execution: { workflow } }: Task): string[] {
  return Object.entries(workflow?.results ?? {}).flatMap(([name, value]) => {
    const text = typeof value === "string" ? value : (JSON.stringify(value, null, 2) ?? "");
    return text.includes("\n")
      ? [`- ${code(name)}:`, "", fenced(cut(text, LONGEST_RESULT)), ""]
      : [`- ${code(name)}: ${code(text)}`];
  });
}

function error(task: Task, response: ResponseFile | null): string[] {
  if (task.status === "completed") return [];
  const found = task.execution.last_attempt?.error ?? response?.error;
  if (!found) return [];
  const more = found.message.trim().includes("\n") ? ["", fenced(cut(found.message, LONGEST_RESULT))] : [];
  const hint = found.hint ? [`- ${firstLine(found.hint)}`] : [];
  return [`- **${markdownText(found.class)}**: ${firstLine(found.message)}`, ...hint, ...more];
}

function denials(response: ResponseFile | null): string[] {
  return list(
    (response?.permission_denials ?? []).map(({ tool_name, tool_input }) => {
      const input = tool_input === undefined ? "" : `: ${code(cut(JSON.stringify(tool_input) ?? "", LONGEST_INPUT))}`;
      return `${code(tool_name)}${input}`;
    }),
  );
}

function gates(task: Task, response: ResponseFile | null): string[] {
  if (response?.gates) return response.gates.flatMap(gate);
  return orNone((task.execution.verify ?? []).map((gate) => `- ${code(gate)}${verdict(task)}`));
}

/** What a gate that failed said is shown; of one that passed only that it did. */
function gate({ command, passed, exit_code, duration_ms, output }: GateResult): string[] {
  const how = passed ? "passed" : exit_code === null ? "did not end by itself" : `ended with exit code ${exit_code}`;
  const line = `- ${code(command)}: ${how} after ${formatDuration(duration_ms)}`;
  return passed || output.trim() === "" ? [line] : [line, "", fenced(cut(output, LONGEST_RESULT))];
}

/** A task is completed only when all its gates have passed; which one failed is the error's to say. */
function verdict(task: Task): string {
  const { last_attempt } = task.execution;
  if (task.status === "completed") return last_attempt?.outcome === "success" ? ": passed" : "";
  return last_attempt?.error?.class === "verify" ? ": not all passed" : "";
}

function section(title: string, lines: readonly string[]): string[] {
  return lines.length > 0 ? ["", `## ${title}`, ...lines] : [];
}

function orNone(lines: string[]): string[] {
  return lines.length > 0 ? lines : ["None named."];
}
