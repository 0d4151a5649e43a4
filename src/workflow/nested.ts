/** Workflows that run others: what is wrong with that, before anything runs. */
import { closest } from "../model/closest.ts";
import type { WorkflowFile } from "../model/workflow.ts";
import type { ProblemCode } from "../problems.ts";
import { finding, type Finding } from "./finding.ts";
import { varsOf } from "./vars.ts";

/** So many workflows within each other. */
const DEEPEST = 5;

interface Trouble {
  code: ProblemCode;
  message: string;
  hint: string;
}

/** A workflow by its name; or what is wrong with it. */
export type Named = (name: string) => { ok: WorkflowFile } | Trouble;

export function nestedFindings(file: WorkflowFile, named: Named): Finding[] {
  const known = new Map<string, Measured>();
  return file.steps.flatMap(({ workflow: name, vars = {} }, place): Finding[] => {
    if (name === undefined) return [];
    const at = (key: (string | number)[], { code, message, hint }: Trouble) =>
      finding(code, message, { path: ["steps", place, ...key], hint });
    const measured = measure(name, { named, known, stack: [] });
    if ("code" in measured) return [at(["workflow"], measured)];
    if (measured.height > DEEPEST) return [at(["workflow"], tooDeep(name, measured.height))];
    const found = named(name);
    if ("code" in found) return [];
    if (found.ok.steps.some(({ plan }) => plan !== undefined)) {
      const message = `The workflow ${name} has a step that plans, which only a workflow that is run by itself can.`;
      return [at(["workflow"], { code: "wrong-value", message, hint: "Move the step that plans into this workflow." })];
    }
    const declared = varsOf(found.ok);
    const names = Object.keys(declared);
    const unknown = Object.keys(vars).filter((given) => !names.includes(given));
    const missing = names.filter((wanted) => declared[wanted]?.fallback === undefined && !Object.hasOwn(vars, wanted));
    return [
      ...unknown.map((given) => {
        const near = closest(given, names);
        const hint = near
          ? `Did you mean ${near}?`
          : names.length > 0
            ? `It takes ${names.join(", ")}.`
            : "It takes none.";
        return at(["vars", given], {
          code: "unknown-name",
          message: `The workflow ${name} has no variable ${given}.`,
          hint,
        });
      }),
      ...missing.map((wanted) => {
        const message = `The workflow ${name} is not given ${wanted}.`;
        return at(["workflow"], { code: "missing-variable", message, hint: `Give it: vars: { ${wanted}: … }.` });
      }),
    ];
  });
}

type Measured = { height: number } | Trouble;

/** How many workflows are within each other there, itself counted; each name is looked at once. */
function measure(
  name: string,
  { named, known, stack }: { named: Named; known: Map<string, Measured>; stack: string[] },
): Measured {
  const from = stack.indexOf(name);
  if (from !== -1) {
    const cycle = [...stack.slice(from), name].join(" → ");
    return {
      code: "dependency-cycle",
      message: `These workflows run each other: ${cycle}.`,
      hint: "Take one of them out.",
    };
  }
  const before = known.get(name);
  if (before) return before;
  const found = named(name);
  let result: Measured = "code" in found ? found : { height: 1 };
  if ("ok" in found)
    for (const inner of new Set(found.ok.steps.flatMap(({ workflow }) => workflow ?? []))) {
      const below = measure(inner, { named, known, stack: [...stack, name] });
      if ("code" in below) {
        const message = below.code === "dependency-cycle" ? below.message : `In the workflow ${name}: ${below.message}`;
        result = { ...below, message };
        break;
      }
      if ("height" in result) result = { height: Math.max(result.height, below.height + 1) };
    }
  known.set(name, result);
  return result;
}

function tooDeep(name: string, height: number): Trouble {
  const message = `${name} has ${height} workflows within each other; ${DEEPEST} are the most.`;
  return { code: "too-deep", message, hint: "Put steps of the inner ones into the outer ones." };
}
