/** What is wrong with a workflow whose form is right: all of it at once, before anything runs. */
import { checkCondition } from "./condition.ts";
import { closest } from "../model/closest.ts";
import { STEP_KINDS, type Step, type WorkflowFile } from "../model/workflow.ts";
import { questionFindings } from "./check-people.ts";
import { reviewFindings } from "./check-review.ts";
import { wholeFindings } from "./check-wholes.ts";
import { finding, type Finding } from "./finding.ts";
import { planStepFindings } from "./plan-step.ts";
import { kindsOf, OWN_NAMES, stepsOf, textsOf } from "./steps.ts";
import { nameOf, namesIn } from "./template.ts";
import { outputsFindings } from "./outputs.ts";
import { isTool, PLAIN_TOOLS } from "./tools.ts";
import { triggerFindings } from "./triggers.ts";
import { asType, declaredVars, isDeclaring, varsOf } from "./vars.ts";

const OF_A_STEP = ["outcome", "file"];

/** `roles`: those that there are, where they are known. `trouble`: what is wrong with a question. */
export function findingsIn(
  file: WorkflowFile,
  roles?: Iterable<string>,
  trouble?: Parameters<typeof questionFindings>[1],
): Finding[] {
  const steps = stepsOf(file);
  const known = roles === undefined ? undefined : [...roles];
  return [
    ...kindFindings(file),
    ...idFindings(file, steps),
    ...needFindings(steps),
    ...handlerFindings(file, steps),
    ...cycleFindings(steps),
    ...outputFindings(file, steps),
    ...varFindings(file),
    ...toolFindings(file),
    ...retryFindings(file),
    ...reviewFindings(file, known),
    ...questionFindings(file, trouble),
    ...(known ? roleFindings(file, known) : []),
    ...nameFindings(file, steps),
    ...conditionFindings(file, steps),
    ...wholeFindings(file, steps),
    ...triggerFindings(file),
    ...outputsFindings(file, steps),
    ...planStepFindings(steps),
  ];
}

const tell = (place: number, { id }: Step) => `Step ${place + 1} (${id})`;

function kindFindings({ steps }: WorkflowFile): Finding[] {
  return steps.flatMap((step, place) => {
    const [first, second] = kindsOf(step);
    if (first === undefined)
      return finding("missing-field", `Step ${place + 1} says nothing that is to be done.`, {
        path: ["steps", place],
        hint: `Give it one of ${STEP_KINDS.join(", ")}.`,
      });
    if (second === undefined) return [];
    return finding("wrong-value", `Step ${place + 1} has ${first} and ${second}; a step does one thing.`, {
      path: ["steps", place, second],
      hint: "Make two steps of it.",
    });
  });
}

function idFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const first = new Map<string, number>();
  return steps.flatMap(({ id }, place) => {
    const before = first.get(id);
    if (before === undefined) {
      first.set(id, place);
      return [];
    }
    return finding("duplicate-step", `The id ${id} is that of step ${before + 1} already.`, {
      path: ["steps", place, file.steps[place]?.id === undefined ? "name" : "id"],
      hint: "Give it another.",
    });
  });
}

function needFindings(steps: readonly Step[]): Finding[] {
  const ids = steps.map(({ id }) => id);
  const known = new Set(ids);
  return steps.flatMap((step, place) =>
    (step.says.needs ?? []).flatMap((need, which) => {
      if (known.has(need) && need !== step.id) return [];
      const near = closest(need, ids) ?? steps.find(({ title }) => title.toLowerCase() === need.toLowerCase())?.id;
      const text = need === step.id ? `${tell(place, step)} needs itself.` : `There is no step ${need}.`;
      const hint = need === step.id ? "Remove it." : near ? `Did you mean ${near}?` : `Steps are ${few(ids)}.`;
      return finding("missing-dependency", text, { path: ["steps", place, "needs", which], hint });
    }),
  );
}

function handlerFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const ids = steps.map(({ id }) => id);
  return file.steps.flatMap((step, place): Finding[] => {
    const { on_error: handler } = step;
    const starts = steps[place]?.starts;
    const found: Finding[] = [];
    if (handler !== undefined && !ids.includes(handler)) {
      const near = closest(handler, ids);
      const hint = near ? `Did you mean ${near}?` : `Steps are ${few(ids)}.`;
      found.push(
        finding("missing-dependency", `There is no step ${handler}.`, { path: ["steps", place, "on_error"], hint }),
      );
    }
    if (starts && step.needs !== undefined) {
      const when = starts === "finally" ? "when all others are over" : "when another fails";
      found.push(
        finding("wrong-value", `Step ${place + 1} starts ${when}, so it has no needs.`, {
          path: ["steps", place, "needs"],
          hint: "Remove them.",
        }),
      );
    }
    if (step.finally && steps.some(({ says }) => says.on_error === steps[place]?.id))
      found.push(
        finding("wrong-value", `Step ${place + 1} cannot be both at the end and for another's failure.`, {
          path: ["steps", place, "finally"],
          hint: "Make two steps of it.",
        }),
      );
    return found;
  });
}

function conditionFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const places = new Map(steps.map(({ id }, place) => [id, place]));
  const outputs = new Map(
    steps.flatMap((step) => (step.says.output_variable ? [[step.says.output_variable, step.id]] : [])),
  );
  const vars = Object.fromEntries(Object.entries(varsOf(file)).map(([name, { type }]) => [name, type]));
  const before = ancestors(steps, places);
  const conditions = file.steps.flatMap(({ when, for_each, repeat }, place) => [
    ...(when === undefined ? [] : [{ text: when, place, key: ["when"], own: for_each ? ITEM : [] }]),
    ...(repeat ? [{ text: repeat.until, place, key: ["repeat", "until"], own: ROUND }] : []),
  ]);
  return conditions.flatMap(({ text, place, key, own }): Finding[] => {
    const checked = checkCondition(text, { vars, outputs: [...outputs.keys()], own });
    const wrong = (message: string, hint: string) =>
      finding("bad-condition", `The condition of step ${place + 1}: ${message}.`, {
        path: ["steps", place, ...key],
        hint,
      });
    if ("wrong" in checked)
      return [wrong(checked.wrong, "Such as data.rows > 100 && steps.load.outcome == 'success'.")];
    const asked = [...checked.steps, ...checked.outputs.map((name) => outputs.get(name) ?? name)];
    return [...new Set(asked)].flatMap((id) => {
      if (!places.has(id)) {
        const near = closest(id, [...places.keys()]);
        return wrong(
          `there is no step ${id}`,
          near ? `Did you mean ${near}?` : `Steps are ${few([...places.keys()])}.`,
        );
      }
      if (own === ROUND && id === steps[place]?.id) return [];
      return before(place).has(id) ? [] : wrong(`${id} need not be over by then`, `Add it: needs: [${id}].`);
    });
  });
}

function cycleFindings(steps: readonly Step[]): Finding[] {
  const places = new Map(steps.map(({ id }, place) => [id, place]));
  const waits = steps.map(({ id, needs }) => new Set(needs.filter((need) => need !== id && places.has(need))));
  // What waits for nothing that is left is taken away, until only those are left that wait for each other.
  const open = steps.map((_, place) => place).filter((place) => waits[place]?.size === 0);
  const dependents = steps.map((): number[] => []);
  waits.forEach((needs, place) => needs.forEach((need) => dependents[places.get(need) ?? 0]?.push(place)));
  let left = steps.length;
  for (let place = open.pop(); place !== undefined; place = open.pop()) {
    left--;
    for (const dependent of dependents[place] ?? []) {
      const id = steps[place]?.id ?? "";
      if (waits[dependent]?.delete(id) && waits[dependent]?.size === 0) open.push(dependent);
    }
  }
  if (left === 0) return [];
  const first = waits.findIndex((needs) => needs.size > 0);
  const round: string[] = [];
  for (let at = first; ;) {
    const id = steps[at]?.id ?? "";
    const from = round.indexOf(id);
    round.push(id);
    if (from >= 0) {
      const cycle = round.slice(from);
      const text = `These steps wait for each other: ${cycle.join(" → ")}.`;
      const path = ["steps", places.get(cycle[0] ?? "") ?? first];
      return [finding("dependency-cycle", text, { path, hint: "Remove one of these needs." })];
    }
    const [next = ""] = waits[at] ?? [];
    at = places.get(next) ?? first;
  }
}

function outputFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const by = new Map<string, Step>();
  return steps.flatMap((step, place) => {
    const name = step.says.output_variable;
    if (name === undefined || file.steps[place]?.output_variable === undefined) return [];
    const before = by.get(name);
    by.set(name, step);
    const taken = before
      ? `the result of ${before.id}`
      : Object.hasOwn(file.vars ?? {}, name)
        ? "a variable of the workflow"
        : (OWN_NAMES as readonly string[]).includes(name)
          ? "a name of Coxswain's own"
          : undefined;
    if (taken === undefined) return [];
    const path = ["steps", place, "output_variable"];
    return finding("duplicate-step", `${name} is ${taken} already.`, { path, hint: "Give it another name." });
  });
}

function varFindings({ vars = {} }: WorkflowFile): Finding[] {
  return Object.entries(declaredVars({ vars })).flatMap(([name, { type, fallback, choices }]) => {
    const path = ["vars", name];
    if ((OWN_NAMES as readonly string[]).includes(name) || !/^[A-Za-z_][\w-]*$/.test(name))
      return finding("wrong-value", `A variable cannot be called ${name}.`, {
        path,
        hint: `Letters, digits and _ make a name; ${OWN_NAMES.join(", ")} are taken.`,
      });
    if (fallback === undefined) return [];
    const fits = asType(fallback, type);
    if ("wrong" in fits)
      return finding("wrong-value", `The default of ${name} is not ${fits.wrong}.`, {
        path,
        hint: "Change its type or its default.",
      });
    if (choices && !choices.includes(fits.ok as string))
      return finding("wrong-value", `The default of ${name} is not one of ${choices.join(", ")}.`, {
        path,
        hint: "Add it to enum, or take another.",
      });
    return [];
  });
}

function retryFindings({ steps }: WorkflowFile): Finding[] {
  return steps.flatMap(({ retry, max_attempts }, place) => {
    if (retry?.attempts === undefined || max_attempts === undefined) return [];
    return finding("wrong-value", `Step ${place + 1} says twice how often it is tried.`, {
      path: ["steps", place, "max_attempts"],
      hint: "Keep max_attempts or retry.attempts.",
    });
  });
}

function toolFindings(file: WorkflowFile): Finding[] {
  const lists = [
    { path: ["defaults"] as Finding["path"], tools: file.defaults?.tools },
    ...file.steps.map(({ tools }, place) => ({ path: ["steps", place], tools })),
  ];
  return lists.flatMap(({ path, tools = [] }) =>
    tools.flatMap((tool, which) => {
      if (isTool(tool)) return [];
      const near = closest(tool, [...PLAIN_TOOLS, "Read", "Write", "Edit", "Bash", "Glob", "Grep"]);
      return finding("wrong-value", `There is no tool ${tool}.`, {
        path: [...path, "tools", which],
        hint: near ? `Did you mean ${near}?` : `Take Claude Code's names, or ${PLAIN_TOOLS.join(", ")}.`,
      });
    }),
  );
}

function roleFindings(file: WorkflowFile, roles: readonly string[]): Finding[] {
  const said = [
    { path: ["defaults", "role"] as Finding["path"], role: file.defaults?.role },
    ...file.steps.map(({ role }, place) => ({ path: ["steps", place, "role"], role })),
  ];
  return said.flatMap(({ path, role }) => {
    if (role === undefined || roles.includes(role)) return [];
    const near = closest(role, roles);
    return finding("unknown-role", `There is no role ${JSON.stringify(role)}.`, {
      path,
      hint: near ? `Did you mean ${near}?` : `There are ${roles.join(", ")}.`,
    });
  });
}

