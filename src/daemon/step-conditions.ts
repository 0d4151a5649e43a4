/** Conditions of a workflow's steps, over what there is when they are asked. */
import type { SessionId } from "../model/ids.ts";
import type { Task } from "../model/task.ts";
import { asksOfItem, checkCondition, isMet, type Names, type OwnName } from "../workflow/condition.ts";
import { scopeOf, stepsSeen } from "../workflow/scope.ts";
import { valuesOf } from "./step-values.ts";
import type { Workspace } from "./workspace.ts";

type Answer = { is: "met" | "skipped" } | { is: "wrong"; trouble: string };

/** `all`: the tasks of its run. `results`: those that nothing on disk tells yet. */
export async function conditionOf(
  workspace: Workspace,
  {
    session,
    step,
    all,
    text,
    results = {},
  }: { session: SessionId; step: Task; all: readonly Task[]; text: string; results?: Record<string, unknown> },
): Promise<Answer> {
  const { workflow } = step.execution;
  const steps = stepsSeen(step, all);
  const taskOf = (id: string) => workspace.state.sessions.get(session)?.tasks.get(id);
  const vars = taskOf(scopeOf(step, taskOf) ?? "")?.execution.workflow?.vars ?? {};
  if (workflow?.for_each !== undefined && asksOfItem(text)) return { is: "met" };
  const names: Names = {
    vars: Object.fromEntries(Object.entries(vars).map(([name, value]) => [name, typeOf(value)])),
    outputs: steps.flatMap(({ execution }) => execution.output ?? []),
    own: [...(workflow?.index === undefined ? [] : ITEM), ...(workflow?.round === undefined ? [] : ROUND)],
  };
  const checked = checkCondition(text, names);
  const wrong = (why: string): Answer => ({ is: "wrong", trouble: `In its condition ${text}: ${why}.` });
  if ("wrong" in checked) return wrong(checked.wrong);
  const outputs = checked.outputs.filter((name) => !Object.hasOwn(results, name));
  const values = await valuesOf(workspace, { session, step, steps, outputs });
  const met = isMet(text, names, { ...vars, ...values, ...results });
  return "wrong" in met ? wrong(met.wrong) : { is: met.ok ? "met" : "skipped" };
}

const ITEM: readonly OwnName[] = ["item", "index"];
const ROUND: readonly OwnName[] = ["round"];

function typeOf(value: unknown): Names["vars"][string] {
  if (typeof value === "boolean") return "boolean";
  if (typeof value === "number") return "number";
  if (Array.isArray(value)) return "list";
  return typeof value === "object" && value !== null ? "object" : "string";
}
