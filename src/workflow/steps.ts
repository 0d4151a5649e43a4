/** The steps of a workflow, with ids, kinds and needs, whatever of it the file leaves out. */
import { STEP_KINDS, type Step, type StepFile, type StepKind, type WorkflowFile } from "../model/workflow.ts";

/** Names that stand for something in every workflow. */
export const OWN_NAMES = ["steps", "run", "session", "env", "item", "index", "round"] as const;

/** `Load Data` → `load_data`. */
function idFrom(name: string): string {
  const id = name
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, "_")
    .replace(/^_+|_+$/g, "")
    .slice(0, 60);
  return id === "" || /^\d/.test(id) ? `step_${id}`.replace(/_$/, "") : id;
}

export function kindsOf(step: StepFile): StepKind[] {
  return STEP_KINDS.filter((kind) => step[kind] !== undefined);
}

/** A file that is not in order has steps too: one of two kinds is the step's, and its id may be another's. */
export function stepsOf({ steps, defaults }: WorkflowFile): Step[] {
  const taken = new Set(steps.flatMap(({ id }) => id ?? []));
  const result: Step[] = [];
  const handlers = new Set(steps.flatMap(({ on_error }) => on_error ?? []));
  for (const [place, step] of steps.entries()) {
    const kind = kindsOf(step)[0] ?? "prompt";
    const id = step.id ?? free(idFrom(step.name ?? `step ${place + 1}`), taken);
    taken.add(id);
    const starts = step.finally === true ? "finally" : handlers.has(id) ? "on-error" : undefined;
    const before = result.findLast((other) => other.starts === undefined)?.id;
    result.push({
      id,
      title: step.name ?? step.id ?? firstLine(step[kind] ?? id),
      kind,
      text: step[kind] ?? "",
      needs: step.needs ?? (before === undefined || starts ? [] : [before]),
      ...(starts ? { starts } : {}),
      says: { ...defaults, ...step },
    });
  }
  for (const step of result) {
    if (step.starts === "finally") step.needs = result.flatMap((other) => (other.starts === "finally" ? [] : other.id));
    if (step.starts === "on-error")
      step.needs = result.flatMap((other) => (other.says.on_error === step.id ? other.id : []));
  }
  return result;
}

/** All texts of a step in which names stand for values, and where in the file they are. */
export function textsOf(
  file: StepFile,
  step: Pick<Step, "kind" | "text"> | undefined,
): { text: string; kind: StepKind; path: (string | number)[] }[] {
  const own = step ? [{ text: step.text, kind: step.kind, path: [step.kind] }] : [];
  const list = typeof file.for_each === "string" ? [{ text: file.for_each, path: ["for_each"] }] : [];
  const given = Object.entries(file.vars ?? {}).flatMap(([name, text]) =>
    typeof text === "string" ? [{ text, path: ["vars", name] }] : [],
  );
  return [...own, ...[...list, ...given].map((found) => ({ ...found, kind: "prompt" as const }))];
}

function free(id: string, taken: ReadonlySet<string>): string {
  if (!taken.has(id)) return id;
  for (let n = 2; ; n++) if (!taken.has(`${id}_${n}`)) return `${id}_${n}`;
}

function firstLine(text: string): string {
  const line = text.trim().split("\n")[0] ?? "";
  return [...line].length > 80 ? `${[...line].slice(0, 79).join("")}…` : line;
}
