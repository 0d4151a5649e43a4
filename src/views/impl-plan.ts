/** `IMPL_PLAN.md`: what a session is to do, in which parts, in which order, at which risks. */
import { compareTaskIds, taskLabel, type TaskId } from "../model/ids.ts";
import type { SessionFile } from "../model/session.ts";
import { pathsOf, type Task } from "../model/task.ts";
import { graphOf } from "./graph.ts";
import { code, generatedFrom, markdownText } from "./markdown.ts";
import { proposedLines, type Proposed } from "./proposed.ts";
import { branches, isContainer, progressOf, type Branch } from "./outline.ts";

export interface ImplPlanOf {
  session: SessionFile;
  tasks: readonly Task[];
  /** What waits for a person's approval. */
  proposed?: readonly Proposed[];
}

/** The page; the same state gives the same bytes, whatever the order of tasks. */
export function implPlan({ session, tasks, proposed = [] }: ImplPlanOf): string {
  const tree = branches(tasks);
  const all = tree.flatMap(({ task, subtasks }) => [task, ...subtasks]);
  return [
    generatedFrom("workflow-session.json and .task/*.json", "those files"),
    "",
    `# Implementation Plan: ${markdownText(session.project)}`,
    "",
    "## Overview",
    ...overview(session, tree),
    "",
    ...proposed.flatMap(proposedLines),
    "## Requirements",
    ...orNone(distinct(all.flatMap((task) => task.context.requirements)).map((text) => `- ${text}`)),
    "",
    "## Task Structure",
    "",
    ...graphLines(tree),
    ...tree.flatMap(branchLines),
    "",
    "## Risks",
    ...orNone(riskLines(all)),
    "",
  ].join("\n");
}

function overview(session: SessionFile, tree: readonly Branch[]): string[] {
  const done = session.progress.completed_phases;
  const containers = tree.filter(isContainer).length;
  return [
    `- **Project**: ${markdownText(session.project)}`,
    `- **Session**: ${code(session.session_id)} (${session.status})`,
    `- **Phase**: ${session.current_phase}${done.length > 0 ? ` (completed: ${done.join(", ")})` : ""}`,
    `- **Type**: ${session.type}`,
    `- **Tasks**: ${progressOf(tree)}${containers > 0 ? ` · in ${containers} container${containers > 1 ? "s" : ""}` : ""}`,
    ...(session.branch ? [`- **Branch**: ${code(session.branch)}`] : []),
  ];
}

function graphLines(tree: readonly Branch[]): string[] {
  const graph = graphOf(tree);
  return "diagram" in graph ? ["```mermaid", graph.diagram, "```"] : [graph.none];
}

function branchLines({ task, subtasks }: Branch): string[] {
  return [...taskLines(task, "###"), ...subtasks.flatMap((subtask) => taskLines(subtask, "####"))];
}

function taskLines(task: Task, heading: string): string[] {
  const paths = pathsOf(task).map(code);
  const { acceptance } = task.context;
  const after = labels(task.relations.dependencies);
  return [
    "",
    `${heading} ${taskLabel(task.id)}: ${markdownText(task.title)}`,
    `- **Agent**: ${code(task.agent)} · **Type**: ${task.type} · **Status**: ${task.status} · [📋](./.task/${task.id}.json)`,
    ...(paths.length > 0 ? [`- **Paths**: ${paths.join(", ")}`] : []),
    ...(after ? [`- **After**: ${after}`] : []),
    ...(acceptance.length > 0 ? ["- **Acceptance**:", ...acceptance.map((text) => `  - ${markdownText(text)}`)] : []),
  ];
}

/** Each risk once, with the tasks that carry it. */
function riskLines(tasks: readonly Task[]): string[] {
  const carriers = new Map<string, TaskId[]>();
  for (const task of tasks) {
    for (const risk of distinct(task.implementation.context_notes.risks ?? [])) {
      carriers.set(risk, [...(carriers.get(risk) ?? []), task.id]);
    }
  }
  return [...carriers].map(([risk, ids]) => `- **${labels(ids)}**: ${risk}`);
}

function labels(ids: readonly TaskId[]): string {
  return [...new Set(ids)].sort(compareTaskIds).map(taskLabel).join(", ");
}

/** The texts as markdown, each once, in the order of their first mention; empty ones fall away. */
function distinct(texts: readonly string[]): string[] {
  return [...new Set(texts.map(markdownText))].filter((text) => text !== "");
}

function orNone(lines: readonly string[]): readonly string[] {
  return lines.length > 0 ? lines : ["None named."];
}
