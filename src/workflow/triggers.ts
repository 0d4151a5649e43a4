/** The triggers of a workflow, whatever its file leaves out, and what is wrong with them. */
import { Cron } from "croner";
import type { TriggerKind, Vars, WorkflowFile } from "../model/workflow.ts";
import { problem } from "../problems.ts";
import type { Finding } from "./finding.ts";
import { varsFor } from "./vars.ts";

export type Overlap = "skip" | "queue" | "cancel";
export type CatchUp = "none" | "last" | "all";

interface Every {
  /** The same trigger has the same key, whatever else its workflow says. */
  key: string;
  overlap: Overlap;
  vars: Vars;
  /** Where it stands in the file. */
  path: (string | number)[];
}

export type Trigger = Every &
  (
    | { on: "schedule"; cron: string; timezone?: string; catchUp: CatchUp }
    | { on: "files"; globs: readonly string[] }
    | { on: "git"; ref: "branch" | "tag"; glob: string }
    | { on: "after"; workflow: string; outcome: "success" | "failure" | "any" }
  );

/** Of a file that is in order. */
export function triggersOf({ on = {} }: Pick<WorkflowFile, "on">): Trigger[] {
  return [
    ...each(on.schedule, "schedule").map(([said, path]): Trigger => {
      const {
        cron,
        timezone,
        overlap = "skip",
        catch_up = "last",
        vars = {},
      } = typeof said === "string" ? { cron: said } : said;
      const key = ["schedule", cron, ...(timezone ? [timezone] : [])].join(" ");
      return { on: "schedule", key, cron, ...(timezone ? { timezone } : {}), overlap, catchUp: catch_up, vars, path };
    }),
    ...(on.files ? [filesOf(on.files)] : []),
    ...each(on.git, "git").map(([{ branch, tag = "", overlap = "queue", vars = {} }, path]): Trigger => {
      const [ref, glob] = branch === undefined ? (["tag", tag] as const) : (["branch", branch] as const);
      return { on: "git", key: `${ref} ${glob}`, ref, glob, overlap, vars, path };
    }),
    ...each(on.after, "after").map(([said, path]): Trigger => {
      const {
        workflow,
        outcome = "success",
        overlap = "queue",
        vars = {},
      } = typeof said === "string" ? { workflow: said } : said;
      return { on: "after", key: `after ${workflow} ${outcome}`, workflow, outcome, overlap, vars, path };
    }),
  ];
}

function filesOf(said: NonNullable<NonNullable<WorkflowFile["on"]>["files"]>): Trigger {
  const { paths, overlap = "skip", vars = {} } = Array.isArray(said) ? { paths: said } : said;
  return { on: "files", key: `files ${paths.join(" ")}`, globs: paths, overlap, vars, path: ["on", "files"] };
}

function each<T>(said: T | T[] | undefined, kind: TriggerKind): [T, (string | number)[]][] {
  if (said === undefined) return [];
  return Array.isArray(said) ? said.map((one, place) => [one, ["on", kind, place]]) : [[said, ["on", kind]]];
}

/** As people read it. */
export function tellTrigger(trigger: Trigger): string {
  switch (trigger.on) {
    case "schedule":
      return `at ${trigger.cron}${trigger.timezone ? ` (${trigger.timezone})` : ""}`;
    case "files":
      return `when ${trigger.globs.join(", ")} changes`;
    case "git":
      return trigger.ref === "tag" ? `at a new tag ${trigger.glob}` : `at a new commit on ${trigger.glob}`;
    case "after":
      return `after ${trigger.workflow}${trigger.outcome === "any" ? "" : ` (${trigger.outcome})`}`;
  }
}

/** What is wrong with triggers whose form is right. */
export function triggerFindings(file: WorkflowFile): Finding[] {
  const keys = new Set<string>();
  return triggersOf(file).flatMap((trigger): Finding[] => {
    const { path, key } = trigger;
    const wrong = (field: string, message: string, hint: string): Finding => ({
      problem: problem("wrong-value", message, { hint }),
      path: [...path, field],
    });
    const found = ownFindings(trigger, file, wrong);
    if (keys.has(key))
      found.push(wrong("", `The trigger ${tellTrigger(trigger)} is there twice.`, "Remove one of them."));
    keys.add(key);
    const vars = varsFor(file, trigger.vars);
    if ("problems" in vars)
      found.push(
        ...vars.problems.map(({ code, message }) => ({
          problem: problem(code, message, {
            hint: "Nobody is there to give it: put it under the trigger's vars, or give it a default.",
          }),
          path: [...path, "vars"],
        })),
      );
    return found;
  });
}

function ownFindings(
  trigger: Trigger,
  { on }: WorkflowFile,
  wrong: (field: string, message: string, hint: string) => Finding,
): Finding[] {
  switch (trigger.on) {
    case "schedule": {
      const { cron, timezone, catchUp, overlap } = trigger;
      const found: Finding[] = [];
      const pattern = cronTrouble(cron);
      if (pattern)
        found.push(
          wrong(
            "cron",
            `${JSON.stringify(cron)} is no cron: ${pattern}.`,
            'Such as "0 3 * * 1-5": at 3:00 from Monday to Friday.',
          ),
        );
      if (timezone && !isTimezone(timezone))
        found.push(
          wrong("timezone", `There is no time zone ${timezone}.`, "Take a name such as Europe/Berlin, or UTC."),
        );
      if (catchUp === "all" && overlap === "cancel")
        found.push(
          wrong(
            "catch_up",
            "Each run that is caught up with would cancel the one before.",
            "Take catch_up: last, or overlap: queue.",
          ),
        );
      return found;
    }
    case "files":
      return trigger.globs.flatMap((glob) =>
        isInside(glob)
          ? []
          : wrong("paths", `The glob ${glob} leaves the repository.`, "Give it relative to the repository's root."),
      );
    case "git": {
      const said = [on?.git ?? []].flat()[Number(trigger.path[2] ?? 0)];
      if ((said?.branch === undefined) === (said?.tag === undefined))
        return [
          wrong(
            "",
            "A trigger of git has branch or tag, and one of them.",
            "Make two triggers of it, if both are meant.",
          ),
        ];
      return [];
    }
    case "after":
      if (/^\w[\w-]{0,99}$/.test(trigger.workflow)) return [];
      return [
        wrong(
          "workflow",
          `${trigger.workflow} is no name of a workflow.`,
          "Take that of its file in .workflow/workflows/, without .yaml.",
        ),
      ];
  }
}

const isInside = (glob: string) => !/^[/~:\\]/.test(glob) && !glob.split("/").includes("..");

function cronTrouble(cron: string): string | undefined {
  try {
    new Cron(cron, { paused: true, timezone: "UTC" });
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^CronPattern: /, "").replace(/\.$/, "");
  }
}

function isTimezone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
