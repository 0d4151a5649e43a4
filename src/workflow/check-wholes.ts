/** What is wrong with steps that are done in several tasks: for each item, in rounds, by another workflow. */
import type { Step, StepFile, WorkflowFile } from "../model/workflow.ts";
import { finding, type Finding } from "./finding.ts";
import { isOneName } from "./items.ts";
import { namesIn } from "./template.ts";
import { isDeclaring, varsOf } from "./vars.ts";

/** What says nothing to a workflow that is run, since its steps say it themselves. */
const OF_AGENTS = [
  ...(["role", "tools", "model", "effort", "timeout", "max_attempts", "retry", "budget_usd", "max_turns"] as const),
  ...(["verify", "approve", "isolation", "env", "paths", "output_schema"] as const),
] satisfies (keyof StepFile)[];

export function wholeFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const vars = varsOf(file);
  return file.steps.flatMap((step, place): Finding[] => {
    const found: Finding[] = [];
    const wrong = (key: keyof StepFile, message: string, hint: string) =>
      found.push(finding("wrong-value", `Step ${place + 1} ${message}.`, { path: ["steps", place, key], hint }));
    const { for_each: list, repeat } = step;
    if (typeof list === "string") {
      const [name] = namesIn(list, "prompt");
      if (!isOneName(list))
        wrong("for_each", "is done for each of what is neither a list nor a name", "Write a list, or one {name}.");
      else if (name && name.path.length === 0 && isDeclaring(file) && Object.hasOwn(vars, name.name)) {
        const type = vars[name.name]?.type;
        if (type !== "list")
          wrong(
            "for_each",
            `is done for each of {${name.name}}, which is declared as ${type}`,
            "Declare it: type: list.",
          );
      }
    }
    if (step.max_parallel !== undefined && list === undefined)
      wrong("max_parallel", "has max_parallel and no for_each", "Remove it, or give it for_each.");
    if (repeat && list !== undefined)
      wrong("repeat", "has both for_each and repeat", "Put the rounds into a workflow of their own: workflow: <name>.");
    if (step.vars && step.workflow === undefined)
      wrong("vars", "gives vars, and runs no workflow", `Remove them, or run one: workflow: <name>.`);
    if (steps[place]?.kind === "workflow")
      for (const key of OF_AGENTS)
        if (step[key] !== undefined)
          wrong(
            key,
            `runs a workflow: ${key} is said by the steps of that`,
            `Say it in that workflow, under defaults or in its steps.`,
          );
    return found;
  });
}
