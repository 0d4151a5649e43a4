/** Steps in the order in which they can start, and how a tree is drawn in text. */
import type { Task } from "../../model/task.ts";
import { oneLine } from "./text.ts";

export interface Twig {
  text: string;
  below: readonly Twig[];
}

export const stepOf = ({ id, execution }: Task) => execution.workflow?.step ?? id;

/** What a step starts by, other than the end of others: in words, for behind its title. */
export function startsOf({ execution }: Task, steps: readonly Task[]): string[] {
  const { when, workflow } = execution;
  const failing = steps.filter(({ id }) => workflow?.handles?.includes(id)).map(stepOf);
  return [
    ...(failing.length > 0 ? [`only if ${failing.join(" or ")} fails`] : []),
    ...(workflow?.finally ? ["at the end, whatever has become of the others"] : []),
    ...(when === undefined ? [] : [`when ${oneLine(when, 80)}`]),
  ];
}

/** Steps that could start together: each wave comes after something of the one before. */
export function wavesOf(steps: readonly Task[]): Task[][] {
  const byId = new Map(steps.map((step) => [step.id, step]));
  const before = new Map(steps.map((step) => [step.id, comesAfter(step, steps)]));
  const depths = new Map<string, number>();
  for (const first of steps) {
    const open = [first];
    for (let step = open.at(-1); step; step = open.at(-1)) {
      const needed = before.get(step.id) ?? [];
      const missing = needed.filter((id) => !depths.has(id)).flatMap((id) => byId.get(id) ?? []);
      if (missing.length > 0) {
        open.push(...missing);
        continue;
      }
      depths.set(step.id, Math.max(0, ...needed.map((id) => (depths.get(id) ?? 0) + 1)));
      open.pop();
    }
  }
  const waves: Task[][] = [];
  for (const step of steps) (waves[depths.get(step.id) ?? 0] ??= []).push(step);
  return waves;
}

function comesAfter({ relations, execution: { workflow } }: Task, steps: readonly Task[]): string[] {
  const others = workflow?.finally ? steps.filter(({ execution }) => !execution.workflow?.finally) : [];
  return [...relations.dependencies, ...(workflow?.handles ?? []), ...others.map(({ id }) => id)];
}

/** The lines of a tree below a line of its own. */
export function branchesOf(twigs: readonly Twig[]): string[] {
  return twigs.flatMap(({ text, below }, place) => {
    const isLast = place === twigs.length - 1;
    const further = branchesOf(below).map((line) => `${isLast ? "   " : "│  "}${line}`);
    return [`${isLast ? "└─ " : "├─ "}${text}`, ...further];
  });
}