/** Names in texts: each is declared, or the result of a step that is over by then. */
function nameFindings(file: WorkflowFile, steps: readonly Step[]): Finding[] {
  const places = new Map(steps.map(({ id }, place) => [id, place]));
  const outputs = new Map(
    steps.flatMap((step) => (step.says.output_variable ? [[step.says.output_variable, step]] : [])),
  );
  const vars = Object.keys(file.vars ?? {});
  const before = ancestors(steps, places);
  const texts = steps.flatMap((step, place) =>
    textsOf(file.steps[place] ?? {}, step).flatMap((found) =>
      namesIn(found.text, found.kind).map((part) => ({ step, place, part, key: found.path })),
    ),
  );
  return texts.flatMap(({ step, place, part, key }): Finding[] => {
    const { name, path: fields } = part;
    const wrong = (message: string, hint: string) => [
      finding("unknown-name", message, { path: ["steps", place, ...key], hint, text: nameOf(part) }),
    ];
    const shown = `{${nameOf(part)}}`;
    const notBefore = (other: Step) =>
      wrong(`${shown} is of ${other.id}, which need not be over by then.`, `Add it: needs: [${other.id}].`);
    switch (name) {
      case "steps": {
        const [id = "", field = "", ...more] = fields;
        const other = steps[places.get(id) ?? -1];
        if (!other) {
          const near = closest(id, [...places.keys()]);
          return wrong(
            `${shown}: there is no step ${id || "named"}.`,
            near ? `Did you mean ${near}?` : "Write {steps.<id>.outcome}.",
          );
        }
        if (!OF_A_STEP.includes(field) || more.length > 0)
          return wrong(`${shown}: of a step there are outcome and file.`, `Write {steps.${id}.outcome}.`);
        return before(place).has(id) ? [] : notBefore(other);
      }
      case "item":
      case "index":
      case "round": {
        const needed = name === "round" ? "repeat" : "for_each";
        if (step.says[needed] !== undefined && key[0] !== "for_each") return [];
        const hint = key[0] === "for_each" ? "Name a list." : `Give the step ${needed}, or take another name.`;
        return wrong(`${shown} is there only in a step that has ${needed}.`, hint);
      }
      case "run":
        return ["id", "cause"].includes(fields.join("."))
          ? []
          : wrong(`${shown}: of the run there are its id and its cause.`, "Write {run.id}.");
      case "session":
        return fields.length === 0 ? [] : wrong(`${shown}: the session is a name.`, "Write {session}.");
      case "env": {
        const [variable = "", ...more] = fields;
        if (more.length === 0 && step.says.env?.includes(variable)) return [];
        return wrong(`${shown} is not passed to this step.`, `List it: env: [${variable || "NAME"}].`);
      }
    }
    const producer = outputs.get(name);
    const isLastRound = producer === step && step.says.repeat !== undefined;
    if (producer) return isLastRound || before(place).has(producer.id) ? [] : notBefore(producer);
    if (vars.includes(name) || !isDeclaring(file)) return [];
    const near = closest(name, [...vars, ...outputs.keys()]);
    return wrong(
      `There is no ${shown}.`,
      near ? `Did you mean {${near}}?` : `Declare ${name} under vars, or write {{${nameOf(part)}}} for the braces.`,
    );
  });
}

const ITEM = ["item", "index"] as const;
const ROUND = ["round"] as const;

/** For a step's place, the ids of all that is over when it starts. */
function ancestors(
  steps: readonly Step[],
  places: ReadonlyMap<string, number>,
): (place: number) => ReadonlySet<string> {
  const known = new Map<number, ReadonlySet<string>>();
  return (place) => {
    const found = known.get(place);
    if (found) return found;
    const ids = new Set<string>();
    const open = [...(steps[place]?.needs ?? [])];
    for (let id = open.pop(); id !== undefined; id = open.pop()) {
      if (ids.has(id)) continue;
      ids.add(id);
      open.push(...(steps[places.get(id) ?? -1]?.needs ?? []));
    }
    known.set(place, ids);
    return ids;
  };
}

function few(names: readonly string[]): string {
  return names.length <= 12 ? names.join(", ") : `${names.slice(0, 12).join(", ")}, …`;
}
