/** What steps that are done in several tasks would be, before anything of them is known but the file. */
import type { Task } from "../../model/task.ts";
import type { WorkflowFile } from "../../model/workflow.ts";
import { readWorkflow, type OtherWorkflows } from "../../store/workflow-file.ts";
import { stepsOf } from "../../workflow/steps.ts";
import { oneLine } from "./text.ts";

/** In words, for behind the step's title; empty for a step that is one task. */
export function shapeOf({ execution }: Task): string[] {
  const { for_each: list, max_parallel: most, repeat, call } = execution.workflow ?? {};
  const of = typeof list === "string" ? list : list && `${list.length} ${list.length === 1 ? "item" : "items"}`;
  return [
    ...(of === undefined ? [] : [`for each of ${of}`]),
    ...(most === undefined ? [] : [`${most} at the same time`]),
    ...(repeat ? [`until ${oneLine(repeat.until, 80)}, ${repeat.max} rounds at most`] : []),
    ...(call ? [`workflow ${call.workflow}`] : []),
  ];
}

/** The steps of the workflow that the step runs, and theirs: ids with those of the steps they belong to in front. */
export function innerSteps(
  id: string,
  name: string | undefined,
  others: OtherWorkflows,
): { id: string; title: string; kind: string }[] {
  const file = name === undefined ? undefined : fileOf(others(name));
  if (!file) return [];
  return stepsOf(file).flatMap((step) => {
    const inner = `${id}.${step.id}`;
    const called = step.kind === "workflow" ? step.text : undefined;
    return [{ id: inner, title: step.title, kind: step.kind }, ...innerSteps(inner, called, others)];
  });
}

function fileOf(text: ReturnType<OtherWorkflows>): WorkflowFile | undefined {
  const read = typeof text === "string" ? readWorkflow(text) : undefined;
  return read && "ok" in read ? read.ok : undefined;
}
